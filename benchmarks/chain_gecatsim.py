"""What a pixel and view of the rotation of benchmarks/chain.py cost XCIST (package: gecatsim), where a user has it.

gecatsim is looked for in this Python, then in a virtual environment PEERS_FOLDER/gecatsim; it is not installed from
here, since its source archive does not build everywhere. One ray a pixel and view, its fewest; without scatter.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from physsim.errors import PhyssimError, message

from .peers import RUNNERS
from .worker import Worker

_VIEWS = (2, 42)  # their difference is free of what both make ready
_ENERGIES = 20


class NoGecatsim(PhyssimError, RuntimeError):
    """It is not installed."""


def interpreter(folder: Path) -> Path:
    """A Python that has gecatsim. Raises NoGecatsim."""
    if importlib.util.find_spec("gecatsim") is not None:
        return Path(sys.executable)
    own = folder / "gecatsim" / "bin" / "python"
    if own.exists():
        return own
    raise NoGecatsim(message("gecatsim", f"is neither in this Python nor in {own.parent.parent}", "Install it there."))


def view_seconds(
    phantom: Any, protocol: Any, threads: int, folder: Path, views: tuple[int, int] = _VIEWS
) -> dict[str, Any]:
    """Seconds of the wall and of all CPUs that one view takes it, and its version: what two runs differ in."""
    python = interpreter(folder)
    detector, rotation = protocol.detector, protocol.rotation
    fields = {
        "phantom": "phantom.json", "source_axis_mm": rotation.source_axis_mm, "energies": _ENERGIES,
        "source_detector_mm": rotation.source_detector_mm, "columns": detector.columns, "rows": detector.rows,
        "pixel_mm": detector.pixel_mm, "views_a_turn": rotation.views, "threads": threads,
    }  # fmt: skip
    turns, said = [], {}
    with tempfile.TemporaryDirectory() as place:
        job = Path(place)
        phantom.save(job / fields["phantom"])
        _without_air(job / fields["phantom"])
        for count in views:
            (job / "job.json").write_text(json.dumps(fields | {"views": count}))
            with Worker(python, RUNNERS / "run_gecatsim.py", threads, job / "stderr.txt") as worker:
                said = worker.ask(load=place)["versions"]
                turns.append(worker.ask(run=1))
    more = views[1] - views[0]
    return said | {name: (turns[1][name] - turns[0][name]) / more for name in ("seconds", "cpu_seconds")}


def _without_air(path: Path) -> None:
    """Its users leave air out: each material costs it a projection."""
    fields = json.loads(path.read_text())
    kept = [n for n, name in enumerate(fields["mat_name"]) if "air" not in name]
    lists = {key: [value[n] for n in kept] for key, value in fields.items()
             if isinstance(value, list) and len(value) == fields["n_materials"]}  # fmt: skip
    path.write_text(json.dumps(fields | lists | {"n_materials": len(kept)}))
