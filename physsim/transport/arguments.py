"""What the line integrals check of their arguments before any work, and how they hand volumes to the kernels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

VOXEL_TYPES = ("float32", "float16", "uint8", "uint16", "int16")
METHODS = ("siddon", "joseph")


def check_method(method: str) -> None:
    """Refuse a name that is not one of METHODS."""
    if method not in METHODS:
        raise InvalidInput(message(f"method={method!r}", "no such ray tracer", did_you_mean(method, METHODS)))


def check_voxel_type(volume: Any, name: str = "volume") -> None:
    """Refuse a `volume` (numpy, cupy, torch; called `name`) of a type that the kernels do not read."""
    if type_name(volume) not in VOXEL_TYPES:
        raise InvalidInput(
            message(
                f"{name} of {volume.dtype}",
                "the kernels read " + ", ".join(VOXEL_TYPES),
                "Convert it, for example volume.astype('float32').",
            )
        )


def check_pixels(name: str, pixels: Any, geometry: Geometry) -> None:
    """Refuse `pixels` (called `name`) unless they are one a ray: (views, rows, columns)."""
    if tuple(pixels.shape) != geometry.shape:
        raise InvalidInput(
            message(
                f"{name} of shape {tuple(pixels.shape)}",
                f"the geometry has (views, rows, columns) = {geometry.shape}",
                "Give an image per view, or the geometry of these views: geometry[first:last].",
            )
        )


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


def check_finite(result: NDArray[np.float32], given: NDArray[Any], name: str) -> None:
    """Refuse NaN and infinity that came in with `given` (looked for only when the result shows them)."""
    # A sum in float32 takes a third of the time; where it overflows, one in float64 decides.
    with np.errstate(over="ignore", invalid="ignore"):
        if math.isfinite(float(np.sum(result))) or math.isfinite(float(np.sum(result, dtype=np.float64))):
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


def native(volume: NDArray[Any]) -> NDArray[Any]:
    """`volume` as the kernels can stride over it: native byte order, strides of whole elements; else a copy."""
    whole = all(stride % volume.itemsize == 0 for stride in volume.strides)
    return volume if volume.dtype.isnative and whole else np.ascontiguousarray(volume, volume.dtype.newbyteorder("="))


def type_name(array: Any) -> str:
    """Of numpy, cupy or torch: "float32", whatever the byte order."""
    return str(getattr(array.dtype, "name", array.dtype)).removeprefix("torch.")
