"""Compiled voxeliser: exact along x by chords, sampled across it by a lattice of rays in each row of voxels."""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types.

from __future__ import annotations

import math

import numba
import numpy as np

from physsim.phantom.chord_kernels import paint_over, piece_interval

_COMPILE = {"error_model": "numpy", "nogil": True, "cache": True}


@numba.njit(**_COMPILE)
def paint_slab(
    first_slice,
    labels,
    density,
    organs,
    volumes,
    world_from_voxel,
    lattice,
    reach,
    n_objects,
    owner_of_piece,
    centre,
    quadric,
    curved,
    plane_first,
    planes,
    over,
    material_of,
    density_of,
    material_density,
    organ_of,
):
    """Fill slices first_slice .. of `labels`, `density` and `organs` (slices, ny, nx); add up `volumes` (voxels).

    `lattice` (r, 2): offsets in y and z, in voxels from the centre; `reach` (P, 6): voxel bounds x0 x1 y0 y1 z0 z1 of
    the pieces; `material_of`, `density_of` (g/cm3), `organ_of`: per object; pieces come in painting order. `organs` may
    have no slices: then none are written.
    """
    n_slices, ny, nx = labels.shape
    n_pieces, n_rays = len(centre), len(lattice)
    n_materials = len(material_density)
    start, owner_at = np.empty(2 * n_pieces + 4), np.empty(2 * n_pieces + 4, np.int64)
    in_slice, in_row = np.empty(n_pieces, np.int64), np.empty(n_pieces, np.int64)
    slot_of = np.full(n_objects, -1, np.int64)
    object_in = np.empty(n_objects, np.int64)
    material_slot = np.full(n_materials, -1, np.int64)
    material_in = np.empty(n_materials, np.int64)
    part = np.zeros((8, nx + 1))  # covered fraction by slot; grows with the number of objects in a row
    full = np.zeros((8, nx + 1))  # differences of the number of rays that cover a voxel wholly
    mass = np.zeros((n_materials, nx))
    best, best_organ, empty = np.zeros(nx), np.zeros(nx, np.int64), np.zeros(nx)
    axis = world_from_voxel[:3, 0].copy()
    voxel_mm = math.sqrt(axis[0] * axis[0] + axis[1] * axis[1] + axis[2] * axis[2])
    d = axis / voxel_mm
    o = np.empty(3)
    share = 1.0 / n_rays
    row_end = nx * voxel_mm
    for k in range(n_slices):
        z = float(first_slice + k)
        n_slice = 0
        for piece in range(n_pieces):
            if (
                reach[piece, 4] <= z + 0.5
                and reach[piece, 5] >= z - 0.5
                and reach[piece, 1] >= -0.5
                and reach[piece, 0] <= nx - 0.5
            ):
                in_slice[n_slice] = piece
                n_slice += 1
        for j in range(ny):
            y = float(j)
            n_row = 0
            for n in range(n_slice):
                piece = in_slice[n]
                if reach[piece, 2] <= y + 0.5 and reach[piece, 3] >= y - 0.5:
                    in_row[n_row] = piece
                    n_row += 1
            n_slots = 0
            slot_of[0], object_in[0], n_slots = 0, 0, 1  # the vacuum is always there
            for ray in range(n_rays):
                v, w = y + lattice[ray, 0], z + lattice[ray, 1]
                for c in range(3):  # the low face of voxel 0
                    o[c] = (
                        -0.5 * world_from_voxel[c, 0]
                        + v * world_from_voxel[c, 1]
                        + w * world_from_voxel[c, 2]
                        + world_from_voxel[c, 3]
                    )
                stretches = 0
                first, last = 0.0, row_end
                for n in range(n_row):
                    piece = in_row[n]
                    if v < reach[piece, 2] or v > reach[piece, 3] or w < reach[piece, 4] or w > reach[piece, 5]:
                        continue
                    t0, t1 = piece_interval(o, d, piece, centre, quadric, curved, plane_first, planes, first, last)
                    if owner_of_piece[piece] == 1:  # the scene's box comes first and bounds all others
                        if not t0 < t1:
                            break
                        first, last = t0, t1
                        start[0], start[1], owner_at[0], stretches = t0, t1, 1, 1
                    elif t0 < t1 and stretches:
                        stretches = paint_over(stretches, start, owner_at, t0, t1, owner_of_piece[piece], over)
                for n in range(stretches):
                    owner = owner_at[n]
                    if slot_of[owner] < 0:
                        if n_slots == len(part):
                            part, full = _doubled(part), _doubled(full)
                        slot_of[owner], object_in[n_slots] = n_slots, owner
                        n_slots += 1
                    _cover(part[slot_of[owner]], full[slot_of[owner]], start[n] / voxel_mm, start[n + 1] / voxel_mm, nx)
            best[:] = 0.0
            best_organ[:] = 0
            empty[:] = 1.0
            n_present = 0
            for slot in range(1, n_slots):
                owner = object_in[slot]
                m = material_of[owner]
                if material_slot[m] < 0:
                    material_slot[m], material_in[n_present] = n_present, m
                    mass[n_present, :] = 0.0
                    n_present += 1
                row = mass[material_slot[m]]
                covered, total = 0.0, 0.0
                for i in range(nx):
                    covered += full[slot, i]
                    fraction = (covered + part[slot, i]) * share
                    if fraction > 0.0:
                        total += fraction
                        empty[i] -= fraction
                        row[i] += fraction * density_of[owner]
                        if fraction > best[i]:
                            best[i] = fraction
                            best_organ[i] = organ_of[owner]
                volumes[owner] += total
                part[slot, :] = 0.0
                full[slot, :] = 0.0
                slot_of[owner] = -1
            for i in range(nx):
                heaviest, most, total = 0, 0.0, 0.0
                for slot in range(n_present):
                    total += mass[slot, i]
                    if mass[slot, i] > most:
                        most, heaviest = mass[slot, i], material_in[slot]
                labels[k, j, i] = heaviest
                density[k, j, i] = total / material_density[heaviest]
            if len(organs):
                for i in range(nx):
                    organs[k, j, i] = best_organ[i] if best[i] > empty[i] else 0
            for slot in range(n_present):
                material_slot[material_in[slot]] = -1


@numba.njit(**_COMPILE)
def _cover(part, full, a, b, nx):
    """Add the stretch [a, b] in voxels from the low face of voxel 0."""
    i, j = min(int(a), nx - 1), min(int(b), nx - 1)
    if i == j:
        part[i] += b - a
    else:
        part[i] += i + 1 - a
        part[j] += b - j
        full[i + 1] += 1.0
        full[j] -= 1.0


@numba.njit(**_COMPILE)
def _doubled(rows):
    """A copy with twice as many rows, the new ones zero."""
    n = len(rows)
    larger = np.zeros((2 * n, rows.shape[1]))
    larger[:n] = rows
    return larger
