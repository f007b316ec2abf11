"""Convex pieces: what every shape is made of, so that one small kernel gives exact chords of all of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message

Array = npt.NDArray[np.float64]
FAR_MM = 1e6  # stands for infinity in the bounds of half-spaces; no scene reaches it


@dataclass(frozen=True, eq=False)
class Piece:
    """The points inside one quadric (or none) and on the inner side of every plane: convex, so a ray cuts it once.

    With x = world - `centre` (mm): inside when x'Ax + 2 b.x + c <= 0 and n.x <= h for all planes.
    `quadric`: (10,) Axx Ayy Azz Axy Axz Ayz bx by bz c, or None; `planes`: (m, 4) unit normal n and h;
    `low`, `high`: (3,) world bounds (mm), not smaller than the piece.
    """

    centre: Array
    quadric: Array | None
    planes: Array
    low: Array
    high: Array

    def clipped(self, normal: Array, offset_mm: float) -> Piece:
        """The part where normal . world <= offset_mm (`normal` a unit vector)."""
        plane = np.append(normal, offset_mm - normal @ self.centre)
        low, high = self.low.copy(), self.high.copy()
        axis = int(np.abs(normal).argmax())
        if abs(normal[axis]) == 1.0:  # an axis-aligned plane tightens the bounds
            if normal[axis] > 0:
                high[axis] = max(min(high[axis], offset_mm), low[axis])
            else:
                low[axis] = min(max(low[axis], -offset_mm), high[axis])
        return replace(self, planes=np.vstack([self.planes, plane]), low=low, high=high)

    def moved(self, rotation: Array, shift_mm: Array) -> Piece:
        """The piece at rotation @ world + shift."""
        planes = self.planes.copy()
        planes[:, :3] = planes[:, :3] @ rotation.T
        corners = (
            np.array(
                [
                    [x, y, z]
                    for x in (self.low[0], self.high[0])
                    for y in (self.low[1], self.high[1])
                    for z in (self.low[2], self.high[2])
                ]
            )
            @ rotation.T
            + shift_mm
        )
        quadric = None
        if self.quadric is not None:
            matrix, linear, constant = _unpack(self.quadric)
            quadric = _pack(rotation @ matrix @ rotation.T, rotation @ linear, constant)
        return Piece(rotation @ self.centre + shift_mm, quadric, planes, corners.min(0), corners.max(0))

    def contains(self, points_mm: Array) -> npt.NDArray[np.bool_]:
        """(...,) bool of points (..., 3)."""
        x = np.asarray(points_mm, float) - self.centre
        inside = np.ones(x.shape[:-1], bool)
        if self.quadric is not None:
            matrix, linear, constant = self._form
            inside &= np.einsum("...i,ij,...j->...", x, matrix, x) + 2 * x @ linear + constant <= 0
        for plane in self.planes:
            inside &= x @ plane[:3] <= plane[3]
        return inside

    @cached_property
    def _form(self) -> tuple[Array, Array, float]:
        assert self.quadric is not None
        return _unpack(self.quadric)


def ellipsoid(centre: Array, semi_axes_mm: Array, rotation: Array) -> Piece:
    """An ellipsoid; columns of `rotation` are the world directions of its axes."""
    matrix = rotation @ np.diag(np.asarray(semi_axes_mm, float) ** -2.0) @ rotation.T
    reach = np.sqrt((rotation**2) @ np.asarray(semi_axes_mm, float) ** 2)
    return Piece(centre, _pack(matrix, np.zeros(3), -1.0), np.zeros((0, 4)), centre - reach, centre + reach)


def frustum(centre: Array, radii_mm: Array, scale_top: float, length_mm: float, rotation: Array) -> Piece:
    """An elliptic cylinder or truncated cone between two planes at +-length/2 along the third axis of `rotation`.

    `radii_mm` (2,): semi-axes of the lower face; the upper one is `scale_top` times as large (1: a cylinder).
    """
    (a, b), half = radii_mm, 0.5 * length_mm
    # (x/a)^2 + (y/b)^2 <= (middle + slope z)^2
    middle, slope = 0.5 * (1 + scale_top), (scale_top - 1) / length_mm
    matrix = rotation @ np.diag([a**-2.0, b**-2.0, -slope * slope]) @ rotation.T
    axis = rotation[:, 2]
    planes = np.array([[*axis, half], [*-axis, half]])
    disc = np.sqrt((a * rotation[:, 0]) ** 2 + (b * rotation[:, 1]) ** 2)
    ends = [centre - half * axis, centre + half * axis]
    low = np.minimum(ends[0] - disc, ends[1] - scale_top * disc)
    high = np.maximum(ends[0] + disc, ends[1] + scale_top * disc)
    return Piece(centre, _pack(matrix, -middle * slope * axis, -middle * middle), planes, low, high)


def half_space(normal: Array, offset_mm: float) -> Piece:
    """All points with normal . world <= offset_mm."""
    everywhere = Piece(np.zeros(3), None, np.zeros((0, 4)), np.full(3, -FAR_MM), np.full(3, FAR_MM))
    return everywhere.clipped(normal, offset_mm)


def box(centre: Array, size_mm: Array, rotation: Array) -> Piece:
    """A box with edges `size_mm` along the columns of `rotation`."""
    half = 0.5 * np.asarray(size_mm, float)
    planes = np.vstack([np.c_[rotation.T, half], np.c_[-rotation.T, half]])
    reach = np.abs(rotation) @ half
    return Piece(centre, None, planes, centre - reach, centre + reach)


def layer(polygon_low: Array, z_low: float, polygon_high: Array, z_high: float) -> Piece:
    """The convex hull of two convex polygons, (m, 2) and (n, 2) counter-clockwise, in the planes z_low and z_high."""
    centre = np.append(0.5 * (polygon_low.mean(0) + polygon_high.mean(0)), 0.5 * (z_low + z_high))
    planes = [np.array([0, 0, 1, z_high]), np.array([0, 0, -1, -z_low])]
    for own, z_own, other, z_other in (
        (polygon_low, z_low, polygon_high, z_high),
        (polygon_high, z_high, polygon_low, z_low),
    ):
        edges = np.roll(own, -1, axis=0) - own
        outward = np.c_[edges[:, 1], -edges[:, 0]]
        touch = other[(outward @ other.T).argmax(1)]  # the vertex of the other polygon that each edge's plane rests on
        rise = ((touch - own) * outward).sum(1) / (z_other - z_own)  # outward . x - rise (z - z_own) <= outward . own
        normals = np.c_[outward, -rise]
        offsets = (outward * own).sum(1) - rise * z_own
        norm = np.linalg.norm(normals, axis=1)
        kept = norm > 1e-9
        planes.extend(np.c_[normals, offsets][kept] / norm[kept, None])
    unique = np.unique(np.round(np.array(planes), 9), axis=0)
    unique[:, 3] -= unique[:, :3] @ centre
    both = np.vstack([polygon_low, polygon_high])
    return Piece(centre, None, unique, np.append(both.min(0), z_low), np.append(both.max(0), z_high))


def round_cone(start: Array, end: Array, radius_start: float, radius_end: float) -> list[Piece]:
    """The convex hull of two balls: two spheres and the frustum that touches both."""
    balls = [ellipsoid(p, np.full(3, r), np.eye(3)) for p, r in ((start, radius_start), (end, radius_end)) if r > 0]
    along = end - start
    length = float(np.linalg.norm(along))
    sine = (radius_start - radius_end) / length if length else 2.0
    if abs(sine) >= 1:  # one ball holds the other
        return [balls[0] if radius_start >= radius_end else balls[-1]]
    cosine = math.sqrt(1 - sine * sine)
    axis = along / length
    low, high = start + radius_start * sine * axis, end + radius_end * sine * axis
    span = length + (radius_end - radius_start) * sine
    small, large = sorted((radius_start * cosine, radius_end * cosine))
    down = radius_start < radius_end  # the wider face is the lower one of the frustum
    rotation = rotation_to(-axis if down else axis)
    return [*balls, frustum(0.5 * (low + high), np.full(2, large), small / large, span, rotation)]


def rotation_to(axis: Array) -> Array:
    """(3, 3) rotation whose third column is `axis` (a unit vector); the smallest turn from +z."""
    x, y, z = (float(component) for component in axis)
    if z < -1 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    k = 1 / (1 + z)
    return np.array([[1 - k * x * x, -k * x * y, x], [-k * x * y, 1 - k * y * y, y], [-x, -y, z]])


def rotation_xyz(degrees: tuple[float, float, float]) -> Array:
    """(3, 3): turn about world x, then y, then z, right-handed, in degrees."""
    matrix = np.eye(3)
    for axis, angle in enumerate(degrees):
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        turn = np.eye(3)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
        matrix = turn @ matrix
    return matrix


def unit(vector: tuple[float, float, float] | Array, what: str) -> Array:
    """`vector` scaled to length 1, or InvalidInput."""
    array = np.asarray(vector, float)
    norm = float(np.linalg.norm(array))
    if not norm > 0:
        raise InvalidInput(
            message(f"{what}={tuple(array)}", "a direction needs a length", "Give for example [0, 0, 1].")
        )
    return array / norm


def _pack(matrix: Array, linear: Array, constant: float) -> Array:
    m = matrix
    return np.array([m[0, 0], m[1, 1], m[2, 2], m[0, 1], m[0, 2], m[1, 2], *linear, constant])


def _unpack(q: Array) -> tuple[Array, Array, float]:
    matrix = np.array([[q[0], q[3], q[4]], [q[3], q[1], q[5]], [q[4], q[5], q[2]]])
    return matrix, q[6:9], float(q[9])
