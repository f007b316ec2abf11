"""The modes over a scan's views in which photons correct a network: what they hold, and what they are between nodes."""

import numpy as np
import pytest

from physsim.surrogate.pooled import low_modes_over_views
from physsim.surrogate.slow_modes import ALONG, slow_modes_between, slow_modes_of


@pytest.mark.parametrize(("nodes", "turns", "closed", "kept"), [
    (16, 1.0, True, 9), (16, 1.0, False, 9), (16, 0.5, False, 5), (80, 12.6, False, 5 * ALONG), (64, 13.4, False, 9),
    (60, 3.0, False, 18), (16, 2.5, False, 5)])
def test_they_are_a_projection_on_as_many_as_nodes_can_tell(nodes, turns, closed, kept):
    low, count = slow_modes_of(nodes, turns, closed)
    assert count == kept
    np.testing.assert_allclose(low, low.T, atol=1e-12)
    np.testing.assert_allclose(low @ low, low, atol=1e-12)
    assert np.trace(low) == pytest.approx(kept)


def test_those_of_a_turn_are_its_waves_and_those_of_an_arc_cosines():
    np.testing.assert_allclose(slow_modes_of(16, 1.0, True)[0], low_modes_over_views(16, 9, True), atol=1e-12)
    np.testing.assert_allclose(slow_modes_of(16, 1.0, False)[0], low_modes_over_views(16, 9), atol=1e-12)


def error(at, nodes, turns):
    """Of a network, at views: waves of a turn that change along the body."""
    along, angle = (at + 0.5) / nodes, 2.0 * np.pi * turns * at / (nodes - 1)
    return 1.0 + (0.5 + np.cos(np.pi * along)) * np.cos(2.0 * angle - 0.7) + 0.3 * np.cos(2.0 * np.pi * along)


@pytest.mark.parametrize("turns", [11.3, 12.6, 14.9])
def test_what_comes_again_from_turn_to_turn_is_known_at_all_views(turns):
    """Of 80 nodes, where a turn has 5 to 7 of them; exact at any view between."""
    views = np.linspace(0.0, 79.0, 1001)
    nodes = error(np.arange(80.0), 80, turns)
    np.testing.assert_allclose(slow_modes_of(80, turns, False)[0] @ nodes, nodes, atol=1e-9)
    np.testing.assert_allclose(slow_modes_between(views, 80, turns, False) @ nodes, error(views, 80, turns), atol=1e-9)


def test_noise_of_nodes_grows_nowhere_between_them():
    """Of a helix its ends apart, where noise is some twice as large."""
    spread = np.sqrt((slow_modes_between(np.linspace(0.0, 79.0, 1001), 80, 12.6, False) ** 2).sum(axis=1))
    assert np.sqrt(np.mean(spread**2)) == pytest.approx(np.sqrt(15.0 / 80.0), rel=0.05)
    assert spread.max() < 1.0
