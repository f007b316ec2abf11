"""The gate over several looks: patients like those held out are rejected as often as its level says, others surely."""

import numpy as np
import pytest

from physsim.surrogate.batches import Batches
from physsim.surrogate.calibration import HeldOut, calibrate
from physsim.surrogate.held_out_looks import HeldOutLooks

UNITS = (256.0, 512.0, 1024.0)


def patient(rng, per_cent=2.0):
    """A network that errs by so much, in all modes alike; one mode of noise beside white one."""
    truth = np.ones((4, 4))
    prior = truth + 0.01 * per_cent * rng.normal(size=(4, 4))
    images = rng.normal(0.0, 1.0, (16, 1, 1)) + rng.normal(0.0, 0.5, (16, 4, 4))
    looks = tuple(Batches(images=1.0 + images * 4.0 / np.sqrt(units), units=units) for units in UNITS)
    return HeldOut(size_mm=1.0, kvp=100.0, prior=prior, truth=truth, looks=looks)


def calibration(rng, patients):
    return calibrate([patient(rng) for _ in range(patients)], network="a", held_out="b", size_edges_mm=[0.0, 2.0],
                     kvp_edges=[50.0, 150.0])


def p_values(made, one):
    looks = HeldOutLooks(made, (0, 0), 1.0, None, 0.05)
    return [looks.judge(number, one.prior, batches)[0] for number, batches in enumerate(one.looks)]


def test_patients_like_those_held_out_are_rejected_as_often_as_the_level_says():
    """20 calibrations of 99 ranked patients, 60 fresh ones each, over all three looks: 2 and 10 % within 4 binomial
    errors, and not by asking nothing: 10 % are found in 4 % or more."""
    rng = np.random.default_rng(1)
    least = []
    for _ in range(20):
        made = calibration(rng, 198)
        least += [min(p_values(made, patient(rng))) for _ in range(60)]
    for level in (0.02, 0.1):
        assert np.mean(np.array(least) <= level) <= level + 4.0 * np.sqrt(level * (1.0 - level) / 1200)
    assert np.mean(np.array(least) <= 0.1) >= 0.04


def test_what_errs_more_than_all_has_the_least_p_value_there_is():
    """1 / (99 + 1), by the first look already where no other one is farthest at another: ranks of 99 reject at 1 %."""
    rng = np.random.default_rng(2)
    made = calibration(rng, 198)
    found = p_values(made, patient(rng, 100.0))
    assert found[-1] == pytest.approx(0.01)
    assert found[0] <= 0.03
