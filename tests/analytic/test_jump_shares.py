"""The share of a left-out node's difference that a fit misses, against functions on a fine comb of places."""

import numpy as np
import pytest

from physsim.transport.angle_smoother import smoother
from physsim.transport.jump_shares import jump_shares
from physsim.transport.node_spline import spline_weights

COUNT, FINE = 36, 64  # nodes of a turn, places a gap
TURN = float(COUNT * FINE)
EVERY = np.arange(TURN)
EVEN = EVERY[::FINE]


def jump(away):
    """Half a turn of 1."""
    return (away >= 0.0) * 1.0


def kink(away):
    return np.abs(away) * np.cos(np.pi * away / TURN) ** 2


def share(nodes, period, smoothed, functions):
    """Mean square error of the fit over mean square of what nodes miss of each other, of (functions, places)."""
    values = functions[:, nodes.astype(int)].T
    taken = (np.eye(len(nodes)) - smoothed) / (1.0 - np.diagonal(smoothed))[:, None]
    error = spline_weights(nodes, EVERY, period) @ (smoothed @ values) - functions.T
    return error, taken @ values


def shifted(function, step=1):
    """At every place of a gap amid the scan: (gap's places, all places)."""
    places = EVERY[FINE * COUNT // 2 : FINE * COUNT // 2 + FINE : step] + 0.5
    return np.stack([function((EVERY - at + TURN / 2) % TURN - TURN / 2) for at in places])


@pytest.mark.parametrize("stiffness", [1e-6, 1.0 / 64.0, 1.0, 64.0, 65536.0])
def test_of_jumps_anywhere_it_is_the_share(stiffness):
    smoothed = smoother(EVEN, TURN, stiffness)
    error, missed = share(EVEN, TURN, smoothed, shifted(jump))
    shares = jump_shares(EVEN, TURN, smoothed)
    np.testing.assert_allclose(shares, shares[0], rtol=1e-9)  # even nodes are alike
    assert shares[0] == pytest.approx((error**2).mean() / (missed**2).mean(), rel=0.01)


def test_shares_of_an_interpolating_fit_are_those_of_the_docstring():
    smoothed = smoother(EVEN, TURN, 1e-6)
    assert jump_shares(EVEN, TURN, smoothed)[0] == pytest.approx(0.29, abs=0.005)
    error, missed = share(EVEN, TURN, smoothed, shifted(kink))
    assert (error**2).mean() / (missed**2).mean() == pytest.approx(0.08, abs=0.005)
    waves = np.stack([np.cos(2.0 * np.pi * n * EVERY / TURN + phase) for n in (6, 12, 18) for phase in (0.0, 1.57)])
    error, missed = share(EVEN, TURN, smoothed, waves)
    found = (error**2).mean(axis=0).reshape(3, 2).mean(axis=1) / (missed**2).mean(axis=0).reshape(3, 2).mean(axis=1)
    assert found.max() < 0.06  # up to two nodes a wave


@pytest.mark.parametrize("stiffness", [1e-6, 1.0, 65536.0])
def test_it_bounds_kinks_and_waves(stiffness):
    """Of a strongly smoothing fit the share is that of every function: (1 - own weight)^2, within 1 %."""
    smoothed = smoother(EVEN, TURN, stiffness)
    bound = jump_shares(EVEN, TURN, smoothed)[0]
    waves = np.stack([np.cos(2.0 * np.pi * n * EVERY / TURN) for n in (3, 6, 12, 17)])
    for functions in (shifted(kink, 8), *(wave[None] for wave in waves)):
        error, missed = share(EVEN, TURN, smoothed, functions)
        assert (error**2).mean() < 1.01 * bound * (missed**2).mean()
    if stiffness > 1e4:
        assert bound == pytest.approx((1.0 - smoothed[0, 0]) ** 2, rel=0.01)


def test_uneven_nodes_and_open_arcs_have_shares_of_their_own():
    """Sums over the scan of all jumps, each node with its own share: nodes twice as close in a half, an arc's ends."""
    dense = np.sort(np.concatenate([EVEN, EVEN[: COUNT // 2] + FINE / 2]))
    smoothed = smoother(dense, TURN, 1e-6)
    functions = np.stack([jump((EVERY - at - 0.5) % TURN - TURN / 2) for at in EVERY[::3]])
    error, missed = share(dense, TURN, smoothed, functions)
    gaps = np.diff(np.append(dense, dense[0] + TURN))
    spans = 0.5 * (gaps + np.roll(gaps, 1)) / TURN
    bound = spans * jump_shares(dense, TURN, smoothed) * (missed**2).mean(axis=1)
    assert bound.sum() == pytest.approx((error**2).mean(), rel=0.02)
    arc = EVEN[:20]
    shares = jump_shares(arc, None, smoother(arc, None, 1e-6))
    assert shares[10] == pytest.approx(0.2856, abs=0.001)
    assert (shares > 0.0).all()
    assert np.isfinite(shares).all()
