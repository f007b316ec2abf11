"""The slow modes over a scan's views: those in which photons correct a network, where the noise of many views averages.

Of one turn and less: waves of CYCLES a turn and less (cosines, where the views do not close). Of several turns: waves
of the turning tube, as many as the nodes can tell apart and CYCLES at most, each times the ALONG slowest cosines along
the scan (fewer where these were more modes than a third of the nodes): what a network errs by comes again from turn to
turn and changes slowly with the place on the body.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CYCLES = 4.0  # a turn
ALONG = 3
ONE_TURN = 1.01


def slow_modes_of(nodes: int, turns: float, periodic: bool) -> tuple[Floats, int]:
    """(nodes, nodes) projection of a scan's node views, evenly over its `turns`, on the slow modes, and how many these
    are; `periodic`: the views close the turn."""
    straight = np.linalg.qr(_functions(np.arange(nodes, dtype=np.float64), nodes, turns, periodic))[0]
    return np.asarray(straight @ straight.T), straight.shape[1]


def slow_modes_between(at: Floats, nodes: int, turns: float, periodic: bool) -> Floats:
    """(views, nodes) what images of the node views that lie in the slow modes are at views `at`, counted in nodes from
    the first one, 0."""
    known = _functions(np.arange(nodes, dtype=np.float64), nodes, turns, periodic)
    return np.asarray(_functions(at, nodes, turns, periodic) @ np.linalg.pinv(known))


def _functions(at: Floats, nodes: int, turns: float, periodic: bool) -> Floats:
    """(views, modes) before they are made orthogonal."""
    share = (at + 0.5) / nodes
    if turns <= ONE_TURN and not periodic:
        return _cosines(share, min(nodes, 1 + round(2.0 * CYCLES * turns)))
    angle = 2.0 * np.pi * turns * (share if periodic else at / (nodes - 1))
    waves = np.arange(1, 1 + int(min(CYCLES, max((nodes / max(turns, 1.0) - 1.0) // 2.0, 0.0))))
    turning = np.concatenate([np.ones((len(at), 1)), *(turn(waves * angle[:, None]) for turn in (np.cos, np.sin))], 1)
    if turns <= ONE_TURN:
        return turning
    slow = _cosines(share, min(ALONG, max(1, nodes // (3 * turning.shape[1]))))
    return np.asarray((turning[:, :, None] * slow[:, None]).reshape(len(at), -1))


def _cosines(share: Floats, count: int) -> Floats:
    return np.asarray(np.cos(np.pi * share[:, None] * np.arange(count)))
