"""Labels, densities and pixel maps that have passed the checks: every voxel is looked at once, before any work."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import _engine
from physsim.device.choice import thread_count
from physsim.errors import InvalidInput, message
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.units import g_per_cm2_from_mm_g_per_cm3

Array = NDArray[Any]
Images = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Body:
    """Voxels that have passed the checks.

    labels: (nz, ny, nx) uint8 or uint16; density: the same shape, relative, float16 or float32, or None for 1
    everywhere. material_density_g_cm3: (materials,) float64. present: labels that occur, ascending. greatest: the
    largest relative density.
    """

    labels: Array
    density: Array | None
    material_density_g_cm3: NDArray[np.float64]
    present: NDArray[np.int64]
    greatest: float

    @property
    def scale_g_cm2(self) -> NDArray[np.float64]:
        """(present,) areal density of 1 mm at relative density 1 (g/cm2)."""
        values = self.material_density_g_cm3[self.present]
        return np.asarray(g_per_cm2_from_mm_g_per_cm3(values))  # type: ignore[no-untyped-call]


def checked_body(labels: Array, density: Array | None, material_density_g_cm3: ArrayLike, grid: Grid) -> Body:
    """Look at every voxel once; see `project_materials` for the arguments and errors."""
    labels = np.asarray(labels)
    densities = np.array(material_density_g_cm3, np.float64)
    if densities.ndim != 1 or not len(densities):
        raise InvalidInput(
            message(
                f"material_density_g_cm3 of shape {densities.shape}",
                "one density a material is needed",
                "Give (materials,) values in g/cm3.",
            )
        )
    if not (np.isfinite(densities).all() and (densities >= 0).all()):
        worst = int(np.argmax(~(np.isfinite(densities) & (densities >= 0))))
        raise InvalidInput(
            message(
                f"material_density_g_cm3[{worst}]={densities[worst]}",
                "densities are finite and not negative",
                "Give it in g/cm3, for example 1.0.",
            )
        )
    if labels.dtype not in (np.uint8, np.uint16) or not labels.dtype.isnative:
        raise InvalidInput(
            message(
                f"labels of dtype {labels.dtype}",
                "labels are uint8 or uint16 in the machine's byte order",
                "Convert with labels.astype(np.uint8).",
            )
        )
    if density is not None:
        density = np.asarray(density)
        if density.dtype not in (np.float16, np.float32) or not density.dtype.isnative:
            raise InvalidInput(
                message(
                    f"density of dtype {density.dtype}",
                    "density is float16 or float32 in the machine's byte order",
                    "Convert with density.astype(np.float32).",
                )
            )
    for name, array in (("labels", labels), ("density", density)):
        if array is not None and array.shape != grid.shape:
            raise InvalidInput(
                message(
                    f"{name} of shape {array.shape}",
                    f"the grid is {grid.shape} (z, y, x)",
                    "Give the grid of this array.",
                )
            )
    flags, low, high, finite = _engine.survey(labels, density, thread_count(None))
    present = np.flatnonzero(flags)
    if present[-1] >= len(densities):
        raise InvalidInput(
            message(f"label {present[-1]}", f"there are {len(densities)} materials", "Give a material for each label.")
        )
    if density is not None and not finite:
        raise InvalidInput(
            message("density", "holds NaN or infinity", "Set those voxels, for example to 0 for vacuum.")
        )
    if density is not None and low < 0:
        raise InvalidInput(message(f"density={low:.6g}", "relative densities are not negative", "Clip them at 0."))
    return Body(labels, density, densities, present, 1.0 if density is None else float(high))


def checked_map(name: str, values: ArrayLike | None, geometry: Geometry) -> Images | None:
    """(1 or views, rows, columns) float32 map of the pixels."""
    if values is None:
        return None
    pixels = np.array(values, np.float32, order="C")
    if pixels.shape not in (geometry.shape, geometry.shape[1:]):
        raise InvalidInput(
            message(
                f"{name} of shape {pixels.shape}",
                f"images are {geometry.shape[1:]}, {geometry.shape[0]} views",
                "Give (rows, columns) or (views, rows, columns).",
            )
        )
    if not np.isfinite(pixels).all():
        raise InvalidInput(message(name, "holds NaN or infinity", "Give finite values."))
    return pixels.reshape(-1, *geometry.shape[1:])
