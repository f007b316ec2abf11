"""Curved maps between the world and the canonical body, and their tables for the painter."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.spec.grid import Grid

Array = npt.NDArray[np.float64]
LATTICE_MM = 8.0  # of the table; straight between its nodes
_BRICK = (16, 8, 8)  # voxels of a brick along x, y, z
_CORNERS = np.array([[a, b, c] for c in (0, 1) for b in (0, 1) for a in (0, 1)], float)


@runtime_checkable
class SpaceMap(Protocol):
    """A smooth map of the world (mm) onto the canonical body with det J > 0, both ways; points are (n, 3)."""

    def canonical_from_world(self, points_mm: npt.ArrayLike) -> Array:
        """Where the canonical body shows what stands at these world points."""
        ...

    def world_from_canonical(self, points_mm: npt.ArrayLike) -> Array:
        """The inverse."""
        ...


class Lattice(NamedTuple):
    """Canonical coordinates `values` (3, nz, ny, nx) float32 at nodes; `lattice_from_voxel` (4, 4) in steps."""

    values: npt.NDArray[np.float32]
    lattice_from_voxel: Array
    origin_mm: Array
    largest_voxel_mm: float


def tabulated(space: SpaceMap, grid: Grid, step_mm: float = LATTICE_MM) -> Lattice:
    """A map tabulated over the bricks of a grid; its nodes lie at whole multiples of `step_mm` in the world.

    So the table of one map is the same for every grid. Raises InvalidInput where the map folds.
    """
    nz, ny, nx = grid.shape
    size = np.array([math.ceil(n / b) * b for n, b in zip((nx, ny, nz), _BRICK, strict=True)], float)
    corners = np.c_[_CORNERS * (size - 1), np.ones(8)] @ grid.world_from_voxel.T[:, :3]
    first = np.floor(corners.min(0) / step_mm) - 1
    last = np.ceil(corners.max(0) / step_mm) + 1
    x, y, z = (step_mm * np.arange(a, b + 1) for a, b in zip(first, last, strict=True))
    shape = (len(z), len(y), len(x))
    points = np.empty((*shape, 3))
    points[..., 0], points[..., 1], points[..., 2] = x, y[:, None], z[:, None, None]
    values = np.ascontiguousarray(space.canonical_from_world(points.reshape(-1, 3)).T).reshape(3, *shape)
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (
        np.diff(values, axis=n)[:, : shape[0] - 1, : shape[1] - 1, : shape[2] - 1] for n in (3, 2, 1)
    )
    volume = ax * (by * cz - bz * cy) + ay * (bz * cx - bx * cz) + az * (bx * cy - by * cx)
    if not (np.isfinite(values).all() and volume.min() > 0):
        raise InvalidInput(
            message("canonical_from_world", "the map folds: two places would show the same tissue", "Mend the map.")
        )
    lattice_from_world = np.diag([1 / step_mm] * 3 + [1.0])
    lattice_from_world[:3, 3] = -first
    voxel = (float(volume.max()) / step_mm**3 * grid.voxel_volume_mm3) ** (1 / 3)
    table = np.ascontiguousarray(values.astype(np.float32))
    return Lattice(table, lattice_from_world @ grid.world_from_voxel, step_mm * first, voxel)


def world_box(space: SpaceMap, low_mm: Array, high_mm: Array, count: int = 24) -> tuple[Array, Array]:
    """Bounds in the world of a box of the canonical body, from points on its faces."""
    steps = np.linspace(0, 1, count)
    a, b = (one.ravel() for one in np.meshgrid(steps, steps, indexing="ij"))
    faces = []
    for axis in range(3):
        for end in (0.0, 1.0):
            unit = np.empty((len(a), 3))
            unit[:, axis], unit[:, (axis + 1) % 3], unit[:, (axis + 2) % 3] = end, a, b
            faces.append(unit)
    world = space.world_from_canonical(low_mm + np.vstack(faces) * (high_mm - low_mm))
    return world.min(0), world.max(0)


def voxel_boxes(space: SpaceMap, grid: Grid, low_mm: Array, high_mm: Array) -> tuple[Array, Array]:
    """Bounds (n, 3), in voxel indices, of n small boxes of the canonical body, from their corners."""
    corners = low_mm + _CORNERS[:, None] * (high_mm - low_mm)  # (8, n, 3)
    world = space.world_from_canonical(corners.reshape(-1, 3))
    inverse = grid.voxel_from_world
    index = (world @ inverse[:3, :3].T + inverse[:3, 3]).reshape(8, -1, 3)
    low, high = index.min(0), index.max(0)
    room = 0.05 * (high - low)
    return low - room, high + room
