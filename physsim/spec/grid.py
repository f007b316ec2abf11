"""Where a voxel array lies in the world: shape, spacing, origin, direction."""

from __future__ import annotations

import math

import numpy as np
import pydantic

from physsim.errors import message
from physsim.spec.base import Spec

Vector = tuple[float, float, float]
Box = tuple[Vector, Vector]  # low and high corner


class Grid(Spec):
    """A regular voxel grid in the LPS world frame (+x left, +y posterior, +z head), lengths in mm.

    `shape` is that of the array, (nz, ny, nx); all vectors are (x, y, z). `origin_mm` is the CENTRE of voxel [0, 0, 0];
    `direction` holds the world directions of the voxel axes x, y, z one after the other, each (x, y, z): it is the
    transpose of the direction-cosine matrix in ITK, whose columns are the axes. The axes must be orthonormal.
    """

    shape: tuple[pydantic.PositiveInt, pydantic.PositiveInt, pydantic.PositiveInt]
    spacing_mm: Vector = (1.0, 1.0, 1.0)
    origin_mm: Vector | None = None
    direction: tuple[Vector, Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    @pydantic.field_validator("spacing_mm", mode="before")
    @classmethod
    def _one_number_is_three(cls, value: object) -> object:
        return (value, value, value) if isinstance(value, (int, float)) else value

    @pydantic.field_validator("spacing_mm")
    @classmethod
    def _positive(cls, value: Vector) -> Vector:
        if min(value) <= 0:
            raise ValueError("spacing must be larger than 0 mm along x, y and z. Give it in mm, for example 1.0.")
        return value

    @pydantic.field_validator("direction")
    @classmethod
    def _orthonormal(cls, value: tuple[Vector, Vector, Vector]) -> tuple[Vector, Vector, Vector]:
        axes = np.array(value)
        if not np.allclose(axes @ axes.T, np.eye(3), atol=1e-4):
            raise ValueError("voxel axes must be orthonormal. Give three unit vectors at right angles.")
        return value

    @pydantic.model_validator(mode="after")
    def _centred(self) -> Grid:
        if self.origin_mm is None:
            x, y, z = (-0.5 * (n - 1) * s for n, s in zip(self.shape[::-1], self.spacing_mm, strict=True))
            origin = x * np.array(self.direction[0]) + y * np.array(self.direction[1]) + z * np.array(self.direction[2])
            object.__setattr__(self, "origin_mm", tuple(float(c) for c in origin))
        return self

    @property
    def world_from_voxel(self) -> np.ndarray:
        """(4, 4) float64: (i, j, k, 1) voxel indices along x, y, z to world mm; integers are voxel centres."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(self.direction).T * np.array(self.spacing_mm)
        matrix[:3, 3] = self.origin_mm
        return matrix

    @property
    def voxel_from_world(self) -> np.ndarray:
        """(4, 4) float64: world mm to voxel indices along x, y, z."""
        return np.linalg.inv(self.world_from_voxel)

    @property
    def size_mm(self) -> Vector:
        """Outer lengths along the voxel axes x, y, z (mm)."""
        nz, ny, nx = self.shape
        return nx * self.spacing_mm[0], ny * self.spacing_mm[1], nz * self.spacing_mm[2]

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel (mm3)."""
        return math.prod(self.spacing_mm)

    def difference(self, other: Grid, tolerance_mm: float = 1e-3) -> str | None:
        """What keeps two grids from being the same one, as a message, or None when they agree.

        Grids agree when their shapes are equal and all eight corners coincide within `tolerance_mm`.
        """
        if self.shape != other.shape:
            return message(f"shape {other.shape}", f"the other array has {self.shape}", "Resample one of them.")
        nz, ny, nx = self.shape
        corners = np.array([[i, j, k, 1] for i in (0, nx - 1) for j in (0, ny - 1) for k in (0, nz - 1)], float).T
        gap = np.abs(self.world_from_voxel @ corners - other.world_from_voxel @ corners).max()
        if gap <= tolerance_mm:
            return None
        return message(
            f"grids differ by up to {gap:.4g} mm",
            f"spacing {self.spacing_mm} against {other.spacing_mm}, origin {self.origin_mm} against {other.origin_mm}, "
            f"direction {self.direction} against {other.direction}",
            "Resample or flip one of them; physsim compares orientation and never assumes it.")
