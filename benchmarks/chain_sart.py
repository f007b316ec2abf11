"""OS-SART in subsets of 12 views beside RTK's: its operators alone, and a pass over 60 views.

Honest because: both see the same projections, the exact chords of balls, and are judged by the same truth after the
same pass with the same steps; each goes by its own matched pair of operators, whose dot products are compared in the
same run (ours: exact lengths in voxels; RTK's: Joseph's interpolation and its transpose). CPU seconds of all threads
count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .chain_fdk import WATER_PER_MM, cone
from .chain_rtk import rtk_ran
from .rows import add_row, least

PER_SUBSET = 12
_BALLS = (((20.0, -10.0, 0.0), 90.0, 1.0), ((40.0, 10.0, 20.0), 20.0, 0.2), ((-10.0, -40.0, -30.0), 15.0, -0.3))
# centre and radius (mm), attenuation over water's
_RUNNER = "run_rtk_sart.py"


def operators(result: dict[str, Any], quick: bool, rounds: int, threads: int, peers_folder: Path | None) -> None:
    """What OS-SART does for a subset of views, on one thread and on all, and how well the pairs are matched."""
    from physsim.transport.operator import Projector

    whole, grid = cone(quick)
    geometry = whole[:: len(whole) // PER_SUBSET]
    volume = np.random.default_rng(1).random(grid.shape, np.float32)
    image, job, figures = balls_lines(geometry), f"OS-SART, {PER_SUBSET} views", result["figures"]
    figures |= dict.fromkeys(("os_sart_operators_over_rtk_cpu", "os_sart_rtk_dot_error"))
    for count in sorted({1, threads}):
        stages = [f"{name}, threads: {count}" for name in ("project", "backproject")]
        part = Projector(geometry=geometry, grid=grid, device="cpu", threads=count)
        made = add_row(result, job, stages[0], least(lambda at=part: at.forward(volume), rounds))
        back = add_row(result, job, stages[1], least(lambda at=part: at.transpose(image), rounds))
        figures["os_sart_cpu_seconds"] = sum(row["cpu_seconds"] for row in result["rows"][-2:])
        figures["os_sart_dot_error"] = _dot_error(made, image, volume, back)
        theirs = [rtk_ran(result, _RUNNER, peers_folder, count, geometry, grid, {name: array}, task=task)
                  for task, name, array in (("project", "volume", volume), ("backproject", "projections", image))]
        ran = [one for one in theirs if one is not None]
        if len(ran) < len(theirs):
            continue
        result["rows"] += [one.row(job, stage) for one, stage in zip(ran, stages, strict=True)]
        figures["os_sart_operators_over_rtk_cpu"] = sum(
            one.cpu_seconds for one in ran) / figures["os_sart_cpu_seconds"]
        figures["os_sart_rtk_dot_error"] = _dot_error(ran[0].made, image, volume, ran[1].made)


def one_pass(result: dict[str, Any], quick: bool, rounds: int, threads: int, peers_folder: Path | None) -> None:
    """Balls from every sixth view, once each; RTK by its matched back projector and by its default, which is not."""
    import physsim as ps

    whole, grid = cone(quick)
    geometry = whole if quick else whole[::6]
    lines, truth, subsets = balls_lines(geometry), balls_truth(grid), len(geometry) // PER_SUBSET
    job, figures = f"OS-SART, a pass in steps of {PER_SUBSET} views", result["figures"]
    made = add_row(result, job, "whole", least(
        lambda: ps.os_sart(lines, geometry, grid, subsets=subsets, iterations=1, threads=threads), rounds))  # fmt: skip
    ours = result["rows"][-1]["cpu_seconds"]
    figures["os_sart_rms_hu"] = _rms_hu(made, truth)
    for back in ("joseph", "voxel"):
        theirs = rtk_ran(result, _RUNNER, peers_folder, threads, geometry, grid, {"projections": lines}, turns=0,
                         task="sart", back=back, per_subset=PER_SUBSET, iterations=1, relaxation=1.0)  # fmt: skip
        figures[f"os_sart_over_rtk_{back}_cpu"] = theirs.cpu_seconds / ours if theirs else None
        figures[f"os_sart_rtk_{back}_rms_hu"] = _rms_hu(theirs.made, truth) if theirs else None
        if theirs:
            result["rows"].append(theirs.row(job, f"whole, back projector: {back}"))


def balls_lines(geometry: Any) -> np.ndarray:
    """(views, rows, columns): exact line integrals."""
    found = np.zeros(geometry.shape, np.float32)
    for view in range(len(geometry)):
        start, end = geometry.rays_mm(view)
        way = (end - start) / np.linalg.norm(end - start, axis=-1, keepdims=True)
        for centre, radius, share in _BALLS:
            aside = geometry.source_mm[view] - np.array(centre)
            half_squared = (way @ aside) ** 2 - aside @ aside + radius**2
            found[view] += 2.0 * share * WATER_PER_MM * np.sqrt(np.maximum(half_squared, 0.0))
    return found


def balls_truth(grid: Any) -> np.ndarray:
    """(z, y, x): attenuation of voxels, at surfaces by the part of a voxel inside as if the surface faced it."""
    step = grid.spacing_mm[0]
    z, y, x = np.meshgrid(*(grid.origin_mm[axis] + step * np.arange(grid.shape[2 - axis]) for axis in (2, 1, 0)),
                          indexing="ij", sparse=True)  # fmt: skip
    found = np.zeros(grid.shape, np.float32)
    for (a, b, c), radius, share in _BALLS:
        away = np.sqrt((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2)
        found += (share * WATER_PER_MM * np.clip(0.5 + (radius - away) / step, 0.0, 1.0)).astype(np.float32)
    return found


def _rms_hu(volume: np.ndarray, truth: np.ndarray) -> float:
    off = 1000.0 / WATER_PER_MM * (volume - truth).astype(np.float64)
    return float(np.sqrt((off**2).mean()))


def _dot_error(made: np.ndarray, image: np.ndarray, volume: np.ndarray, back: np.ndarray) -> float:
    """|<A x, y> / <x, A' y> - 1|."""
    there, here = (float((a.astype(np.float64) * b).sum()) for a, b in ((made, image), (volume, back)))
    return abs(there / here - 1.0)
