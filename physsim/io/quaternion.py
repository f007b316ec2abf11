"""Rotation matrices and the quaternions by which NIfTI's qform holds them.

Reference: nifti1.h, "QUATERNION REPRESENTATION OF ROTATION MATRIX".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def rotation_from_quaternion(bcd: Sequence[float]) -> npt.NDArray[np.float64] | None:
    """(3, 3) rotation of the unit quaternion with a >= 0 and the given b, c, d; None when these are longer than 1."""
    b, c, d = bcd
    rest = 1.0 - (b * b + c * c + d * d)
    if not rest > -1e-5:  # float32 rounding may leave a length just above 1; NaN is refused too
        return None
    if rest < 1e-7:  # a rotation by 180 degrees: a is 0 within the rounding
        length = math.sqrt(b * b + c * c + d * d)
        a, b, c, d = 0.0, b / length, c / length, d / length
    else:
        a = math.sqrt(rest)
    return np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b]])


def quaternion_from_rotation(rotation: npt.NDArray[np.float64]) -> tuple[float, float, float, float]:
    """The unit quaternion (a, b, c, d), a >= 0, of a proper (3, 3) rotation: any size of angle."""
    r = rotation
    matrix = np.array([
        [r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
        [r[2, 1] - r[1, 2], r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
        [r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1]],
        [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], r[2, 2] - r[0, 0] - r[1, 1]]])
    # (matrix + I) / 4 is the outer product of the quaternion with itself: its longest column is the quaternion, scaled.
    outer = matrix + np.eye(4)
    column = outer[:, int(np.argmax(np.diag(outer)))]
    a, b, c, d = (float(x) for x in column / math.sqrt(float(column @ column)))
    sign = -1.0 if a < 0 else 1.0
    return sign * a, sign * b, sign * c, sign * d
