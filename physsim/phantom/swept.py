"""Shapes swept along curves: capsules, tubes of round or elliptic section, lofts of superelliptic outlines."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pydantic

from physsim.phantom import curves, pieces
from physsim.phantom.pieces import Piece
from physsim.phantom.shapes import Positive, Shape, Vector


class Capsule(Shape):
    """The convex hull of two balls (a round cone); one radius, or one at each end."""

    kind: Literal["capsule"] = "capsule"
    start_mm: Vector
    end_mm: Vector
    radius_mm: Positive | tuple[Positive, Positive]

    def _pieces(self) -> list[Piece]:
        low, high = np.broadcast_to(np.array(self.radius_mm, float), 2)
        return pieces.round_cone(np.array(self.start_mm), np.array(self.end_mm), float(low), float(high))


class Tube(Shape):
    """A chain of round cones along a curve through `points_mm`, with one radius or one at each point.

    `smooth`: a natural cubic spline joins the points (knots at most `step_mm` apart), otherwise straight lines do.
    """

    kind: Literal["tube"] = "tube"
    points_mm: tuple[Vector, ...] = pydantic.Field(min_length=2)
    radius_mm: Positive | tuple[Positive, ...]
    smooth: bool = True
    step_mm: Positive = 5.0

    @pydantic.model_validator(mode="after")
    def _as_many_radii(self) -> Tube:
        if isinstance(self.radius_mm, tuple) and len(self.radius_mm) != len(self.points_mm):
            raise ValueError(
                f"{len(self.radius_mm)} radii: there are {len(self.points_mm)} points. Give one, or one a point.")
        _distinct(self.points_mm)
        return self

    def _pieces(self) -> list[Piece]:
        points = np.array(self.points_mm)
        radii = np.broadcast_to(np.array(self.radius_mm, float), len(points))
        if self.smooth:
            points, chord = curves.spline_through(points, self.step_mm)
            given = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(np.array(self.points_mm), axis=0), axis=1))]
            radii = np.interp(chord, given, radii)
        made: list[Piece] = []
        for n in range(len(points) - 1):
            cone = pieces.round_cone(points[n], points[n + 1], float(radii[n]), float(radii[n + 1]))
            # the first ball of a cone is the last of the one before
            made.extend(cone[1:] if n > 0 and len(cone) == 3 else cone)
        return made


class Branches(Shape):
    """A tree of vessels or airways: round cones, each a row (x, y, z, radius, x, y, z, radius) in mm."""

    kind: Literal["branches"] = "branches"
    segments: tuple[tuple[float, float, float, Positive, float, float, float, Positive], ...] = pydantic.Field(
        min_length=1
    )

    def _pieces(self) -> list[Piece]:
        made: list[Piece] = []
        seen: dict[tuple[float, float, float], float] = {}  # radius of the ball that already stands at a joint
        for segment in self.segments:
            row = np.array(segment)
            cone = pieces.round_cone(row[:3], row[4:7], float(row[3]), float(row[7]))
            start, end = segment[:3], segment[4:7]
            made.extend(cone[1:] if len(cone) == 3 and seen.get(start, 0.0) >= segment[3] else cone)
            seen[start], seen[end] = max(seen.get(start, 0.0), segment[3]), max(seen.get(end, 0.0), segment[7])
        return made


class Ribbon(Shape):
    """A tube of elliptic section: at each point semi-axes (along the normal, across it) and the normal.

    Segments of one elliptic cylinder each, joined by ellipsoids; the curve is used as given.
    """

    kind: Literal["ribbon"] = "ribbon"
    points_mm: tuple[Vector, ...] = pydantic.Field(min_length=2)
    semi_axes_mm: tuple[tuple[Positive, Positive], ...]
    normals: tuple[Vector, ...]

    @pydantic.model_validator(mode="after")
    def _as_many(self) -> Ribbon:
        if not len(self.points_mm) == len(self.semi_axes_mm) == len(self.normals):
            raise ValueError(
                f"{len(self.points_mm)} points, {len(self.semi_axes_mm)} semi-axes, {len(self.normals)} normals: "
                "they belong together. Give one of each at each point."
            )
        _distinct(self.points_mm)
        return self

    def _pieces(self) -> list[Piece]:
        points, axes, normals = np.array(self.points_mm), np.array(self.semi_axes_mm), np.array(self.normals)
        tangents = np.gradient(points, axis=0)
        made = []
        for n in range(len(points)):
            along = float(axes[n].min())
            frame = curves.frame_along(tangents[n], normals[n])
            made.append(pieces.ellipsoid(points[n], np.array([*axes[n], along]), frame))
        for n in range(len(points) - 1):
            step = points[n + 1] - points[n]
            frame = curves.frame_along(step, 0.5 * (normals[n] + normals[n + 1]))
            middle = 0.5 * (points[n] + points[n + 1])
            section = 0.5 * (axes[n] + axes[n + 1])
            made.append(pieces.frustum(middle, section, 1.0, float(np.linalg.norm(step)), frame))
        return made


class Loft(Shape):
    """A stack of horizontal superelliptic outlines, joined by a shape-keeping cubic in z.

    `sections`: rows (z, half width, y front, y back, exponent front, exponent back), z increasing; `grow_mm` moves the
    outline outward (negative: inward). Between knots `step_mm` apart the solid is the convex hull of two outlines of
    `vertices` corners.
    """

    kind: Literal["loft"] = "loft"
    sections: tuple[tuple[float, Positive, float, float, Positive, Positive], ...] = pydantic.Field(min_length=2)
    centre_x_mm: float = 0.0
    grow_mm: float = 0.0
    step_mm: Positive = 6.0
    vertices: int = pydantic.Field(48, ge=8, le=256)

    @pydantic.model_validator(mode="after")
    def _stacked(self) -> Loft:
        rows = np.array(self.sections)
        if (np.diff(rows[:, 0]) <= 0).any():
            raise ValueError("z must increase from section to section. Sort the sections from the feet to the head.")
        if (rows[:, 1] + self.grow_mm <= 0).any() or (rows[:, 3] - rows[:, 2] + 2 * self.grow_mm <= 0).any():
            raise ValueError(
                f"grow_mm={self.grow_mm} leaves a section without width or depth (y back must be larger "
                "than y front). Mend the section or shrink less."
            )
        if rows[:, 4:].min() < 1:
            raise ValueError("exponents below 1 make an outline that is not convex. Give 2 for an ellipse.")
        return self

    def _pieces(self) -> list[Piece]:
        rows = np.array(self.sections)
        knots = [
            np.linspace(a, b, max(1, int(np.ceil((b - a) / self.step_mm))), endpoint=False)
            for a, b in zip(rows[:-1, 0], rows[1:, 0], strict=True)
        ]
        z = np.append(np.concatenate(knots), rows[-1, 0])
        values = curves.monotone_cubic(rows[:, 0], rows[:, 1:], z)
        outlines = [
            curves.superellipse(
                a + self.grow_mm,
                front - self.grow_mm,
                back + self.grow_mm,
                n_front,
                n_back,
                self.centre_x_mm,
                self.vertices,
            )
            for a, front, back, n_front, n_back in values
        ]
        return [pieces.layer(outlines[n], float(z[n]), outlines[n + 1], float(z[n + 1])) for n in range(len(z) - 1)]


def _distinct(points: tuple[Vector, ...]) -> None:
    gaps = np.linalg.norm(np.diff(np.array(points), axis=0), axis=1)
    if gaps.min() <= 0:
        n = int(gaps.argmin())
        raise ValueError(f"points {n} and {n + 1}: they coincide at {points[n]}. Leave one of them out.")
