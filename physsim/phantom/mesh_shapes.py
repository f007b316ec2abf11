"""Closed meshes of simple bodies: solids of revolution, tubes along curves, boxes with round edges."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.phantom.curves import spline_through
from physsim.phantom.mesh import Mesh
from physsim.phantom.pieces import rotation_to, unit
from physsim.spec.grid import Vector

Array = npt.NDArray[np.float64]


def revolved(profile: npt.ArrayLike, name: str, sides: int = 96) -> Mesh:
    """The solid of revolution about z of a profile [[radius, z], ...] from its lower to its upper end (mm).

    Ends off the axis are closed by discs. A polygon of `sides` corners stands for each circle, with the circle's area:
    its corners lie (2 pi / sides / sin(2 pi / sides))^(1/2) radii out, so that volumes are those of the round body.
    """
    rows = np.asarray(profile, float)
    if rows.ndim != 2 or rows.shape[1] != 2 or len(rows) < 2 or (rows[:, 0] < 0).any() or not np.isfinite(rows).all():
        raise InvalidInput(
            message(f"profile of {name!r}: {rows.tolist()}", "rows are [radius, z] with radii of 0 and more",
                    "Give two rows or more.")
        )  # fmt: skip
    angle = 2.0 * np.pi * np.arange(sides) / sides
    out = np.sqrt(2.0 * np.pi / sides / np.sin(2.0 * np.pi / sides))
    circle = out * np.stack([np.cos(angle), np.sin(angle)], 1)
    rings = [np.c_[r * circle, np.full(sides, z)] for r, z in rows]
    return _stitched(rings, np.array([0.0, 0.0, rows[0, 1]]), np.array([0.0, 0.0, rows[-1, 1]]), name)


def swept(points: npt.ArrayLike, radii: npt.ArrayLike, name: str, step_mm: float = 1.0, sides: int = 48) -> Mesh:
    """A tube along a smooth curve through `points` ((n, 3) mm), one radius or one a point, with flat ends.

    The section does not turn about the curve (frames carried along it by the smallest rotation).
    Neglects: sections that meet where the curve bends tighter than its radius; `mesh_coverage` refuses such a tube.
    """
    given = np.asarray(points, float)
    curve, chord = spline_through(given, step_mm)
    at = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(given, axis=0), axis=1))]
    radius = np.interp(chord, at, np.broadcast_to(np.asarray(radii, float), len(given)))
    along = np.gradient(curve, axis=0)
    along /= np.linalg.norm(along, axis=1)[:, None]
    across = rotation_to(along[0])[:, 0]
    angle = 2.0 * np.pi * np.arange(sides) / sides
    out = np.sqrt(2.0 * np.pi / sides / np.sin(2.0 * np.pi / sides))
    rings = []
    for centre, direction, r in zip(curve, along, radius, strict=True):
        across = across - (across @ direction) * direction
        across /= np.linalg.norm(across)
        third = np.cross(direction, across)
        rings.append(centre + out * r * (np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * third))
    return _stitched(rings, curve[0], curve[-1], name)


def ball(radius_mm: float, name: str, sides: int = 96) -> Mesh:
    """A ball about the origin, with the ball's volume."""
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, sides // 2 + 1)
    profile = radius_mm * np.stack([np.cos(angle), np.sin(angle)], 1)
    profile[[0, -1], 0] = 0.0
    mesh = revolved(profile, name, sides)
    grown = (4.0 / 3.0 * np.pi * radius_mm**3 / mesh.volume_mm3) ** (1.0 / 3.0)
    return mesh.moved(np.eye(3) * grown)


def along(mesh: Mesh, axis: Vector, centre_mm: Vector) -> Mesh:
    """A body made about z, turned so that its z axis points along `axis`, its origin at `centre_mm`."""
    return mesh.moved(rotation_to(unit(axis, "axis")), centre_mm)


def _stitched(rings: list[Array], first: Array, last: Array, name: str) -> Mesh:
    """Rings of equally many points joined by triangles; a point closes each end (rings of radius 0 fall together)."""
    sides = len(rings[0])
    vertices = np.concatenate([*rings, first[None], last[None]])
    here, there = np.arange(sides), np.roll(np.arange(sides), -1)
    triangles = []
    for n in range(len(rings) - 1):
        low, high = n * sides, (n + 1) * sides
        triangles += [np.stack([low + here, low + there, high + there], 1)]
        triangles += [np.stack([low + here, high + there, high + here], 1)]
    bottom, top, end = len(rings) * sides, len(rings) * sides + 1, (len(rings) - 1) * sides
    triangles += [np.stack([np.full(sides, bottom), there, here], 1)]
    triangles += [np.stack([np.full(sides, top), end + here, end + there], 1)]
    return Mesh(vertices, np.concatenate(triangles), name).closed()
