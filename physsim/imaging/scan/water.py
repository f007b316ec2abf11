"""Measured attenuation to lengths of water, pixel by pixel of the detector: what makes water read 0 HU everywhere.

Behind a length L of water a pixel measures p(L) = -ln(signal / open signal) with its own spectrum. L as a function of p
is the polynomial that is exact at ORDER lengths (and at none), and straight on beyond the longest.
Reference: G. T. Herman, Phys. Med. Biol. 24 (1979) 81.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.nodes import chebyshev
from physsim.imaging.scan.gantry import Gantry
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

    def of(self, attenuation: Images) -> Images:
        """mm of water for -ln(signal / open signal), (views, rows, columns); below 0 too, by noise."""
        inside = np.minimum(attenuation, self.most)
        total = inside * self.coefficients[-1]
        for one in self.coefficients[-2::-1]:
            total += one
            total *= inside
        np.subtract(attenuation, inside, out=inside)
        inside *= self.slope
        total += inside
        return np.asarray(total, np.float32)


def water_lengths(gantry: Gantry, *, first_order: bool = False) -> WaterLengths:
    """Of the pixels of a gantry. `first_order`: the open beam's attenuation of water alone, without hardening."""
    per_mm = linear_attenuation_per_mm("water", gantry.energies_kev)
    if first_order:
        signal = gantry.at_nodes(np.array([[0.0], [1e-3]]) * per_mm)[0]
        slope = 1e-3 / -log(signal[1] / signal[0])
        zero = np.zeros_like(slope)
        coefficients = np.stack([slope, *(zero for _ in range(ORDER - 1))])
        parts = coefficients, zero, slope
    else:
        places = LONGEST_MM * chebyshev(ORDER + 1)
        signal = gantry.at_nodes(places[:, None] * per_mm)[0]  # (lengths, nodes)
        known = -log(signal / signal[0])
        coefficients = _powers(known, places)
        most = known[-1]
        slope = sum(((n + 1) * one * most**n for n, one in enumerate(coefficients)), np.zeros_like(most))
        parts = coefficients, most, slope
    return WaterLengths(*(gantry.between(part).astype(np.float32) for part in parts))


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
