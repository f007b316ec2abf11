"""How often bounds and blends hold on simulated batches; the whole grid: `python -m physsim._benchmarks.bounds`."""

import numpy as np
import pytest
from physsim._benchmarks.bounds import coverage, noise_field, skewed_coverage

from physsim.surrogate.batches import Batches
from physsim.surrogate.blend import blend
from physsim.surrogate.bound import error_bound_of, noise_bound_of, noise_modes


@pytest.mark.parametrize(("noise", "count"), [("smooth", 8), ("smooth", 30), ("blobs", 16)])
def test_network_bound_holds_in_every_direction(noise, count):
    """>= 94 % of 300 trials, less 3.3 standard errors (4.5 %), in each of 56 cells of length and direction: fails 1 in
    40 by chance were all of them 94 %."""
    for row in coverage(noise, count, 300):
        assert row["covers"] >= 0.94 - 3.3 * np.sqrt(0.94 * 0.06 / 300), row


def one_mode_held(count, trials, seed, two_sided):
    """Least share of trials over errors of 0.5 to 8 sigma whose p-value of the true error is 5 % or more, by t."""
    from scipy.stats import t as student

    rng = np.random.default_rng(seed)
    mean = rng.normal(0.0, 1.0, trials)
    sigma = np.sqrt(rng.chisquare(count - 1, trials) / (count - 1))
    shares = []
    for length in (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0):
        r = np.abs(mean + length)
        chance = student.cdf((r - length) / sigma, count - 1)
        if two_sided:
            chance -= student.cdf((-r - length) / sigma, count - 1)
        shares.append(np.mean(chance >= 0.05))
    return min(shares)


@pytest.mark.parametrize("count", [8, 16, 30])
def test_one_sided_chance_is_exact_in_one_dimension(count):
    """95 % at least, within 4 standard errors of 100,000 trials (0.3 %; fails 1 in 4,000); the two-sided form that
    the module's docstring names falls short of it: by 0.3 % or more, at n = 8 by 1.5 % (93.5 %)."""
    assert one_mode_held(count, 100_000, count, two_sided=False) >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 100_000)
    assert one_mode_held(count, 100_000, count, two_sided=True) < (0.938 if count == 8 else 0.947)


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9])
def test_bound_of_the_image_delivered(weight):
    """NN + w r errs by w noise - (1 - w) delta: (1 - w) D + w Q holds in 94 % or more of 250 trials, less 3.3 standard
    errors (5 %; 6 cells: fails 1 in 300 by chance were all of them 94 %)."""
    vectors, squares = noise_field("smooth")
    rng, count, trials = np.random.default_rng(6), 10, 250
    errors = [length * np.sqrt(len(vectors)) * vectors[:, mode] for length in (0.5, 2.0, 4.0) for mode in (0, 1)]
    held = np.zeros(len(errors))
    for _ in range(trials):
        noise = rng.standard_normal((count, len(squares))) * np.sqrt(squares * count * len(vectors)) @ vectors.T
        modes, mean = noise_modes((noise,)), noise.mean(axis=0)
        reach = weight * noise_bound_of(modes)
        for cell, error in enumerate(errors):
            longest = error_bound_of(float(np.mean((mean + error) ** 2)), modes)
            apart = weight * mean - (1.0 - weight) * error
            held[cell] += np.sqrt(np.mean(apart**2)) <= (1.0 - weight) * longest + reach
    assert (held / trials).min() >= 0.94 - 3.3 * np.sqrt(0.94 * 0.06 / trials)


def pooled(views, trials, seed, error_of, draw):
    """Share of trials whose bound on a scan's (or cohort's) error of 1 sigma in all holds, and its median."""
    rng, count, held, bounds = np.random.default_rng(seed), 8, 0, []
    for _ in range(trials):
        amplitudes = draw(rng, (views, count, 2)) * np.sqrt(np.array([0.75, 0.25]) * count)
        modes = tuple((np.linalg.eigvalsh((one - one.mean(axis=0)).T @ (one - one.mean(axis=0)))[::-1]
                       / (count * (count - 1) * views), count - 1) for one in amplitudes)  # fmt: skip
        mean = amplitudes.mean(axis=1) + error_of(views)
        square = float((mean**2).sum() / views)
        bounds.append(error_bound_of(square, modes))
        held += bounds[-1] >= 1.0
    return held / trials, float(np.median(bounds))


def in_one(views):
    """The whole error in one view's noisiest mode."""
    return np.sqrt(views) * (np.arange(views)[:, None] == 3) * np.array([1.0, 0.0])


def in_all(views):
    return np.ones((views, 1)) * np.array([0.8, 0.6])


@pytest.mark.parametrize("error_of", [in_one, in_all])
def test_pooling_views(error_of):
    """40 views, 8 batches each, two modes a view: 94 % or more of 200, less 3 standard errors (5 %), for an error in
    one view or in all; and the bound is 1.5 sigma of a view, where a view alone would have 2.7 or more."""
    share, bound = pooled(40, 200, 7, error_of, lambda rng, shape: rng.normal(0.0, 1.0, shape))
    assert share >= 0.94 - 3.0 * np.sqrt(0.94 * 0.06 / 200)
    assert bound < 1.55
    assert pooled(1, 60, 8, in_all, lambda rng, shape: rng.normal(0.0, 1.0, shape))[1] > 2.4


def test_skewed_batches_where_the_docs_say_so():
    """Gamma batches of 25 photons (sd / mean 0.35): the worst length still has 90 % or more (1,000 trials; 93 %
    measured, fails 1 in 5,000); of one photon (1.77) it has less than 85 %: no bound from batches holds there."""
    assert skewed_coverage("gamma", 0.35, 16, 1000)["covers"] >= 0.90
    assert skewed_coverage("gamma", 1.77, 16, 300)["covers"] < 0.85


def test_blends_err_as_stated():
    """A network off by 3 % RMS in random smooth directions, noise of 4 %: over 4,000 images the mean square error of
    the blend is 1 / (1 / b2 + N / s2) within 4 standard errors and 3 % for w from 16 batches; less than either's."""
    rng, b2, noise2 = np.random.default_rng(9), 0.03**2, 0.04**2
    field = np.ones((4, 5))
    squares = []
    for _ in range(4000):
        error = 100.0 * rng.normal(0.0, np.sqrt(b2)) * field
        batches = 100.0 + 100.0 * rng.normal(0.0, np.sqrt(noise2 * 16), (16, 1, 1)) * field
        mixed = blend(100.0 + error, Batches(images=batches, units=1.0), b2)
        squares.append(np.mean((mixed.image - 100.0) ** 2) / 1e4)
    expected = 1.0 / (1.0 / b2 + 1.0 / noise2)
    assert abs(np.mean(squares) - expected) < 4 * np.std(squares) / np.sqrt(4000) + 0.03 * expected
    assert np.mean(squares) < 0.8 * min(b2, noise2)
