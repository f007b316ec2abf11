"""Declared shapes as numbers for the kernels: constants and rows of tables, bounds, and how steep their distance is.

Rounded to 1e-6 mm or thirty bits, so that no bit hangs on the last digit of a cosine or a solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body import declare
from physsim.phantom import curves
from physsim.phantom.pieces import rotation_xyz

Array = npt.NDArray[np.float64]
Value = Callable[[float | str], float]
LOFT_STEP_MM = 1.0
_UNBOUNDED = 1e6


@dataclass(frozen=True, eq=False)
class Compiled:
    """One shape: kernel instruction by name, constants, rows of its table, bounds (mm), slope of d at most."""

    op: str
    constants: Array
    low: Array
    high: Array
    slope: float = 1.0
    rows: Array = field(default_factory=lambda: np.zeros((0, 0)))


def unbounded() -> tuple[Array, Array]:
    """Bounds of what is everywhere."""
    return np.full(3, -_UNBOUNDED), np.full(3, _UNBOUNDED)


def point(of: declare.Point, value: Value) -> Array:
    """(3,) mm."""
    return np.array([value(c) for c in of])


def ellipsoid(shape: declare.EllipsoidShape, value: Value) -> Compiled:
    """Constants: centre, rows of the transposed turn, 1 / semi-axes, and the exponent of a superellipsoid."""
    centre, semi = point(shape.centre, value), point(shape.semi, value)
    if semi.min() <= 0:
        raise ValueError(f"semi={tuple(map(float, semi))}: semi-axes are larger than 0 mm. Mend them.")
    a, b, c = (value(t) for t in shape.turn_deg)
    turn, n = rotation_xyz((a, b, c)), value(shape.n)
    if not 1.0 < n <= 20.0:
        raise ValueError(f"n={n:g}: exponents lie above 1 and up to 20. Give 2 for an ellipsoid.")
    half = np.abs(turn) @ semi if n > 2 else np.sqrt((turn**2) @ semi**2)
    constants = _digits(np.concatenate([centre, turn.T.ravel(), 1 / semi, [n]]))
    # the first-order distance of a flat body changes faster than 1 mm a mm near its rim and its middle
    slope = _flat_slope(float(semi.max() / semi.min()))
    op = "ELLIPSOID" if n == 2.0 else "SUPERELLIPSOID"
    return Compiled(op, constants, centre - half, centre + half, slope + (0.3 if n != 2.0 else 0.0))


def _flat_slope(ratio: float) -> float:
    """How steep the distance q (q - 1) / |grad q| of an ellipse is near it, by its longest over its shortest axis."""
    return 1.0 + 0.35 * min(ratio - 1.0, 6.0)


def plane(shape: declare.PlaneShape, value: Value) -> Compiled:
    """Constants: unit normal and level."""
    normal = point(shape.normal, value)
    length = float(np.linalg.norm(normal))
    if length == 0:
        raise ValueError("normal=[0, 0, 0]: a plane needs a direction. Mend it.")
    normal = normal / length
    return Compiled("PLANE", _digits(np.append(normal, normal @ point(shape.point, value))), *unbounded())


def tube(shape: declare.TubeShape, value: Value) -> Compiled:
    """Rows of 24: start, step, 1 / step^2, two radii with their changes, two directions with theirs, slope of d."""
    points = np.array([point(p, value) for p in shape.points])
    gaps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    if gaps.min() <= 0:
        n = int(gaps.argmin())
        raise ValueError(f"points {n} and {n + 1} coincide at {tuple(map(float, points[n]))}. Leave one out.")
    elliptic = shape.radii is not None
    if shape.radii is not None:
        pairs = np.array([[value(a), value(b)] for a, b in shape.radii])
        radii = np.repeat(pairs, len(points), 0) if len(pairs) == 1 else pairs
    else:
        given = shape.radius if isinstance(shape.radius, tuple) else (shape.radius,) * len(points)
        radii = np.array([[value(r)] * 2 for r in given if r is not None])
    if radii.min() <= 0:
        raise ValueError(f"radius {radii.min():g}: radii are larger than 0 mm. Mend it.")
    normals = np.tile([1.0, 0.0, 0.0], (len(points), 1))
    if shape.normal is not None:
        many = isinstance(shape.normal[0], tuple)
        given_normals: Any = shape.normal if many else (shape.normal,) * len(points)
        normals = np.array([point(n, value) for n in given_normals])
    tables = tuple(np.ascontiguousarray(one).tobytes() for one in (points, radii, normals))
    return _tube(*tables, shape.step_mm if shape.smooth and len(points) > 2 else 0.0, elliptic)


@lru_cache(maxsize=4096)
def _tube(points_of: bytes, radii_of: bytes, normals_of: bytes, step_mm: float, elliptic: bool) -> Compiled:
    """The tube through points (n, 3) with radii (n, 2), smooth unless `step_mm` is 0: bodies share most of them."""
    points, radii, normals = (np.frombuffer(one).reshape(-1, k) for one, k in zip(
        (points_of, radii_of, normals_of), (3, 2, 3), strict=True))  # fmt: skip
    knots, size, toward = points, radii, normals
    if step_mm:
        curve, chord = curves.spline_through(np.c_[points, normals], step_mm)
        knots, toward = curve[:, :3], curve[:, 3:]
        at = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
        size = curves.monotone_cubic(at, radii, np.minimum(chord, at[-1]))
    rows = _segments(knots, size, toward, elliptic)
    reach = size.max(1)[:, None]
    rows.flags.writeable = False
    flat = _flat_slope(float((size.max(1) / size.min(1)).max()))
    return Compiled(
        "ELLIPTIC_TUBE" if elliptic else "ROUND_TUBE", np.zeros(0), (knots - reach).min(0), (knots + reach).max(0),
        float(rows[:, 23].max()) + flat - 1.0, rows,
    )  # fmt: skip


def branches(rows: tuple[tuple[float, ...], ...]) -> Compiled:
    """Capsules (x, y, z, r, x, y, z, r) as rows of 24."""
    table = np.array(rows, float)
    starts, ends, radii = table[:, :3], table[:, 4:7], table[:, [3, 7]]
    if radii.min() <= 0 or np.linalg.norm(ends - starts, axis=1).min() <= 0:
        raise ValueError("a branch has no length or no radius. Leave it out.")
    made = np.zeros((len(table), 24))
    step = ends - starts
    made[:, :3], made[:, 3:6], made[:, 6] = starts, step, 1 / (step**2).sum(1)
    made[:, 7], made[:, 8] = radii[:, 0], radii[:, 1] - radii[:, 0]
    made[:, 23] = 1 + np.abs(made[:, 8]) * np.sqrt(made[:, 6])
    low = np.minimum(starts - radii[:, :1], ends - radii[:, 1:]).min(0)
    high = np.maximum(starts + radii[:, :1], ends + radii[:, 1:]).max(0)
    return Compiled("BRANCHES", np.zeros(0), low, high, float(made[:, 23].max()), _digits(made))


def loft(shape: declare.LoftShape, value: Value) -> Compiled:
    """Rows of 6 every millimetre of z: half width, middle y, half depth, exponents front and back, notch."""
    rows = np.array([[value(v) for v in row] for row in shape.sections])
    z = rows[:, 0]
    if (np.diff(z) <= 0).any():
        raise ValueError("z must increase from section to section. Sort the sections from the feet to the head.")
    if rows[:, 1].min() <= 0 or (rows[:, 3] - rows[:, 2]).min() <= 0:
        raise ValueError("a section has no width or no depth (y back is larger than y front). Mend it.")
    if rows[:, 4:].min() < 1:
        raise ValueError("exponents below 1 make an outline that is not convex. Give 2 for an ellipse.")
    count = max(2, math.ceil((z[-1] - z[0]) / LOFT_STEP_MM) + 1)
    at = np.linspace(z[0], z[-1], count)
    a, front, back, n_front, n_back = curves.monotone_cubic(z, rows[:, 1:], at).T
    depth = np.zeros(count)
    if shape.notch:
        notch = np.array([[value(v) for v in row] for row in shape.notch])
        held = np.clip(at, notch[0, 0], notch[-1, 0])
        depth = np.full(count, notch[0, 1])
        if len(notch) > 1:
            depth = curves.monotone_cubic(notch[:, 0], notch[:, 1:], held)[:, 0]
    x, width = value(shape.centre_x), value(shape.notch_width_mm)
    inverse = (count - 1) / (z[-1] - z[0])
    constants = [z[0], inverse, z[-1], x, 1 / width**2 if shape.notch else 0.0, value(shape.cap_blend_mm)]
    table = np.stack([a, 0.5 * (front + back), 0.5 * (back - front), n_front, n_back, depth], axis=1)
    low = np.array([x - a.max(), front.min(), z[0]])
    high = np.array([x + a.max(), back.max(), z[-1]])
    return Compiled("LOFT", _digits(np.array(constants)), low, high, 1.6, np.round(table, 6))


def plate(shape: declare.PlateShape, value: Value) -> Compiled:
    """Constants: origin, two axes in the plane, normal, half thickness, rounding, corners and their coordinates."""
    corners = np.array([point(p, value) for p in shape.polygon])
    centre = corners.mean(0)
    _, size, axes = np.linalg.svd(corners - centre)
    if size[2] > 0.02 * size[0] + 1e-9:
        raise ValueError(f"polygon: its corners lie up to {size[2]:.3g} mm out of one plane. Use a surface.")
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    first = corners[1] - corners[0]
    normal = axes[2] * (1.0 if axes[2] @ normal >= 0 else -1.0)
    first = first - (first @ normal) * normal
    first /= np.linalg.norm(first)
    second = np.cross(normal, first)
    flat = np.c_[(corners - centre) @ first, (corners - centre) @ second]
    half = 0.5 * value(shape.thickness)
    if half <= 0:
        raise ValueError("thickness: a plate is thicker than 0 mm. Mend it.")
    constants = np.concatenate(
        [centre, first, second, normal, [half, min(value(shape.rounding_mm), half), len(corners)], flat.ravel()]
    )
    reach = half * np.abs(normal)
    return Compiled("PLATE", _digits(constants), corners.min(0) - reach, corners.max(0) + reach)


def surface(shape: declare.SurfaceShape, value: Value) -> Compiled:
    """Rows of 31, one a triangle: corner, two edges, thickness there and its changes, limits, slope; what follows."""
    rows = np.array([[point(p, value) for p in row] for row in shape.rows])
    if isinstance(shape.thickness, tuple):
        thick = np.array([[value(t) for t in row] for row in shape.thickness])
    else:
        thick = np.full(rows.shape[:2], value(shape.thickness))
    if thick.min() <= 0:
        raise ValueError("thickness: a sheet is thicker than 0 mm. Mend it.")
    grid = np.ascontiguousarray(np.concatenate([rows, thick[:, :, None]], axis=2))
    return _surface(grid.tobytes(), len(grid), shape.step_mm)


@lru_cache(maxsize=256)
def _surface(grid_of: bytes, rows: int, step_mm: float) -> Compiled:
    """The sheet through points with thicknesses (rows, n, 4): bodies share most of them."""
    given = np.frombuffer(grid_of).reshape(rows, -1, 4)
    grid = _refined(np.swapaxes(_refined(given, step_mm), 0, 1), step_mm)
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:]
    corners = np.concatenate([np.stack([a, b, c], 2).reshape(-1, 3, 4), np.stack([d, c, b], 2).reshape(-1, 3, 4)])
    edges = corners[:, 1:, :3] - corners[:, :1, :3]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    corners = corners[area > 1e-6]
    table = np.zeros((len(corners), 31))
    table[:, :3] = corners[:, 0, :3]
    table[:, 3:6], table[:, 6:9] = corners[:, 1, :3] - corners[:, 0, :3], corners[:, 2, :3] - corners[:, 0, :3]
    t = corners[:, :, 3]
    table[:, 9], table[:, 10], table[:, 11] = t[:, 0], t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    table[:, 12], table[:, 13], table[:, 14] = t.min(1), t.max(1), 1.2
    one, two = table[:, 3:6], table[:, 6:9]
    normal = np.cross(one, two)
    square = (normal**2).sum(1, keepdims=True)
    table[:, 15:18] = corners[:, :, :3].mean(1)
    table[:, 18] = np.linalg.norm(corners[:, :, :3] - table[:, None, 15:18], axis=2).max(1)
    table[:, 19:22] = normal / np.sqrt(square)
    table[:, 22:25], table[:, 25:28] = np.cross(two, normal) / square, np.cross(normal, one) / square
    table[:, 28], table[:, 29] = 1 / (one**2).sum(1), 1 / (two**2).sum(1)
    table[:, 30] = 1 / ((two - one) ** 2).sum(1)
    reach = 0.5 * given[:, :, 3].max()
    flat = grid[:, :, :3].reshape(-1, 3)
    table = _digits(table)
    table.flags.writeable = False
    return Compiled("SHEET", np.zeros(0), flat.min(0) - reach, flat.max(0) + reach, 1.2, table)


def _refined(grid: Array, step_mm: float) -> Array:
    """Rows of a grid of points (m, n, 4) resampled along the second axis by splines, equally many in each row."""
    longest = max(float(np.linalg.norm(np.diff(row[:, :3], axis=0), axis=1).sum()) for row in grid)
    count = max(grid.shape[1], math.ceil(longest / step_mm) + 1)
    rows = []
    for row in grid:
        curve, chord = curves.spline_through(row, step_mm / 4)
        even = np.linspace(0, chord[-1], count)
        rows.append(np.stack([np.interp(even, chord, curve[:, c]) for c in range(4)], axis=1))
    return np.array(rows)


def _segments(knots: Array, radii: Array, toward: Array, elliptic: bool) -> Array:
    made = np.zeros((len(knots) - 1, 24))
    step = np.diff(knots, axis=0)
    made[:, :3], made[:, 3:6], made[:, 6] = knots[:-1], step, 1 / (step**2).sum(1)
    made[:, 7], made[:, 8] = radii[:-1, 0], np.diff(radii[:, 0])
    made[:, 9], made[:, 10] = radii[:-1, 1], np.diff(radii[:, 1])
    if elliptic:
        along, across = _frames(np.gradient(knots, axis=0), toward)
        made[:, 11:14], made[:, 14:17] = along[:-1], np.diff(along, axis=0)
        made[:, 17:20], made[:, 20:23] = across[:-1], np.diff(across, axis=0)
    made[:, 23] = 1 + np.abs(made[:, [8, 10]]).max(1) * np.sqrt(made[:, 6])
    if elliptic:
        made[:, 23] += 0.35 * np.minimum(radii.max(1) / radii.min(1) - 1, 6.0).max()
    return _digits(made)


def _frames(tangents: Array, normals: Array) -> tuple[Array, Array]:
    """Of each knot the normal made perpendicular to the tangent, and their cross product (n, 3)."""
    t = tangents / np.sqrt((tangents**2).sum(1, keepdims=True))
    n = normals - (normals * t).sum(1, keepdims=True) * t
    length = np.sqrt((n**2).sum(1, keepdims=True))
    if length.min() < 1e-6:
        raise ValueError("normal: it points along the tube somewhere. Give another normal, or one a point.")
    n /= length
    (tx, ty, tz), (nx, ny, nz) = t.T, n.T
    return n, np.stack([ty * nz - tz * ny, tz * nx - tx * nz, tx * ny - ty * nx], axis=1)


def _digits(values: Array) -> Array:
    """Thirty significant bits, by exact steps."""
    mantissa, exponent = np.frexp(np.asarray(values, float))
    return np.asarray(np.ldexp(np.rint(mantissa * 2.0**30) * 2.0**-30, exponent))
