"""Scatter from the primary image by superposition of kernels: fast, smooth, and no more than a good guess.

What arrives in x from all y: sum of open(y) k(water(y), x - y). The water is what the primary shows; where in depth it
lies is asked of the phantom.
Reference: M. Sun, J. M. Star-Lack, Phys. Med. Biol. 55 (2010) 6695.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.body import body_box_mm
from physsim.imaging.heights import heights_mm
from physsim.imaging.kernel_tables import KernelTable, Slabs, kernel_table, lit_slabs, superposed
from physsim.imaging.scattered import Scattered, coarse_geometry, on_pixels
from physsim.phantom.phantom import Phantom
from physsim.portable import log
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol
from physsim.spec.scatter import KernelScatter
from physsim.transport.ordered import product
from physsim.transport.project import project

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_LOOKED_AT = 8  # views of a scan that say where the body lies
_SLABS_MM, _SIDES_MM = 10.0, 50.0  # tables are shared by bodies that differ by less
_MM_PER_G_CM2 = 10.0  # of water
_WIDEST_MM, _THICKEST_MM = 1000.0, 400.0


@dataclass(frozen=True, eq=False)
class KernelScattering:
    """Scatter of views of `geometry`'s detector, by the kernels of `table`."""

    table: KernelTable
    geometry: Geometry

    @property
    def square_kev(self) -> float:
        """Second over first moment of the scattered signal."""
        return self.table.square_kev

    @property
    def relative_error(self) -> float:
        """e_S as stated for kernels, not found in these images."""
        return KernelScatter().error

    def signal(self, primary: Images, opened: NDArray[np.floating]) -> Images:
        """(views, rows, columns) keV that scatter adds to the signal, where `primary` keV arrive unscattered, and
        `opened` without an object (of the same shape, or one view's)."""
        coarse = coarse_geometry(self.geometry[0])
        shape = (coarse.rows, coarse.columns)
        free = means(np.broadcast_to(opened, primary.shape) if opened.ndim == 3 else opened[None], *shape)
        seen = means(primary, *shape)
        free = np.broadcast_to(free, seen.shape)
        known = self.table
        passed = np.maximum(seen / np.maximum(free, 1e-300), math.exp(-known.attenuation[-1]))
        water = np.interp(-log(passed), np.concatenate([[0.0], known.attenuation]),
                          np.concatenate([[0.0], known.thickness_mm]))
        found = superposed(known, free, water, coarse.pixel_mm)
        out = np.empty(primary.shape, np.float32)
        for view, image in enumerate(found):
            out[view] = on_pixels(image, *primary.shape[1:])
        return out


def kernel_scattering(phantom: Phantom, protocol: Protocol, geometry: Geometry, threads: int) -> KernelScattering:
    """For views of `phantom`.

    Neglects: materials other than water; edges, beside which a slab goes on (it makes scatter of radiographs 10 to 25 %
    too bright); meshes and overlays in the body's depth; of a scan, that the body's depth changes from view to view (it
    is their mean); that more than 400 mm of water scatter in another way than so much; the rest as kernel_table.
    """
    few = np.unique(np.rint(np.linspace(0, len(geometry) - 1, _LOOKED_AT)).astype(int))
    slabs = body_slabs(phantom, geometry[few], threads)
    return KernelScattering(kernel_table(lit_slabs(protocol, geometry, slabs), threads), geometry)


def kernel_scattered(phantom: Phantom, protocol: Protocol, geometry: Geometry, primary: Images, opened: Images,
                     threads: int) -> Scattered:
    """Scatter of the views of an exposure, each by kernels of its own: `primary` and `opened` signals (views, rows,
    columns) are per mAs. See kernel_scattering."""
    signal, square = np.empty_like(primary), np.empty_like(primary)
    for view in range(len(geometry)):
        one = kernel_scattering(phantom, protocol, geometry[view], threads)
        signal[view] = one.signal(primary[view][None], opened[view][None])[0]
        square[view] = signal[view] * np.float32(one.square_kev)
    return Scattered(signal, square, (KernelScatter().error,) * len(geometry), 0, True)


def body_slabs(phantom: Phantom, geometry: Geometry, threads: int) -> Slabs:
    """Slabs that lie as the body's mass does along the rays, where these bring most scatter."""
    density = np.array([one.density_g_cm3 for one in phantom.materials], np.float32)[phantom.labels]
    if phantom.density is not None:
        density *= phantom.density
    box = np.array(body_box_mm(phantom))
    found, most = [], 0.0
    for view in range(len(geometry)):
        one = coarse_geometry(geometry[view])
        height = heights_mm(one, phantom.grid)
        mass, first, second = (
            project(part, one, grid=phantom.grid, device="cpu", threads=threads)[0].astype(np.float64)
            for part in (density, density * height, density * height * height))
        water = mass * (_MM_PER_G_CM2 * 0.1)
        there = np.maximum(mass, 1e-6)
        weight = water * np.exp(-0.017 * water)
        whole = max(float(weight.sum()), 1e-9)
        middle = float((weight * first / there).sum()) / whole
        spread = float((weight * np.maximum(second / there - (first / there) ** 2, 0.0)).sum()) / whole
        sides = [float(np.abs(box[1] - box[0]) @ np.abs(np.array(axis[0]))) for axis in (one.u, one.v)]
        found.append((middle, math.sqrt(12.0 * spread), *sides))
        most = max(most, float(water.max()))
    middle, depth, across, down = np.array(found).mean(axis=0).tolist()
    depth = _rounded(max(depth, _SLABS_MM), _SLABS_MM)
    gap = max(_rounded(middle - 0.5 * depth, _SLABS_MM), 0.5 * _SLABS_MM)
    wide, long = (min(_rounded(max(side, _SIDES_MM), _SIDES_MM), _WIDEST_MM) for side in (across, down))
    thickest = min(max(_rounded(1.1 * most + 0.5 * _SIDES_MM, _SIDES_MM), _SIDES_MM), _THICKEST_MM)
    return Slabs(gap, depth, (wide, long), thickest)


def means(images: NDArray[np.floating], rows: int, columns: int) -> Floats:
    """(views, rows, columns) means over coarse pixels of images (views, more rows, more columns)."""
    down, across = (_shares(fine, coarse) for fine, coarse in zip(images.shape[1:], (rows, columns), strict=True))
    turned = np.ascontiguousarray(across.T)
    return np.stack([product(product(down, np.ascontiguousarray(image, np.float64)), turned) for image in images])


def _shares(fine: int, coarse: int) -> Floats:
    """(coarse, fine) of each fine pixel in the mean of a coarse one."""
    edges, own = np.linspace(0.0, fine, coarse + 1), np.arange(float(fine))
    within = np.minimum(edges[1:, None], own + 1.0) - np.maximum(edges[:-1, None], own)
    return np.asarray(np.maximum(within, 0.0) * (coarse / fine))


def _rounded(value: float, step: float) -> float:
    return step * round(value / step)
