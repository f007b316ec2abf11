"""Uniforms of a stream against the uniform distribution; seeds fixed, odds stated."""

import numpy as np

from physsim.randomness import Stream

ROWS = 250_000


def test_uniform_in_256_bins():
    draws = Stream(11, "test").uniform(np.arange(ROWS)).ravel()
    counts = np.histogram(draws, 256, (0, 1))[0]
    chi_square = ((counts - draws.size / 256) ** 2 / (draws.size / 256)).sum()
    assert 165 < chi_square < 345  # 255 +- 4 sqrt(510): fails about 1 in 10,000 by chance


def test_neighbours_do_not_correlate():
    draws = Stream(12, "test").uniform64(np.arange(ROWS)) - 0.5
    for a, b in ((draws[:, 0], draws[:, 1]), (draws[:-1, 0], draws[1:, 0]),
                 (draws[:, 0], Stream(13, "test").uniform64(np.arange(ROWS))[:, 0] - 0.5)):
        correlation = (a * b).mean() * 12 * np.sqrt(a.size)  # standard normal when independent
        assert abs(correlation) < 4  # fails 1 in 16,000 by chance, three times
