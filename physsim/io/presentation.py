"""From a detector's signal to levels on a screen: logarithm, window, 8 or 16 bits.

Elementwise IEEE operations and an own logarithm, so that the levels are the same bits on any CPU (numpy's own
logarithm is not).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim import portable
from physsim.errors import InvalidInput, message


@dataclass(frozen=True)
class Window:
    """The values shown as black (`low`) and white (`high`); low < high."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise InvalidInput(message(f"window {self.low} to {self.high}", "must run from a lower to a higher value",
                                       "Give for example Window(0.0, 4.0)."))


def log_attenuation(signal: npt.NDArray[Any], open_field: float | npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """ln(open field / signal), thick parts high; `open_field` is the signal without a patient, scalar or per pixel.

    Pixels that saw nothing take the smallest positive signal of the image; InvalidInput when no pixel saw anything.
    """
    signal = _finite(signal)
    positive = signal > 0
    if not positive.any() or not np.all(np.asarray(open_field) > 0):
        raise InvalidInput(message("logarithm of the signal", "needs a signal and an open field above 0",
                                   "Show it without logarithm (log=False)."))
    floor = signal[positive].min()
    return portable.log(open_field / np.maximum(signal, floor))


def percentile_window(values: npt.NDArray[Any], low: float = 0.5, high: float = 99.5) -> Window:
    """The window from one percentile of the values to another; widened around a constant image."""
    if not 0 <= low < high <= 100:
        raise InvalidInput(message(f"percentiles {low} to {high}", "must rise within 0 to 100",
                                   "Give for example 0.5 and 99.5."))
    bottom, top = (float(x) for x in np.percentile(_finite(values), [low, high]))
    return Window(bottom, top) if top > bottom else Window(bottom - 0.5, bottom + 0.5)


def display_levels(values: npt.NDArray[Any], window: Window, bits: int = 16) -> npt.NDArray[Any]:
    """Values to levels 0 .. 2^bits - 1, uint8 up to 8 bits and uint16 up to 16, rounded half to even and clipped."""
    if not 1 <= bits <= 16:
        raise InvalidInput(message(f"bits={bits}", "levels have 1 to 16 bits", "Give 8, 12 or 16."))
    top = 2**bits - 1
    scaled = (_finite(values) - window.low) / (window.high - window.low)
    levels: npt.NDArray[Any] = np.rint(np.clip(scaled, 0.0, 1.0) * top).astype(np.uint8 if bits <= 8 else np.uint16)
    return levels


def _finite(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 2 or numbers.size == 0 or not np.isfinite(numbers).all():
        bad = int((~np.isfinite(numbers)).sum())
        raise InvalidInput(message(f"image of shape {numbers.shape} with {bad} values that are not finite",
                                   "a radiograph is (rows, columns) of finite numbers", "Give one view's image."))
    return numbers
