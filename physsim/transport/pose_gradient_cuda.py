"""Derivatives of Joseph's projections by the ends of their rays, on a GPU: sums of each ray, then of each column.

A kernel writes seven sums a ray, another adds them up over the rows of a column, in float64 and in order: the same bits
every run. Views go in batches that bound the memory of the sums, the volume in slabs. The formulas are in
kernels/raytrace/joseph_slopes.h.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.arrays import to_numpy
from physsim.device.cuda import Kernels
from physsim.transport.arguments import native, type_name
from physsim.transport.cuda import (
    MAX_BLOCKS,
    Group,
    Spacing,
    box_of,
    launch_group,
    ray_arguments,
    slabs,
    with_axis_contiguous,
)
from physsim.transport.rays import VoxelRays

SUMS = 7  # of a ray, float32
BATCH_BYTES = 2**28


def column_gradient_cuda(kernels: Kernels, volume: Any, cotangent: Any, spacing_mm: Spacing,
                         rays: VoxelRays) -> NDArray[np.float64]:
    """(views, columns, 4, 3) float64: derivatives by start, end, start_row and end_row, in voxels along x, y, z.

    volume: (nz, ny, nx) of a type that project_cuda reads, cotangent: (views, rows, columns) float32; numpy or
    `kernels.xp`. Errors: InvalidInput for a layer of voxels that does not fit the GPU.
    """
    if isinstance(volume, np.ndarray):
        volume = native(volume)
    with kernels.current():
        return _column_gradient(kernels, volume, cotangent, spacing_mm, rays)


def _column_gradient(kernels: Kernels, volume: Any, cotangent: Any, spacing_mm: Spacing,
                     rays: VoxelRays) -> NDArray[np.float64]:
    xp, views, columns = kernels.xp, len(rays.along), rays.end.shape[1]
    most = max(1, min(MAX_BLOCKS, views, BATCH_BYTES // (4 * SUMS * rays.rows * columns)))
    image = xp.ascontiguousarray(xp.asarray(cotangent), dtype=np.float32)
    sums = xp.empty((most, rays.rows, columns, SUMS), np.float32)
    gradient = xp.zeros((views, columns, 4, 3), np.float64)
    for low, high in slabs(kernels, volume.shape, volume.dtype.itemsize * int(isinstance(volume, np.ndarray))):
        slab = xp.asarray(volume[low:high])
        for first in range(0, views, most):
            batch = Group(False, (0, 1, 2), np.arange(first, min(first + most, views), dtype=np.int32))
            voxels, strides = with_axis_contiguous(kernels, slab, batch)
            box = box_of(slab.shape, strides, spacing_mm, batch.order)
            launch_group(kernels, f"joseph_slopes_{type_name(volume)}", (voxels,), box, rays, low, batch, sums)
            job, pointers, which, _held = ray_arguments(kernels, box, rays, low, batch)
            kernels.launch("joseph_column_gradient", (-(-columns // 64), 1, len(batch.views)), (64, 1, 1), job,
                           pointers, which, sums, image, gradient)
    return to_numpy(gradient)
