"""What pile-up makes of the bins of a counting detector, tabulated by load and by how hard the beam is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.detector.charge_sharing import over_chances
from physsim.imaging.detector.counting import counting, pulses_by_height
from physsim.imaging.detector.pile_up import piled_up
from physsim.spec.detector import Detector

Floats = NDArray[np.float64]

_LOADS = 33  # of the table: rate x dead time from 0 to 2


@dataclass(frozen=True, eq=False)
class PileUpTable:
    """Registered over true counts by bin, (beams, loads, bins), at loads (rate x dead time) of equal steps from 0 on.

    mean_bin: (beams,) rising mean number of the bins of each beam's true counts; a pixel is between the two nearest,
    linearly (kernels/detect/pile_up.h).
    """

    mean_bin: Floats
    ratio: Floats
    load_step: float


def pile_up_table(detector: Detector, energies_kev: Floats, photons: Floats, step_kev: float = 2.0) -> PileUpTable:
    """What pile-up makes of the bins, for beams of `photons` (E,) or (beams, E) that arrive. Refused without dead
    time."""
    readout = counting(detector)
    if readout.dead_time_ns == 0.0:
        raise InvalidInput(message("dead_time_ns=0", "pulses do not pile up", "Leave the table out."))
    pulses = pulses_by_height(detector, energies_kev, step_kev)
    place = step_kev * (np.arange(pulses.shape[1]) + 0.5)
    number = np.searchsorted(np.array(readout.thresholds_kev), place, side="right") - 1
    bins = len(readout.thresholds_kev)
    loads = 2.0 * np.arange(_LOADS) / (_LOADS - 1)

    def by_bin(spectrum: Floats) -> Floats:
        found = np.bincount(number[number >= 0], weights=spectrum[number >= 0], minlength=bins)
        return np.asarray(found, np.float64)

    made = []
    for beam in np.atleast_2d(np.asarray(photons, np.float64)):
        heights = over_chances(beam, pulses)
        heights = heights / heights.sum()
        true = np.maximum(by_bin(heights), 1e-12)
        rows = [by_bin(piled_up(detector, load / readout.dead_s, heights)) * readout.dead_s / load / true
                for load in loads[1:]]
        made.append((float((true * np.arange(bins)).sum()), np.stack([np.ones(bins), *rows])))
    made.sort(key=lambda one: one[0])
    return PileUpTable(np.array([mean for mean, _ in made]), np.stack([ratio for _, ratio in made]), float(loads[1]))
