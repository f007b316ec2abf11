"""Noise from two sums: how the cumulants of a pixel's signal share among depth layers, by the beam's hardness.

A pixel's mean signal and the sum of squares of what its photons add are traced exactly. The third cumulant and the part
of each depth layer change little from pixel to pixel: they are those of the beam behind so much water that the ratio of
square and signal is the pixel's.

Neglects: that other tissue, scatter and slant rays give spectra of other shape at the same ratio: standard deviations
are within 0.2 % (third cumulants 2 %) behind bone or fat, the parts of depth layers within 0.01.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.detector.moments import deposit_classes
from physsim.imaging.detector.table import moments_at
from physsim.imaging.nodes import in_order
from physsim.imaging.noise import Counts
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.physics.spectra.quantities import transmission
from physsim.spec.detector import Detector

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_WATER_G_CM2 = (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 22.0, 30.0, 40.0, 55.0, 75.0)
_LEAST = 1e-12  # of the open beam's signal: harder beams are taken as the last before


@dataclass(frozen=True, eq=False)
class Hardness:
    """ratio_kev: (nodes,) rising ratios of square and signal. parts: (nodes, depth layers, 3) of each layer in the
    signal, in the square, and third cumulant over square (keV). deposits_kev: (classes,); counts_per_kev: (nodes, depth
    layers, classes) mean counts of each class by signal."""

    ratio_kev: Floats
    parts: Floats
    deposits_kev: Floats
    counts_per_kev: Floats

    def cumulants(self, signal: Images, square: Images) -> Images:
        """(depth layers, 3, views, rows, columns) of the signal (views, rows, columns) keV and its square keV^2."""
        layers = self.parts.shape[1]
        out = np.empty((layers, 3, *signal.shape), np.float32)
        if len(self.ratio_kev) == 1:
            for layer, (first, second, third) in enumerate(self.parts[0].tolist()):
                out[layer] = first * signal, second * square, third * square
            return out
        ratio = self._ratio(signal, square)
        for layer in range(layers):
            for order, mean in enumerate((signal, square, square)):
                out[layer, order] = np.interp(ratio, self.ratio_kev, self.parts[:, layer, order]) * mean
        return out

    def few(self, signal: Images, square: Images) -> Sequence[tuple[Images, Counts]]:
        """For each depth layer what imaging.noise asks of pixels with few quanta."""
        flat, squares = signal.reshape(len(signal), -1), square.reshape(len(square), -1)

        def counts_of(layer: int) -> Counts:
            table = self.counts_per_kev[:, layer]

            def counts(views: NDArray[np.int64], pixels: NDArray[np.int64]) -> Images:
                mean = flat[views, pixels]
                ratio = self._ratio(mean, squares[views, pixels])
                if len(self.ratio_kev) == 1:
                    return np.asarray(table[0][:, None] * mean[None], np.float32)
                above = np.clip(np.searchsorted(self.ratio_kev, ratio), 1, len(self.ratio_kev) - 1)
                low, high = self.ratio_kev[above - 1], self.ratio_kev[above]
                share = np.clip((ratio - low) / (high - low), 0.0, 1.0)[:, None]
                between = (1.0 - share) * table[above - 1] + share * table[above]
                return np.asarray(between.T * mean[None], np.float32)

            return counts

        deposits = self.deposits_kev.astype(np.float32)
        return [(deposits, counts_of(layer)) for layer in range(self.parts.shape[1])]

    @staticmethod
    def _ratio(signal: Images, square: Images) -> Floats:
        dark = signal <= 0.0
        return np.asarray(np.where(dark, 0.0, square / np.where(dark, 1.0, signal)), np.float64)


def hardness(detector: Detector, energies_kev: Floats, fluence: Floats) -> Hardness:
    """Of a beam of `fluence` (E,) at `energies_kev` (E,) on `detector`, at normal incidence."""
    moments = moments_at(detector, energies_kev, 1.0)  # (layers, 3, E)
    deposits, chances = deposit_classes(detector, energies_kev)
    per_cm2_g = mass_attenuation_cm2_g("water", energies_kev)
    ratios: list[float] = []
    parts, counts, opened = [], [], 0.0
    for water in _WATER_G_CM2:
        beam = fluence * transmission(per_cm2_g * water)
        sums = in_order(np.moveaxis(moments * beam, 2, 0))  # (layers, 3)
        first, second = float(sums[:, 0].sum()), float(sums[:, 1].sum())
        if ratios and (first < _LEAST * opened or second / first <= ratios[-1] * (1.0 + 1e-6)):
            break  # one energy, or so hard that nothing changes
        opened = opened or first
        ratios.append(second / first)
        parts.append(np.stack([sums[:, 0] / first, sums[:, 1] / second, sums[:, 2] / second], axis=1))
        counts.append(in_order(np.moveaxis(chances * beam[None, :, None], 1, 0)) / first)
    return Hardness(np.array(ratios), np.array(parts), deposits, np.array(counts))
