"""Convolution kernels of filtered backprojection: the ramp, cut at the Nyquist frequency, times a window.

The band-limited ramp is sampled in space (h[0] = 1/4, h[n] = -1 / (pi n)^2 for odd n, 0 for even n; unit pitch), not in
frequency: sampled there its mean is wrong, and values sag towards the middle of wide objects.

Reference: A. C. Kak, M. Slaney, Principles of Computerized Tomographic Imaging (1988), section 3.3; L. A. Shepp,
B. F. Logan, IEEE Trans. Nucl. Sci. 21 (1974) 21.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, did_you_mean, message

Floats = NDArray[np.float64]

# a + b cos(pi f) + c cos(2 pi f), f over the Nyquist frequency
_SERIES = {
    "ramp": (1.0, 0.0, 0.0),
    "hann": (0.5, 0.5, 0.0),
    "hamming": (0.54, 0.46, 0.0),
    "smooth": (0.42, 0.5, 0.08),  # Blackman
    "sharp": (1.2, -0.1, -0.1),  # 1 at 0, 1.3 at 1/2, 1.2 at 1
}
KERNELS = ("ramp", "shepp_logan", "cosine", "hann", "hamming", "smooth", "sharp")


def fourier_length(columns: int) -> int:
    """The least 2^k or 3 2^k at which rows of `columns` pixels are convolved without wrapping."""
    least = max(2 * columns - 1, 16)
    power = 1 << (least - 1).bit_length()
    return 3 * power // 4 if 3 * power // 4 >= least else power


@lru_cache(maxsize=32)
def fourier_table(length: int) -> tuple[Floats, Floats]:
    """Cosines and sines of 2 pi k / length for k < length, the same bits on every CPU: (length,) each."""
    octant, rest = np.divmod(8 * np.arange(length), length)
    folded = np.where(octant % 2 == 0, rest, length - rest)
    c, s = cosine_sine(folded * (0.25 * np.pi / length))
    turned = ((c, s), (s, c), (-s, c), (-c, s), (-c, -s), (-s, -c), (s, -c), (c, -s))
    return np.choose(octant, [one for one, _ in turned]), np.choose(octant, [other for _, other in turned])


def cosine_sine(angle: Floats) -> tuple[Floats, Floats]:
    """By their series, the same bits on every CPU: within 2 units in the last place of 1 for angles up to 1.6."""
    square = angle * angle
    cosine, sine = np.ones_like(angle), np.ones_like(angle)
    for n in range(24, 0, -2):
        cosine = 1.0 - cosine * square / (n * (n - 1))
        sine = 1.0 - sine * square / (n * (n + 1))
    return cosine, sine * angle


def storage_order(length: int) -> NDArray[np.int64]:
    """(length,) the frequency at each place of the kernels' forward transform (kernels/reconstruct/fourier.h)."""
    third = length // 3 if length % 3 == 0 else 0
    places = np.zeros(1, np.int64)
    while len(places) < (third or length):
        places = np.concatenate([2 * places, 2 * places + 1])
    return np.concatenate([3 * places + r for r in range(3)]) if third else places


def window(kernel: str, length: int) -> Floats:
    """(length / 2 + 1,) window of a kernel from frequency 0 to the Nyquist frequency.

    "ramp" 1; "shepp_logan" sinc; "cosine"; "hann"; "hamming"; "smooth" (Blackman); "sharp" (up to 1.3).
    Raises InvalidInput for another name.
    """
    if kernel not in KERNELS:
        raise InvalidInput(message(f"kernel={kernel!r}", "no such kernel", did_you_mean(kernel, KERNELS)))
    k = np.arange(length // 2 + 1)
    cosine, sine = fourier_table(2 * length)  # of pi f / 2, f = 2 k / length
    if kernel == "shepp_logan":
        return np.concatenate([[1.0], sine[k[1:]] / (np.pi * k[1:] / length)])
    if kernel == "cosine":
        return cosine[k]
    a, b, c = _SERIES[kernel]
    return a + b * cosine[2 * k] + c * cosine[4 * k % (2 * length)]


@lru_cache(maxsize=32)
def response(kernel: str, length: int, angle_step: float = 0.0) -> Floats:
    """(length,) of the kernel in the order of the kernels' transform, for a pitch of 1, over `length`.

    `angle_step`: columns at equal angles (radians apart) instead of equal places: h[n] times (n step / sin(n step))^2.
    """
    n = np.arange(length // 2 + 1)
    h = np.zeros(length // 2 + 1)
    h[0] = 0.25
    h[1::2] = -1.0 / (np.pi * n[1::2]) ** 2
    if angle_step > 0.0:
        angle = np.minimum(n[1:] * angle_step, 1.5)  # no detector spans more
        h[1:] *= (angle / cosine_sine(angle)[1]) ** 2
    cosine, _ = fourier_table(length)
    twice = np.where((n == 0) | (2 * n == length), 1.0, 2.0) * h
    spectrum = np.array([(twice * cosine[k * n % length]).sum() for k in n]) * window(kernel, length)
    order = storage_order(length)
    return spectrum[np.minimum(order, length - order)] / length
