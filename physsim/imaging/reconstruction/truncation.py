"""Rows of a detector that the body reaches beyond, continued as if a cylinder of water lay there.

Cut-off rows make values rise towards the edge of the field by hundreds of HU, for the kernel sees a step. A cylinder
whose chord and whose slope are those of the row at its edge continues it smoothly.

Reference: J. Hsieh, E. Chao, J. Thibault, B. Grekowicz, A. Horst, S. McOlash, T. J. Myers, Med. Phys. 31 (2004) 2385.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.spec.geometry import Geometry

_FITTED = 8  # columns at the edge, whose mean and slope the cylinder has
_LEAST = 1e-3  # of the largest line integral: less than this at the edge is no body


def check_body(body_per_mm: float) -> None:
    """Refuse an attenuation that no body has."""
    if not (math.isfinite(body_per_mm) and body_per_mm > 0.0):
        raise InvalidInput(
            message(
                f"body_per_mm={body_per_mm}",
                "rows are continued by a body that attenuates",
                "Give the attenuation of water in the unit of the projections, for example 0.02.",
            )
        )


def columns_beyond(geometry: Geometry) -> int:
    """By how many columns each side of the detector is continued: half as many as there are, on less than half a turn
    of a curved one."""
    beyond = max(1, geometry.columns // 2)
    if geometry.radius_mm is None:
        return beyond
    room = int(0.9 * math.pi * geometry.radius_mm / geometry.pixel_mm[0]) - geometry.columns
    return max(1, min(beyond, room // 2))


def continued(images: NDArray[np.float32], pitch_mm: float, beyond: int, body_per_mm: float) -> NDArray[np.float32]:
    """Images (views, rows, columns + 2 beyond), `beyond` columns continued on each side.

    pitch_mm: between columns, at the axis. Neglects: that the body is no cylinder and not of water there.
    """
    views, rows, columns = images.shape
    out = np.zeros((views, rows, columns + 2 * beyond), np.float32)
    out[:, :, beyond : beyond + columns] = images
    fitted = min(_FITTED, columns)
    place = (np.arange(fitted) - 0.5 * (fitted - 1)) * pitch_mm  # from the middle of those fitted, outward
    share = (place / max(float((place**2).sum()), 1e-30)).astype(np.float32)
    to_edge = np.float32(place[-1])
    away = to_edge + np.arange(1, beyond + 1, dtype=np.float32) * np.float32(pitch_mm)
    twice = np.float32(2.0 * body_per_mm)
    least = np.float32(_LEAST * float(images.max(initial=0.0)))
    edges = (
        (images[:, :, columns - fitted :], out[:, :, beyond + columns :]),
        (images[:, :, fitted - 1 :: -1], out[:, :, beyond - 1 :: -1]),
    )
    for inside, outside in edges:
        slope, value = inside @ share, np.maximum(inside.mean(axis=2), 0.0)
        half_chord = value / twice
        offset = np.maximum(-value * slope / (twice * twice), 0.0)  # of the fitted columns from the cylinder's middle
        ends = np.maximum(half_chord**2 - to_edge * (to_edge + 2.0 * offset), 0.0)  # square of the half chord there
        edge = value + slope * to_edge
        share_of = np.where((edge > least) & (ends > 0.0), edge / (twice * np.sqrt(np.maximum(ends, 1e-12))), 0.0)
        for n, distance in enumerate(away):
            square = half_chord**2 - distance * (distance + 2.0 * offset)
            outside[:, :, n] = share_of * twice * np.sqrt(np.maximum(square, 0.0))
    return out
