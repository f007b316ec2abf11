"""Smooth curves through points, and superelliptic outlines: tubes and lofts are built on them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from physsim.phantom.pieces import Array

_DECIMALS = 6  # 1e-6 mm: below any effect, above the last-bit differences of sin, cos and pow between machines


def spline_through(points: Array, step_mm: float) -> tuple[Array, Array]:
    """A natural cubic spline by chord length through (n, k) points, of which the first three columns are x, y, z (mm).

    Returns the curve (m, k) with knots at most `step_mm` apart, every given point among them, and chord lengths (m,).
    """
    chord = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1))]
    if len(points) == 2:
        second = np.zeros_like(points)
    else:
        h = np.diff(chord)[:, None]
        slope = np.diff(points, axis=0) / h
        matrix = np.diag(2 * (h[:-1, 0] + h[1:, 0])) + np.diag(h[1:-1, 0], 1) + np.diag(h[1:-1, 0], -1)
        second = np.vstack(
            [np.zeros(points.shape[1]), np.linalg.solve(matrix, 6 * np.diff(slope, axis=0)), np.zeros(points.shape[1])]
        )
    pieces = []
    for n in range(len(points) - 1):
        length = chord[n + 1] - chord[n]
        count = max(1, math.ceil(length / step_mm))
        at = np.linspace(0, length, count + 1)[:, None]
        a, b = (length - at) / length, at / length
        bend = ((a**3 - a) * second[n] + (b**3 - b) * second[n + 1]) * length**2 / 6
        pieces.append(np.c_[a * points[n] + b * points[n + 1] + bend, chord[n] + at][(0 if n == 0 else 1) :])
    curve = np.vstack(pieces)
    return np.round(curve[:, :-1], _DECIMALS), curve[:, -1]


def monotone_cubic(x: Array, y: Array, at: npt.ArrayLike) -> Array:
    """Values (m, k) at `at` of the shape-keeping cubic through (n,) x increasing and (n, k) y; no overshoot.

    Reference: F. N. Fritsch, J. Butland, SIAM J. Sci. Stat. Comput. 5 (1984) 300 (PCHIP's harmonic slopes).
    """
    at = np.asarray(at, float)
    h = np.diff(x)[:, None]
    slope = np.diff(y, axis=0) / h
    tangent = np.zeros_like(y)
    tangent[0], tangent[-1] = slope[0], slope[-1]
    if len(x) > 2:
        w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
        same = slope[:-1] * slope[1:] > 0
        safe = np.where(same, w1 / np.where(same, slope[:-1], 1) + w2 / np.where(same, slope[1:], 1), 1)
        tangent[1:-1] = np.where(same, (w1 + w2) / safe, 0)
    n = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    t = ((at - x[n]) / h[n, 0])[:, None]
    values = (
        (1 + 2 * t) * (1 - t) ** 2 * y[n]
        + t * (1 - t) ** 2 * h[n] * tangent[n]
        + t * t * (3 - 2 * t) * y[n + 1]
        - t * t * (1 - t) * h[n] * tangent[n + 1]
    )
    return np.asarray(np.round(values, _DECIMALS))


def superellipse(
    half_width: float,
    front: float,
    back: float,
    exponent_front: float,
    exponent_back: float,
    centre_x: float = 0.0,
    vertices: int = 64,
) -> Array:
    """(vertices, 2) counter-clockwise outline from y = `front` to y = `back`, widest in the middle between them."""
    points = []
    for n in range(vertices):
        angle = 2 * math.pi * (n + 0.5) / vertices
        c, s = math.cos(angle), math.sin(angle)
        power = 2 / (exponent_back if s > 0 else exponent_front)
        points.append(
            (
                centre_x + half_width * math.copysign(abs(c) ** power, c),
                0.5 * (front + back) + 0.5 * (back - front) * math.copysign(abs(s) ** power, s),
            )
        )
    return np.round(np.array(points), _DECIMALS)


def frame_along(tangent: Array, normal: Array) -> Array:
    """(3, 3) rotation: columns are `normal` made perpendicular to `tangent`, their cross product, and `tangent`."""
    t = tangent / np.linalg.norm(tangent)
    n = normal - (normal @ t) * t
    length = float(np.linalg.norm(n))
    if length < 1e-9:
        helper = np.eye(3)[int(np.abs(t).argmin())]
        n, length = helper - (helper @ t) * t, 1.0
        n /= np.linalg.norm(n)
    n = n / np.linalg.norm(n)
    return np.column_stack([n, np.cross(t, n), t])
