"""Physical values to the whole numbers that DICOM stores, and how to come back from them; nothing is clipped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.imaging.dicom.codes import Module
from physsim.io.presentation import Window

TOP = 65535


@dataclass(frozen=True)
class Levels:
    """Stored values, uint16, and the line value = `slope` x stored + `intercept`."""

    stored: npt.NDArray[np.uint16]
    slope: float
    intercept: float

    def window_module(self, window: Window, explanation: str = "physsim") -> Module:
        """A viewer's LINEAR window (PS3.3 C.11.2.1.2.1) that shows `window`.

        It runs from center - 0.5 - (width - 1) / 2 to center - 0.5 + (width - 1) / 2 in stored values.
        """
        center, width = (window.low + window.high) / 2, window.high - window.low
        return {"WindowCenter": (center - self.intercept) / self.slope + 0.5,
                "WindowWidth": max(width / self.slope + 1, 1.0), "WindowCenterWidthExplanation": explanation}


def signal_levels(signal: npt.NDArray[Any], per_level: float | None = None) -> Levels:
    """A signal that is not negative, in steps of `per_level` from 0.

    `per_level` defaults to the smallest power of two that keeps the image below saturation. A given one that would
    saturate, values that are negative or not finite raise InvalidInput.
    """
    values = np.asarray(signal)
    low, highest = (float(values.min()), float(values.max())) if values.size else (math.nan, math.nan)
    if values.ndim not in (2, 3) or not (math.isfinite(low) and math.isfinite(highest)) or low < 0:
        raise InvalidInput(message(f"signal of shape {values.shape} from {low} to {highest}",
                                   "must be (views,) rows, columns, finite and not negative", "Give views' signal."))
    if per_level is None:
        mantissa, exponent = math.frexp(highest / TOP)  # exact, unlike a logarithm
        per_level = 2.0 ** (exponent - (mantissa == 0.5)) if highest > 0 else 1.0
    if not per_level > 0 or highest / per_level > TOP + 0.5:
        raise InvalidInput(message(f"signal_per_level={per_level}",
                                   f"16 bits end at {TOP} and the signal reaches {highest}",
                                   f"Give at least {highest / TOP:.6g}."))
    return Levels(_rounded(values, per_level, 0.0), per_level, 0.0)


def range_levels(values: npt.NDArray[Any], low: float | None = None, high: float | None = None) -> Levels:
    """Any values, from `low` at 0 to `high` at 65535 (default: their own range). What lies outside raises."""
    array = np.asarray(values)
    least, most = (float(array.min()), float(array.max())) if array.size else (math.nan, math.nan)
    if array.ndim not in (2, 3) or not (math.isfinite(least) and math.isfinite(most)):
        raise InvalidInput(message(f"image of shape {array.shape} from {least} to {most}",
                                   "must be (views,) rows, columns of finite numbers", "Give an image."))
    low, high = least if low is None else low, most if high is None else high
    if not low <= least <= most <= high:
        raise InvalidInput(message(f"values from {least:g} to {most:g}", f"the levels span {low:g} to {high:g}",
                                   "Give a wider range."))
    slope = (high - low) / TOP if high > low else 1.0
    return Levels(_rounded(array, slope, low), slope, low)


def _rounded(values: npt.NDArray[Any], slope: float, intercept: float) -> npt.NDArray[np.uint16]:
    """Half to even, by double precision, a plane at a time."""
    stored = np.empty(values.shape, np.uint16)
    planes = (values, stored) if values.ndim == 3 else (values[None], stored[None])
    for plane, out in zip(*planes, strict=True):
        out[...] = np.clip(np.rint((plane.astype(np.float64) - intercept) / slope), 0, TOP)
    return stored
