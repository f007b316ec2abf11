"""Pictures of a phantom as arrays: slices in grey, parallel radiographs, and the surface as if lit from the viewer.

All are seen as radiologists do: the patient's left on the picture's right, head up; axial from the feet, front up.
Each comes on the grid's own pixels; `square` brings them to one size. Neglects: grids turned against the world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

Plane = Literal["axial", "coronal", "sagittal"]
Picture = npt.NDArray[np.float32]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
AXIS_OF_PLANE = {"axial": 0, "coronal": 1, "sagittal": 2}  # of arrays (z, y, x), that the plane stands across

ENERGY_KEV = 70.0  # about the mean energy of 120 kVp behind a body
# Grey of CT numbers: lungs, soft tissue and bone in one picture; each has its own steepness.
GREY_HU = (-1000.0, -700.0, -160.0, 240.0, 1600.0)
GREY = (0.0, 0.22, 0.30, 0.78, 1.0)
_SKIN_G_CM3, _BONE_G_CM3 = 0.5, 1.25  # densities that the surface of a body, of its bones, passes
_SMOOTH_VOXELS = 1.2  # of depths before they are lit


def grey_of_hu(hu: npt.NDArray[Any]) -> Picture:
    """Grey from 0 to 1 of CT numbers, any shape."""
    return np.asarray(np.interp(hu, GREY_HU, GREY), np.float32)


def grey_of_materials(phantom: Phantom) -> npt.NDArray[np.float64]:
    """(materials,) attenuation of each at its own density over that of water, at ENERGY_KEV."""
    from physsim.physics.attenuation import linear_attenuation_per_mm
    from physsim.spec.material import material

    water = float(linear_attenuation_per_mm(material("water"), ENERGY_KEV))
    return np.array([float(linear_attenuation_per_mm(one, ENERGY_KEV)) / water for one in phantom.materials])


def relative_attenuation(phantom: Phantom, where: tuple[slice, ...] = ()) -> Picture:
    """(z, y, x) attenuation over that of water, of the whole or of a part given by slices."""
    values = grey_of_materials(phantom).astype(np.float32)[phantom.labels[where]]
    if phantom.density is not None:
        values *= phantom.density[where]
    return np.asarray(values)


def slice_hu(phantom: Phantom, plane: Plane, index: int) -> Picture:
    """(rows, columns) CT numbers of one slice, first row on top."""
    axis = AXIS_OF_PLANE[plane]
    where: list[slice] = [slice(None)] * 3
    where[axis] = slice(index, index + 1)
    relative: Picture = np.take(relative_attenuation(phantom, tuple(where)), 0, axis)
    values = np.float32(1000.0) * (relative - np.float32(1.0))
    return values if plane == "axial" else values[::-1]


def radiograph(phantom: Phantom, along: Literal["y", "x"]) -> Picture:
    """(nz, nx) or (nz, ny) line integrals of attenuation x length in mm of water, parallel rays; first row on top."""
    axis, step = (0, phantom.grid.spacing_mm[1]) if along == "y" else (1, phantom.grid.spacing_mm[0])
    rows = [relative_attenuation(phantom, (slice(k, k + 1),))[0].sum(axis) * step for k in range(phantom.grid.shape[0])]
    return np.asarray(rows, np.float32)[::-1]


def surface_picture(phantom: Phantom, seen_from: Literal["front", "left"], of: Literal["skin", "bone"]) -> Picture:
    """(nz, nx) or (nz, ny) grey from 0 (nothing there) to 1: the first voxel denser than the surface, lit.

    Front: the viewer stands before the patient. Left: at the patient's left, so that the front is on the left.
    """
    from scipy.ndimage import gaussian_filter

    density = _SKIN_G_CM3 if of == "skin" else _BONE_G_CM3
    front = seen_from == "front"
    steps = phantom.grid.spacing_mm
    depth, first, second = [], [], []
    for k in range(phantom.grid.shape[0]):
        plane = phantom.density_g_cm3((slice(k, k + 1),))[0]
        plane = plane if front else plane.T[::-1]  # rays along the first axis
        dense = plane > density
        at = dense.argmax(0)
        column = np.arange(dense.shape[1])
        here = plane[at, column]
        before = plane[np.maximum(at - 1, 0), column]
        part = np.clip((here - density) / np.maximum(here - before, 1e-6), 0.0, 1.0)  # where it passes the density
        depth.append(np.where(dense.any(0), (at - part) * steps[1 if front else 0], np.nan))
    map_mm = np.array(depth, np.float32)[::-1]
    there = np.isfinite(map_mm)
    if not there.any():
        return np.zeros(map_mm.shape, np.float32)
    across = steps[0 if front else 1]
    weight = gaussian_filter(there.astype(np.float32), _SMOOTH_VOXELS)
    smooth = gaussian_filter(np.where(there, map_mm, 0.0), _SMOOTH_VOXELS) / np.maximum(weight, 1e-3)
    first, second = np.gradient(smooth, steps[2], across)
    facing = 1.0 / np.sqrt(1.0 + first**2 + second**2)
    light = facing * np.clip(0.62 + 0.30 * first - 0.22 * second, 0.0, None)  # from above and the viewer's left
    far = smooth[there].max() - smooth[there].min()
    light *= 1.0 - 0.35 * (smooth - smooth[there].min()) / max(float(far), 1.0)
    grey = np.clip(0.12 + 1.25 * light, 0.0, 1.0)
    return np.where(there, grey, 0.0).astype(np.float32)


def square(picture: Picture, step_rows: float, step_columns: float, pixel_mm: float) -> Picture:
    """The picture on square pixels: means where they are larger than its own, linear between where smaller."""
    from scipy.ndimage import map_coordinates, uniform_filter1d

    steps = (step_rows, step_columns)
    size = [max(1, round(n * step / pixel_mm)) for n, step in zip(picture.shape, steps, strict=True)]
    for axis, step in enumerate(steps):
        if pixel_mm > 1.5 * step:
            picture = uniform_filter1d(picture, round(pixel_mm / step), axis, mode="nearest")
    at = [(np.arange(n) + 0.5) * pixel_mm / step - 0.5 for n, step in zip(size, steps, strict=True)]
    return np.asarray(map_coordinates(picture, np.meshgrid(*at, indexing="ij"), order=1, mode="nearest"), np.float32)
