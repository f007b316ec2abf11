"""Derivatives of projections by linear interpolation (method="joseph") with respect to source and detector poses."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.arrays import device_of, to_cupy, to_numpy
from physsim.device.choice import Device, instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.arguments import check_pixels, check_voxel_type, grid_of, native
from physsim.transport.project import device_for
from physsim.transport.rays import VoxelRays, voxel_rays

Vectors = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class PoseGradient:
    """Derivatives of one number by the arrays of a Geometry: each (views, 3) float64, per mm (u, v: per unit).

    u and v count as free vectors: contract with the derivative of a rotation to keep them unit and at right angles.
    """

    source_mm: Vectors
    centre_mm: Vectors
    u: Vectors
    v: Vectors


def pose_gradient(
    volume: Any,
    cotangent: Any,
    geometry: Geometry,
    *,
    grid: Grid,
    device: str | Device = "auto",
    threads: int | None = None,
) -> PoseGradient:
    """Derivatives of sum(cotangent * project(volume, geometry, method="joseph")) by source, centre, u and v.

    volume: (nz, ny, nx) float32, float16, uint8, uint16 or int16. cotangent: (views, rows, columns), real: what a loss
    varies by with each pixel. Both of any library and in any place; the result is numpy. device: as `project` takes it
    for `volume`. One pass over the volume; sums in float64 in one order: the same bits for any number of threads and
    any CPU, and every run on a GPU, which agrees within 1e-5.
    Errors: InvalidInput for another shape or type, NaN or infinity; DeviceUnavailable.
    Neglects: jumps where a ray's dominant axis changes (45 degrees): the derivative is that of the smooth pieces, which
    meet within the error of interpolation.

    >>> import numpy as np, physsim as ps
    >>> geometry = ps.Geometry.parallel(views=1, rows=1, columns=1, pixel_mm=1.0)
    >>> ramp = np.broadcast_to(np.arange(8, dtype=np.float32), (8, 8, 8)).copy()  # grows by 1 a voxel along x
    >>> gradient = pose_gradient(ramp, np.ones((1, 1, 1), np.float32), geometry, grid=ps.Grid(shape=(8, 8, 8)))
    >>> (gradient.source_mm + gradient.centre_mm).round(6).tolist()  # 8 mm of ray, each 1 a mm
    [[8.0, 0.0, 0.0]]
    """
    grid_of(tuple(volume.shape), grid, None)
    check_voxel_type(volume)
    check_pixels("cotangent", cotangent, geometry)
    rays, chosen = voxel_rays(geometry, grid), device_for(volume, device)
    columns = (_on_gpu if chosen.kind == "cuda" else _on_cpu)(volume, cotangent, grid, rays, chosen, threads)
    if not np.isfinite(columns).all():
        raise InvalidInput(
            message("volume or cotangent", "holds NaN or infinity", "Give finite values, for example numpy.nan_to_num.")
        )
    start, end, start_row, end_row = np.moveaxis(_times(columns, grid.voxel_from_world[:3, :3]), 2, 0)
    return _by_pose(geometry, start, end, start_row, end_row)


def _on_gpu(volume: Any, cotangent: Any, grid: Grid, rays: VoxelRays, device: Device, threads: int | None) -> Vectors:
    """(views, columns, 4, 3) derivatives by start, end, start_row and end_row, in voxels."""
    from physsim.device.cuda import cuda_kernels
    from physsim.transport.pose_gradient_cuda import column_gradient_cuda

    given = to_cupy(volume, device) if device_of(volume).kind == "cuda" else to_numpy(volume)
    return column_gradient_cuda(cuda_kernels(device), given, to_cupy(cotangent, device), grid.spacing_mm, rays)


def _on_cpu(volume: Any, cotangent: Any, grid: Grid, rays: VoxelRays, device: Device, threads: int | None) -> Vectors:
    """As `_on_gpu`."""
    from physsim import _engine

    pixels = np.ascontiguousarray(to_numpy(cotangent), np.float32)
    columns: Vectors = _engine.joseph_gradient(
        native(to_numpy(volume)),
        list(grid.spacing_mm),
        rays.start,
        rays.end,
        rays.start_row,
        rays.end_row,
        rays.flat,
        pixels,
        thread_count(threads),
        instruction_set(),
    )
    return columns


def _by_pose(geometry: Geometry, start: Vectors, end: Vectors, start_row: Vectors, end_row: Vectors) -> PoseGradient:
    """Chain rule of `voxel_rays`, in the world frame; arguments (views, columns, 3)."""
    source = start.sum(1)
    centre = np.zeros_like(source)
    if geometry.beam == "parallel":  # starts are ends less (centre - source)
        centre -= source
        end, end_row = end + start, end_row + start_row
    total = end.sum(1)
    centre += total
    v = -0.5 * (geometry.rows - 1) * geometry.pixel_mm[1] * total + geometry.pixel_mm[1] * end_row.sum(1)
    across = (np.arange(geometry.columns) - 0.5 * (geometry.columns - 1)) * geometry.pixel_mm[0]
    if geometry.radius_mm is None:
        u = (across[:, None] * end).sum(1)
    else:
        angle = across / geometry.radius_mm
        u = geometry.radius_mm * (np.sin(angle)[:, None] * end).sum(1)
        normal = geometry.radius_mm * ((np.cos(angle) - 1.0)[:, None] * end).sum(1)
        sign = np.sign((np.cross(geometry.u, geometry.v) * geometry.normal).sum(1, keepdims=True))
        u = u + sign * np.cross(geometry.v, normal)
        v = v + sign * np.cross(normal, geometry.u)
    return PoseGradient(source_mm=source, centre_mm=centre, u=u, v=v)


def _times(vectors: Vectors, matrix: Vectors) -> Vectors:
    """`vectors @ matrix` by sums of three products: BLAS may change bits with the CPU."""
    product: Vectors = (vectors[..., 0, None] * matrix[0] + vectors[..., 1, None] * matrix[1]) + vectors[
        ..., 2, None
    ] * matrix[2]
    return product
