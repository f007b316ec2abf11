"""What a counting detector registers of single photons: mean counts by bin, and pairs of counts of one photon.

A photon's energy may be deposited at several places: where it is absorbed or scattered (physics/layer_response.py), and
where its line or the scattered photon goes on to (second_places.py). Places in one pixel are one deposit, others are
counted apart. Each deposit is shared by pixels (charge_sharing.py).

Neglects: charge of one place shared across a border just where the other place lies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.detector.charge_sharing import cloud_sigma_mm, counts_of_deposits, over_chances
from physsim.imaging.detector.moments import gain_by_depth
from physsim.imaging.detector.second_places import Flights, averaged, together
from physsim.physics.layer_response import layer_response
from physsim.spec.absorber import IdealAbsorber, Photoconductor
from physsim.spec.detector import Detector
from physsim.spec.readout import CountingReadout

Floats = NDArray[np.float64]

_DEPTHS = 4
_NEVER = 1e-9  # pairs a photon
_STEPS = 240  # deposits between 0 and the highest energy


@dataclass(frozen=True, eq=False)
class CountingResponse:
    """Counts of one photon that arrives at a pixel's cell, in all pixels together and without pile-up.

    energies_kev: (E,). mean: (E, bins). pairs: (E, bins, bins), mean number of ordered pairs of counts that one photon
    leaves in two pixels. Counts of Poisson photons n have the covariance n x second_moment.
    """

    energies_kev: Floats
    mean: Floats
    pairs: Floats

    def second_moment(self) -> Floats:
        """(E, bins, bins): mean of count x count of one photon."""
        return self.pairs + self.mean[:, :, None] * np.eye(self.mean.shape[1])

    def zero_frequency_dqe(self, photons: ArrayLike, weights: ArrayLike | None = None) -> float:
        """DQE(0) of the sum of bins times `weights` (1 if left out), for a beam of `photons` (E,)."""
        share = np.asarray(photons, np.float64)
        w = np.ones(self.mean.shape[1]) if weights is None else np.asarray(weights, np.float64)
        signal = float(share @ (self.mean @ w))
        noise = float(share @ np.einsum("eij,i,j->e", self.second_moment(), w, w))
        return signal**2 / (noise * float(share.sum()))


def counting_response(
    detector: Detector, energies_kev: ArrayLike, slant: float = 1.0, *, pairs: bool = True
) -> CountingResponse:
    """The response of a counting detector to photons of energies_kev (E,), arriving at 1 / cos of angle = `slant`.

    `pairs`: find them too, else there are none (E, 0, 0). Raises InvalidInput for a detector that integrates and
    energies outside 1-150 keV.
    """
    readout = counting(detector)
    energies = np.atleast_1d(np.asarray(energies_kev, np.float64))
    layer = detector.absorber
    grid = float(energies.max()) * 1.02 * (np.arange(_STEPS) + 0.25) / _STEPS
    if not isinstance(layer, Photoconductor):
        assert isinstance(layer, IdealAbsorber)
        return CountingResponse(energies, *counts_of_deposits(detector, readout, energies, 0.0, pairs=pairs))
    law = layer_response(layer.substance, layer.thickness_mm, energies, slant=slant, depths=_DEPTHS)
    middle = 0.5 * (law.depths_mm[1:] + law.depths_mm[:-1])
    gain = gain_by_depth(layer, middle)
    flights = Flights(detector, grid)
    nothing_left = law.second_kev > energies[:, None] * (1.0 - 1e-9)  # by Rayleigh scattering
    same = np.where(nothing_left, 0.0, flights.at(flights.same, law.second_kev))
    bins = len(readout.thresholds_kev)
    kept = bins if pairs else 0
    mean, found = np.zeros((energies.size, bins)), np.zeros((energies.size, kept, kept))
    for depth, sigma in enumerate(cloud_sigma_mm(detector, readout, middle)):
        deposits = counts_of_deposits(detector, readout, grid * gain[depth], float(sigma), pairs=pairs)
        onward = flights.counts(deposits)
        for e, energy in enumerate(energies):
            second, rest = law.second_kev[e], np.maximum(energy - law.second_kev[e], 0.0)
            going = law.second_chances[e, :, depth]
            single = law.chances[e, :, depth].copy()
            single[0] -= going.sum()
            there = np.full_like(second, energy)
            for chance, counted in (
                (single, flights.of(deposits, law.deposits_kev[e])),
                (going * same[e], flights.line_again(there, second, deposits)),
                (going * (1.0 - same[e]), together(flights.of(deposits, rest), flights.of(onward, second))),
            ):
                one = averaged(chance, counted)
                mean[e] += one[0]
                found[e] += one[1]
    found[found < _NEVER] = 0.0
    return CountingResponse(energies, mean * detector.fill_factor, found * detector.fill_factor)


def pulse_heights(
    detector: Detector, energies_kev: ArrayLike, photons: ArrayLike, step_kev: float = 2.0
) -> Floats:
    """(n,) chances that a pulse of a beam of `photons` (E,) is up to step_kev, twice that, ... high; those that pass
    the lowest threshold only, and so none below it."""
    share = np.asarray(photons, np.float64)
    found = over_chances(share, pulses_by_height(detector, energies_kev, step_kev))
    return np.asarray(found / found.sum())


def pulses_by_height(detector: Detector, energies_kev: ArrayLike, step_kev: float = 2.0) -> Floats:
    """(E, n) pulses of one photon up to step_kev, twice that, ... high, none below the lowest threshold."""
    readout = counting(detector)
    energies = np.atleast_1d(np.asarray(energies_kev, np.float64))
    highest = 1.1 * float(energies.max()) + 4.0 * readout.noise_kev
    edges = step_kev * np.arange(1, int(highest / step_kev) + 2)
    fine = detector.replace(readout=readout.replace(thresholds_kev=tuple(edges.tolist())))
    found = np.concatenate([np.zeros((energies.size, 1)), _mean_counts(fine, energies)], axis=1)[:, :-1]
    found[:, edges <= readout.thresholds_kev[0]] = 0.0
    return np.asarray(found)


def _mean_counts(detector: Detector, energies: Floats) -> Floats:
    return counting_response(detector, energies, pairs=False).mean


def counting(detector: Detector) -> CountingReadout:
    """The detector's readout. Raises InvalidInput when it integrates."""
    if not isinstance(detector.readout, CountingReadout):
        raise InvalidInput(message("readout of kind integrating", "it has no thresholds that photons could pass",
                                   "Give readout=CountingReadout(thresholds_kev=(25, 50))."))
    return detector.readout
