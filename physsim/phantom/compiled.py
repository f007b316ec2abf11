"""A scene as flat tables for the kernels, and exact line integrals through it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.phantom import pieces
from physsim.phantom.pieces import Array, Piece
from physsim.phantom.scene import BACKGROUND, Scene
from physsim.phantom.shapes import Shape
from physsim.spec.material import Material
from physsim.units import CM_PER_MM

_RAYS_A_JOB = 4096


@dataclass(frozen=True, eq=False)
class CompiledScene:
    """Flat tables. Object 0: the vacuum outside the box, 1: the background, 2 ..: the shapes in painting order.

    `organ_of` counts from 0 (none) in `organs`, whose entry 0 is "background"; `density_of`: (objects,) g/cm3.
    """

    pieces: tuple[Piece, ...]
    owner_of_piece: npt.NDArray[np.int64]
    materials: tuple[Material, ...]
    material_of: npt.NDArray[np.int64]
    density_of: Array
    organs: tuple[str, ...]
    organ_of: npt.NDArray[np.int64]
    over: npt.NDArray[np.bool_]
    shapes: tuple[Shape, ...]

    @classmethod
    def of(cls, scene: Scene) -> CompiledScene:
        """Tables of a scene."""
        low, high = (np.array(corner) for corner in scene.bounds_mm())
        made, owners = [pieces.box(0.5 * (low + high), high - low, np.eye(3))], [1]
        for number, shape in enumerate(scene.shapes):
            for piece in shape.pieces():
                made.append(piece)
                owners.append(number + 2)
        names = [scene.background] if scene.background else []
        names = list(dict.fromkeys([*names, *(shape.material for shape in scene.shapes)]))
        materials = tuple(scene.material_named(name) for name in names)
        organs = (BACKGROUND, *scene.organs())
        n = len(scene.shapes) + 2
        material_of, organ_of, density_of = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n)
        over = np.ones((n, n), bool)
        if scene.background:
            density_of[1] = materials[0].density_g_cm3
        for number, shape in enumerate(scene.shapes, start=2):
            material_of[number] = names.index(shape.material)
            organ_of[number] = organs.index(shape.counted_as)
            density_of[number] = shape.density * materials[material_of[number]].density_g_cm3
            if shape.over:
                over[number] = [organs[organ_of[m]] in shape.over if m else False for m in range(n)]
        return cls(
            tuple(made), np.array(owners), materials, material_of, density_of, organs, organ_of, over, scene.shapes
        )

    def piece_tables(self) -> tuple[npt.NDArray[Any], ...]:
        """centre, quadric, curved, plane_first, planes: the arguments of the chord kernels."""
        flat = np.zeros(10)
        quadric = np.array([flat if piece.quadric is None else piece.quadric for piece in self.pieces])
        curved = np.array([piece.quadric is not None for piece in self.pieces])
        counts = [len(piece.planes) for piece in self.pieces]
        plane_first = np.r_[0, np.cumsum(counts)].astype(np.int64)
        planes = np.ascontiguousarray(np.vstack([piece.planes for piece in self.pieces]))
        return np.array([piece.centre for piece in self.pieces]), quadric, curved, plane_first, planes


def path_lengths_mm(scene: Scene, starts_mm: npt.ArrayLike, ends_mm: npt.ArrayLike) -> dict[str, Array]:
    """Exact length (n,) in mm of each segment in each organ, the background among them.

    `starts_mm`, `ends_mm`: (n, 3) or (3,), world x, y, z; a segment counts from start to end, also inside a shape.
    """
    compiled = scene.compiled
    lengths = _traced(
        compiled, starts_mm, ends_mm, compiled.organ_of, np.ones(len(compiled.organ_of)), len(compiled.organs)
    )
    return {organ: lengths[:, n] for n, organ in enumerate(compiled.organs)}


def areal_density_g_cm2(scene: Scene, starts_mm: npt.ArrayLike, ends_mm: npt.ArrayLike) -> dict[str, Array]:
    """Exact areal density (n,) in g/cm2 of each material along each segment, by the material's name.

    Neglects: nothing but rounding (about 1e-12 of the scene's size); a ray lying in a flat face belongs to the shape.
    """
    compiled = scene.compiled
    weight = CM_PER_MM * compiled.density_of  # mm g/cm3 to g/cm2
    sums = _traced(compiled, starts_mm, ends_mm, compiled.material_of, weight, len(compiled.materials))
    return {one.name: sums[:, n] for n, one in enumerate(compiled.materials)}


def organs_at(scene: Scene, points_mm: npt.ArrayLike) -> npt.NDArray[np.str_]:
    """(n,) name of the organ at each of the points (n, 3) mm, by painting order; "background" outside the box too."""
    from physsim.phantom.ray_kernels import owners_at

    compiled = scene.compiled
    points = np.ascontiguousarray(np.atleast_2d(np.asarray(points_mm, np.float64)))
    low, high = np.array([p.low for p in compiled.pieces]), np.array([p.high for p in compiled.pieces])
    tables, owners = compiled.piece_tables(), np.zeros(len(points), np.int64)

    def job(at: int) -> None:
        own = slice(at, at + _RAYS_A_JOB)
        owners_at(points[own], *tables, low, high, compiled.owner_of_piece, compiled.over, owners[own])

    in_threads(job, range(0, len(points), _RAYS_A_JOB))
    return np.array(compiled.organs)[compiled.organ_of[owners]]


def _traced(
    compiled: CompiledScene,
    starts_mm: npt.ArrayLike,
    ends_mm: npt.ArrayLike,
    column: npt.NDArray[np.int64],
    weight: Array,
    n_columns: int,
) -> Array:
    from physsim.phantom.ray_kernels import trace

    starts, ends = (np.atleast_2d(np.asarray(points, np.float64)) for points in (starts_mm, ends_mm))
    if starts.shape[-1] != 3 or ends.shape[-1] != 3 or not (np.isfinite(starts).all() and np.isfinite(ends).all()):
        raise InvalidInput(
            message(
                f"rays of shape {starts.shape} and {ends.shape}",
                "rays are finite points (x, y, z) in mm",
                "Give arrays of shape (n, 3).",
            )
        )
    starts, ends = np.broadcast_arrays(starts, ends)
    lengths = np.sqrt(((ends - starts) ** 2).sum(1))
    directions = (ends - starts) / np.where(lengths > 0, lengths, 1)[:, None]
    tables = compiled.piece_tables()
    low, high = np.array([p.low for p in compiled.pieces]), np.array([p.high for p in compiled.pieces])
    n_objects = len(compiled.density_of)
    first = np.searchsorted(compiled.owner_of_piece, np.arange(n_objects + 1)).astype(np.int64)
    object_low, object_high = np.zeros((n_objects, 3)), np.zeros((n_objects, 3))
    for owner in range(1, n_objects):
        own = slice(first[owner], first[owner + 1])
        object_low[owner], object_high[owner] = low[own].min(0), high[own].max(0)
    sums = np.zeros((len(starts), n_columns))
    weight = weight.copy()
    weight[0] = 0.0

    def job(at: int) -> None:
        own = slice(at, at + _RAYS_A_JOB)
        trace(
            np.ascontiguousarray(starts[own]),
            directions[own],
            lengths[own],
            *tables,
            low,
            high,
            first,
            object_low,
            object_high,
            compiled.over,
            column,
            weight,
            sums[own],
        )

    in_threads(job, range(0, len(starts), _RAYS_A_JOB))
    return sums


def in_threads(job: Callable[[int], None], parts: range) -> None:
    """Run job(part) for all parts on the threads this process may use; the parts must not depend on each other."""
    workers = min(len(os.sched_getaffinity(0)), len(parts))
    if workers < 2:
        for part in parts:
            job(part)
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(job, parts))
