"""RTK beside ours: one of its filters on a job's geometry, in an environment of its own."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .peers import PEERS, RUNNERS, interpreter
from .worker import Worker, WorkerFailed


@dataclasses.dataclass(frozen=True)
class Ran:
    """`code`: RTK and its version. Seconds of the wall and of all CPUs of the fastest turn, and what it made."""

    code: str
    seconds: float
    cpu_seconds: float
    made: np.ndarray

    def row(self, job: str, stage: str) -> dict[str, Any]:
        """For a result's rows."""
        return {"job": job, "stage": stage, "code": self.code, "seconds": self.seconds,
                "cpu_seconds": self.cpu_seconds, "us_per_pixel": None}  # fmt: skip


def rtk_ran(result: dict[str, Any], runner: str, peers_folder: Path | None, threads: int, geometry: Any, grid: Any,
            arrays: dict[str, np.ndarray], turns: int = 1, **fields: Any) -> Ran | None:
    """What a script of runners/ does with a job; None, with the reason under result["notes"], where it cannot.

    `turns`: after one that does not count; 0: one turn alone, which does.
    """
    if peers_folder is None:
        result["notes"]["rtk"] = "not asked for (--peers)"
        return None
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _write(folder / "job", geometry, grid, arrays, fields)
        try:
            python = interpreter(PEERS["rtk"], peers_folder)
            with Worker(python, RUNNERS / runner, threads, folder / "stderr.txt") as worker:
                loaded = worker.ask(load=str(folder / "job"))
                turn = worker.ask(run=turns)
                made = worker.result(folder)
        except (subprocess.CalledProcessError, WorkerFailed) as error:
            result["notes"]["rtk"] = str(error)
            return None
    return Ran(f"RTK {loaded['versions']['itk-rtk']}", turn["seconds"], turn["cpu_seconds"], made)


def _write(folder: Path, geometry: Any, grid: Any, arrays: dict[str, np.ndarray], fields: dict[str, Any]) -> None:
    folder.mkdir()
    poses = {"source": geometry.source_mm, "centre": geometry.centre_mm, "u": geometry.u, "v": geometry.v}
    for name, array in (poses | arrays).items():
        np.save(folder / f"{name}.npy", array)
    job = {"rows": geometry.rows, "columns": geometry.columns, "pixel_mm": geometry.pixel_mm, "shape": grid.shape,
           "spacing_mm": grid.spacing_mm, "origin_mm": grid.origin_mm, **fields}  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
