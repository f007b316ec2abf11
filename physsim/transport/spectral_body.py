"""Labels, densities and pixel maps that have passed the checks: every voxel is looked at once, before any work.

What lies on a GPU is looked at there.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import _engine
from physsim.device.arrays import device_of, namespace_of, to_cupy, to_numpy
from physsim.device.choice import CPU, Device, thread_count
from physsim.errors import InvalidInput, message
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.arguments import type_name
from physsim.units import g_per_cm2_from_mm_g_per_cm3

Images = NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Body:
    """Voxels that have passed the checks.

    labels: (nz, ny, nx) uint8 or uint16; density: the same shape, relative, float16 or float32, or None for 1
    everywhere; numpy, or cupy for work on the GPU that they lie on. material_density_g_cm3: (materials,) float64.
    present: labels that occur, ascending. greatest: the largest relative density.
    """

    labels: Any
    density: Any | None
    material_density_g_cm3: NDArray[np.float64]
    present: NDArray[np.int64]
    greatest: float

    @property
    def scale_g_cm2(self) -> NDArray[np.float64]:
        """(present,) areal density of 1 mm at relative density 1 (g/cm2)."""
        values = self.material_density_g_cm3[self.present]
        return np.asarray(g_per_cm2_from_mm_g_per_cm3(values))  # type: ignore[no-untyped-call]


def checked_body(
    labels: Any, density: Any | None, material_density_g_cm3: ArrayLike, grid: Grid, device: Device = CPU
) -> Body:
    """Look at every voxel once, for work on `device`; see `project_materials` for the arguments and errors."""
    densities = _checked_material_densities(material_density_g_cm3)
    labels = _checked_voxels("labels", labels, ("uint8", "uint16"), grid)
    if density is not None:
        density = _checked_voxels("density", density, ("float16", "float32"), grid)
        places = device_of(labels), device_of(density)
        if places[0] != places[1]:
            raise InvalidInput(
                message(
                    f"labels on {places[0]}, density on {places[1]}",
                    "the voxels of a body lie in one place",
                    "Move one of them.",
                )
            )
    labels, density = (None if one is None else _handed_over(one, device) for one in (labels, density))
    if device_of(labels).kind == "cuda":
        from physsim.device.cuda import cuda_kernels
        from physsim.transport.spectral_cuda import survey_cuda

        present, low, high, finite = survey_cuda(cuda_kernels(device), labels, density)
    else:
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


def _checked_material_densities(material_density_g_cm3: ArrayLike) -> NDArray[np.float64]:
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
    return densities


def _checked_voxels(name: str, voxels: Any, types: tuple[str, str], grid: Grid) -> Any:
    """`voxels` of any library, of one of the types and the grid's shape."""
    if namespace_of(voxels) == "numpy":
        voxels = np.asarray(voxels)
    if type_name(voxels) not in types or not getattr(voxels.dtype, "isnative", True):
        raise InvalidInput(
            message(
                f"{name} of dtype {voxels.dtype}",
                f"{name} is {types[0]} or {types[1]} in the machine's byte order".replace("labels is", "labels are"),
                f"Convert with {name}.astype(np.{types[0] if name == 'labels' else types[1]}).",
            )
        )
    if tuple(voxels.shape) != grid.shape:
        raise InvalidInput(
            message(
                f"{name} of shape {tuple(voxels.shape)}",
                f"the grid is {grid.shape} (z, y, x)",
                "Give the grid of this array.",
            )
        )
    return voxels


def _handed_over(voxels: Any, device: Device) -> Any:
    """cupy where they are on a GPU and shall be used there; numpy else: a GPU takes it in slabs that fit."""
    there = device.kind == "cuda" and device_of(voxels).kind == "cuda"
    return to_cupy(voxels, device) if there else to_numpy(voxels)


def checked_map(name: str, values: Any | None, geometry: Geometry) -> Images | None:
    """(1 or views, rows, columns) float32 map of the pixels, of any library, brought to the CPU."""
    if values is None:
        return None
    pixels = np.array(to_numpy(values), np.float32, order="C")
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
