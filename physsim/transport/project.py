"""Line integrals of a volume along the rays of a geometry, and their transpose: numpy, cupy or torch in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from physsim.device.arrays import device_of, like, namespace_of, to_cupy, to_numpy
from physsim.device.choice import Device, instruction_set, resolve, thread_count
from physsim.errors import InvalidInput, message
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.arguments import (
    check_finite,
    check_method,
    check_pixels,
    check_voxel_type,
    grid_of,
    native,
    type_name,
)
from physsim.transport.rays import voxel_rays


def project(
    volume: Any,
    geometry: Geometry,
    *,
    grid: Grid | None = None,
    spacing_mm: float | Sequence[float] | None = None,
    method: str = "siddon",
    device: str | Device = "auto",
    threads: int | None = None,
) -> Any:
    """Line integrals of `volume` from source to pixel along every ray of `geometry`.

    volume: (nz, ny, nx) float32, float16, uint8, uint16 or int16, any strides; read in place, never copied or
        converted whole.
    grid: where the volume lies (ps.Grid). Or `spacing_mm` alone, one number or (x, y, z), for a volume centred on the
        world's origin with its axes along x, y, z. One of the two is needed unless the voxels are 1 mm.
    method: "siddon", exact for constant voxels; "joseph", linear between voxel centres, with smooth gradients.
    device: "auto" (where the volume is; numpy: the CPU unless a GPU can be used), "cpu", "cuda", "cuda:N".
    threads: of the CPU; default PHYSSIM_THREADS or all that the process may use.

    Returns (views, rows, columns) float32 in mm x the volume's unit, of the library (numpy, cupy, torch) and on the
        device of `volume`.
    Errors: InvalidInput for another shape or type, a grid that does not fit, NaN or infinity met by a ray;
        DeviceUnavailable.
    Neglects: nothing of the voxel model (siddon): 2e-7 RMS of float64. A ray in a face of the voxels belongs to the
        higher voxel.
    Same bits for any number of threads and any CPU.
    Reference: Siddon, Med. Phys. 12, 252 (1985); Joseph, IEEE Trans. Med. Imaging 1, 192 (1982).

    >>> import numpy as np, physsim as ps
    >>> geometry = ps.Geometry.parallel(views=1, rows=1, columns=1, pixel_mm=1.0)
    >>> float(ps.project(np.ones((4, 4, 4), np.float32), geometry, spacing_mm=2.0)[0, 0, 0])
    8.0
    """
    check_method(method)
    grid = grid_of(tuple(volume.shape), grid, spacing_mm)
    check_voxel_type(volume)
    rays, chosen = voxel_rays(geometry, grid), device_for(volume, device)
    if chosen.kind == "cuda":
        from physsim.device.cuda import cuda_kernels
        from physsim.transport.cuda import project_cuda

        # A volume in host memory goes up in slabs, as large as the GPU's memory allows.
        given = to_cupy(volume, chosen) if device_of(volume).kind == "cuda" else to_numpy(volume)
        image = project_cuda(cuda_kernels(chosen), given, grid.spacing_mm, rays, method)
        return like(image, volume)
    from physsim import _engine

    host = to_numpy(volume)
    image = np.zeros(geometry.shape, np.float32)
    arguments = (native(host), list(grid.spacing_mm), rays.start, rays.end, rays.start_row, rays.end_row, rays.flat)
    if method == "siddon":
        _engine.project(*arguments, list(rays.along), image, thread_count(threads), instruction_set())
    else:
        _engine.project_joseph(*arguments, image, thread_count(threads), instruction_set())
    check_finite(image, host, "volume")
    return like(image, volume)


def backproject(
    image: Any,
    geometry: Geometry,
    *,
    grid: Grid,
    method: str = "siddon",
    device: str | Device = "auto",
    threads: int | None = None,
) -> Any:
    """The exact transpose of `project`: every voxel's sum over the rays of length in the voxel (mm) x pixel value.

    image: (views, rows, columns) float32. grid: the volume wanted. Returns (nz, ny, nx) float32 in mm x the image's
    unit, of the library and on the device of `image`. The weights are those of `project` with the same method:
    <project(x), y> = <x, backproject(y)> within 1e-6. Same bits for any number of threads and any CPU.
    Errors: InvalidInput for another shape or type, NaN or infinity; DeviceUnavailable.
    """
    check_method(method)
    check_pixels("image", image, geometry)
    if type_name(image) != "float32":
        raise InvalidInput(
            message(
                f"image of {image.dtype}",
                "the kernels read float32",
                "Convert it, for example image.astype('float32').",
            )
        )
    rays, chosen = voxel_rays(geometry, grid), device_for(image, device)
    if chosen.kind == "cuda":
        from physsim.device.cuda import cuda_kernels
        from physsim.transport.cuda import backproject_cuda

        there, on_host = to_cupy(image, chosen), device_of(image).kind == "cpu"
        volume = backproject_cuda(cuda_kernels(chosen), there, grid.shape, grid.spacing_mm, rays, on_host, method)
        return like(volume, image)
    from physsim import _engine

    host = np.ascontiguousarray(to_numpy(image))
    volume = np.zeros(grid.shape, np.float32)
    arguments = (host, list(grid.spacing_mm), rays.start, rays.end, rays.start_row, rays.end_row, rays.flat)
    if method == "siddon":
        _engine.backproject(*arguments, list(rays.along), volume, thread_count(threads), instruction_set())
    else:
        _engine.backproject_joseph(*arguments, volume, thread_count(threads), instruction_set())
    check_finite(volume, host, "image")
    return like(volume, image)


def device_for(array: Any, device: str | Device) -> Device:
    """The device that `device` names for work on `array`: "auto" stays where a cupy array or a tensor is.

    Errors: InvalidInput for a name that means nothing; DeviceUnavailable.
    """
    return device_of(array) if device == "auto" and namespace_of(array) != "numpy" else resolve(device)
