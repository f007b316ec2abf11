"""The fit over angle against functions that are known: what it leaves, averages and says of its errors."""

import numpy as np
import pytest

from physsim.transport.angle_smoother import fit_angle, independent_values, left_out, product

TURN = 64.0


def round_body(angle):
    """Three harmonics, as an ellipse gives them: (angles, 1)."""
    turn = 2.0 * np.pi * np.asarray(angle) / TURN
    return (1.0 + 0.4 * np.cos(2 * turn) + 0.1 * np.cos(4 * turn + 0.3) + 0.03 * np.cos(6 * turn))[:, None]


def edged_body(angle):
    """A flat stretch that ends in kinks, as where a face of a box turns edge-on, and a kink at 0.4: (angles, 1)."""
    return (1.0 + np.maximum(np.abs(np.asarray(angle) - 32.4) - 1.7, 0.0) / 16.0)[:, None]


def noisy(body, nodes, sigma, places, seed):
    return body(nodes) + sigma * np.random.default_rng(seed).standard_normal((len(nodes), places))


def test_parabolas_of_an_open_arc_are_left_alone():
    nodes = np.array([0.0, 3.0, 7.0, 9.0, 14.0, 18.0, 20.0, 25.0])
    found = fit_angle(nodes, None, (2.0 + 0.1 * nodes - 0.01 * nodes**2)[:, None], np.full(8, 1.0))
    assert found.stiffness > 1e3  # so much noise: all that can be smoothed is
    np.testing.assert_allclose(product(found.smoothed, nodes[:, None] ** 2)[:, 0], nodes**2, atol=1e-6)
    np.testing.assert_allclose(found.weights(np.arange(26.0)).sum(axis=1), 1.0, atol=1e-9)
    assert np.isnan(left_out(found).squares[[0, -1]]).all()


def test_without_noise_nodes_stay_as_they_are():
    nodes = np.arange(0.0, TURN, 2.0)
    found = fit_angle(nodes, TURN, round_body(nodes), np.full(32, 1e-12))
    every = np.arange(0.0, TURN, 0.25)
    assert np.abs(product(found.weights(every), round_body(nodes)) - round_body(every)).max() < 1e-3
    np.testing.assert_allclose(found.weights(np.array([1.0])), found.weights(np.array([1.0 + TURN])), atol=1e-12)


@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.2])
def test_errors_are_those_that_the_weights_claim(sigma):
    """64 places of 64 nodes: noise left within 6 % of the claim (4 sigma), cut by a third; what is bent is less."""
    nodes, every = np.arange(TURN), np.arange(0.0, TURN, 0.25)
    images = noisy(round_body, nodes, sigma, 64, 1)
    found = fit_angle(nodes, TURN, images, np.full(64, sigma**2))
    weights = found.weights(every)
    claimed = sigma * np.sqrt((weights**2).sum(axis=1).mean())
    left = product(weights, images - round_body(nodes))
    bent = product(weights, round_body(nodes)) - round_body(every)
    assert np.sqrt((left**2).mean()) == pytest.approx(claimed, rel=0.06)
    assert claimed < 0.67 * sigma
    assert np.sqrt((bent**2).mean()) < 0.5 * claimed
    bias, spread = left_out(found).bias_squared()
    assert (bent**2).mean() < bias + 4.0 * spread


def test_a_kink_between_nodes_is_told_where_it_is():
    nodes, every = np.arange(0.0, TURN, 4.0), np.arange(0.0, TURN, 0.25)
    images = noisy(edged_body, nodes, 0.003, 16, 2)
    found = fit_angle(nodes, TURN, images, np.full(16, 0.003**2))
    bias, _ = left_out(found).bias_squared()
    true = ((product(found.weights(every), images) - edged_body(every)) ** 2).mean()
    assert bias > true > (4 * 0.003) ** 2  # a bound, and of more than noise
    squares = left_out(found).squares
    assert nodes[np.argmax(squares)] == 0.0  # the sharpest one, at 0.4
    smooth = squares[(np.abs(nodes - 32.0) > 10.0) & (np.abs(nodes - 32.0) < 20.0)]
    assert squares[nodes == 32.0].item() > 4.0 * np.abs(smooth).mean()


def correlated(shape, seed):
    """Normal errors of 24 places that move together over some of them, and their covariance."""
    place = np.arange(24.0)
    covariance = np.exp(-np.abs(place[:, None] - place) / 3.0) * (1.0 + place[:, None] / 24.0) * (1.0 + place / 24.0)
    drawn = np.random.default_rng(seed).standard_normal((*shape, 24))
    return drawn @ np.linalg.cholesky(covariance).T, covariance


@pytest.mark.parametrize("estimates", [8, 32])
def test_independent_values_are_those_of_the_covariance(estimates):
    """72 sets: their traces scatter by 1 to 3 %, so 15 % is 4 sigma and more for a fixed seed."""
    drawn, covariance = correlated((72, estimates), 3)
    apart = (drawn - drawn.mean(axis=1, keepdims=True)) / np.sqrt(estimates * (estimates - 1.0))
    truth = np.trace(covariance) ** 2 / (covariance**2).sum()
    assert 4.0 < truth < 8.0
    assert independent_values(apart) == pytest.approx(truth, rel=0.15)
    white = np.random.default_rng(4).standard_normal((72, estimates, 24))
    assert independent_values(white - white.mean(axis=1, keepdims=True)) == pytest.approx(24.0, rel=0.15)
    assert independent_values(apart[..., :1]) == 1.0


def test_noise_of_the_interpolation_error_is_its_spread_over_runs():
    """400 runs of a smooth body: a standard deviation is known to 3.5 %, so 15 % is 4 sigma for a fixed seed."""
    nodes = np.arange(0.0, TURN, 2.0)
    drawn, covariance = correlated((400, 32), 5)
    independent = np.trace(covariance) ** 2 / (covariance**2).sum()
    variances = np.full(32, 0.02**2 * np.trace(covariance) / 24.0)
    found = []
    for errors in drawn:
        images = np.repeat(round_body(nodes), 24, axis=1) + 0.02 * errors
        found.append(left_out(fit_angle(nodes, TURN, images, variances, independent)).bias_squared())
    values, spreads = np.array(found).T
    assert np.median(spreads) == pytest.approx(values.std(), rel=0.15)
