"""Rectified figures of simulated cohorts whose truth is known: intervals hold, a useless network costs little."""

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

import physsim as ps
from physsim.cohort.rectify import rectified_mean
from physsim.cohort.rectify_auc import Placed, rectified_auc
from physsim.cohort.rectify_quantile import rectified_quantile
from physsim.errors import InvalidInput

ALL = 600
NETWORKS = {
    "good": lambda y, rng: y + 0.3 + 0.25 * rng.normal(size=y.shape),
    "useless": lambda y, rng: rng.normal(size=y.shape),
    "harmful": lambda y, rng: 4.0 - 0.6 * y + 1.5 * rng.normal(size=y.shape),
}
CELLS = [(network, count) for network in NETWORKS for count in (20, 200)]


def held(found, truth, trials):
    """Share of intervals that hold the truth, less what 4 standard errors of so many trials allow below 95 %."""
    assert len(found) == trials
    share = np.mean([one.low <= truth <= one.high for one in found])
    return share - (0.95 - 4.0 * np.sqrt(0.95 * 0.05 / trials))


def gain(found):
    """Variance of the rectified figure over that of the full cases alone."""
    return np.var([one.value for one in found]) / np.var([one.alone for one in found])


@pytest.mark.parametrize(("network", "count"), CELLS)
@pytest.mark.parametrize(("law", "truth"), [("normal", 0.0), ("lognormal", np.exp(0.125)), ("binary", 0.3)])
def test_means(network, count, law, truth):
    """95 % within 4 standard errors of 1,500 cohorts (2.3 %; fails 1 in 2,000 by chance over 18 cells)."""
    rng, found = np.random.default_rng(count), []
    for _ in range(1500):
        z = rng.normal(size=ALL)
        y = {"normal": z, "lognormal": np.exp(0.5 * z), "binary": (z < ndtri(0.3)).astype(float)}[law]
        fast = NETWORKS[network](y, rng)
        found.append(rectified_mean(y[:count], fast[:count], fast[count:], 0.95))
    assert held(found, truth, 1500) > 0.0
    # least squares on m cases costs 1 / (m - 3) of the variance; 4 standard errors of a ratio of correlated variances
    assert gain(found) < (0.5 if network == "good" else 1.0 + 1.0 / (count - 3) + 0.06)


@pytest.mark.parametrize(("network", "count"), CELLS)
@pytest.mark.parametrize("distance", [1.0, 2.0])
def test_auc(network, count, distance):
    """AUC of 0.76 and 0.92, half of the cases with the finding: as above, 500 cohorts (3.9 %)."""
    rng, found, present = np.random.default_rng(count), [], np.arange(ALL) % 2 == 0
    for _ in range(500):
        y = rng.normal(size=ALL) + distance * present
        found.append(areas(y[:, None], NETWORKS[network](y, rng)[:, None], present, count))
    assert held(found, ndtr(distance / np.sqrt(2.0)), 500) > 0.0
    assert gain(found) < (0.6 if network == "good" else 1.15)


@pytest.mark.parametrize(("network", "count"), CELLS)
def test_differences_of_auc(network, count):
    """Two correlated readings, AUC 0.856 and 0.760: as above, 500 cohorts (3.9 %)."""
    rng, found, present = np.random.default_rng(count), [], np.arange(ALL) % 2 == 0
    for _ in range(500):
        both = 0.7 * rng.normal(size=(ALL, 1)) + np.sqrt(0.51) * rng.normal(size=(ALL, 2))
        y = both + np.array([1.5, 1.0]) * present[:, None]
        found.append(areas(y, NETWORKS[network](y, rng), present, count))
    assert held(found, ndtr(1.5 / np.sqrt(2.0)) - ndtr(1.0 / np.sqrt(2.0)), 500) > 0.0
    assert gain(found) < (0.6 if network == "good" else 1.15)


def areas(full, fast, present, count):
    placed = [Placed.of(scores[part & present], scores[part & ~present], difference=full.shape[1] == 2)
              for scores, part in ((full, np.arange(ALL) < count), (fast, np.arange(ALL) < count),
                                   (fast, np.arange(ALL) >= count))]  # fmt: skip
    return rectified_auc(*placed, confidence=0.95, difference=full.shape[1] == 2)


@pytest.mark.parametrize(("network", "count"), CELLS)
@pytest.mark.parametrize("quantile", [0.5, 0.9])
def test_quantiles(network, count, quantile):
    """Median and 90 % point: as above, 400 cohorts (4.4 %); mean square errors, for few cases' quantiles are biased."""
    rng, found = np.random.default_rng(count), []
    for _ in range(400):
        y = rng.normal(size=ALL)
        fast = NETWORKS[network](y, rng)
        found.append(rectified_quantile(y[:count], fast[:count], fast[count:], quantile, 0.95))
    truth = ndtri(quantile)
    assert held(found, truth, 400) > 0.0
    square = np.mean([(one.value - truth) ** 2 for one in found]) / np.mean([(one.alone - truth) ** 2 for one in found])
    assert square < (0.75 if network == "good" else 1.25)


