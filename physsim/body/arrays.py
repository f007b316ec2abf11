"""The compiled body as flat arrays, as the kernels of kernels/body take them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

FAR_MM = 1e6  # the distance to nothing

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


class Tables(NamedTuple):
    """A compiled body. Lengths in mm.

    code (n, 9) int32: instructions; data (m,) float32: constants, then rows of tubes' segments (24 numbers), lofts (6:
    half width, middle y, half depth, exponents front and back, notch, at even steps of z), sheets' triangles (31) and
    the warps' values (3, nz, ny, nx).
    frame_int (frames, 6): warp or -1; 0, 1 (x to -x) or 2 (x to |x|); where the warp's values begin, nx, ny, nz.
    frame_float (frames, 12): anchor, 1 / scale; the warp's origin, 1 / step, largest displacement along x, y, z,
    steepest slope.
    In painting order, last painted first: structure_int (s, 7): code, registers of distance, organs (-1), thin factor
    (-1), first and last layer, 1 where it lies round the one painted before it; structure_float (s, 7): box in the
    canonical frame, depth of the deepest layer.
    layer_int (l, 8): material, organ (-1: the voxels name theirs), register of the depth (-1: a number), code of the
    density (-1: a number) and its register, second material (-1), code of its fraction, its register; layer_float
    (l, 2): depth, density. material_density (materials,) g/cm3.
    """

    code: Ints
    data: Floats
    frame_int: Ints
    frame_float: Floats
    structure_int: Ints
    structure_float: Floats
    layer_int: Ints
    layer_float: Floats
    material_density: Floats


class Moves(NamedTuple):
    """Where in the body at rest lies what is now at a place (mm), for the media that move differently.

    medium (s,) int32: of each structure, -1 unmoved, else a lattice's number, then (beyond the lattices) a rigid
    body's; thins (s,) int32: 1 where density is divided by the change of volume. lattice (media, nz, ny, nx, 3)
    float32: displacement x, y, z (mm) from the present place to the place at rest; place (4,) float32: the lattices'
    origin (mm), 1 / step; rigid (bodies, 3, 4) float32: rest from present. inner (media or 0, nz, ny, nx, 3) float32,
    inner_place (4,): the same of a motion before that one, from where the first lattice led to.
    """

    medium: Ints
    thins: Ints
    lattice: Floats
    place: Floats
    rigid: Floats
    inner: Floats
    inner_place: Floats


def unmoved(structures: int) -> Moves:
    """Moves of a body at rest."""
    still = np.full(structures, -1, np.int32)
    lattice, rigid = np.zeros((1, 2, 2, 2, 3), np.float32), np.zeros((1, 3, 4), np.float32)
    none = np.zeros((0, 2, 2, 2, 3), np.float32)
    place = np.zeros(4, np.float32)
    return Moves(still, np.zeros(structures, np.int32), lattice, place, rigid, none, place)


def as_int32(values: Any) -> Ints:
    """Contiguous int32."""
    return np.ascontiguousarray(np.asarray(values, np.int32))


def as_float32(values: Any) -> Floats:
    """Contiguous float32."""
    return np.ascontiguousarray(np.asarray(values, np.float32))
