"""Blend and bounds where the answer is known: precisions add, one dimension is Student's t."""

import numpy as np
import pytest
from scipy.stats import t as student

from physsim.errors import InvalidInput
from physsim.surrogate.batches import Batches
from physsim.surrogate.blend import blend, effective_freedom
from physsim.surrogate.bound import blend_bound, error_bound, noise_bound, noise_modes, over_truth, spent

ROWS, COLUMNS = 6, 5
FIELD = np.cos(np.linspace(-1.0, 1.0, ROWS))[:, None] * np.linspace(0.5, 1.5, COLUMNS)
FIELD /= np.sqrt(np.mean(FIELD**2))


def one_mode(count, sigma, seed=1):
    """(count, ROWS, COLUMNS) batches of a truth of 100 whose noise has one mode; and its amplitudes (count,)."""
    parts = np.random.default_rng(seed).normal(0.0, sigma, count)
    return 100.0 + parts[:, None, None] * FIELD, parts


def test_blend_adds_precisions():
    batches, parts = one_mode(16, 8.0)
    b2, s2_n = 0.02**2, parts.var(ddof=1) / 16 / batches.mean() ** 2
    mixed = blend(np.full((ROWS, COLUMNS), 97.0), Batches(images=batches, units=3200.0), b2)
    assert mixed.weight == pytest.approx(b2 / (b2 + s2_n))
    assert mixed.error == pytest.approx((1.0 / b2 + 1.0 / s2_n) ** -0.5)
    assert mixed.equivalent_units == pytest.approx(3200.0 * s2_n / b2)
    assert mixed.image == pytest.approx(97.0 + mixed.weight * (batches.mean(axis=0) - 97.0))
    assert mixed.noise == pytest.approx(np.sqrt(s2_n))


def test_scatter_known_apart_lowers_relative_errors():
    """As much mean again beside: a quarter of the relative variance."""
    batches, _ = one_mode(16, 8.0)
    alone, beside = (blend(np.full((ROWS, COLUMNS), 97.0), Batches(images=batches, units=1.0), 0.02**2, beside=more)
                     for more in (0.0, float(batches.mean())))
    assert beside.noise == pytest.approx(0.5 * alone.noise)


@pytest.mark.parametrize("count", [8, 16, 30])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_one_mode_is_student(count, level):
    """D = |r| + t_{1 - level} s, Q = t_{1 - level / 2} s, within 0.5 %: 2,048 quantiles stand for the t scale."""
    batches, parts = one_mode(count, 8.0, seed=count)
    sigma = parts.std(ddof=1) / np.sqrt(count)
    for error in (-30.0, -2.0, 0.0, 1.0, 30.0):
        r = abs(parts.mean() + error)
        expected = r + student.ppf(1.0 - level, count - 1) * sigma
        assert error_bound(batches - 100.0 + error * FIELD, level=level) == pytest.approx(expected, rel=0.005)
    expected = student.ppf(1.0 - 0.5 * level, count - 1) * sigma
    assert noise_bound(batches, level=level) == pytest.approx(expected, rel=0.005)


def test_blend_bound_between_its_ends():
    batches = np.random.default_rng(2).normal(100.0, 8.0, (12, ROWS, COLUMNS))
    residuals = batches - 97.0
    ends = error_bound(residuals), noise_bound(residuals)
    assert blend_bound(residuals, 0.0) == ends[0]
    assert blend_bound(residuals, 1.0) == ends[1]
    assert blend_bound(residuals, 0.3) == pytest.approx(0.7 * ends[0] + 0.3 * ends[1])


def test_bounds_scale_and_repeat():
    batches = np.random.default_rng(3).normal(3.0, 8.0, (12, ROWS, COLUMNS))
    assert error_bound(10.0 * batches) == pytest.approx(10.0 * error_bound(batches), rel=1e-5)
    assert error_bound(batches) == error_bound(batches)


def test_noise_modes_are_the_covariance_eigenvalues():
    batches = np.random.default_rng(4).normal(0.0, 1.0, (40, 3, 4))
    squares, freedom = noise_modes((batches,))[0]
    covariance = np.cov(batches.reshape(40, 12), rowvar=False) / 40 / 12
    assert freedom == 39
    assert squares[:12] == pytest.approx(np.linalg.eigvalsh(covariance)[::-1])
    assert np.abs(squares[12:]).max() < 1e-15


def test_batches_without_noise():
    """Then the truth is known: the bound is the error."""
    same = np.ones((8, ROWS, COLUMNS))
    assert error_bound(3.0 * same) == pytest.approx(3.0)
    assert noise_bound(same) == 0.0
    assert blend_bound(3.0 * same, 0.5) == pytest.approx(1.5)


def test_equal_groups_are_one_mean_square():
    """r of many independent views of small noise: the root of the mean over views of the mean square."""
    views = [length * np.ones((8, ROWS, COLUMNS)) for length in (3.0, 4.0)]
    assert error_bound(views) == pytest.approx(np.sqrt(12.5))


def test_effective_freedom():
    """One mode is one pixel's worth; independent pixels all of theirs, within the noise of the estimate."""
    batches, _ = one_mode(16, 8.0)
    assert effective_freedom(Batches(images=batches, units=1.0)) == pytest.approx(1.0)
    white = np.random.default_rng(5).normal(0.0, 1.0, (400, ROWS, COLUMNS))
    assert effective_freedom(Batches(images=white, units=1.0)) == pytest.approx(30.0, rel=0.02)


def test_shares_of_all_looks_add_up():
    assert sum(spent(0.05, look) for look in range(60)) == pytest.approx(0.05)
    assert spent(0.05, 0) == pytest.approx(0.04)


def test_truths_mean_lies_within_the_bound():
    assert over_truth(2.0, 100.0) == pytest.approx(2.0 / 98.0)
    assert over_truth(100.0, 100.0) == np.inf


@pytest.mark.parametrize(("call", "text"), [
    (lambda b: error_bound(b[:7]), "(7, 6, 5)"),
    (lambda b: error_bound(b * np.nan), "not finite"),
    (lambda b: error_bound(b, level=0.6), "level=0.6"),
    (lambda b: blend_bound(b, 1.2), "weight=1.2"),
    (lambda b: Batches(images=b, units=0.0), "units=0"),
    (lambda b: blend(np.ones(3), Batches(images=b, units=1.0), 0.01), "(3,)"),
    (lambda b: blend(b[0], Batches(images=b, units=1.0), 0.0), "network_variance=0"),
    (lambda b: blend(b[0], Batches(images=-b, units=1.0), 0.1), "mean of the Monte Carlo image"),
])
def test_bad_input(call, text):
    with pytest.raises(InvalidInput) as found:
        call(one_mode(8, 1.0)[0])
    assert text in str(found.value)
