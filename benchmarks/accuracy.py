"""The truths that results are compared with, and the exact number of voxel crossings. All in float64.

Two accuracies, since they differ: a code is exact on its voxel model (`rms_vs_float64`: Siddon's path lengths through
constant voxels), or faithful to the object that the voxels stand for (`sphere_vs_analytic`). Joseph's method
interpolates: its distance from Siddon is another model of the object, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.transport.rays import voxel_rays

from .jobs import Job

Floats = NDArray[np.float64]
CHECKED_RAYS = 30_000  # of a spectral or adjoint job, drawn from all views
CHUNK = 2048
INNER_MM, OUTER_MM, CENTRE_MM = 85.0, 105.0, (3.3, -2.1, 1.7)


def relative_rms(result: NDArray[Any], truth: NDArray[Any]) -> float:
    """RMS of the difference over the RMS of the truth."""
    total = square = 0.0
    for a, b in zip(result, truth, strict=True):  # by view: no float64 copy of everything
        wide = np.asarray(b, np.float64)
        total += float(((a - wide) ** 2).sum())
        square += float((wide**2).sum())
    return float(np.sqrt(total / square))


def siddon(job: Job, threads: int) -> Floats:
    """(views, rows, columns) float64: Siddon in float64, every ray by itself."""
    rays = voxel_rays(job.geometry, job.grid)
    image = np.zeros(job.geometry.shape)
    _engine.project_plain(
        job.arrays["volume"],
        list(job.grid.spacing_mm),
        rays.start,
        rays.end,
        rays.start_row,
        rays.end_row,
        image,
        threads,
    )
    return image


def crossings(job: Job) -> int:
    """Voxels that all rays of the job cross, counted ray by ray: planes strictly between entry and exit, plus one."""
    size = np.array(job.grid.shape[::-1])
    total = 0
    for start, end in _segments(job):
        direction = end - start
        near, far = _entry_and_exit(start, direction, size)
        ends = np.clip(np.stack([start + near[:, None] * direction, start + far[:, None] * direction]), 0, size)
        planes = np.maximum(np.ceil(ends.max(0)) - np.floor(ends.min(0)) - 1, 0).sum(1)
        total += int((planes + 1)[near < far].sum())
    return total


def spectral_signal(job: Job, rays: NDArray[np.int64]) -> Floats:
    """(rays,) float64 signal of some rays, numbered through (views, rows, columns): path lengths, then all energies."""
    labels, density = (job.arrays[name].reshape(-1) for name in ("labels", "density"))
    nominal, attenuation, weights = (job.arrays[name] for name in ("nominal", "attenuation", "weights"))
    signal = np.zeros(len(rays))
    for part, voxel, length_mm in _pieces(job, rays):
        rows = np.broadcast_to(np.arange(len(voxel))[:, None], voxel.shape)
        path = np.bincount(
            (rows * len(nominal) + labels[voxel]).reshape(-1),
            (length_mm * density[voxel]).reshape(-1),
            len(voxel) * len(nominal),
        ).reshape(len(voxel), -1)
        signal[part] = np.exp(-0.1 * (path * nominal) @ attenuation) @ weights  # 0.1: mm to cm
    return signal


def adjoint_volume(job: Job, rays: NDArray[np.int64]) -> Floats:
    """(nz, ny, nx) float64: the transpose applied to the image's values at some rays."""
    values = job.arrays["image"].reshape(-1)[rays].astype(np.float64)
    volume = np.zeros(int(np.prod(job.grid.shape)))
    for part, voxel, length_mm in _pieces(job, rays):
        np.add.at(volume, voxel.reshape(-1), (length_mm * values[part, None]).reshape(-1))
    return volume.reshape(job.grid.shape)


def sphere(job: Job) -> Job:
    """The job's rays through a soft-edged sphere, off-centre; each voxel holds its mean (2-point Gauss rule an axis).

    Density 1 within 85 mm, 0 beyond 105 mm, linear in r^2 between. In a 2D job the sphere's centre lies in the slice.
    """
    grid = job.grid
    flat = grid.shape[0] == 1
    squares = []
    for count, spacing, origin, middle in zip(
        grid.shape, grid.spacing_mm[::-1], _origin(job)[::-1], _centre(flat)[::-1], strict=True
    ):
        place = origin + spacing * np.arange(count) - middle
        half = 0.5 * spacing / np.sqrt(3.0)
        squares.append([place**2] * 2 if flat and count == 1 else [(place - half) ** 2, (place + half) ** 2])
    volume = np.zeros(grid.shape, np.float32)
    for k in range(grid.shape[0]):
        for z in squares[0]:
            for y in squares[1]:
                for x in squares[2]:
                    volume[k] += 0.125 * np.clip(
                        (OUTER_MM**2 - (z[k] + y[:, None] + x)) / (OUTER_MM**2 - INNER_MM**2), 0, 1
                    )
    return job.with_arrays(volume=volume)