def test_overlap_is_not_counted_twice():
    """The network's mean is that of the others: where it says all, error is that of ALL cases, and worth is ALL."""
    y = np.random.default_rng(3).normal(size=ALL)
    found = rectified_mean(y[:60], y[:60], y[60:], 0.95)
    assert found.value == pytest.approx(y.mean())
    assert found.error == pytest.approx(y.std(ddof=1) / np.sqrt(ALL))
    assert found.weight == pytest.approx(1.0 - 60 / ALL)
    assert found.worth == pytest.approx(ALL, rel=0.4)


def test_cases_of_every_statistic():
    """`ps.rectify` on plain cases gives what the functions beneath give."""
    rng, part = np.random.default_rng(5), ps.cohort_subset(200, 40, seed=5)
    y, present = rng.normal(size=200), np.arange(200) % 2 == 0
    fast = y + 0.2 * rng.normal(size=200)
    chosen = np.isin(np.arange(200), part)
    cases = [ps.Case(fast=f, full=v if use else None, present=bool(p))
             for f, v, use, p in zip(fast, y, chosen, present, strict=True)]  # fmt: skip
    assert ps.rectify(cases) == rectified_mean(y[chosen], fast[chosen], fast[~chosen], 0.95)
    assert ps.rectify(cases, "quantile", quantile=0.9).value == rectified_quantile(
        y[chosen], fast[chosen], fast[~chosen], 0.9, 0.95).value
    alone = ps.evaluate.auc(y[chosen & present], y[chosen & ~present])
    assert ps.rectify(cases, "auc").alone == pytest.approx(alone.value)
    pairs = [ps.Case(fast=(one.fast, 0.0), full=None if one.full is None else (one.full, 0.0), present=one.present)
             for one in cases]  # fmt: skip
    assert ps.rectify(pairs, "auc difference").value == pytest.approx(ps.rectify(cases, "auc").value - 0.5)


def test_a_constant_network_says_nothing():
    y = np.random.default_rng(6).normal(size=100)
    found = rectified_mean(y[:20], np.ones(20), np.ones(80), 0.95)
    assert found.value == found.alone
    assert found.weight == 0.0


def test_scores_that_part_the_cases():
    """AUC 1 of 10 and 10 full cases: `evaluate.auc`'s score interval, not one of width 0."""
    y, present = np.concatenate([np.arange(10.0), np.arange(20.0, 30.0), np.zeros(40)]), np.arange(60) >= 10
    cases = [ps.Case(fast=float(i % 7), full=float(v) if i < 20 else None, present=bool(p if i < 20 else i % 2))
             for i, (v, p) in enumerate(zip(y, present, strict=True))]  # fmt: skip
    found, alone = ps.rectify(cases, "auc"), ps.evaluate.auc(y[10:20], y[:10])
    assert (found.low, found.high) == (alone.low, alone.high)


GOOD = [ps.Case(fast=float(i), full=float(i) if i < 20 else None, present=i % 2 == 0) for i in range(60)]


@pytest.mark.parametrize(("call", "text"), [
    (lambda: ps.rectify(GOOD[15:]), "5 cases with"),
    (lambda: ps.rectify(GOOD[:25]), "5 cases without"),
    (lambda: ps.rectify(GOOD, "medain"), "medain"),
    (lambda: ps.rectify(GOOD, "mean", quantile=0.5), "quantile=0.5"),
    (lambda: ps.rectify(GOOD, "quantile"), "quantile=None"),
    (lambda: ps.rectify(GOOD, "quantile", quantile=1.0), "quantile=1.0"),
    (lambda: ps.rectify(GOOD, confidence=95), "confidence=95"),
    (lambda: ps.rectify(GOOD, "auc difference"), "2 finite"),
    (lambda: ps.rectify([*GOOD, ps.Case(fast=np.nan)]), "fast figures"),
    (lambda: ps.rectify([ps.Case(fast=1.0, full=c.full) for c in GOOD], "auc"), "is missing"),
    (lambda: ps.rectify([ps.Case(fast=1.0, full=c.full, present=True) for c in GOOD], "auc"), "0 cases with"),
    (lambda: ps.cohort_subset(10, 11, seed=1), "11 of 10"),
])  # fmt: skip
def test_bad_input(call, text):
    with pytest.raises(InvalidInput) as found:
        call()
    assert text in str(found.value)
