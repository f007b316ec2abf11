"""Simulated scatter images, networks and photons whose truth is known; for tests of the audited hybrid."""

import numpy as np

from physsim.surrogate.batches import Batches
from physsim.surrogate.calibration import HeldOut, calibrate
from physsim.surrogate.gate import cosine_modes

ROWS, COLUMNS, BATCHES = 8, 6, 16
PHOTON_ERROR = 1.77  # relative error of an image of one photon
BUDGETS = (1000.0, 2000.0, 4000.0, 8000.0)
MODES = cosine_modes(ROWS, COLUMNS, 6)
SHARES = np.array([0.72, 0.12, 0.1, 0.03, 0.02, 0.01])  # of the noise's variance: 1.8 degrees of freedom
TRUTH = 50.0 * (1.0 + 0.3 * MODES[1] + 0.2 * MODES[3])
PER_CENT = 0.01 * TRUTH.mean()


class Photons:
    """A source of batches that keeps what it simulated: units -> Batches."""

    def __init__(self, rng, truth=TRUTH, sigma=PHOTON_ERROR):
        self.rng, self.truth, self.sigma, self.units, self.sums = rng, truth, sigma * truth.mean(), 0.0, 0.0

    def __call__(self, units):
        more = units - self.units
        noise = self.rng.normal(size=(BATCHES, len(SHARES))) * np.sqrt(SHARES * BATCHES * more) * self.sigma
        self.sums = self.sums + np.tensordot(noise, MODES, 1)
        self.units = units
        return Batches(images=self.truth + self.sums / units, units=units)


def network_error(rng, per_cent=2.0):
    """(ROWS, COLUMNS) error of `per_cent` root mean square on average over patients, in random smooth directions."""
    amplitudes = rng.normal(size=len(MODES)) * np.sqrt(np.array([4.0, 2.0, 2.0, 1.0, 1.0, 1.0]) / 11.0)
    return per_cent * PER_CENT * np.tensordot(amplitudes, MODES, 1)


def uneven(rng):
    """How much more or less than on average a network errs in an image, and by how much its members differ there."""
    times = np.exp(0.5 * rng.normal())
    return times, 0.01 * times * np.exp(0.2 * rng.normal())


def calibration(patients=1000, per_cent=2.0, seed=1, times=None, spread=False):
    """A network that errs by 2 %, calibrated on patients of 200 to 400 mm at 100 to 140 kV; `times`: `uneven`, whose
    spread is told or not."""
    rng, everyone = np.random.default_rng(seed), []
    for _ in range(patients):
        photons = Photons(rng)
        more, told = (1.0, 0.0) if times is None else times(rng)
        everyone.append(HeldOut(size_mm=rng.uniform(200.0, 400.0), kvp=rng.uniform(100.0, 140.0),
                                prior=TRUTH + network_error(rng, more * per_cent), truth=TRUTH,
                                spread=told if spread else 0.0,
                                looks=tuple(photons(units) for units in BUDGETS)))  # fmt: skip
    return calibrate(everyone, network="0" * 64, held_out="1" * 64, size_edges_mm=[200.0, 300.0, 400.0],
                     kvp_edges=[100.0, 140.0], modes=6)  # fmt: skip
