"""Geometries and grids that the adjoints are tested on: each meets another way through the kernels. For tests."""

from __future__ import annotations

import numpy as np

from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid


def turned(degrees: float, axis: int) -> np.ndarray:
    """(3, 3) rotation about x, y or z."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    i, j = [(1, 2), (0, 2), (0, 1)][axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


def circle(rows=64, columns=80, pixel_mm=1.5, views=5, source=300.0, detector=450.0, **more) -> Geometry:
    """Some views on a circle; none is aligned with the grid."""
    return Geometry.circular(
        views=views,
        source_axis_mm=source,
        source_detector_mm=detector,
        rows=rows,
        columns=columns,
        pixel_mm=pixel_mm,
        start_deg=7.3,
        **more,
    )


GRID = Grid(shape=(40, 50, 60))
OBLIQUE = turned(20.0, 0) @ turned(11.0, 1)
CASES: dict[str, tuple[Geometry, Grid]] = {
    "cone": (circle(), GRID),
    "several tiles": (circle(rows=130, columns=150, pixel_mm=1.6, views=3), Grid(shape=(100, 71, 140))),
    "oblique": (circle().moved(OBLIQUE), GRID),
    "oblique, several blocks": (circle(columns=150, views=2).moved(OBLIQUE), Grid(shape=(40, 50, 140))),
    "curved": (circle(curved=True), GRID),
    "curved, oblique": (circle(curved=True).moved(OBLIQUE), GRID),
    "parallel": (Geometry.parallel(views=5, rows=64, columns=64, pixel_mm=1.07, start_deg=7.3), GRID),
    "fine pixels": (circle(rows=256, pixel_mm=(1.5, 0.3)), GRID),
    "coarse pixels": (circle(rows=24, columns=30, pixel_mm=4.3), GRID),
    "very coarse pixels": (circle(rows=9, columns=9, pixel_mm=13.0), GRID),
    "descending v": (circle().moved(turned(180.0, 0)), GRID),
    "columns along x": (circle().moved(np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])), GRID),
    "columns along y": (circle().moved(np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])), GRID),
    "steep cone": (circle(source=40.0, detector=60.0), GRID),
    "source inside": (circle(source=10.0, detector=60.0), GRID),
    "source inside, oblique": (circle(source=10.0, detector=60.0).moved(OBLIQUE), GRID),
    "odd sizes": (circle(rows=37, columns=41, pixel_mm=2.1), Grid(shape=(41, 37, 43))),
    "anisotropic": (circle(), Grid(shape=(23, 50, 60), spacing_mm=(0.9, 1.3, 2.0))),
    "anisotropic, oblique": (circle().moved(OBLIQUE), Grid(shape=(23, 50, 60), spacing_mm=(0.9, 1.3, 2.0))),
    "middle row in a face": (circle(rows=63), GRID),
    "a row nearly level": (circle(offset_mm=(0.0, 0.69)), GRID),  # by 1.3e-4 and, next, 6e-5 voxels a voxel across
    "a row all but level": (circle(offset_mm=(0.0, 0.72)), GRID),
    "9 rows": (circle(rows=9), Grid(shape=(7, 50, 60))),
    "3 rows": (circle(rows=3), Grid(shape=(7, 50, 60))),
    "fan": (circle(rows=1), Grid(shape=(1, 50, 60))),
    "one column": (circle(columns=1), GRID),
    "volume of one voxel": (circle(), Grid(shape=(1, 1, 1), spacing_mm=9.0)),
    "beside the detector": (circle(offset_mm=(60.0, 30.0)), GRID),
}
# Rays in faces of the voxels: where they go is a convention, which the adjoint must share with the forward projector.
# Rays that move equally fast, as far as float32 tells, along two axes while they climb, or along all three: Joseph's
# integral may take either.
DIAGONAL: dict[str, tuple[Geometry, Grid]] = {
    "climbing at 45 degrees": (
        Geometry(
            source_mm=(-64, -64 - 1e-7, -25), centre_mm=(64, 64, 25), u=(0.5**0.5, -(0.5**0.5), 0),
            v=(-25 / 17634**0.5, -25 / 17634**0.5, 128 / 17634**0.5), rows=50, columns=60, pixel_mm=(1.1, 0.9),
            beam="parallel"),
        GRID,
    ),
    "along the diagonal": (
        Geometry(
            source_mm=(-64, -64, -64), centre_mm=(64, 64, 64), u=(0.5**0.5, -(0.5**0.5), 0),
            v=(1 / 6**0.5, 1 / 6**0.5, -2 / 6**0.5), rows=50, columns=50, pixel_mm=(1.1, 1.1), beam="parallel"),
        GRID,
    ),
}
FACES: dict[str, tuple[Geometry, Grid]] = {
    "rows in faces": (Geometry.parallel(views=5, rows=64, columns=64, pixel_mm=1.0), Grid(shape=(41, 51, 61))),
    "rows and columns in faces": (
        Geometry.parallel(views=4, arc_deg=360.0, rows=40, columns=60, pixel_mm=1.0),
        Grid(shape=(41, 51, 61)),
    ),
    "rows in faces, flipped": (
        Geometry.parallel(views=5, rows=64, columns=64, pixel_mm=1.0).moved(turned(180.0, 1)),
        Grid(shape=(41, 51, 61)),
    ),
    "fan in a face": (circle(rows=1), Grid(shape=(2, 50, 60))),
    "along the axes": (
        Geometry.circular(views=4, source_axis_mm=300, source_detector_mm=450, rows=33, columns=33, pixel_mm=1.5),
        GRID,
    ),
}
