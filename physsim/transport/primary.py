"""The unscattered beam behind a phantom: sums over energies at every pixel, overlays in place of what they cover."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.phantom.insert import sub_grid
from physsim.phantom.overlay import Overlay, box_corners
from physsim.phantom.phantom import Phantom
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.physics.spectra_quantities import transmission
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.project import project
from physsim.units import CM_PER_MM

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_BLOCK = 1 << 14  # pixels whose energies are summed at once
_ALIGNED_VOXELS = 1e-6
_MARGIN_PIXELS = 2


def primary_signal(phantom: Phantom, energies_kev: Floats, weights: Floats, geometry: Geometry,
                   position: Floats | None = None, *, threads: int | None = None) -> Images:
    """sum over E of weights[E] exp(-sum over materials of mu(E) path) along the ray of every pixel.

    `weights`: (outputs, nodes, E) float64; `position`: (views, rows, columns) place between the nodes, None for one
    node. Returns (views, outputs, rows, columns) float32, with equal bits for any number of threads.

    Neglects: scatter; air outside the phantom's grid. Raises InvalidInput for overlays whose boxes cut voxels.
    """
    table = np.stack([mass_attenuation_cm2_g(one, energies_kev) for one in phantom.materials])
    result = np.empty((len(geometry), len(weights), *geometry.shape[1:]), np.float32)
    for view in range(len(geometry)):
        pose = geometry[view]
        place = None if position is None else position[view]
        result[view] = _signal(areal_densities(phantom, pose, threads=threads), table, weights, place)
        for overlay in phantom.overlays:
            window = shadow(pose, overlay.grid)
            if window is None:
                continue
            part = None if place is None else place[window]
            result[(view, slice(None), *window)] = _signal(
                areal_densities(phantom, _cut(pose, window), overlays=True, threads=threads), table, weights, part)
    return result


def areal_densities(phantom: Phantom, geometry: Geometry, *, overlays: bool = False,
                    threads: int | None = None) -> Images:
    """Areal density (g/cm2) of every material along the rays of one view: (materials, rows, columns) float32.

    With `overlays` these replace exactly what they cover; else the phantom's own voxels alone are looked at.
    """
    total = _of_voxels(phantom, phantom.labels, phantom.density, phantom.grid, geometry, threads)
    for overlay in phantom.overlays if overlays else ():
        block, grid = covered_block(phantom.grid, overlay)
        density = None if phantom.density is None else phantom.density[block]
        total -= _of_voxels(phantom, phantom.labels[block], density, grid, geometry, threads)
        total += _of_voxels(phantom, overlay.labels, overlay.density, overlay.grid, geometry, threads)
    return np.maximum(total, 0.0)


def covered_block(grid: Grid, overlay: Overlay) -> tuple[tuple[slice, slice, slice], Grid]:
    """The whole voxels (z, y, x slices) under an overlay, and their grid.

    Raises InvalidInput unless the overlay's box ends on faces of voxels.
    """
    index = np.c_[box_corners(overlay.grid), np.ones(8)] @ grid.voxel_from_world.T
    low, high = index[:, :3].min(0) + 0.5, index[:, :3].max(0) + 0.5
    first, last = np.rint(low).astype(int), np.rint(high).astype(int)
    faces = np.isclose(index[:, None, :3] + 0.5, np.stack([first, last]), rtol=0, atol=_ALIGNED_VOXELS).any(1).all()
    if not faces:
        raise InvalidInput(message(
            f"overlay {overlay.name!r} over voxels {low.round(3).tolist()} to {high.round(3).tolist()} (x, y, z)",
            "its box cuts voxels of the phantom", "Align it with the phantom's voxels, as Phantom.insert does."))
    block = tuple(slice(int(a), int(b)) for a, b in zip(first[::-1], last[::-1], strict=True))
    return block, sub_grid(grid, block)  # type: ignore[arg-type,return-value]


def _of_voxels(phantom: Phantom, labels: NDArray[Any], density: NDArray[Any] | None, grid: Grid, geometry: Geometry,
               threads: int | None) -> Images:
    total = np.zeros((len(phantom.materials), *geometry.shape[1:]), np.float32)
    for number in np.unique(labels):
        chosen = labels == number
        volume = chosen.astype(np.uint8) if density is None else np.where(chosen, density, 0).astype(np.float32)
        length = project(volume, geometry, grid=grid, device="cpu", threads=threads)[0]
        total[number] = length * (phantom.materials[number].density_g_cm3 * CM_PER_MM)
    return total


def _signal(areal_g_cm2: Images, table_cm2_g: Floats, weights: Floats, place: Floats | None) -> Images:
    """(outputs, rows, columns) from (materials, rows, columns) areal densities, block by block of pixels."""
    flat = areal_g_cm2.reshape(len(areal_g_cm2), -1)
    where = None if place is None else place.ravel()
    result = np.empty((len(weights), flat.shape[1]), np.float32)
    present = np.flatnonzero(flat.any(1))
    for start in range(0, flat.shape[1], _BLOCK):
        stop = min(start + _BLOCK, flat.shape[1])
        depth = np.zeros((table_cm2_g.shape[1], stop - start))
        for number in present:
            depth += table_cm2_g[number][:, None] * flat[number, start:stop].astype(np.float64)
        result[:, start:stop] = _summed(transmission(depth), weights, None if where is None else where[start:stop])
    return result.reshape(len(weights), *areal_g_cm2.shape[1:])


def _summed(through: Floats, weights: Floats, place: Floats | None) -> Floats:
    """(outputs, pixels) sums over energies, first to last, of (E, pixels) transmissions."""
    lower = np.zeros(through.shape[1], np.int64) if place is None else \
        np.minimum(place.astype(np.int64), weights.shape[1] - 2)
    share = None if place is None else place - lower
    sums = np.zeros((len(weights), through.shape[1]))
    for energy, passed in enumerate(through):
        for output, row in enumerate(weights[:, :, energy]):
            weight = row[lower] if share is None else row[lower] + share * (row[lower + 1] - row[lower])
            sums[output] += weight * passed
    return sums


def shadow(geometry: Geometry, grid: Grid) -> tuple[slice, slice] | None:
    """Rows and columns of a one-view detector onto which a grid's box can fall, or None for none.

    All of the detector where it is curved, the beam parallel, or the box reaches behind the source.
    """
    if geometry.radius_mm is not None or geometry.beam == "parallel":
        return slice(0, geometry.rows), slice(0, geometry.columns)
    source, centre, normal = geometry.source_mm[0], geometry.centre_mm[0], geometry.normal[0]
    rays = box_corners(grid) - source
    depth = (rays * normal).sum(1)
    if depth.max() <= 0 or depth.min() >= geometry.distance_mm[0]:
        return None
    if depth.min() <= 0:
        return slice(0, geometry.rows), slice(0, geometry.columns)
    hits = source + rays * (geometry.distance_mm[0] / depth)[:, None] - centre
    limits = []
    for axis, count, pitch in ((geometry.v[0], geometry.rows, geometry.pixel_mm[1]),
                               (geometry.u[0], geometry.columns, geometry.pixel_mm[0])):
        place = (hits * axis).sum(1) / pitch + 0.5 * (count - 1)
        first = max(int(np.floor(place.min())) - _MARGIN_PIXELS, 0)
        last = min(int(np.ceil(place.max())) + _MARGIN_PIXELS + 1, count)
        if first >= last:
            return None
        limits.append(slice(first, last))
    return limits[0], limits[1]


def _cut(geometry: Geometry, window: tuple[slice, slice]) -> Geometry:
    """The part of a one-view detector in a window of rows and columns."""
    rows, columns = window
    if (rows.stop - rows.start, columns.stop - columns.start) == geometry.shape[1:]:
        return geometry
    along = 0.5 * (rows.start + rows.stop - geometry.rows) * geometry.pixel_mm[1]
    across = 0.5 * (columns.start + columns.stop - geometry.columns) * geometry.pixel_mm[0]
    return replace(geometry, centre_mm=geometry.centre_mm + across * geometry.u + along * geometry.v,
                   rows=rows.stop - rows.start, columns=columns.stop - columns.start)
