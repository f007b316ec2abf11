"""The rays of a geometry in a grid's voxel coordinates, as the kernels take them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

# A detector column counts as parallel to a volume axis when its rows leave the axis by less than this (voxels, first to
# last): what rounding leaves and no more, or rays in faces would take the wrong side.
PARALLEL_VOXELS = 1e-11
# Rays of a column-parallel view must move at least this far across the axis (voxels).
ACROSS_VOXELS = 1e-3
MIN_ROWS_FOR_COLUMNS = 8


@dataclasses.dataclass(frozen=True, eq=False)
class VoxelRays:
    """Ray (row r, column c) of view v runs from start[v, c] + r start_row[v] to end[v, c] + r end_row[v].

    Voxel coordinates (x, y, z): voxel i spans [i, i + 1). start: (views, 1 or columns, 3) float64,
    end: (views, columns, 3) float64, start_row, end_row: (views, 3) float64. along: the volume axis 0, 1, 2 that a
    view's detector columns are parallel to, or -1.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    start_row: NDArray[np.float64]
    end_row: NDArray[np.float64]
    rows: int
    flat: bool
    along: tuple[int, ...]


def voxel_rays(geometry: Geometry, grid: Grid) -> VoxelRays:
    """Transform the poses of `geometry` into the voxel coordinates of `grid`."""
    matrix = grid.voxel_from_world
    turn, shift = matrix[:3, :3], matrix[:3, 3] + 0.5
    across = (np.arange(geometry.columns) - 0.5 * (geometry.columns - 1)) * geometry.pixel_mm[0]
    first_row = -0.5 * (geometry.rows - 1) * geometry.pixel_mm[1]
    centre = geometry.centre_mm + first_row * geometry.v
    if geometry.radius_mm is None:
        end = np.empty((len(centre), len(across), 3))
        for a in range(3):  # axis by axis: numpy broadcasts over a short last axis slowly
            np.multiply(across, geometry.u[:, a, None], out=end[..., a])
            end[..., a] += centre[:, a, None]
    else:
        angle = across / geometry.radius_mm
        end = centre[:, None] + geometry.radius_mm * (
            (np.cos(angle) - 1.0)[:, None] * geometry.normal[:, None] + np.sin(angle)[:, None] * geometry.u[:, None])
    end_row = geometry.pixel_mm[1] * geometry.v @ turn.T
    end = end @ turn.T
    for a in range(3):
        end[..., a] += shift[a]
    if geometry.beam == "parallel":
        travel = (geometry.centre_mm - geometry.source_mm) @ turn.T
        start, start_row = end - travel[:, None], end_row
    else:
        start, start_row = (geometry.source_mm @ turn.T + shift)[:, None], np.zeros_like(end_row)
    return VoxelRays(np.ascontiguousarray(start), np.ascontiguousarray(end), np.ascontiguousarray(start_row),
                     np.ascontiguousarray(end_row), geometry.rows, geometry.radius_mm is None,
                     _column_axes(start, end, end_row, geometry.rows))


def _column_axes(start: NDArray[np.float64], end: NDArray[np.float64], end_row: NDArray[np.float64],
                 rows: int) -> tuple[int, ...]:
    if rows < MIN_ROWS_FOR_COLUMNS:
        return (-1,) * len(end)
    size = np.abs(end_row)
    axis = size.argmax(1)
    others = np.sort(size, 1)[:, 1]
    across = end - start
    np.abs(across, out=across)
    for a in range(3):
        across[axis == a, :, a] = 0.0
    # The largest of three by hand: numpy reduces a short last axis slowly.
    furthest = np.maximum(np.maximum(across[..., 0], across[..., 1]), across[..., 2])
    parallel = (others * rows < PARALLEL_VOXELS) & (furthest.min(1) > ACROSS_VOXELS)
    return tuple(int(a) if p else -1 for a, p in zip(axis, parallel, strict=True))
