"""How long images take, stage by stage: CT rotations, a chest radiograph, tomosynthesis, FDK and OS-SART beside RTK's.

Honest because: each stage is run alone with what the stages before it made; the least of its turns counts, in seconds
of the wall and of all CPUs; the rotation (540 mm from the source to the axis, 950 mm to an arc of 900 x 64 pixels of
1 mm, 120 kVp, 256 x 256 x 64 voxels of water and bone) is XCIST's too in the same run, where the user has it, at one
ray a pixel; scatter is Monte Carlo with the error that it states, and RTK reconstructs the same projections.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from . import machine
from .chain_counting import counting
from .chain_fdk import fdk
from .chain_noise import DETECTORS, FEW, MANY, noise_ns
from .chain_rotation import adult, rotation
from .chain_sart import one_pass, operators
from .rows import add_row, least


def measure(
    quick: bool = False, threads: int | None = None, rounds: int = 3, peers: bool = True,
    peers_folder: Path = Path(".peers"), say: Callable[[str], None] | None = None, only: Sequence[str] = (),
) -> dict[str, Any]:
    """Run the jobs; `quick`: miniature ones, whose figures mean nothing. Rows, figures, notes and what failed.

    `only`: jobs whose names begin with one of these words; all, if there are none. Raises InvalidInput where none does.
    """
    from physsim.device.choice import thread_count
    from physsim.errors import InvalidInput, PhyssimError, message

    told = say or (lambda text: print(text, file=sys.stderr))
    count, folder = thread_count(threads), peers_folder if peers else None
    result: dict[str, Any] = {
        "kind": "chain", "machine": machine.describe(),
        "settings": {"threads": count, "rounds": rounds, "quick": quick} | ({"only": list(only)} if only else {}),
        "rows": [], "figures": {}, "notes": {}, "failed": [],
    }  # fmt: skip
    jobs: list[tuple[str, Callable[[dict[str, Any], bool, int, int], None]]] = [
        ("rotation", partial(rotation, peers_folder=folder)), ("adult", adult), ("radiograph", _radiograph),
        ("counting rotation", counting), ("tomosynthesis", _tomosynthesis), ("noise", _noise),
        ("os-sart operators", partial(operators, peers_folder=folder)),
        ("os-sart", partial(one_pass, peers_folder=folder)), ("fdk", partial(fdk, peers_folder=folder)),
    ]  # fmt: skip
    chosen = [(name, job) for name, job in jobs if not only or name.startswith(tuple(only))]
    if not chosen:
        raise InvalidInput(message(f"only={list(only)}", "there are " + ", ".join(name for name, _ in jobs),
                                   "Give how one of them begins."))  # fmt: skip
    for name, job in chosen:
        told(name)
        try:
            job(result, quick, rounds, count)
        except (PhyssimError, MemoryError) as error:  # others are faults of this file
            result["failed"].append(name)
            result["notes"][name] = f"{type(error).__name__}: {error}"
    return result


def markdown(result: dict[str, Any]) -> str:
    """The page of one machine."""
    lines = [f"## Images on {result['machine']['cpu']}, {result['settings']['threads']} threads", "",
             machine.line(result["machine"], result["settings"]), "",
             "| job | stage | code | s | CPU s | us a pixel and view |", "|---|---|---|---:|---:|---:|"]  # fmt: skip
    for row in result["rows"]:
        pixel = "-" if row["us_per_pixel"] is None else format(row["us_per_pixel"], ".3g")
        lines.append(f"| {row['job']} | {row['stage']} | {row['code']} | {row['seconds']:.3g} | "
                     f"{row['cpu_seconds']:.3g} | {pixel} |")  # fmt: skip
    lines += ["", "| figure | value |", "|---|---:|"]
    for name, value in result["figures"].items():
        lines.append(f"| {name.replace('_', ' ')} | {'-' if value is None else format(value, '.3g')} |")
    lines += ["", *(f"- {name}: {reason}" for name, reason in result["notes"].items())]
    return "\n".join(lines).rstrip() + "\n"


def _radiograph(result: dict[str, Any], quick: bool, rounds: int, threads: int) -> None:
    import physsim as ps

    phantom = ps.thorax(spacing_mm=10.0 if quick else 2.0)
    side = 100 if quick else 2000
    protocol = ps.protocols.chest_pa(columns=side, rows=side, pixel_mm=430.0 / side)
    run = ps.MonteCarlo(relative_error=0.2 if quick else 0.02)
    with tempfile.TemporaryDirectory() as folder:

        def taken(scatter: Any) -> Any:
            shot = ps.simulate(phantom, protocol, scatter=scatter, seed=1, threads=threads, device="cpu")
            shot.save(Path(folder) / "chest.dcm", overwrite=True)
            return shot

        row = partial(add_row, result, "radiograph", millions=side**2 / 1e6)
        row("grid, noise, DICOM", least(lambda: taken("none"), rounds))
        shot = row("the same with scatter: Monte Carlo", least(lambda: taken(run), rounds))
    seconds = result["rows"][-1]["seconds"]
    result["figures"] |= {"radiograph_seconds": seconds, "radiograph_scatter_error": shot.scatter_error}


def _tomosynthesis(result: dict[str, Any], quick: bool, rounds: int, threads: int) -> None:
    import physsim as ps
    from physsim.body.breast import Breast, breast

    drawn = Breast.draw("B", length_mm=45.0, half_width_mm=45.0) if quick else Breast.draw("B")
    phantom = breast(drawn, spacing_mm=1.2 if quick else 0.4, organ_labels=False)
    protocol = ps.protocols.tomosynthesis(pixel_mm=2.4 if quick else 0.2)
    shot = add_row(result, "tomosynthesis", "25 views, noise, no scatter", least(
        lambda: ps.simulate(phantom, protocol, scatter="none", seed=1, threads=threads, device="cpu"), 1))  # fmt: skip
    add_row(result, "tomosynthesis", "slices", least(shot.slices, 1))


def _noise(result: dict[str, Any], quick: bool, rounds: int, threads: int) -> None:
    for name, levels in (("many", MANY), ("few", FEW)):
        most = 0.0
        for detector, quanta in itertools.product(DETECTORS, levels):
            found, seconds, pixels = noise_ns(detector, quanta, quick, rounds)
            result["rows"].append({"job": "noise, one core", "stage": f"{detector}, {quanta:g} quanta a pixel",
                                   "code": "physsim", "seconds": seconds, "cpu_seconds": seconds,
                                   "us_per_pixel": 1e6 * seconds / pixels})  # fmt: skip
            most = max(most, found)
        result["figures"][f"noise_ns_{name}_quanta"] = most
