"""How volumes lie for backprojection: columns of voxels parallel to the detector's columns, sixteen at a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.reconstruction.orbit import Orbit
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

Floats = NDArray[np.float64]

_LANES = 16
_LINE = 64  # bytes


def checked_projections(projections: ArrayLike, geometry: Geometry) -> NDArray[np.float32]:
    """Projections as float32 (views, rows, columns). Raises InvalidInput unless they have the geometry's shape."""
    images = np.ascontiguousarray(projections, np.float32)
    if images.shape != geometry.shape:
        raise InvalidInput(
            message(
                f"projections of shape {images.shape}",
                f"the geometry has (views, rows, columns) = {geometry.shape}",
                "Give the geometry that they were made with.",
            )
        )
    return images


def aligned_zeros(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Zeros, float32, that begin where a line of the cache does: kernels read and write whole lines."""
    size = math.prod(shape)
    room = np.zeros(size + _LINE // 4, np.float32)
    first = -room.ctypes.data % _LINE // 4
    return room[first : first + size].reshape(shape)


class Columns:
    """A grid's voxels as columns along the axis of rotation: `sums` (along, across, height) float32, 0 at first.

    lane, across, along: axes of voxels (0 x, 1 y, 2 z): along the columns, and the two that number them. steps (3, 3):
    world vectors (mm) from voxel to voxel along x, y, z; start (3,): the centre of voxel 0. field_mm: diameter of what
    is wanted about the axis.
    Raises InvalidInput when no axis of the grid is parallel to the detector's columns, and for an empty field.
    """

    def __init__(self, geometry: Geometry, grid: Grid, field_mm: float | None = None) -> None:
        if field_mm is not None and not (math.isfinite(field_mm) and field_mm > 0.0):
            raise InvalidInput(
                message(f"field_mm={field_mm}", "the field is a circle about the axis", "Give its diameter in mm.")
            )
        self.field_mm = field_mm
        alike = np.abs((np.array(grid.direction) * geometry.v[0]).sum(axis=1))
        self.lane = int(alike.argmax())
        if alike[self.lane] < 1.0 - 1e-8:
            raise InvalidInput(
                message(
                    f"the grid's axes lie {np.degrees(np.arccos(min(1.0, alike[self.lane]))):.3g} degrees off the "
                    "rotation axis",
                    "one of them must be parallel to it",
                    "Turn the grid's direction.",
                )
            )
        self.across, self.along = (axis for axis in range(3) if axis != self.lane)
        self.steps: Floats = np.array(grid.direction) * np.array(grid.spacing_mm)[:, None]
        self.start: Floats = np.array(grid.origin_mm)
        self.shape = grid.shape[::-1]
        height = -(-self.shape[self.lane] // _LANES) * _LANES
        self.sums = aligned_zeros((self.shape[self.along], self.shape[self.across], height))

    def reach_mm(self, orbit: Orbit) -> float:
        """How far from the axis voxels are wanted (mm): to the field's edge or the farthest corner, whichever is
        nearer."""
        corners = [
            self.start + a * self.steps[self.across] + b * self.steps[self.along] - orbit.centre_mm
            for a in (0, self.shape[self.across] - 1)
            for b in (0, self.shape[self.along] - 1)
        ]
        farthest = max(
            math.hypot(float((one * orbit.toward[0]).sum()), float((one * orbit.aside[0]).sum())) for one in corners
        )
        return farthest if self.field_mm is None else min(0.5 * self.field_mm, farthest)

    def cut(self, orbit: Orbit) -> None:
        """Zeros beyond the field, if one was asked for."""
        if self.field_mm is None:
            return
        numbers = np.meshgrid(np.arange(self.sums.shape[1]), np.arange(self.sums.shape[0]))
        start = self.start - orbit.centre_mm
        square = np.zeros(self.sums.shape[:2])
        for axis in (orbit.toward[0], orbit.aside[0]):
            a, b = (float((self.steps[one] * axis).sum()) for one in (self.across, self.along))
            square += (float((start * axis).sum()) + a * numbers[0] + b * numbers[1]) ** 2
        self.sums[square > 0.25 * self.field_mm**2] = 0.0

    def volume(self) -> NDArray[np.float32]:
        """The sums as (z, y, x)."""
        found = np.empty(self.shape[::-1], np.float32)
        seen = found.transpose(2 - self.along, 2 - self.across, 2 - self.lane)
        for plane, sums in zip(seen, self.sums, strict=True):  # a plane at a time stays in the cache
            plane[...] = sums[:, : self.shape[self.lane]]
        return found


def detector_distance(geometry: Geometry, orbit: Orbit) -> tuple[float, float]:
    """How far the detector lies from the source along the ray through the axis, a curved one in the plane of the orbit
    (mm), and how far along v its centre lies from that plane (mm)."""
    travel = geometry.centre_mm[0] - geometry.source_mm[0]
    ahead = geometry.radius_mm if geometry.radius_mm is not None else (travel * orbit.toward[0]).sum()
    return float(ahead), float((travel * geometry.v[0]).sum())
