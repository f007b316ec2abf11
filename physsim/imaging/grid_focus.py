"""Whether an anti-scatter grid's strips point to the source: what one that does not costs is simulated, and said."""

from __future__ import annotations

import warnings

import numpy as np

from physsim.errors import message
from physsim.spec.geometry import Geometry
from physsim.spec.protocol import Protocol

_SAID = 0.05  # of the unscattered photons between the strips, anywhere on the detector; IEC 60627's limits are at 0.4


class GridFocusWarning(UserWarning):
    """An anti-scatter grid is focused elsewhere than on the source, and cuts off the beam."""


def warn_of_focus(protocol: Protocol, geometry: Geometry) -> None:
    """GridFocusWarning, with both distances, where a focused grid's strips shade more than 5 % of the spaces between
    them. Grids without a focus, and bent ones before a curved detector, which point to its axis, are as they are meant.
    """
    grid = protocol.anti_scatter_grid
    if grid is None or grid.focal_distance_mm is None or geometry.radius_mm is not None or geometry.beam != "cone":
        return
    shaded, view = max((_shaded(protocol, geometry, view), view) for view in range(len(geometry)))
    if shaded <= _SAID:
        return
    above = grid.gap_mm + 0.5 * grid.height_mm
    way = geometry.source_mm[view] - geometry.centre_mm[view]
    stands = float(geometry.distance_mm[view]) - above
    aside = round(float(np.dot([way @ geometry.u[view], way @ geometry.v[view]], grid.across)) - grid.offset_mm, 3)
    warnings.warn(message(
        f"anti_scatter_grid.focal_distance_mm={grid.focal_distance_mm:g}",
        f"the source stands {stands:.6g} mm before the strips' middle and {abs(aside):.3g} mm aside of the line that "
        f"they point to: at the detector's edge they shade {100.0 * shaded:.0f} % of the beam, which is simulated",
        f"Give focal_distance_mm={stands:.6g}; where it is meant, filter GridFocusWarning."), GridFocusWarning,
        stacklevel=4)


def _shaded(protocol: Protocol, geometry: Geometry, view: int) -> float:
    """Largest share of the spaces between the strips that lies in the strips' shadow, over the detector's corners."""
    grid = protocol.anti_scatter_grid
    assert grid is not None
    assert grid.focal_distance_mm is not None
    across = np.array(grid.across)
    half = 0.5 * np.array([geometry.columns * geometry.pixel_mm[0], geometry.rows * geometry.pixel_mm[1]])
    corners = np.array([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)]) * half @ across
    way = geometry.source_mm[view] - geometry.centre_mm[view]
    source = float(np.dot([way @ geometry.u[view], way @ geometry.v[view]], across))
    slope = (corners - source) / float(geometry.distance_mm[view])
    middle = corners - slope * (grid.gap_mm + 0.5 * grid.height_mm) - grid.offset_mm
    off = np.abs(slope - middle / grid.focal_distance_mm)
    return float(min(1.0, off.max() * grid.height_mm / grid.interspace_mm))
