"""FDK beside RTK's on the same projections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .chain_rtk import rtk_ran
from .rows import add_row, least

WATER_PER_MM = 0.02


def cone(quick: bool = False) -> tuple[Any, Any]:
    """360 views of 384 x 256 pixels, and 256^3 voxels of 1 mm."""
    import physsim as ps

    size, views = (32, 24) if quick else (256, 360)
    step = 256.0 / size
    geometry = ps.Geometry.circular(views=views, source_axis_mm=1000.0, source_detector_mm=1500.0, rows=size,
                                    columns=size * 3 // 2, pixel_mm=1.6 * step)  # fmt: skip
    grid = ps.Grid(shape=(size, size, size), spacing_mm=(step, step, step), origin_mm=(-128.0 + step / 2,) * 3)
    return geometry, grid


def fdk(result: dict[str, Any], quick: bool, rounds: int, threads: int, peers_folder: Path | None) -> None:
    """A ball of water."""
    import physsim as ps

    geometry, grid = cone(quick)
    place = grid.origin_mm[0] + grid.spacing_mm[0] * np.arange(grid.shape[0])
    z, y, x = np.meshgrid(place, place, place, indexing="ij", sparse=True)
    ball = np.where((x - 20.0) ** 2 + (y + 10.0) ** 2 + z**2 < 90.0**2, np.float32(WATER_PER_MM), np.float32(0.0))
    lines = ps.project(ball, geometry, grid=grid, device="cpu")
    made = add_row(result, "FDK", "whole", least(lambda: ps.fdk(lines, geometry, grid, threads=threads), rounds))
    ours, figures = result["rows"][-1], result["figures"]
    figures |= {"fdk_seconds": ours["seconds"], "fdk_over_rtk_cpu": None, "fdk_rms_hu_from_rtk": None}
    theirs = rtk_ran(result, "run_rtk_fdk.py", peers_folder, threads, geometry, grid, {"projections": lines})
    if theirs is None:
        return
    result["rows"].append(theirs.row("FDK", "whole"))
    inside = made.shape[0] // 4  # of the ball and around: far from where either ends
    part = (slice(inside, -inside),) * 3
    off = 1000.0 * (made - theirs.made)[part].astype(np.float64) / WATER_PER_MM
    figures["fdk_over_rtk_cpu"] = theirs.cpu_seconds / ours["cpu_seconds"]
    figures["fdk_rms_hu_from_rtk"] = float(np.sqrt((off**2).mean()))
