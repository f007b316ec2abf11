"""Line integrals of a volume along the rays of a geometry, and their transpose: numpy, cupy or torch in and out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.arrays import device_of, like, namespace_of, to_cupy, to_numpy
from physsim.device.choice import CPU, Device, instruction_set, resolve, thread_count
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.rays import voxel_rays

VOXEL_TYPES = ("float32", "float16", "uint8", "uint16", "int16")
METHODS = ("siddon", "joseph")


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
        world's
        origin with its axes along x, y, z. One of the two is needed unless the voxels are 1 mm.
    method: "siddon", exact for constant voxels; "joseph", linear between voxel centres, with smooth gradients.
    device: "auto" (where the volume is; numpy: the CPU unless a GPU can be used, by "joseph" always), "cpu", "cuda",
        "cuda:N".
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
    _check_method(method)
    grid = grid_of(tuple(volume.shape), grid, spacing_mm)
    if _type_name(volume) not in VOXEL_TYPES:
        raise InvalidInput(
            message(
                f"volume of {volume.dtype}",
                "the kernels read " + ", ".join(VOXEL_TYPES),
                "Convert it, for example volume.astype('float32').",
            )
        )
    rays, chosen = voxel_rays(geometry, grid), device_for(volume, device, method)
    if chosen.kind == "cuda":
        from physsim.device.cuda import cuda_kernels
        from physsim.transport.cuda import project_cuda

        # A volume in host memory goes up in slabs, as large as the GPU's memory allows.
        given = to_cupy(volume, chosen) if device_of(volume).kind == "cuda" else _native(to_numpy(volume))
        image = project_cuda(cuda_kernels(chosen), given, grid.spacing_mm, rays, method)
        return like(image, volume)
    from physsim import _engine

    host = to_numpy(volume)
    image = np.zeros(geometry.shape, np.float32)
    if method == "siddon":
        _engine.project(
            _native(host),
            list(grid.spacing_mm),
            rays.start,
            rays.end,
            rays.start_row,
            rays.end_row,
            rays.flat,
            list(rays.along),
            image,
            thread_count(threads),
            instruction_set(),
        )
    else:
        _engine.project_joseph(
            _native(host),
            list(grid.spacing_mm),
            rays.start,
            rays.end,
            rays.start_row,
            rays.end_row,
            rays.flat,
            image,
            thread_count(threads),
            instruction_set(),
        )
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
        unit, of the
    library and on the device of `image`. The weights are those of `project` with the same method: <project(x), y> =
    <x, backproject(y)>
    within 1e-6. Same bits for any number of threads and any CPU.
    Errors: InvalidInput for another shape or type, NaN or infinity; DeviceUnavailable.
    """
    _check_method(method)
    if tuple(image.shape) != geometry.shape:
        raise InvalidInput(
            message(
                f"image of shape {tuple(image.shape)}",
                f"the geometry has (views, rows, columns) = {geometry.shape}",
                "Give an image per view, or the geometry of these views: geometry[first:last].",
            )
        )
    if _type_name(image) != "float32":
        raise InvalidInput(
            message(
                f"image of {image.dtype}",
                "the kernels read float32",
                "Convert it, for example image.astype('float32').",
            )
        )
    rays, chosen = voxel_rays(geometry, grid), device_for(image, device, method, transpose=True)
    if chosen.kind == "cuda":
        from physsim.device.cuda import cuda_kernels
        from physsim.transport.cuda import backproject_cuda

        there, on_host = to_cupy(image, chosen), device_of(image).kind == "cpu"
        volume = backproject_cuda(cuda_kernels(chosen), there, grid.shape, grid.spacing_mm, rays, on_host)
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


def grid_of(shape: tuple[int, ...], grid: Grid | None, spacing_mm: float | Sequence[float] | None) -> Grid:
    """The grid of a (nz, ny, nx) volume: `grid`, checked against the shape, or a centred one of `spacing_mm` (default
    1 mm)."""
    if len(shape) != 3 or min(shape) < 1:
        raise InvalidInput(
            message(
                f"volume of shape {shape}", "a volume has three axes (z, y, x)", "Give at least one voxel along each."
            )
        )
    if grid is None:
        spacing = (
            (1.0 if spacing_mm is None else spacing_mm)
            if not isinstance(spacing_mm, Sequence)
            else tuple(float(s) for s in spacing_mm)
        )
        return Grid(shape=shape, spacing_mm=spacing)
    if spacing_mm is not None:
        raise InvalidInput(
            message(
                f"spacing_mm={spacing_mm} beside a grid",
                f"the grid says spacing_mm={grid.spacing_mm}",
                "Give one of the two.",
            )
        )
    if tuple(grid.shape) != tuple(shape):
        raise InvalidInput(
            message(
                f"volume of shape {tuple(shape)}",
                f"its grid has {grid.shape}",
                "Give the grid of this volume; shapes are (nz, ny, nx).",
            )
        )
    return grid


def device_for(array: Any, device: str | Device, method: str = "siddon", *, transpose: bool = False) -> Device:
    """The device that `device` names for work on `array`: "auto" stays where a cupy array or a tensor is.

    A numpy array by Joseph's method stays on the CPU under "auto", where its transpose and gradients are.
    Errors: InvalidInput for Joseph's transpose on a GPU; DeviceUnavailable.
    """
    auto = device == "auto"
    if auto and namespace_of(array) != "numpy":
        chosen = device_of(array)
    else:
        chosen = CPU if auto and method != "siddon" else resolve(device)
    if chosen.kind == "cuda" and method != "siddon" and transpose:
        raise InvalidInput(
            message(
                f"method={method!r} on {chosen}",
                "the GPU projects by it, but has the transpose and gradients of the exact projector only",
                "Use device='cpu' and an array there, or method='siddon'.",
            )
        )
    return chosen


def check_finite(result: NDArray[np.float32], given: NDArray[Any], name: str) -> None:
    """Refuse NaN and infinity that came in with `given` (looked for only when the result shows them)."""
    if math.isfinite(float(np.sum(result, dtype=np.float64))):
        return
    bad = ~np.isfinite(given)
    if bad.any():
        first = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))
        raise InvalidInput(
            message(
                f"{name}{list(first)}={given[first]}",
                f"{int(bad.sum())} values are NaN or infinite",
                "Give finite values, for example numpy.nan_to_num.",
            )
        )
    raise InvalidInput(
        message(f"{name} up to {np.abs(given).max():.4g}", "its sums overflow float32", "Scale the values down.")
    )


def _native(volume: NDArray[Any]) -> NDArray[Any]:
    """`volume` as the kernels can stride over it: native byte order, strides of whole elements; else a copy."""
    whole = all(stride % volume.itemsize == 0 for stride in volume.strides)
    return volume if volume.dtype.isnative and whole else np.ascontiguousarray(volume, volume.dtype.newbyteorder("="))


def _type_name(array: Any) -> str:
    """Of numpy, cupy or torch: "float32", whatever the byte order."""
    return str(getattr(array.dtype, "name", array.dtype)).removeprefix("torch.")


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise InvalidInput(message(f"method={method!r}", "no such ray tracer", did_you_mean(method, METHODS)))
