"""Shapes as frozen specs: each says how it is painted and gives the convex pieces that make it."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pydantic

from physsim.errors import message
from physsim.phantom import pieces
from physsim.phantom.pieces import Array, Piece
from physsim.spec.base import Spec

Vector = tuple[float, float, float]
Positive = pydantic.PositiveFloat


class Plane(Spec):
    """A clipping plane: keeps the points with normal . x <= normal . point (mm)."""

    normal: Vector
    point_mm: Vector = (0.0, 0.0, 0.0)

    def cut(self, piece: Piece) -> Piece:
        """The part of a piece on the kept side."""
        normal = pieces.unit(self.normal, "normal")
        return piece.clipped(normal, float(normal @ np.array(self.point_mm)))


class Repeat(Spec):
    """Copies of a shape: copy n = 0 .. count-1 is turned by n turn_deg about a line and shifted by n step_mm."""

    count: pydantic.PositiveInt
    step_mm: Vector = (0.0, 0.0, 0.0)
    turn_deg: float = 0.0
    axis: Vector = (0.0, 0.0, 1.0)
    about_mm: Vector = (0.0, 0.0, 0.0)

    @pydantic.model_validator(mode="after")
    def _moves(self) -> Repeat:
        if self.count > 1 and not any(self.step_mm) and not self.turn_deg:
            raise ValueError(message(f"count={self.count}", "the copies would coincide", "Give step_mm or turn_deg."))
        return self

    def copies(self, originals: list[Piece]) -> list[Piece]:
        """All copies, the original first."""
        about, step = np.array(self.about_mm), np.array(self.step_mm)
        frame = pieces.rotation_to(pieces.unit(self.axis, "axis"))
        moved = list(originals)
        for n in range(1, self.count):
            turn = frame @ pieces.rotation_xyz((0.0, 0.0, n * self.turn_deg)) @ frame.T if self.turn_deg else np.eye(3)
            moved.extend(piece.moved(turn, about - turn @ about + n * step) for piece in originals)
        return moved


class Shape(Spec):
    """Base of the shapes. Later shapes of a scene are painted over earlier ones.

    `material`: name in the scene's materials or in the tissue library; `density`: relative to the material's own;
    `organ`: name under which truth counts it (default: `name`); `over`: organs that it may replace ("background" is
    one; empty: all); `clip`: planes that cut it; `mirror`: also at -x; `lesion`: True keeps a row of it as truth.
    """

    name: str = pydantic.Field(min_length=1)
    material: str
    density: Positive = 1.0
    organ: str | None = None
    over: tuple[str, ...] = ()
    clip: tuple[Plane, ...] = ()
    mirror: bool = False
    repeat: Repeat | None = None
    lesion: bool = False

    @property
    def counted_as(self) -> str:
        """The organ of the truth tables."""
        return self.organ or self.name

    def pieces(self) -> list[Piece]:
        """The convex pieces (their union is the shape), clipped, mirrored and repeated."""
        made = self._pieces()
        for plane in self.clip:
            made = [plane.cut(piece) for piece in made]
        if self.mirror:
            made = [*made, *(piece.moved(np.diag([-1.0, 1.0, 1.0]), np.zeros(3)) for piece in made)]
        return self.repeat.copies(made) if self.repeat else made

    def _pieces(self) -> list[Piece]:
        raise NotImplementedError


class Sphere(Shape):
    """A ball."""

    kind: Literal["sphere"] = "sphere"
    centre_mm: Vector = (0.0, 0.0, 0.0)
    radius_mm: Positive

    def _pieces(self) -> list[Piece]:
        return [pieces.ellipsoid(np.array(self.centre_mm), np.full(3, self.radius_mm), np.eye(3))]


class Placed(Shape):
    """A shape with a centre and a turn about world x, then y, then z (degrees)."""

    centre_mm: Vector = (0.0, 0.0, 0.0)
    rotation_deg: Vector = (0.0, 0.0, 0.0)

    def _frame(self) -> tuple[Array, Array]:
        return np.array(self.centre_mm), pieces.rotation_xyz(self.rotation_deg)


class Ellipsoid(Placed):
    """An ellipsoid with semi-axes along its own x, y, z."""

    kind: Literal["ellipsoid"] = "ellipsoid"
    semi_axes_mm: tuple[Positive, Positive, Positive]

    def _pieces(self) -> list[Piece]:
        centre, rotation = self._frame()
        return [pieces.ellipsoid(centre, np.array(self.semi_axes_mm), rotation)]


class Box(Placed):
    """A box with edge lengths along its own x, y, z."""

    kind: Literal["box"] = "box"
    size_mm: tuple[Positive, Positive, Positive]

    def _pieces(self) -> list[Piece]:
        centre, rotation = self._frame()
        return [pieces.box(centre, np.array(self.size_mm), rotation)]


class Axial(Placed):
    """A shape along an axis: its own z, turned to `axis` by the smallest turn, then by rotation_deg."""

    axis: Vector = (0.0, 0.0, 1.0)
    length_mm: Positive

    def _frame(self) -> tuple[Array, Array]:
        centre, rotation = super()._frame()
        return centre, rotation @ pieces.rotation_to(pieces.unit(self.axis, "axis"))


class Cylinder(Axial):
    """A circular or elliptic cylinder with flat ends; `radius_mm` is one number or the semi-axes along own x and y."""

    kind: Literal["cylinder"] = "cylinder"
    radius_mm: Positive | tuple[Positive, Positive]

    def _pieces(self) -> list[Piece]:
        centre, rotation = self._frame()
        radii = np.broadcast_to(np.array(self.radius_mm, float), 2)
        return [pieces.frustum(centre, radii, 1.0, self.length_mm, rotation)]


class Cone(Axial):
    """A cone or truncated cone: `radius_mm` at -length/2 and at +length/2 along its axis; one of them may be 0."""

    kind: Literal["cone"] = "cone"
    radius_mm: tuple[pydantic.NonNegativeFloat, pydantic.NonNegativeFloat]

    @pydantic.field_validator("radius_mm")
    @classmethod
    def _one_is_positive(cls, value: tuple[float, float]) -> tuple[float, float]:
        if max(value) <= 0:
            raise ValueError("a cone needs one radius larger than 0 mm. Give for example [10, 0].")
        return value

    def _pieces(self) -> list[Piece]:
        centre, rotation = self._frame()
        low, high = self.radius_mm
        if low < high:  # the wider face is the lower one of a frustum
            rotation, low, high = rotation @ np.diag([1.0, -1.0, -1.0]), high, low
        return [pieces.frustum(centre, np.full(2, low), high / low, self.length_mm, rotation)]


class Prism(Axial):
    """A prism over a convex polygon: vertices (x, y) in order, in its own frame."""

    kind: Literal["prism"] = "prism"
    polygon_mm: tuple[tuple[float, float], ...] = pydantic.Field(min_length=3)

    @pydantic.field_validator("polygon_mm")
    @classmethod
    def _convex(cls, value: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        polygon = np.array(value)
        edges = np.roll(polygon, -1, axis=0) - polygon
        following = np.roll(edges, -1, axis=0)
        turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
        angles = np.arctan2(turns, (edges * following).sum(1))
        if not ((turns > 0).all() or (turns < 0).all()) or abs(abs(angles.sum()) - 2 * math.pi) > 1e-6:
            raise ValueError(
                "the polygon is not convex, or has three vertices on a line or out of order. "
                "Give the corners in order; build a non-convex prism from several."
            )
        return value if turns[0] > 0 else value[::-1]

    def _pieces(self) -> list[Piece]:
        centre, rotation = self._frame()
        polygon, half = np.array(self.polygon_mm), 0.5 * self.length_mm
        return [pieces.layer(polygon, -half, polygon, half).moved(rotation, centre)]


class HalfSpace(Shape):
    """All points with normal . x <= normal . point; the scene's box bounds it."""

    kind: Literal["half_space"] = "half_space"
    normal: Vector
    point_mm: Vector = (0.0, 0.0, 0.0)

    def _pieces(self) -> list[Piece]:
        normal = pieces.unit(self.normal, "normal")
        return [pieces.half_space(normal, float(normal @ np.array(self.point_mm)))]


class Polyhedron(Shape):
    """A convex polyhedron as an intersection of half-spaces."""

    kind: Literal["polyhedron"] = "polyhedron"
    planes: tuple[Plane, ...] = pydantic.Field(min_length=4)
    low_mm: Vector = (-pieces.FAR_MM,) * 3
    high_mm: Vector = (pieces.FAR_MM,) * 3

    def _pieces(self) -> list[Piece]:
        first, *rest = self.planes
        normal = pieces.unit(first.normal, "normal")
        piece = pieces.half_space(normal, float(normal @ np.array(first.point_mm)))
        for axis in range(3):  # the outer bounds are planes too
            edge = np.zeros(3)
            edge[axis] = 1.0
            piece = piece.clipped(edge, self.high_mm[axis]).clipped(-edge, -self.low_mm[axis])
        for plane in rest:
            piece = plane.cut(piece)
        return [piece]
