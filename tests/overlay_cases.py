"""A body, two finer patches over it, one of them turned, and rays through them in every way."""

import numpy as np
from spectral_cases import rotation

import physsim as ps

SHAPE = (40, 44, 48)
GRID = ps.Grid(shape=SHAPE, spacing_mm=(1.0, 1.2, 0.9))
STRAIGHT = ps.Geometry.circular(
    views=3, source_axis_mm=200, source_detector_mm=300, rows=37, columns=45, pixel_mm=1.6, start_deg=7
)
GEOMETRIES = {
    "columns": STRAIGHT,
    "oblique": STRAIGHT.moved(rotation(0.3, 0.4)),
    "curved": ps.Geometry.circular(
        views=2,
        source_axis_mm=200,
        source_detector_mm=300,
        rows=33,
        columns=41,
        pixel_mm=1.6,
        curved=True,
        start_deg=31,
    ),
    "parallel": ps.Geometry.parallel(views=2, rows=41, columns=45, pixel_mm=1.1, start_deg=9),
    "fan": ps.Geometry.circular(
        views=2, source_axis_mm=200, source_detector_mm=300, rows=1, columns=61, pixel_mm=1.4, start_deg=3
    ),
}


def turned(shape, spacing, centre, a, b):
    axes = rotation(a, b).T
    first = np.array(centre) - sum(
        0.5 * (n - 1) * s * axis for n, s, axis in zip(shape[::-1], spacing, axes, strict=True)
    )
    return ps.Grid(shape=shape, spacing_mm=spacing, origin_mm=tuple(first), direction=tuple(map(tuple, axes)))


PATCHES = [
    turned((24, 20, 30), (0.3, 0.4, 0.35), (6.0, -7.0, 4.0), 0.5, 0.7),
    turned((9, 10, 11), (0.1, 0.15, 0.2), (-8.0, 8.0, -6.0), 0.0, 0.0),
]
