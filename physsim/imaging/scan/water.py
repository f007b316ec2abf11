"""Measured attenuation to lengths of water, pixel by pixel of the detector: what makes water read 0 HU everywhere.

Behind a length L of water a pixel measures p(L) = -ln(signal / open signal) with its own spectrum. L as a function of p
is the polynomial that is exact at ORDER lengths (and at none), and straight on beyond the longest.
Reference: G. T. Herman, Phys. Med. Biol. 24 (1979) 81.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.imaging.nodes import chebyshev
from physsim.imaging.pixel_beam import PixelBeam
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.portable import log

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

LONGEST_MM = 500.0
ORDER = 8


@dataclass(frozen=True, eq=False)
class WaterLengths:
    """coefficients: (ORDER, rows, columns) of p, p^2, ... in mm; most: (rows, columns) p of the longest length; slope:
    (rows, columns) mm there. All float32."""

    coefficients: Images
    most: Images
    slope: Images

    def of(self, image: Images, scatter: Images | None, least: Images, opened: Images, mas: Images, *,
           threads: int | None = None) -> tuple[Images, int]:
        """mm of water (views, rows, columns), below 0 too by noise, and how many signals counted as the least.

        `image`, `scatter`: (views, rows, columns) keV, the latter to be taken away. `least`, `opened`: (rows, columns)
        keV, what a signal counts as at least, and keV per mAs of the open beam. `mas`: of each view.
        """
        views, (rows, columns) = len(image), self.most.shape

        def listed(images: Images) -> Images:
            return np.ascontiguousarray(images, np.float32).reshape(views, -1)

        out = np.empty((views, rows * columns), np.float32)
        starved = _engine.water_lengths(
            listed(image), None if scatter is None else listed(scatter), np.asarray(least, np.float32).ravel(),
            np.asarray(opened, np.float32).ravel(), np.asarray(mas, np.float32).ravel(),
            self.coefficients.reshape(len(self.coefficients), -1), self.most.ravel(), self.slope.ravel(), out,
            thread_count(threads), instruction_set())
        return out.reshape(views, rows, columns), starved


def water_lengths(beam: PixelBeam, *, first_order: bool = False) -> WaterLengths:
    """Of the pixels of a beam. `first_order`: the open beam's attenuation of water alone, without hardening."""
    per_mm = linear_attenuation_per_mm("water", beam.energies_kev)
    if first_order:
        signal = beam.at_nodes(np.array([[0.0], [1e-3]]) * per_mm)[0]
        slope = 1e-3 / -log(signal[1] / signal[0])
        zero = np.zeros_like(slope)
        coefficients = np.stack([slope, *(zero for _ in range(ORDER - 1))])
        parts = coefficients, zero, slope
    else:
        places = LONGEST_MM * chebyshev(ORDER + 1)
        signal = beam.at_nodes(places[:, None] * per_mm)[0]  # (lengths, nodes)
        known = -log(signal / signal[0])
        coefficients = _powers(known, places)
        most = known[-1]
        slope = sum(((n + 1) * one * most**n for n, one in enumerate(coefficients)), np.zeros_like(most))
        parts = coefficients, most, slope
    return WaterLengths(*(beam.between(part).astype(np.float32) for part in parts))


def _powers(known: Floats, places: Floats) -> Floats:
    """(ORDER, nodes) coefficients of p, p^2, ... of the polynomials through (known[k], places[k]), from 0."""
    divided = [np.broadcast_to(one, known.shape[1:]) for one in places]
    count = len(places)
    newton = [divided[0]]
    for step in range(1, count):
        divided = [(divided[k + 1] - divided[k]) / (known[k + step] - known[k]) for k in range(count - step)]
        newton.append(divided[0])
    power = np.zeros((count, known.shape[1]))
    for k in range(count - 1, -1, -1):  # Horner in (p - known[k]), powers of p kept
        shifted = np.zeros_like(power)
        shifted[1:] = power[:-1]
        shifted -= known[k] * power
        power = shifted
        power[0] += newton[k]
    return power[1:]
