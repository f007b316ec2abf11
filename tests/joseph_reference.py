"""The independent truth for Joseph's projector: float64, in numpy, all planes of all rays at once. For tests."""

from __future__ import annotations

import numpy as np

from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

# The tracer's speed along an axis has passed three roundings of 2^-24 at most (a packet's first ray, a ray's own share,
# their sum); two speeds, six.
TIE = 6 * 2.0**-24


def joseph_line_integrals(
    volume_zyx: np.ndarray, voxel_from_world: np.ndarray, starts: np.ndarray, ends: np.ndarray, rank: int = 0
) -> np.ndarray:
    """(n,) float64 sums over planes of voxel centres along each ray's dominant axis of value x mm a plane.

    The value is interpolated linearly across, zero outside the volume; a plane i counts by the part of its slab
    [i - 1/2, i + 1/2) between the ray's ends. `starts`, `ends`: (n, 3) world x, y, z (mm).
    `rank`: 1 or 2 for the planes across the second or third fastest axis in place of the dominant one.
    """
    turn, shift = voxel_from_world[:3, :3], voxel_from_world[:3, 3]
    begin, end = starts @ turn.T + shift, ends @ turn.T + shift
    step = end - begin
    axis = np.argsort(-np.abs(step), axis=1, kind="stable")[:, rank]
    padded = np.pad(np.asarray(volume_zyx, np.float64).transpose(2, 1, 0), 1)
    sums = np.zeros(len(starts))
    for d in range(3):
        of = axis == d
        if not of.any():
            continue
        a, b = [i for i in range(3) if i != d]
        values = np.moveaxis(padded, (d, a, b), (0, 1, 2))
        planes = np.arange(volume_zyx.shape[2 - d])
        tau = (planes - begin[of, None, d]) / step[of, None, d]
        low, high = np.minimum(begin[of, d], end[of, d])[:, None], np.maximum(begin[of, d], end[of, d])[:, None]
        weight = np.clip(np.minimum(planes + 0.5, high) - np.maximum(planes - 0.5, low), 0.0, None)
        at = [begin[of, None, i] + tau * step[of, None, i] for i in (a, b)]
        cell = [
            np.clip(np.floor(x), -1, n - 2).astype(int) for x, n in zip(at, np.array(values.shape[1:]), strict=True)
        ]
        inside = np.all(
            [(np.floor(x) >= -1) & (np.floor(x) < n - 2) for x, n in zip(at, values.shape[1:], strict=True)], 0
        )
        fa, fb = at[0] - cell[0], at[1] - cell[1]
        i, j, k = np.broadcast_to(planes + 1, tau.shape), cell[0] + 1, cell[1] + 1
        j1, k1 = np.minimum(j + 1, values.shape[1] - 1), np.minimum(k + 1, values.shape[2] - 1)
        sample = (1 - fa) * (1 - fb) * values[i, j, k] + fa * (1 - fb) * values[i, j1, k]
        sample = sample + (1 - fa) * fb * values[i, j, k1] + fa * fb * values[i, j1, k1]
        mm = np.linalg.norm(ends[of] - starts[of], axis=1) / np.abs(step[of, d])
        sums[of] = mm * np.where(inside, weight * sample, 0.0).sum(1)
    return sums


def joseph_error(
    image: np.ndarray, volume_zyx: np.ndarray, geometry: Geometry, grid: Grid
) -> tuple[np.ndarray, np.ndarray]:
    """Difference of `image` (views, rows, columns) from Joseph's integrals, and the integrals, both of that shape.

    A ray may take any axis along which it moves as fast as along its fastest one, as far as float32 tells (TIE): each
    gives Joseph's integral, and the nearest is the ray's truth. No ray is left out.
    """
    truth = np.empty(image.shape)
    for view in range(len(geometry)):
        starts, ends = (points.reshape(-1, 3) for points in np.broadcast_arrays(*geometry.rays_mm(view)))
        speed = np.sort(np.abs((ends - starts) @ grid.voxel_from_world[:3, :3].T), axis=1)[:, ::-1]
        first = joseph_line_integrals(volume_zyx, grid.voxel_from_world, starts, ends)
        for rank in (1, 2):
            tie = np.flatnonzero(speed[:, 0] - speed[:, rank] <= TIE * speed[:, 0])
            other = joseph_line_integrals(volume_zyx, grid.voxel_from_world, starts[tie], ends[tie], rank)
            got = image[view].reshape(-1)[tie]
            first[tie] = np.where(np.abs(got - other) < np.abs(got - first[tie]), other, first[tie])
        truth[view] = first.reshape(image.shape[1:])
    return image - truth, truth
