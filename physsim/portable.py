"""Logarithm, exponential and arctangent that give equal bits on every CPU.

numpy and libm choose their code by the instruction set, so their last digit changes with the machine; these use only
IEEE additions, multiplications, divisions and exact scalings. Within 2 units in the last place of the true value over
the range that the tables need (arguments of exp within +-700; positive normal arguments of log).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import _engine

Floats = NDArray[np.float64]

def log(x: ArrayLike) -> Floats:
    """Natural logarithm of positive normal numbers, elementwise.

    x = m 2^k with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh(s), s = (m - 1) / (m + 1), by its series up to s^21.
    """
    return _elementwise(_engine.logarithm, x)


def exp(y: ArrayLike) -> Floats:
    """Exponential, elementwise, for |y| < 700.

    y = k ln 2 + r with |r| <= ln(2)/2; exp r by its Taylor series up to r^14.
    """
    return _elementwise(_engine.exponential, y)


def arctan(x: ArrayLike) -> Floats:
    """Inverse tangent in radians, elementwise.

    Twice atan x = 2 atan(x / (1 + sqrt(1 + x^2))), twice: |x| <= tan(pi / 8); then its series up to x^39.
    """
    quarter = np.asarray(x, dtype=np.float64)
    for _ in range(2):
        quarter = quarter / (1.0 + np.sqrt(1.0 + quarter * quarter))
    square = quarter * quarter
    series = np.zeros_like(quarter)
    for order in range(39, 1, -2):
        series = (1.0 / order - series) * square
    return np.asarray(4.0 * (quarter - quarter * series))


def _elementwise(function: Callable[[Floats, Floats], None], x: ArrayLike) -> Floats:
    values = np.ascontiguousarray(x, np.float64)
    found = np.empty(np.shape(x))
    function(values, found)
    return found
