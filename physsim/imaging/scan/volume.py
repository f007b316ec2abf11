"""Lengths of water to CT numbers: filtered backprojection of each turn into its own slices, or of the helix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.reconstruction.fdk import fdk
from physsim.imaging.scan.flying import still_sets
from physsim.io.image import Image
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

Images = NDArray[np.float32]

HU_OF_WATER = 1000.0  # CT number = 1000 (value / water - 1)


def reconstructed(lengths_mm: Images, parts: Sequence[Geometry], grid: Grid, kernel: str, *,
                  body_per_mm: float | None, threads: int) -> Image:
    """CT numbers (HU) on `grid` from lengths of water (views, rows, columns), those of each part after the other's.

    Every slice comes from the turn that stands nearest to it; of a flying focal spot it is the mean of all sets.
    `body_per_mm` as in fdk: of a body wider than the fan.
    """
    volume = np.empty(grid.shape, np.float32)
    assert grid.origin_mm is not None
    heights = grid.origin_mm[2] + grid.spacing_mm[2] * np.arange(grid.shape[0])
    turns = np.array([float(part.source_mm[:, 2].mean()) for part in parts])
    nearest = np.abs(heights[:, None] - turns).argmin(axis=1)
    first = 0
    for number, part in enumerate(parts):
        views = slice(first, first + len(part))
        first += len(part)
        slices = np.flatnonzero(nearest == number)
        if not slices.size:
            continue
        own = grid.replace(shape=(slices.size, *grid.shape[1:]),
                           origin_mm=(*grid.origin_mm[:2], float(heights[slices[0]])))
        sets = still_sets(part)
        made = [fdk(lengths_mm[views][some], still, own, kernel=kernel, body_per_mm=body_per_mm, threads=threads)
                for some, still in sets]
        mean = made[0] if len(made) == 1 else sum(made[1:], made[0]) / np.float32(len(made))
        volume[slices[0] : slices[-1] + 1] = mean
    volume -= 1.0
    volume *= np.float32(HU_OF_WATER)
    return Image(volume, grid.spacing_mm, grid.origin_mm, grid.direction)
