"""How long images take, stage by stage: CT rotations, a chest radiograph, tomosynthesis, and FDK beside RTK's.

Honest because: each stage is run alone with what the stages before it made; the least of its turns counts, in seconds
of the wall and of all CPUs; the rotation (540 mm from the source to the axis, 950 mm to an arc of 900 x 64 pixels of
1 mm, 120 kVp, 256 x 256 x 64 voxels of water and bone) is XCIST's too in the same run, where the user has it, at one
ray a pixel; scatter is Monte Carlo with the error that it states, and RTK reconstructs the same projections.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import machine
from .chain_counting import counting
from .chain_noise import DETECTORS, FEW, MANY, noise_ns
from .chain_rotation import adult, rotation
from .peers import PEERS, RUNNERS, interpreter
from .rows import add_row, least
from .worker import Worker, WorkerFailed

_WATER_PER_MM = 0.02


def measure(
    quick: bool = False, threads: int | None = None, rounds: int = 3, peers: bool = True,
    peers_folder: Path = Path(".peers"), say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Run the jobs; `quick`: miniature ones, whose figures mean nothing. Rows, figures, notes and what failed."""
    from physsim.device.choice import thread_count
    from physsim.errors import PhyssimError

    told = say or (lambda text: print(text, file=sys.stderr))
    count, folder = thread_count(threads), peers_folder if peers else None
    result: dict[str, Any] = {
        "kind": "chain", "machine": machine.describe(),
        "settings": {"threads": count, "rounds": rounds, "quick": quick},
        "rows": [], "figures": {}, "notes": {}, "failed": [],
    }  # fmt: skip
    jobs: list[tuple[str, Callable[[dict[str, Any], bool, int, int], None]]] = [
        ("rotation", partial(rotation, peers_folder=folder)), ("adult", adult), ("radiograph", _radiograph),
        ("counting rotation", counting), ("tomosynthesis", _tomosynthesis), ("noise", _noise),
        ("os-sart", _operators), ("fdk", partial(_fdk, peers_folder=folder)),
    ]  # fmt: skip
    for name, job in jobs:
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


def fdk_job(quick: bool = False) -> tuple[Any, Any, np.ndarray]:
    """256^3 voxels of 1 mm from 360 views of 384 x 256 pixels of 1.2 mm: geometry, grid, line integrals of a ball."""
    import physsim as ps

    size, views = (32, 24) if quick else (256, 360)
    step = 256.0 / size
    geometry = ps.Geometry.circular(views=views, source_axis_mm=1000.0, source_detector_mm=1500.0, rows=size,
                                    columns=size * 3 // 2, pixel_mm=1.6 * step)  # fmt: skip
    grid = ps.Grid(shape=(size, size, size), spacing_mm=(step, step, step), origin_mm=(-128.0 + step / 2,) * 3)
    place = grid.origin_mm[0] + step * np.arange(size)
    z, y, x = np.meshgrid(place, place, place, indexing="ij", sparse=True)
    ball = np.where((x - 20.0) ** 2 + (y + 10.0) ** 2 + z**2 < 90.0**2, np.float32(_WATER_PER_MM), np.float32(0.0))
    return geometry, grid, ps.project(ball, geometry, grid=grid, device="cpu")


def _fdk(result: dict[str, Any], quick: bool, rounds: int, threads: int, peers_folder: Path | None) -> None:
    import physsim as ps

    geometry, grid, lines = fdk_job(quick)
    made = add_row(result, "FDK", "whole", least(lambda: ps.fdk(lines, geometry, grid, threads=threads), rounds))
    ours, figures = result["rows"][-1], result["figures"]
    figures |= {"fdk_seconds": ours["seconds"], "fdk_over_rtk_cpu": None, "fdk_rms_hu_from_rtk": None}
    if peers_folder is None:
        result["notes"]["rtk"] = "not asked for (--peers)"
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _write_fdk(folder / "job", geometry, grid, lines)
        try:
            python = interpreter(PEERS["rtk"], peers_folder)
            with Worker(python, RUNNERS / "run_rtk_fdk.py", threads, folder / "stderr.txt") as worker:
                loaded = worker.ask(load=str(folder / "job"))
                turn = worker.ask(run=1)
                theirs = worker.result(folder)
        except (subprocess.CalledProcessError, WorkerFailed) as error:
            result["notes"]["rtk"] = str(error)
            return
    code = f"RTK {loaded['versions']['itk-rtk']}"
    result["rows"].append({"job": "FDK", "stage": "whole", "code": code, "seconds": turn["seconds"],
                           "cpu_seconds": turn["cpu_seconds"], "us_per_pixel": None})  # fmt: skip
    inside = made.shape[0] // 4  # of the ball and around: far from where either ends
    part = (slice(inside, -inside),) * 3
    off = 1000.0 * (made - theirs)[part].astype(np.float64) / _WATER_PER_MM
    figures["fdk_over_rtk_cpu"] = turn["cpu_seconds"] / ours["cpu_seconds"]
    figures["fdk_rms_hu_from_rtk"] = float(np.sqrt((off**2).mean()))


def _operators(result: dict[str, Any], quick: bool, rounds: int, threads: int) -> None:
    """What OS-SART does for a subset of 12 views of the FDK job, and how well the pair is matched."""
    from physsim.transport.operator import Projector

    geometry, grid, lines = fdk_job(quick)
    part = Projector(geometry=geometry, grid=grid, device="cpu", threads=threads).subsets(len(geometry) // 12)[0]
    volume = np.random.default_rng(1).random(grid.shape, np.float32)
    image = np.ascontiguousarray(lines[:: len(geometry) // 12])
    made = add_row(result, "OS-SART, 12 views", "project", least(lambda: part.forward(volume), rounds))
    back = add_row(result, "OS-SART, 12 views", "backproject", least(lambda: part.transpose(image), rounds))
    there, here = (float((a.astype(np.float64) * b).sum()) for a, b in ((made, image), (volume, back)))
    result["figures"]["os_sart_cpu_seconds"] = sum(row["cpu_seconds"] for row in result["rows"][-2:])
    result["figures"]["os_sart_dot_error"] = abs(there - here) / abs(there)


def _write_fdk(folder: Path, geometry: Any, grid: Any, lines: np.ndarray) -> None:
    folder.mkdir()
    np.save(folder / "projections.npy", lines)
    poses = {"source": geometry.source_mm, "centre": geometry.centre_mm, "u": geometry.u, "v": geometry.v}
    for name, array in poses.items():
        np.save(folder / f"{name}.npy", array)
    job = {"rows": geometry.rows, "columns": geometry.columns, "pixel_mm": geometry.pixel_mm, "shape": grid.shape,
           "spacing_mm": grid.spacing_mm, "origin_mm": grid.origin_mm}  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
