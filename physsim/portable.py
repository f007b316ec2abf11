"""Logarithm, exponential and arctangent that give equal bits on every CPU.

numpy and libm choose their code by the instruction set, so their last digit changes with the machine; these use only
IEEE additions, multiplications, divisions and exact scalings. Within 2 units in the last place of the true value over
the range that the tables need (arguments of exp within +-700; positive normal arguments of log).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# ln 2 in two parts, so that k * high is exact for |k| < 2^20 (fdlibm, Sun Microsystems 1993)
_LN2_HIGH = 0.693147180369123816490
_LN2_LOW = 1.90821492927058770002e-10
_SQRT_HALF = 0.7071067811865476
_BLOCK = 2**14  # numbers whose intermediate arrays stay in the cache: three times as fast on a radiograph


def log(x: ArrayLike) -> Floats:
    """Natural logarithm of positive normal numbers, elementwise.

    x = m 2^k with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh(s), s = (m - 1) / (m + 1), by its series up to s^21.
    """
    values = np.asarray(x, dtype=np.float64)
    if values.size <= _BLOCK:
        return _log(values)
    found = np.empty(values.shape)
    given, taken = np.ascontiguousarray(values).reshape(-1), found.reshape(-1)
    for begin in range(0, values.size, _BLOCK):
        taken[begin:begin + _BLOCK] = _log(given[begin:begin + _BLOCK])
    return found


def _log(values: Floats) -> Floats:
    mantissa, exponent = np.frexp(values)
    low = mantissa < _SQRT_HALF
    mantissa = np.where(low, 2.0 * mantissa, mantissa)
    k = (exponent - low).astype(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    series = np.zeros(s.shape)
    for order in range(21, 1, -2):
        series += 1.0 / order
        series *= square
    return np.asarray(k * _LN2_HIGH + (2.0 * s + (2.0 * s * series + k * _LN2_LOW)))


def exp(y: ArrayLike) -> Floats:
    """Exponential, elementwise, for |y| < 700.

    y = k ln 2 + r with |r| <= ln(2)/2; exp r by its Taylor series up to r^14.
    """
    y = np.asarray(y, dtype=np.float64)
    k = np.rint(y * 1.4426950408889634)
    r = (y - k * _LN2_HIGH) - k * _LN2_LOW
    series = np.ones_like(r)
    for order in range(14, 0, -1):
        series = 1.0 + series * r / order
    return np.asarray(np.ldexp(series, k.astype(np.int32)))


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
