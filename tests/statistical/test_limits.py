"""Limits of a share: Clopper and Pearson's own, and how often those over patients hold where views are alike."""

import numpy as np
import pytest
from scipy.stats import binom

from physsim.errors import InvalidInput
from physsim.surrogate.limits import limits, limits_over, share_over


@pytest.mark.parametrize(("found", "tried"), [(1890, 2000), (93, 100), (1, 7)])
def test_limits_are_clopper_and_pearsons(found, tried):
    """Were the probability the lower limit, so many or more would come with 5 %; the upper limit likewise."""
    low, high = limits(found, tried)
    assert binom.sf(found - 1, tried, low) == pytest.approx(0.05, rel=1e-6)
    assert binom.cdf(found, tried, high) == pytest.approx(0.05, rel=1e-6)


def test_limits_at_the_ends():
    assert limits(20, 20) == (pytest.approx(0.05 ** (1 / 20)), 1.0)
    assert limits(0, 20) == (0.0, pytest.approx(1 - 0.05 ** (1 / 20)))
    assert limits(0, 0) == limits_over(0, np.nan, np.nan, 0) == (None, None)
    with pytest.raises(InvalidInput, match="3 of 2"):
        limits(3, 2)


@pytest.mark.parametrize(("share", "alike"), [(0.95, 0.0), (0.95, 0.2), (0.99, 0.05), (0.95, 1.0)])
def test_limits_over_patients_hold(share, alike):
    """125 patients of 16 views whose own shares are beta distributed, correlated by `alike` (1: all or none): each
    limit fails in 5 % of 1,000 audits, up to 6.5 % where few patients fail (4 errors of 0.7 % more: once in 30,000).
    Clopper and Pearson's for independent views fail in 21 % where they are alike by 0.2."""
    rng = np.random.default_rng(4)
    patient, failed, plain = np.repeat(np.arange(125), 16), np.zeros(2), 0
    for _ in range(1000):
        spread = 1.0 / alike - 1.0 if alike else np.inf
        own = (np.full(125, share) if spread == np.inf else (rng.random(125) < share).astype(float) if spread == 0.0
               else rng.beta(share * spread, (1.0 - share) * spread, 125))
        holds = rng.random(2000) < own[patient]
        low, high = share_over(holds, patient)
        failed += (low > share, high < share)
        plain += limits(int(holds.sum()), 2000)[0] > share
    assert (failed / 1000 < 0.065 + 4 * 0.007).all()
    if alike == 0.2:
        assert plain > 2 * max(failed[0], 50)


def test_no_more_is_said_than_so_many_patients_show():
    """All of 160 views of 10 patients hold: a quarter of all patients may fail; one patient says next to nothing."""
    assert share_over(np.ones(160, bool), np.repeat(np.arange(10), 16))[0] == pytest.approx(0.05**0.1)
    assert share_over(np.ones(16, bool), np.zeros(16, int))[0] == pytest.approx(0.05)
    assert limits_over(1, 1.0, np.nan, 16)[1] == 1.0