def sphere_integrals(job: Job) -> Floats:
    """(views, rows, columns) the sphere's exact line integrals (mm): the mean of chords 2 sqrt(R^2 - b^2) over R^2."""
    geometry = job.geometry
    centre = np.array(_centre(job.grid.shape[0] == 1))
    result = np.zeros(geometry.shape)
    for view in range(len(geometry)):
        start, end = geometry.rays_mm(view)
        along = (end - start) / np.linalg.norm(end - start, axis=-1, keepdims=True)
        b2 = (np.cross(centre - start, along) ** 2).sum(-1)
        outer, inner = (np.maximum(radius**2 - b2, 0) ** 1.5 for radius in (OUTER_MM, INNER_MM))
        result[view] = 4 / 3 * (outer - inner) / (OUTER_MM**2 - INNER_MM**2)
    return result


def _centre(flat: bool) -> tuple[float, float, float]:
    return (CENTRE_MM[0], CENTRE_MM[1], 0.0 if flat else CENTRE_MM[2])


def _origin(job: Job) -> tuple[float, float, float]:
    assert job.grid.origin_mm is not None
    return job.grid.origin_mm


def _segments(job: Job) -> Iterator[tuple[Floats, Floats]]:
    """Starts and ends (rays of a view, 3) in voxel coordinates, one view after another."""
    rays = voxel_rays(job.geometry, job.grid)
    row = np.arange(rays.rows)[:, None, None]
    for start, end, start_row, end_row in zip(rays.start, rays.end, rays.start_row, rays.end_row, strict=True):
        ends = end + row * end_row
        yield np.broadcast_to(start + row * start_row, ends.shape).reshape(-1, 3), ends.reshape(-1, 3)


def _entry_and_exit(start: Floats, direction: Floats, size: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Parameters (rays,) at which segments enter and leave the grid; entry >= exit when they miss it."""
    safe = np.where(np.abs(direction) < 1e-12, 1e-12, direction)
    first, second = -start / safe, (size - start) / safe
    return (np.maximum(np.minimum(first, second).max(1), 0.0), np.minimum(np.maximum(first, second).min(1), 1.0))


def _pieces(job: Job, rays: NDArray[np.int64]) -> Iterator[tuple[slice, NDArray[np.int64], Floats]]:
    """Siddon by sorting all plane crossings: a slice of `rays`, voxel numbers and lengths (mm), both (rays, pieces)."""
    nz, ny, nx = job.grid.shape
    size, spacing = np.array([nx, ny, nz]), np.array(job.grid.spacing_mm)
    per_view = job.geometry.rows * job.geometry.columns
    chosen = np.searchsorted(rays, per_view * np.arange(len(job.geometry) + 1))  # rays ascend
    starts, ends = (
        np.concatenate(points)
        for points in zip(
            *(
                (start[numbers], end[numbers])
                for view, (start, end) in enumerate(_segments(job))
                for numbers in [rays[chosen[view] : chosen[view + 1]] - view * per_view]
            ),
            strict=True,
        )
    )
    for first in range(0, len(rays), CHUNK):
        part = slice(first, first + CHUNK)
        start, direction = starts[part], ends[part] - starts[part]
        near, far = _entry_and_exit(start, direction, size)
        safe = np.where(np.abs(direction) < 1e-12, 1e-12, direction)
        crossing = np.concatenate(
            [(np.arange(n + 1) - start[:, a, None]) / safe[:, a, None] for a, n in enumerate(size)], 1
        )
        crossing = np.sort(np.clip(crossing, near[:, None], np.maximum(near, far)[:, None]), 1)
        middle = 0.5 * (crossing[:, 1:] + crossing[:, :-1])
        i, j, k = (
            np.clip(np.floor(start[:, a, None] + middle * direction[:, a, None]).astype(np.int64), 0, size[a] - 1)
            for a in range(3)
        )
        length = np.linalg.norm(direction * spacing, axis=1)
        yield part, (k * ny + j) * nx + i, np.diff(crossing, axis=1) * length[:, None]
