"""How like two images are: peak signal to noise (PSNR) and structural similarity (SSIM)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message

Floats = NDArray[np.float64]
_K1, _K2 = 0.01, 0.03  # Wang 2004
_REACH = 3.5  # standard deviations of the window, 11 pixels at 1.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Similarity:
    """Structural similarity: `value`, the mean of `map` (rows, columns) without a margin of half a window."""

    value: float
    map: Floats


def psnr(image: ArrayLike, reference: ArrayLike, data_range: float) -> float:
    """10 lg(data_range^2 / mean squared difference), dB; infinite for equal images.

    `data_range`: the span that the values may have (4095 for 12 bits, the window's width in HU): a result means nothing
    without it.

    >>> psnr([[0.0, 0.0]], [[0.1, -0.1]], data_range=1.0)
    20.0
    """
    one, other = _pair(image, reference, data_range)
    error = float(((one - other) ** 2).mean())
    return float(10.0 * np.log10(data_range**2 / error)) if error > 0.0 else float("inf")


def ssim(image: ArrayLike, reference: ArrayLike, data_range: float, *, sigma_pixels: float = 1.5) -> Similarity:
    """Structural similarity under a Gaussian window, K1 0.01 and K2 0.03.

    Raises InvalidInput for images of different sizes or smaller than the window.

    Reference: Z. Wang et al., IEEE Trans. Image Process. 13 (2004) 600.
    """
    from scipy.ndimage import gaussian_filter

    one, other = _pair(image, reference, data_range)
    margin = int(_REACH * sigma_pixels + 0.5)
    if min(one.shape) <= 2 * margin:
        raise InvalidInput(message(f"images of shape {one.shape}", f"the window has {2 * margin + 1} pixels",
                                   "Give larger images or a smaller sigma_pixels."))

    def smooth(values: Floats) -> Floats:
        return np.asarray(gaussian_filter(values, sigma_pixels, truncate=_REACH), np.float64)

    mean, mean_other = smooth(one), smooth(other)
    variance, variance_other = smooth(one * one) - mean**2, smooth(other * other) - mean_other**2
    covariance = smooth(one * other) - mean * mean_other
    c1, c2 = (_K1 * data_range) ** 2, (_K2 * data_range) ** 2
    found = ((2.0 * mean * mean_other + c1) * (2.0 * covariance + c2)) / (
        (mean**2 + mean_other**2 + c1) * (variance + variance_other + c2))
    inner = found[margin:-margin, margin:-margin]
    return Similarity(value=float(inner.mean()), map=np.asarray(found))


def _pair(image: ArrayLike, reference: ArrayLike, data_range: float) -> tuple[Floats, Floats]:
    one, other = np.asarray(image, np.float64), np.asarray(reference, np.float64)
    if one.shape != other.shape or one.ndim != 2 or not (np.isfinite(one).all() and np.isfinite(other).all()):
        raise InvalidInput(message(f"images of shapes {one.shape} and {other.shape}",
                                   "must be (rows, columns) of equal size, finite", "Resample one."))
    if not data_range > 0.0:
        raise InvalidInput(message(f"data_range={data_range}", "the values span more than 0", "Give for example 4095."))
    return one, other
