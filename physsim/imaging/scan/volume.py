"""Lengths of water to CT numbers: filtered backprojection of each turn into its own slices, or of the helix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.reconstruction.fdk import fdk
from physsim.io.image import Image
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box, Grid

Images = NDArray[np.float32]

HU_OF_WATER = 1000.0  # CT number = 1000 (value / water - 1)


def reconstructed(lengths_mm: Images, parts: Sequence[Geometry], grid: Grid, body_box_mm: Box, kernel: str,
                  threads: int) -> Image:
    """CT numbers (HU) on `grid` from lengths of water (views, rows, columns), those of each part after the other's.

    Every slice comes from the turn that stands nearest to it. Rows that a body reaches beyond are continued by
    cylinders of water.
    """
    body_per_mm = 1.0 if _reaches_out(parts[0], grid, body_box_mm) else None
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
        volume[slices[0] : slices[-1] + 1] = fdk(lengths_mm[views], part, own, kernel=kernel,
                                                      body_per_mm=body_per_mm, threads=threads)
    volume -= 1.0
    volume *= np.float32(HU_OF_WATER)
    return Image(volume, grid.spacing_mm, grid.origin_mm, grid.direction)


def _reaches_out(turn: Geometry, grid: Grid, body_box_mm: Box) -> bool:
    """Whether a body is wider than what the fan's outer rays pass, about the axis, the grid's middle."""
    assert grid.origin_mm is not None
    axis = np.array([origin + 0.5 * (count - 1) * step for origin, count, step in
                     zip(grid.origin_mm[:2], grid.shape[:0:-1], grid.spacing_mm[:2], strict=True)])
    half = 0.5 * turn.columns * turn.pixel_mm[0]
    ends = turn.surface_mm(0, np.array([[-half, half]]), np.zeros((1, 1)))[0, :, :2]
    source = turn.source_mm[0, :2]
    way, off = ends - source, axis - source
    measured = np.abs(way[:, 0] * off[1] - way[:, 1] * off[0]) / np.hypot(way[:, 0], way[:, 1])
    sides = np.abs(np.array([corner[:2] for corner in body_box_mm]) - axis)
    return bool(sides.max() > measured.max())
