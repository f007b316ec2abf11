"""The independent truth for ray tracing: classical Siddon in float64, by merged plane crossings. For tests.

A voxel of index i along an axis fills [i - 1/2, i + 1/2) in voxel coordinates: a ray lying exactly in a face belongs to
the voxel of higher index, and one in the last face of the grid crosses nothing. Segments start and end at the points
given. Each piece between two successive crossings is given to the voxel that holds its midpoint, so rounding at a
crossing can only move a piece of length zero: no case of edges or corners is special.

Reference: R. L. Siddon, Med. Phys. 12 (1985) 252.
"""

from __future__ import annotations

import math

import numba
import numpy as np


def siddon_line_integrals(
    volume_zyx: np.ndarray, voxel_from_world: np.ndarray, starts_mm: np.ndarray, ends_mm: np.ndarray
) -> np.ndarray:
    """(n,) float64 line integrals of `volume_zyx` (nz, ny, nx; any real dtype), in mm times the volume's unit.

    `voxel_from_world` (4, 4): world mm to voxel indices along x, y, z, integers at centres (Grid.voxel_from_world).
    `starts_mm`, `ends_mm`: (n, 3) world x, y, z.
    """
    starts, ends, lengths = _to_voxels(voxel_from_world, starts_mm, ends_mm)
    volume = np.ascontiguousarray(volume_zyx)
    if volume.dtype == np.float16:  # numba has no float16 on the CPU
        volume = volume.astype(np.float32)
    return _integrals(volume, starts, ends, lengths)


def siddon_label_integrals(
    labels_zyx: np.ndarray,
    n_labels: int,
    voxel_from_world: np.ndarray,
    starts_mm: np.ndarray,
    ends_mm: np.ndarray,
    density_zyx: np.ndarray | None = None,
) -> np.ndarray:
    """(n, n_labels) float64 path length (mm) in each label, each piece weighted by `density_zyx` where given."""
    starts, ends, lengths = _to_voxels(voxel_from_world, starts_mm, ends_mm)
    labels = np.ascontiguousarray(labels_zyx)
    if int(labels.max(initial=0)) >= n_labels:
        raise ValueError(f"label {labels.max()} in a volume of {n_labels} labels")
    if density_zyx is None:
        return _label_integrals(labels, np.ones((1, 1, 1), np.float32), False, n_labels, starts, ends, lengths)
    density = np.ascontiguousarray(density_zyx, dtype=np.float64 if density_zyx.dtype == np.float64 else np.float32)
    return _label_integrals(labels, density, True, n_labels, starts, ends, lengths)


