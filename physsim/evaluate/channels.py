"""Channels of a channelised observer: what the visual system, or a signal of known place, reduces an image to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message

Floats = NDArray[np.float64]


def laguerre_gauss_channels(shape: tuple[int, int], pixel_mm: float, width_mm: float, count: int = 6,
                            centre: tuple[float, float] | None = None) -> Floats:
    """(count, rows, columns) round channels for a round signal at `centre` (row, column; None: the image's).

    sqrt(2)/a exp(-pi r^2/a^2) L_n(2 pi r^2/a^2) times the pixel's size, a = `width_mm`: orthonormal where pixels
    are fine and the image holds them. Raises InvalidInput for sizes that are not positive.

    Reference: B. D. Gallas, H. H. Barrett, J. Opt. Soc. Am. A 20 (2003) 1725.
    """
    _check(pixel_mm=pixel_mm, width_mm=width_mm, count=count)
    y, x = _places(shape, pixel_mm, centre)
    t = 2.0 * np.pi * (x * x + y * y) / width_mm**2
    before, now = np.zeros_like(t), np.ones_like(t)
    envelope = np.sqrt(2.0) / width_mm * np.exp(-0.5 * t) * pixel_mm
    channels = []
    for n in range(count):
        channels.append(envelope * now)
        before, now = now, ((2 * n + 1 - t) * now - n * before) / (n + 1)
    return np.stack(channels)


def gabor_channels(shape: tuple[int, int], pixel_mm: float, bands_per_mm: Sequence[tuple[float, float]] | None = None,
                   orientations: int = 5, phases: Sequence[float] = (0.0, 0.5 * np.pi),
                   centre: tuple[float, float] | None = None) -> Floats:
    """(channels, rows, columns) Gabor channels: bands x orientations x phases, like cells of the visual cortex.

    exp(-4 ln2 r^2/w^2) cos(2 pi f x' + phase), f the middle of the band and w = 4 ln2 / (pi (high - low)), so that the
    channel falls to half at its band's ends. `bands_per_mm`: (low, high) frequencies; None for four octaves that end at
    half the Nyquist frequency. Raises InvalidInput for bands that do not rise.

    Reference: A. Wunderlich, F. Noo, IEEE Trans. Med. Imaging 27 (2008) 1472 (40 channels of this kind).
    """
    _check(pixel_mm=pixel_mm, orientations=orientations)
    top = 0.25 / pixel_mm
    bands = [(top / 2 ** (n + 1), top / 2**n) for n in reversed(range(4))] if bands_per_mm is None else bands_per_mm
    y, x = _places(shape, pixel_mm, centre)
    channels = []
    for low, high in bands:
        if not 0.0 <= low < high:
            raise InvalidInput(message(f"band {low} to {high} 1/mm", "must rise from 0 or more", "Give (low, high)."))
        width = 4.0 * np.log(2.0) / (np.pi * (high - low))
        envelope = np.exp(-4.0 * np.log(2.0) * (x * x + y * y) / width**2)
        for turn in np.pi * np.arange(orientations) / orientations:
            along = np.cos(turn) * x + np.sin(turn) * y
            channels += [envelope * np.cos(np.pi * (low + high) * along + phase) for phase in phases]
    return np.stack(channels)


def _places(shape: tuple[int, int], pixel_mm: float, centre: tuple[float, float] | None) -> tuple[Floats, Floats]:
    middle = (0.5 * (shape[0] - 1), 0.5 * (shape[1] - 1)) if centre is None else centre
    y, x = (np.asarray((np.arange(size) - place) * pixel_mm, np.float64)
            for size, place in zip(shape, middle, strict=True))
    return y[:, None], x[None, :]


def _check(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise InvalidInput(message(f"{name}={value}", "must be larger than 0", f"Give {name}."))
