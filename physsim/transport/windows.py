"""Parts of a detector: where a box can cast its shadow, and the poses of a window of pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from physsim.phantom.overlay import box_corners
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

_MARGIN_PIXELS = 2


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


def window_of(geometry: Geometry, window: tuple[slice, slice]) -> Geometry:
    """The pixels of a one-view detector in a window of rows and columns; a curved one keeps all its columns."""
    rows, columns = window
    along = 0.5 * (rows.start + rows.stop - geometry.rows) * geometry.pixel_mm[1]
    across = 0.5 * (columns.start + columns.stop - geometry.columns) * geometry.pixel_mm[0]
    assert geometry.radius_mm is None or across == 0.0
    return replace(geometry, centre_mm=geometry.centre_mm + across * geometry.u + along * geometry.v,
                   rows=rows.stop - rows.start, columns=columns.stop - columns.start)
