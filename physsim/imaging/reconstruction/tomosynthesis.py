"""Filtered backprojection of tomosynthesis: a source that sweeps over a detector at rest.

Rows along the sweep are filtered by the ramp and a window, views are weighted by the angle that they stand for over the
cosine of their own (the change from the detector's rows to rows across the rays), and voxels take the pixel that their
ray meets. What varies faster across the slices than the sweep's angle shows is lost, the mean of slices too.

Reference: T. Mertelmeier, J. Orman, W. Haerer, M. K. Dudam, Proc. SPIE 6142 (2006) 61420F; L. A. Feldkamp, L. C. Davis,
J. W. Kress, J. Opt. Soc. Am. A 1 (1984) 612.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.imaging.reconstruction.filtering import RowFilter
from physsim.imaging.reconstruction.layout import Columns, checked_projections
from physsim.portable import arctan
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

Floats = NDArray[np.float64]

_VIEWS_AT_ONCE = 8  # their filtered pixels are kept while the volume is passed over once
_STILL = 1e-6  # mm, and of unit vectors


def tomosynthesis_fbp(
    projections: ArrayLike, geometry: Geometry, grid: Grid, *, kernel: str = "hann", threads: int | None = None
) -> NDArray[np.float32]:
    """Slices (z, y, x), float32 in 1/mm, from line integrals (views, rows, columns), -ln(signal / air).

    For a flat detector at rest under a source that moves along its rows or columns (Geometry.tomosynthesis). Two of the
    grid's axes must be parallel to the detector's. `kernel`: as for ps.fdk. The same bits for any number of `threads`.

    Neglects: all that a limited angle does not measure: values are differences from what surrounds them along the
    sweep, and thin things are spread across the slices by their width over the sweep's angle. For values, ps.os_sart.
    Raises InvalidInput for shapes that do not match, another kernel, a detector or a grid that is turned or moves.
    """
    images = checked_projections(projections, geometry)
    _check(geometry)
    path = geometry.source_mm[-1] - geometry.source_mm[0]
    along_u, along_v = (abs(float((path * axis).sum())) for axis in (geometry.u[0], geometry.v[0]))
    if along_v > along_u:  # rows are what the kernels filter
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
        geometry = dataclasses.replace(
            geometry, u=geometry.v, v=geometry.u, rows=geometry.columns, columns=geometry.rows,
            pixel_mm=geometry.pixel_mm[::-1],
        )
    voxels, count = Columns(geometry, grid), thread_count(threads)
    rays = _Rays(geometry, voxels)
    rows = RowFilter(np.zeros(geometry.columns), np.zeros(geometry.rows), kernel)
    filtered = np.zeros((min(len(geometry), _VIEWS_AT_ONCE), rows.size), np.float32)
    for first in range(0, len(geometry), _VIEWS_AT_ONCE):
        some = range(first, min(first + _VIEWS_AT_ONCE, len(geometry)))
        for number, view in enumerate(some):
            weight = np.full((1, geometry.columns), rays.weights[view])
            rows.about(*rays.tangents(view))(images[view : view + 1], weight, filtered[number : number + 1], count)
        _engine.backproject_views(
            filtered[: len(some)], rays.sights[some.start : some.stop], geometry.rows, geometry.columns, False,
            voxels.sums, count, instruction_set(),
        )
    return voxels.volume()


class _Rays:
    """How the views see a grid: `weights` (views,), `sights` (views, 11) as in kernels/reconstruct/filtered_views.h."""

    def __init__(self, geometry: Geometry, voxels: Columns) -> None:
        u, v, n = geometry.u[0], geometry.v[0], geometry.normal[0]
        self.geometry, (pitch_u, pitch_v) = geometry, geometry.pixel_mm
        lengths = 0.5 * (np.array(voxels.shape) - 1.0)
        middle = voxels.start + (lengths[:, None] * voxels.steps).sum(axis=0)
        travel = geometry.centre_mm - geometry.source_mm
        self.height, self.foot_u, self.foot_v = ((travel * axis).sum(axis=1) for axis in (n, -u, -v))
        depth, shift = (((middle - geometry.source_mm) * axis).sum(axis=1) for axis in (n, u))
        if depth.min() <= 0.0:
            raise InvalidInput(
                message("the grid", "reaches behind the source", "Give slices between the source and the detector.")
            )
        angle = arctan(shift / depth)
        apart = np.abs(np.diff(angle))
        if apart.min() <= 0.0:
            raise InvalidInput(
                message("source_mm", "does not move from view to view", "Give views in the order of the sweep.")
            )
        share = 0.5 * (np.concatenate([apart[:1], apart]) + np.concatenate([apart, apart[-1:]]))
        self.weights = share * (1.0 + (shift / depth) ** 2) * self.height / depth / pitch_u
        self.sights = np.zeros((len(geometry), 11))
        start = voxels.start - geometry.source_mm
        for place, vector in enumerate((start, voxels.steps[voxels.across], voxels.steps[voxels.along])):
            self.sights[:, place] = (vector * n).sum(axis=-1) / depth
            self.sights[:, 3 + place] = (vector * u).sum(axis=-1) / depth
        self.sights[:, 6] = 0.5 * (geometry.columns - 1) + self.foot_u / pitch_u
        self.sights[:, 7] = self.height / pitch_u
        self.sights[:, 8] = 0.5 * (geometry.rows - 1) + self.foot_v / pitch_v
        for place, vector in enumerate((start, voxels.steps[voxels.lane])):
            self.sights[:, 9 + place] = (vector * v).sum(axis=-1) / depth * self.height / pitch_v

    def tangents(self, view: int) -> tuple[Floats, Floats]:
        """Of the angles of the columns' and the rows' rays with the detector's normal."""
        pitch_u, pitch_v = self.geometry.pixel_mm
        across, along = (np.arange(n) - 0.5 * (n - 1) for n in (self.geometry.columns, self.geometry.rows))
        height = self.height[view]
        return (across * pitch_u - self.foot_u[view]) / height, (along * pitch_v - self.foot_v[view]) / height


def _check(geometry: Geometry) -> None:
    if geometry.beam == "parallel" or geometry.radius_mm is not None or len(geometry) < 2:
        raise InvalidInput(
            message(
                f"{len(geometry)} views of beam={geometry.beam!r}, radius_mm={geometry.radius_mm}",
                "tomosynthesis sweeps a source over a flat detector",
                "Give the geometry of Geometry.tomosynthesis, or use ps.fdk or ps.os_sart.",
            )
        )
    for name in ("centre_mm", "u", "v"):
        moved = np.abs(getattr(geometry, name) - getattr(geometry, name)[0]).max()
        if moved > _STILL:
            raise InvalidInput(
                message(f"{name} moves by {moved:.3g}", "the detector is at rest here", "Use ps.os_sart.")
            )
