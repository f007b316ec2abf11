"""The noise of a scan's volume, by its own measurements: what their quanta and electronics leave, reconstructed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.pixel_beam import PixelBeam
from physsim.imaging.scan.volume import reconstructed
from physsim.imaging.scan.water import LONGEST_MM
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.portable import exp, log
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

WINDOW = 11  # pixels, along both sides of a slice, over which squares are averaged: 10 % for white noise
_STEP_MM = 10.0  # of lengths of water between which the logarithm of the noise is linear
_VIEWS = 64  # at a time


def noise_variance(lengths_mm: Images, parts: Sequence[Geometry], grid: Grid, kernel: str, *, beam: PixelBeam,
                   mas: Floats, electronic_kev: float, seed: int, threads: int) -> Images:
    """(z, y, x) float32 variance (HU^2) of the volume that `reconstructed` makes of these arguments.

    One more volume, of noise alone: each measurement a random sign times the standard deviation of that many quanta
    behind its own length of water, and of `electronic_kev` (of a pixel and view). `mas`: (views,).
    Neglects: scatter's noise, the detector's crosstalk and lag.
    """
    noise = np.empty_like(lengths_mm)
    quanta, dark = _tables(beam, electronic_kev)
    draw = np.random.Generator(np.random.Philox(seed))
    columns = np.arange(lengths_mm.shape[2])[None, None, :]
    for first in range(0, len(lengths_mm), _VIEWS):
        some = slice(first, min(first + _VIEWS, len(lengths_mm)))
        place = np.clip(lengths_mm[some] / _STEP_MM, 0.0, len(quanta) - 1.001)
        low = place.astype(np.int64)
        share = (place - low).astype(np.float64)
        light = beam.factor * mas[some, None, None]
        variance = sum((exp(table[low, columns] * (1.0 - share) + table[low + 1, columns] * share) / power
                        for table, power in ((quanta, light), (dark, light * light))), np.zeros(light.shape))
        signs = draw.integers(0, 2, size=noise[some].shape, dtype=np.int8)
        noise[some] = np.sqrt(variance) * (2.0 * signs - 1.0)
    apart = reconstructed(noise, parts, grid, kernel, body_per_mm=None, threads=threads).array + np.float32(1000.0)
    from scipy.ndimage import uniform_filter1d

    square = apart * apart
    for axis in (1, 2):
        square = uniform_filter1d(square, WINDOW, axis=axis, mode="nearest")
    return np.asarray(np.maximum(square, 1e-6), np.float32)


def _tables(beam: PixelBeam, electronic_kev: float) -> tuple[Floats, Floats]:
    """(lengths, columns) ln of the variance (mm^2) of a length of water, for a pixel of factor 1 and 1 mAs: of quanta,
    and of electronics; at the middle height of each column."""
    per_mm = linear_attenuation_per_mm("water", beam.energies_kev)
    lengths = np.arange(0.0, LONGEST_MM + 0.5 * _STEP_MM, _STEP_MM)
    heights = len(beam.mix) // beam.factor.shape[1]
    middle = slice(heights // 2, None, heights)
    at, ahead, back = (beam.at_nodes((lengths + shift)[:, None] * per_mm)[..., middle] for shift in (0.0, 0.5, -0.5))
    slope = back[0] - ahead[0]  # signal lost per mm of water
    least = max(electronic_kev, 1e-30) ** 2
    return log(at[1] / slope**2), log(least / slope**2)
