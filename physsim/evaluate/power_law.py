"""The exponent beta of a texture whose power falls as k^-beta, from overlapping windows of an image."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message

Floats = npt.NDArray[np.float64]


def power_law_exponent(image: npt.NDArray[Any], pixel_mm: float, inside: npt.NDArray[np.bool_], *,
                       window_mm: float = 25.6, band_per_mm: tuple[float, float] = (0.12, 0.7),
                       bins: int = 8) -> tuple[float, int]:
    """Beta of `image` (rows, columns), and the number of windows that lay wholly in `inside`.

    Windows of `window_mm` under a Hann taper, overlapping by half, each less its mean; their power spectra are
    averaged, then over rings of equal width in log k within `band_per_mm`; beta is the slope of a straight line
    through the logarithms of the rings' means.

    Errors: InvalidInput where no window fits.
    Reference: A. E. Burgess, F. L. Jacobson, P. F. Judy, Med. Phys. 28 (2001) 419.
    """
    size = round(window_mm / pixel_mm)
    step = max(1, size // 2)
    taper = np.hanning(size + 2)[1:-1]
    hann = taper[:, None] * taper[None, :]
    total, count = np.zeros((size, size)), 0
    for j in range(0, image.shape[0] - size + 1, step):
        for i in range(0, image.shape[1] - size + 1, step):
            own = (slice(j, j + size), slice(i, i + size))
            if inside[own].all():
                part = np.asarray(image[own], np.float64)
                total += np.abs(np.fft.fft2((part - part.mean()) * hann)) ** 2
                count += 1
    if count == 0:
        raise InvalidInput(message(f"window_mm={window_mm:g}", "no such window lies wholly inside",
                                   "Give a smaller window, or a larger image."))
    k = np.fft.fftfreq(size, pixel_mm)
    radius = np.hypot(k[:, None], k[None, :])
    edges = np.geomspace(*band_per_mm, bins + 1)
    rows = [(radius >= a) & (radius < b) for a, b in itertools.pairwise(edges)]
    rows = [row for row in rows if row.any()]
    x = np.log([radius[row].mean() for row in rows])
    y = np.log([total[row].mean() for row in rows])
    return float(-np.polyfit(x, y, 1)[0]), count
