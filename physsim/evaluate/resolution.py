"""Modulation transfer functions from a slanted edge (IEC 62220-1) and from a thin wire."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message

Floats = NDArray[np.float64]

_FINE = 4  # bins of the edge's profile a pixel


@dataclass(frozen=True, kw_only=True, eq=False)
class Transfer:
    """A modulation transfer function: mtf (n,), 1 at frequency 0, at frequency_mm (n,) in 1/mm.

    profile: the line spread function that it comes from, over place_mm. angle_deg: of the edge with the pixels' columns
    (or rows), 0 for a wire.
    """

    frequency_mm: Floats
    mtf: Floats
    profile: Floats
    place_mm: Floats
    angle_deg: float

    def at(self, frequency_mm: ArrayLike) -> Floats:
        """Interpolated."""
        return np.asarray(np.interp(np.asarray(frequency_mm, np.float64), self.frequency_mm, self.mtf))

    def frequency_of(self, level: float) -> float:
        """The lowest frequency (1/mm) at which the MTF falls to `level`. Raises InvalidInput when it never does."""
        below = np.flatnonzero(self.mtf <= level)
        if not len(below) or below[0] == 0:
            raise InvalidInput(
                message(f"level={level:g}", f"the MTF lies between {self.mtf.min():.3g} and 1", "Give one between.")
            )
        n = below[0]
        part = (self.mtf[n - 1] - level) / (self.mtf[n - 1] - self.mtf[n])
        return float(self.frequency_mm[n - 1] + part * (self.frequency_mm[n] - self.frequency_mm[n - 1]))


def mtf_from_edge(image: ArrayLike, pixel_mm: float, *, half_width_mm: float | None = None) -> Transfer:
    """The MTF across a straight edge (rows, columns) that lies 1 to 15 degrees off the pixels' columns or rows.

    All pixels within `half_width_mm` of the edge (a quarter of the image if left out) are sorted by their distance from
    it into bins of a quarter pixel; the derivative's transform is divided by that of bins and differences. Includes the
    pixels' own aperture, as it is part of an image's MTF. Raises InvalidInput for an image without such an edge.
    """
    array = np.asarray(image, np.float64)
    if array.ndim != 2 or min(array.shape) < 16 or not np.isfinite(array).all():
        raise InvalidInput(
            message(f"image of shape {array.shape}", "an edge needs 16 x 16 finite pixels or more", "Give such a part.")
        )
    upright = np.abs(np.diff(array, axis=1)).sum() >= np.abs(np.diff(array, axis=0)).sum()
    across = array if upright else array.T
    slope, start = _edge_line(across)
    angle = float(np.degrees(np.arctan(slope)))
    if not 0.5 <= abs(angle) <= 20.0:
        raise InvalidInput(
            message(
                f"the edge lies {abs(angle):.2g} degrees off the pixels",
                "it must cross them, and not too steeply, so that its profile is sampled finer than pixels",
                "Turn it to 1 to 15 degrees.",
            )
        )
    rows, columns = across.shape
    cosine = np.cos(np.radians(angle))
    distance = (np.arange(columns)[None, :] - start - slope * np.arange(rows)[:, None]) * cosine
    half = half_width_mm / pixel_mm if half_width_mm is not None else 0.25 * columns
    bins = 2 * int(half * _FINE)
    number = np.floor(distance * _FINE).astype(int) + bins // 2
    inside = (number >= 0) & (number < bins)
    filled = np.bincount(number[inside], minlength=bins)
    if filled.min() == 0:
        raise InvalidInput(
            message("the edge's profile", "some quarter pixels hold no pixel", "Give a longer edge or more slant.")
        )
    profile = np.bincount(number[inside], weights=across[inside], minlength=bins) / filled
    line = np.zeros(bins)
    line[1:-1] = profile[2:] - profile[:-2]
    line *= np.sign(line.sum())
    line *= 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(bins) / (bins - 1)) if half_width_mm is None else 1.0
    spectrum = np.abs(np.fft.rfft(line))
    frequency = np.asarray(np.fft.rfftfreq(bins, pixel_mm / _FINE), np.float64)
    x = np.pi * frequency * pixel_mm / _FINE
    lost = np.sinc(x / np.pi) * np.sinc(2.0 * x / np.pi)  # of a bin; of a difference over two
    use = frequency <= 1.0 / pixel_mm
    mtf = np.asarray(spectrum[use] / spectrum[0] / lost[use], np.float64)
    place = (np.arange(bins) + 0.5 - bins // 2) * pixel_mm / _FINE
    return Transfer(frequency_mm=frequency[use], mtf=mtf, profile=line, place_mm=place, angle_deg=angle)


def _edge_line(across: Floats) -> tuple[float, float]:
    """Slope (columns a row) and column at row 0 of the edge: centres of the rows' derivatives, twice, the second time
    near the first line only."""
    derivative = np.abs(np.diff(across, axis=1))
    derivative = np.maximum(derivative - np.median(derivative), 0.0)
    middle, row = np.arange(derivative.shape[1]) + 0.5, np.arange(len(across))
    near = np.ones_like(derivative, bool)
    slope = start = 0.0
    for width in (0.25, 0.1, 0.1):
        weight = np.where(near, derivative, 0.0)
        total = weight.sum(axis=1)
        if not (total > 0.0).all():
            raise InvalidInput(message("image", "some rows hold no edge", "Give a part that one edge crosses whole."))
        slope, start = np.polyfit(row, (weight * middle).sum(axis=1) / total, 1)
        near = np.abs(middle[None, :] - start - slope * row[:, None]) < max(4.0, width * len(middle))
    return float(slope), float(start)


def mtf_from_wire(image: ArrayLike, pixel_mm: float) -> Transfer:
    """The MTF of a slice (rows, columns) across a thin wire: the radial mean of its image's transform.

    The mean of the outermost ring of pixels is taken off as background. Neglects: the wire's own width, which
    multiplies the MTF by 2 J1(x) / x, x = pi f diameter (0.95 at f = 0.2 / diameter). Raises InvalidInput where no wire
    stands out.
    """
    array = np.asarray(image, np.float64)
    if array.ndim != 2 or min(array.shape) < 16 or not np.isfinite(array).all():
        raise InvalidInput(
            message(f"image of shape {array.shape}", "a wire needs 16 x 16 finite pixels or more", "Give such a part.")
        )
    edge = np.ones_like(array, bool)
    edge[1:-1, 1:-1] = False
    spread = array - array[edge].mean()
    total = float(spread.sum())
    if not abs(total) > 5.0 * float(array[edge].std()) * np.sqrt(array.size):
        raise InvalidInput(message("image", "no wire stands out from its background", "Centre a part on the wire."))
    size = 4 * max(array.shape)
    spectrum = np.abs(np.fft.fft2(spread, (size, size))) / abs(total)
    frequency = np.fft.fftfreq(size, pixel_mm)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    step = frequency[1]
    number = np.rint(radius / step).astype(int)
    use = number <= size // 2
    counted = np.bincount(number[use])
    mtf = np.bincount(number[use], weights=spectrum[use]) / counted
    at = np.bincount(number[use], weights=radius[use]) / counted
    place = (np.arange(array.shape[1]) - 0.5 * (array.shape[1] - 1)) * pixel_mm
    return Transfer(frequency_mm=at, mtf=mtf, profile=spread.sum(axis=0), place_mm=place, angle_deg=0.0)
