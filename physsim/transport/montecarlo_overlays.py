"""Overlays as photon transport reads them: their voxels behind the phantom's own, and the cells that they reach into.

Layout and law: kernels/transport/scene.h. Neglects: 1 micrometre, by which places near a face of a coarse cell are
looked up in overlays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.phantom.overlay import Overlay, box_corners, covered_fraction
from physsim.phantom.phantom import Phantom
from physsim.spec.grid import Grid
from physsim.units import CM_PER_MM

_PATCH = np.dtype([("corner_cm", "f4", 3), ("voxels_per_cm", "f4", (3, 3)), ("shape", "i4", 3), ("first", "u4", 2)])
_REACH_CM = 0.5e-4  # kernels/transport/scene.h
_LOOK_BENEATH = -2  # the same: cell_label of the first list

Pairs = list[tuple[int, int]]


def overlay_labels(phantom: Phantom, regions: NDArray[Any], pairs: Pairs) -> tuple[list[NDArray[Any]], Pairs]:
    """Labels of each overlay's voxels: numbers of pairs of material and region, which get new ones behind them.

    A voxel belongs to the region of the phantom's voxel beneath its centre; where materials are the regions, to its
    own material.
    """
    pairs, found = list(pairs), []
    number = {pair: n for n, pair in enumerate(pairs)}
    for one in phantom.overlays:
        if regions is phantom.labels:
            found.append(one.labels)
            continue
        beneath = _beneath(regions, phantom.grid, one.grid).astype(np.int64)
        wide = int(beneath.max()) + 1
        kinds, of = np.unique(one.labels.astype(np.int64) * wide + beneath, return_inverse=True)
        own = [(int(kind) // wide, int(kind) % wide) for kind in kinds]
        for pair in own:
            if pair not in number:
                number[pair] = len(pairs)
                pairs.append(pair)
        found.append(np.array([number[pair] for pair in own], np.uint16)[of].reshape(one.labels.shape))
    return found, pairs


def voxels_with_overlays(phantom: Phantom, labels: NDArray[Any], of: list[NDArray[Any]]) -> dict[str, Any]:
    """Fields of the scene: flat labels and density of the phantom's voxels and, behind them, of the overlays'."""
    densities = [phantom.density, *(one.density for one in phantom.overlays)]
    types = [one.dtype for one in densities if one is not None]
    if types:
        parts = [
            np.ones(part.size, types[0]) if one is None else one.ravel()
            for one, part in zip(densities, (labels, *of), strict=True)
        ]
    rows = np.zeros(len(of), _PATCH)
    first = labels.size
    for row, one in zip(rows, phantom.overlays, strict=True):
        to_scene = phantom.grid.voxel_from_world @ one.grid.world_from_voxel
        spacing_cm = np.array(phantom.grid.spacing_mm) * CM_PER_MM
        corner = to_scene @ np.array([-0.5, -0.5, -0.5, 1.0])
        step_cm = to_scene[:3, :3].T * spacing_cm  # of a patch's voxel along its x, y, z
        row["corner_cm"] = (corner[:3] + 0.5) * spacing_cm
        row["voxels_per_cm"] = step_cm / (step_cm**2).sum(axis=1, keepdims=True)
        row["shape"] = one.grid.shape[::-1]
        row["first"] = first & 0xFFFFFFFF, first >> 32
        first += one.labels.size
    return {
        "labels": np.concatenate([part.ravel() for part in (labels, *of)]),
        "density": np.concatenate(parts) if types else None,
        "patches": rows.view(np.int32).reshape(len(of), -1),
    }


def measure_overlays(
    phantom: Phantom, labels: NDArray[Any], of: list[NDArray[Any]], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What overlays change by label: volume, and that volume times relative density (mm3)."""
    volume, relative = np.zeros(count), np.zeros(count)
    for one, own in zip(phantom.overlays, of, strict=True):
        where, fraction = covered_fraction(phantom.grid, one.grid)
        for sign, part, weight, density, grid in (
            (1.0, own, np.ones(own.shape), one.density, one.grid),
            (-1.0, labels[where], fraction, None if phantom.density is None else phantom.density[where], phantom.grid),
        ):
            flat, weights = part.ravel(), weight.ravel() * (sign * grid.voxel_volume_mm3)
            volume += np.bincount(flat, weights, count)
            relative += np.bincount(flat, weights if density is None else weights * density.ravel(), count)
    return volume, relative


def lists_of_cells(
    grid: Grid, overlays: tuple[Overlay, ...], cell_voxels: tuple[int, int, int], cell_label: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Write into `cell_label` (z, y, x, with the ambient cells) where overlays lie, and return the lists of those."""
    lists: list[tuple[int, ...]] = [()]
    owner = np.zeros(cell_label.shape, np.int32)
    cell_cm = np.array(grid.spacing_mm) * CM_PER_MM * cell_voxels
    for number, one in enumerate(overlays):
        index = np.c_[box_corners(one.grid), np.ones(8)] @ grid.voxel_from_world.T
        places = (index[:, :3] + 0.5) * np.array(grid.spacing_mm) * CM_PER_MM
        low = np.floor((places.min(axis=0) + _REACH_CM) / cell_cm).astype(int)
        high = np.ceil((places.max(axis=0) - _REACH_CM) / cell_cm).astype(int)
        last = np.array(cell_label.shape[::-1]) - 2
        first, beyond = np.maximum(low, 0) + 1, np.minimum(high, last) + 1
        block = tuple(slice(int(a), int(b)) for a, b in zip(first[::-1], beyond[::-1], strict=True))
        before, of = np.unique(owner[block], return_inverse=True)
        after = []
        for held in before:
            lists.append((*lists[held], number))
            after.append(len(lists) - 1)
        owner[block] = np.array(after, np.int32)[of].reshape(owner[block].shape)
    ends = np.cumsum([0] + [len(one) + 1 for one in lists])
    met = owner > 0
    cell_label[met] = _LOOK_BENEATH - ends[owner[met]]
    return np.array([n for one in lists for n in (*one, -1)], np.int32)


def _beneath(regions: NDArray[Any], grid: Grid, of: Grid) -> NDArray[Any]:
    """The region of the voxel of `grid` that holds the centre of each voxel of `of`."""
    to_voxel = grid.voxel_from_world @ of.world_from_voxel
    nz, ny, nx = of.shape
    found = np.empty(of.shape, regions.dtype)
    for k in range(nz):
        at = []
        for axis, count in enumerate(grid.shape[::-1]):
            x, y = to_voxel[axis, 0] * np.arange(nx), to_voxel[axis, 1] * np.arange(ny)[:, None]
            place = to_voxel[axis, 3] + to_voxel[axis, 2] * k + y + x
            at.append(np.clip(np.floor(place + 0.5).astype(np.int64), 0, count - 1))
        found[k] = regions[at[2], at[1], at[0]]
    return found
