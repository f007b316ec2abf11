"""What the readers return and the writers take: an array and where it lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message

Vector = tuple[float, float, float]
IDENTITY: tuple[Vector, Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
ORTHONORMAL_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Image:
    """A volume in the LPS world frame (+x left, +y posterior, +z head), mm.

    `array`: (nz, ny, nx), any real dtype, native byte order, possibly a read-only map of the file. `spacing_mm`,
    `origin_mm` (centre of voxel [0, 0, 0]) and each of the three voxel axes of `direction` are (x, y, z).
    """

    array: npt.NDArray[Any]
    spacing_mm: Vector = (1.0, 1.0, 1.0)
    origin_mm: Vector = (0.0, 0.0, 0.0)
    direction: tuple[Vector, Vector, Vector] = IDENTITY

    def __post_init__(self) -> None:
        problem = header_problem(self.array.shape, self.spacing_mm, self.origin_mm, self.direction)
        if problem:
            raise InvalidInput(problem)

    @property
    def world_from_voxel(self) -> npt.NDArray[np.float64]:
        """(4, 4): voxel indices (i, j, k, 1) along x, y, z to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(self.direction).T * np.array(self.spacing_mm)
        matrix[:3, 3] = self.origin_mm
        return matrix


def header_problem(shape: tuple[int, ...], spacing_mm: Vector, origin_mm: Vector,
                   direction: tuple[Vector, Vector, Vector]) -> str | None:
    """Why a header cannot mean a volume, as a message, or None."""
    if len(shape) != 3 or min(shape) < 1:
        return message(f"shape={tuple(shape)}", "a volume has three axes (z, y, x) of at least one voxel",
                       "Give an array of shape (nz, ny, nx).")
    if len(spacing_mm) != 3 or not all(math.isfinite(s) and s > 0 for s in spacing_mm):
        return message(f"spacing_mm={tuple(spacing_mm)}", "spacing must be larger than 0 mm along x, y and z",
                       "Give the voxel size in mm, for example (1.0, 1.0, 1.0).")
    if len(origin_mm) != 3 or not all(map(math.isfinite, origin_mm)):
        return message(f"origin_mm={tuple(origin_mm)}", "the origin is the finite centre of voxel [0, 0, 0] in mm",
                       "Give (x, y, z).")
    axes = np.array(direction, dtype=np.float64)
    if axes.shape != (3, 3) or not np.isfinite(axes).all() \
            or np.abs(axes @ axes.T - np.eye(3)).max() > ORTHONORMAL_TOLERANCE:
        return message(f"direction={direction}", "voxel axes must be three unit vectors at right angles",
                       "Resample a sheared volume onto a regular grid.")
    return None


def axes_from_matrix(matrix: npt.NDArray[np.float64]) -> tuple[Vector, Vector, Vector]:
    """The three axes (x, y, z vectors) that are the columns of a (3, 3) matrix."""
    x, y, z = (vector(column) for column in matrix.T)
    return x, y, z


def vector(values: npt.ArrayLike) -> Vector:
    """Three numbers as a tuple of plain floats; -0.0 becomes 0.0."""
    x, y, z = (float(value) + 0.0 for value in np.asarray(values, np.float64).ravel())
    return x, y, z
