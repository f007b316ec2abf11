"""The gate's modes, distance and ranks where the answer is known."""

import numpy as np
import pytest
from scipy.fft import dctn

from physsim.errors import InvalidInput
from physsim.surrogate.batches import Batches
from physsim.surrogate.gate import (
    amplitudes,
    conformal_quantile,
    cosine_modes,
    gate_distance,
    noise_shape,
    rank_p_value,
)


def test_modes_are_orthogonal_and_of_mean_square_one():
    modes = cosine_modes(5, 7, 35).reshape(35, -1)
    assert modes @ modes.T / 35 == pytest.approx(np.eye(35), abs=1e-12)
    assert modes[0] == pytest.approx(np.ones(35))


def test_amplitudes_are_the_cosine_transform():
    """scipy's orthonormal DCT-II over the root of the number of pixels; the sum of squares is the mean square."""
    image = np.random.default_rng(1).normal(size=(5, 7))
    found = amplitudes(image, 35)
    assert np.sort(np.abs(found)) == pytest.approx(np.sort(np.abs(dctn(image, norm="ortho").ravel())) / np.sqrt(35))
    assert np.sum(found**2) == pytest.approx(np.mean(image**2))


def test_lowest_frequencies_come_first():
    rows, columns = (np.linspace(-1.0, 1.0, size) for size in (6, 8))
    plane = rows[:, None] + 0.5 * columns
    assert np.abs(amplitudes(plane, 3)[1:]).min() > 0.2
    assert np.sum(amplitudes(plane, 3) ** 2) > 0.98 * np.mean(plane**2)


def test_distance_of_a_known_error():
    """One mode off by 5 % where the network errs by 2 % and noise by next to nothing: T2 = 6.25."""
    truth, rng = np.full((4, 6), 50.0), np.random.default_rng(2)
    modes = cosine_modes(4, 6, 3)
    batches = Batches(images=truth + 1e-6 * rng.normal(size=(16, 4, 6)), units=1.0)
    found = gate_distance(truth - 2.5 * modes[1], batches, 0.02**2 * np.eye(3), np.eye(3), 50.0)
    assert found == pytest.approx(6.25, rel=1e-5)


def test_shape_of_white_noise():
    """Equal shares of the mean square in each mode: 1 over the pixels, within 4 standard errors of 4,000 batches."""
    batches = Batches(images=np.random.default_rng(3).normal(size=(4000, 4, 6)), units=1.0)
    assert noise_shape(batches, 3) == pytest.approx(np.eye(3) / 24, abs=4 * np.sqrt(2 / 4000) / 24)


def test_ranks():
    held_out = np.array([1.0, 2.0, 3.0, 4.0])
    assert [rank_p_value(one, held_out) for one in (0.5, 3.0, 9.0)] == [1.0, 0.6, 0.2]
    assert conformal_quantile(np.arange(1.0, 101.0), 0.05) == 96.0
    assert conformal_quantile(held_out, 0.05) == np.inf


def test_bad_input():
    same = Batches(images=np.ones((8, 3, 3)), units=1.0)
    for call, text in ((lambda: cosine_modes(2, 2, 5), "count=5"), (lambda: noise_shape(same, 2), "all equal"),
                       (lambda: noise_shape(Batches(images=np.ones((8, 9)), units=1.0), 2), "(8, 9)")):  # fmt: skip
        with pytest.raises(InvalidInput) as found:
            call()
        assert text in str(found.value)
