"""The independent truth for backprojection: each piece of a float64 Siddon ray adds its length to its voxel."""

from __future__ import annotations

import numba
import numpy as np
from siddon_reference import _crossings, _to_voxels


def siddon_adjoint(
    values: np.ndarray,
    shape_zyx: tuple[int, int, int],
    voxel_from_world: np.ndarray,
    starts_mm: np.ndarray,
    ends_mm: np.ndarray,
) -> np.ndarray:
    """(nz, ny, nx) float64: sum over rays of value (n,) x length in the voxel (mm), as siddon_line_integrals has it."""
    starts, ends, lengths = _to_voxels(voxel_from_world, starts_mm, ends_mm)
    return _spread(np.ascontiguousarray(values, np.float64).ravel(), shape_zyx, starts, ends, lengths)


@numba.njit(error_model="numpy", cache=True)
def _spread(values, shape_zyx, starts, ends, lengths):
    nz, ny, nx = shape_zyx
    volume = np.zeros(nz * ny * nx)
    flat, fraction = np.empty(nx + ny + nz + 8, np.int64), np.empty(nx + ny + nz + 8)
    for ray in range(len(starts)):
        count = _crossings(nz, ny, nx, starts[ray], ends[ray], flat, fraction)
        for n in range(count):
            volume[flat[n]] += values[ray] * fraction[n] * lengths[ray]
    return volume.reshape(shape_zyx)
