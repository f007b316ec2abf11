"""Cosine, sine and polar angle with equal bits on every CPU (numpy's and libm's change with it)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.portable import arctan

Floats = NDArray[np.float64]

_HALF_PI_HIGH, _HALF_PI_LOW = 1.5707963267341256, 6.077100506506192e-11  # pi / 2 in two parts (fdlibm)


def cosine_and_sine(angle: ArrayLike) -> tuple[Floats, Floats]:
    """Cosine and sine of angles in radians, |angle| < 1e5, by their series after reduction to +-pi/4."""
    x = np.asarray(angle, np.float64)
    quarter = np.rint(x * (2 / math.pi))
    r = (x - quarter * _HALF_PI_HIGH) - quarter * _HALF_PI_LOW
    square = r * r
    cos, sin = np.ones_like(r), np.ones_like(r)
    for order in range(16, 0, -2):
        cos = 1.0 - cos * square / (order * (order - 1))
        sin = 1.0 - sin * square / (order * (order + 1))
    sin = r * sin
    turn = quarter.astype(np.int64) & 3
    odd = (turn & 1) == 1
    c, s = np.where(odd, sin, cos), np.where(odd, cos, sin)
    return np.where((turn == 1) | (turn == 2), -c, c), np.where(turn >= 2, -s, s)


def polar_angle(y: ArrayLike, x: ArrayLike) -> Floats:
    """The angle of (x, y) from the x axis, in (-pi, pi], elementwise; 0 at the origin."""
    y, x = np.asarray(y, np.float64), np.asarray(x, np.float64)
    radius = np.sqrt(x * x + y * y)
    beside = radius + np.abs(x)  # tan(angle / 2) = y / (r + x), for x >= 0
    half = arctan(np.divide(y, np.where(beside == 0, 1.0, beside)))
    return np.where(x >= 0, 2 * half, np.where(y >= 0, math.pi, -math.pi) - 2 * half)