def siddon_crossings(
    shape_zyx: tuple[int, int, int], voxel_from_world: np.ndarray, start_mm: np.ndarray, end_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of one segment, in order: voxel indices (m, 3) as (k, j, i) and lengths (m,) in mm."""
    starts, ends, lengths = _to_voxels(voxel_from_world, np.atleast_2d(start_mm), np.atleast_2d(end_mm))
    nz, ny, nx = shape_zyx
    flat, fraction = np.empty(nx + ny + nz + 8, np.int64), np.empty(nx + ny + nz + 8)
    count = _crossings(nz, ny, nx, starts[0], ends[0], flat, fraction)
    voxels = np.stack(np.unravel_index(flat[:count], shape_zyx), axis=1)
    return voxels, fraction[:count] * lengths[0]


def _to_voxels(voxel_from_world: np.ndarray, starts_mm: np.ndarray, ends_mm: np.ndarray):
    matrix = np.asarray(voxel_from_world, np.float64)
    starts, ends = (np.atleast_2d(np.asarray(points, np.float64)) for points in (starts_mm, ends_mm))
    starts, ends = np.broadcast_arrays(starts, ends)
    lengths = np.linalg.norm(ends - starts, axis=1)
    # + 1/2: voxel i fills [i, i + 1)
    to = [np.ascontiguousarray(points @ matrix[:3, :3].T + matrix[:3, 3] + 0.5) for points in (starts, ends)]
    return to[0], to[1], lengths


@numba.njit(error_model="numpy", cache=True)
def _crossings(nz, ny, nx, start, end, flat, fraction):
    """Fill `flat` (voxel number, z-major) and `fraction` (of the segment) along one segment; return how many."""
    sizes = (nx, ny, nz)
    next_alpha = np.empty(3)  # parameter of the next plane on each axis, and its plane number and direction
    plane = np.empty(3, np.int64)
    step = np.empty(3, np.int64)
    first, last = 0.0, 1.0
    for axis in range(3):
        d = end[axis] - start[axis]
        if d == 0.0:
            if not 0 <= math.floor(start[axis]) < sizes[axis]:
                return 0
            continue
        low, high = (0.0 - start[axis]) / d, (sizes[axis] - start[axis]) / d
        first, last = max(first, min(low, high)), min(last, max(low, high))
    if not first < last:
        return 0
    for axis in range(3):
        d = end[axis] - start[axis]
        next_alpha[axis] = math.inf
        plane[axis], step[axis] = 0, 0
        if d != 0.0:
            at = start[axis] + first * d
            step[axis] = 1 if d > 0 else -1
            # one plane early, so that rounding cannot skip one; early ones are stepped over below
            plane[axis] = math.floor(at) if d > 0 else math.ceil(at)
            next_alpha[axis] = (plane[axis] - start[axis]) / d
    alpha = first
    count = 0
    while alpha < last:
        axis = 0
        if next_alpha[1] < next_alpha[axis]:
            axis = 1
        if next_alpha[2] < next_alpha[axis]:
            axis = 2
        to = min(next_alpha[axis], last)
        if to > alpha:
            middle = 0.5 * (alpha + to)
            i = math.floor(start[0] + middle * (end[0] - start[0]))
            j = math.floor(start[1] + middle * (end[1] - start[1]))
            k = math.floor(start[2] + middle * (end[2] - start[2]))
            if 0 <= i < nx and 0 <= j < ny and 0 <= k < nz:
                flat[count] = (k * ny + j) * nx + i
                fraction[count] = to - alpha
                count += 1
            alpha = to
        if next_alpha[axis] == math.inf:
            break
        plane[axis] += step[axis]
        next_alpha[axis] = (plane[axis] - start[axis]) / (end[axis] - start[axis])
    return count


@numba.njit(error_model="numpy", parallel=True, cache=True)
def _integrals(volume, starts, ends, lengths):
    nz, ny, nx = volume.shape
    sums = np.zeros(len(starts))
    values = volume.reshape(-1)
    n_blocks = (len(starts) + 255) // 256
    for block in numba.prange(n_blocks):
        flat, fraction = np.empty(nx + ny + nz + 8, np.int64), np.empty(nx + ny + nz + 8)
        for ray in range(256 * block, min(256 * block + 256, len(starts))):
            count = _crossings(nz, ny, nx, starts[ray], ends[ray], flat, fraction)
            total = 0.0
            for n in range(count):
                total += fraction[n] * np.float64(values[flat[n]])
            sums[ray] = total * lengths[ray]
    return sums


@numba.njit(error_model="numpy", parallel=True, cache=True)
def _label_integrals(labels, density, weighted, n_labels, starts, ends, lengths):
    nz, ny, nx = labels.shape
    sums = np.zeros((len(starts), n_labels))
    of_voxel, density_of = labels.reshape(-1), density.reshape(-1)
    n_blocks = (len(starts) + 255) // 256
    for block in numba.prange(n_blocks):
        flat, fraction = np.empty(nx + ny + nz + 8, np.int64), np.empty(nx + ny + nz + 8)
        for ray in range(256 * block, min(256 * block + 256, len(starts))):
            count = _crossings(nz, ny, nx, starts[ray], ends[ray], flat, fraction)
            for n in range(count):
                weight = np.float64(density_of[flat[n]]) if weighted else 1.0
                sums[ray, of_voxel[flat[n]]] += fraction[n] * lengths[ray] * weight
    return sums
