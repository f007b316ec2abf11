"""From counts by bin to events of one or several counts: what a counting detector's noise is drawn from.

A pixel's mean counts by bin are traced exactly. How often one photon leaves several counts (events.py) changes little
from pixel to pixel: it is that of the beam behind so much water that the mean number of the bins is the pixel's. Events
of one count are what is left, so that each bin's mean is kept.

Neglects: that other tissue, scatter and slant rays give other shares at the same mean bin. They change how counts of
neighbours and bins go together, not the counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.detector.counting_table import response_at_normal
from physsim.imaging.detector.events import count_events
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.physics.spectra.quantities import transmission
from physsim.spec.detector import Detector
from physsim.transport.basis import in_order

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_WATER_G_CM2 = (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 22.0, 30.0, 40.0, 55.0)
_LEAST = 1e-12  # of the open beam's counts: harder beams are taken as the last before


@dataclass(frozen=True, eq=False)
class CountKinds:
    """kinds: (kinds, bins), counts of an event; those of one count first, bin by bin. mean_bin: (nodes,) rising.
    several: (nodes, kinds - bins) events of several counts, over all counts."""

    kinds: NDArray[np.int64]
    mean_bin: Floats
    several: Floats

    def rates(self, counts: Images) -> Images:
        """(kinds, ...) mean events for mean counts (bins, ...), of which each bin's are kept."""
        bins = len(counts)
        out = np.zeros((len(self.kinds), *counts.shape[1:]), np.float32)
        whole = np.maximum(counts.sum(axis=0, dtype=np.float64), 1e-30)
        place = sum((number * one for number, one in enumerate(counts[1:], 1)), np.zeros(counts.shape[1:])) / whole
        for k in range(bins, len(self.kinds)):
            share = np.interp(place, self.mean_bin, self.several[:, k - bins]) if len(self.mean_bin) > 1 else \
                np.full(place.shape, self.several[0, k - bins])
            out[k] = share * whole
        taken = counts_by_bin(self.kinds[bins:], out[bins:])
        some = taken > counts
        if some.any():
            room = np.where(some, counts / np.where(some, taken, 1.0), 1.0).min(axis=0)
            out[bins:] *= room
            taken *= room
        out[:bins] = np.maximum(counts - taken, 0.0)
        return out


def counts_by_bin(kinds: NDArray[np.int64], events: Images) -> Images:
    """(bins, ...) counts of `events` (kinds, ...), in order, so that every CPU gives the same bits."""
    counts = np.zeros((kinds.shape[1], *events.shape[1:]), events.dtype)
    for kind, one in zip(kinds, events, strict=True):
        for number in np.flatnonzero(kind):
            counts[number] += one if kind[number] == 1 else events.dtype.type(kind[number]) * one
    return counts


def count_kinds(detector: Detector, energies_kev: Floats, fluence: Floats) -> CountKinds:
    """Of a beam of `fluence` (E,) at `energies_kev` (E,), at right angles."""
    events = count_events(response_at_normal(detector, energies_kev))
    bins = events.kinds.shape[1]
    size = events.kinds.sum(axis=1)
    order = np.argsort(size, kind="stable")
    kinds, rates = events.kinds[order], events.rates[:, order]
    per_cm2_g = mass_attenuation_cm2_g("water", energies_kev)
    number = (kinds * np.arange(bins)).sum(axis=1)
    places: list[float] = []
    several, opened = [], 0.0
    for water in _WATER_G_CM2:
        beam = fluence * transmission(per_cm2_g * water)
        sums = in_order(rates * beam[:, None])  # (kinds,)
        whole = float((sums * size[order]).sum())
        place = float((sums * number).sum()) / max(whole, 1e-300)
        if places and (whole < _LEAST * opened or place <= places[-1] + 1e-6):
            break  # one energy or one bin, or so hard that nothing changes
        opened = opened or whole
        places.append(place)
        several.append(sums[bins:] / whole)
    return CountKinds(kinds, np.array(places), np.array(several).reshape(len(places), -1))
