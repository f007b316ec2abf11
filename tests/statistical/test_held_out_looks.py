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
    looks = tuple(Batches(images=1.0 + images / np.sqrt(units), units=units) for units in UNITS)
    return HeldOut(size_mm=1.0, kvp=100.0, prior=prior, truth=truth, looks=looks)


def calibration(rng, patients):
    return calibrate([patient(rng) for _ in range(patients)], network="a", held_out="b", size_edges_mm=[0.0, 2.0],
                     kvp_edges=[50.0, 150.0])


def delivered(made, one, tolerance):
    """Of an image, as a hybrid goes: the look that delivers, and the gate's p-value there; None where none does."""
    looks = HeldOutLooks(made, (0, 0), 1.0, tolerance, 0.05)
    for number, batches in enumerate(one.looks):
        if looks.judge(number, one.prior, batches)[1] <= tolerance:
            return number, looks.p_value(number, one.prior, batches)
    return None


@pytest.mark.parametrize("tolerance", [0.0125, 0.03])
def test_patients_like_those_held_out_are_rejected_as_often_as_the_level_says(tolerance):
    """20 calibrations of 99 ranked patients, 60 fresh ones each, delivered at different looks: 2 and 10 % within 4
    binomial errors of 1,200, both ways at 10 %."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(20):
        made = calibration(rng, 198)
        found += [delivered(made, patient(rng), tolerance) for _ in range(60)]
    p_values = np.array([1.0 if one is None else one[1] for one in found])
    for level in (0.02, 0.1):
        assert np.mean(p_values <= level) <= level + 4.0 * np.sqrt(level * (1.0 - level) / 1200)
    asked = [one for one in found if one is not None]
    assert np.mean(np.array([p for _, p in asked]) <= 0.1) >= 0.1 - 4.0 * np.sqrt(0.09 / len(asked)) - 0.02
    if tolerance == 0.0125:
        assert len({look for look, _ in asked}) > 1


@pytest.mark.parametrize("tolerance", [0.03, 0.05, 0.5])
def test_what_errs_more_than_all_is_rejected_at_whatever_look_it_is_delivered(tolerance):
    """By 1 / (99 + 1), the least that 99 ranks give."""
    rng = np.random.default_rng(2)
    made = calibration(rng, 198)
    looks = HeldOutLooks(made, (0, 0), 1.0, tolerance, 0.05)
    wild = patient(rng, 1000.0)
    for number, batches in enumerate(wild.looks):
        assert looks.p_value(number, wild.prior, batches) == pytest.approx(0.01)
