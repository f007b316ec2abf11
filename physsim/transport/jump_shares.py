"""How much of what a node view misses of its neighbours a fit through all of them still misses: for jumps, the worst.

A node left out makes a gap twice as wide as any that is used, so that its difference from the others is more than the
error of the fit. How much more depends on the function: evenly spaced, interpolated nodes miss a fiftieth to a tenth of
the squared difference of what is smooth, 0.08 of a kink, 0.29 of a jump; strong smoothing takes all of them to
(1 - the node's own weight)^2. Scatter bends over the angle, it does not jump.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.transport.node_spline import spline_weights
from physsim.transport.ordered import product

Floats = NDArray[np.float64]

_SIMPSON = (1 / 12, 1 / 3, 1 / 6, 1 / 3, 1 / 12)  # weights of places at every quarter of a gap


def jump_shares(nodes: Floats, period: float | None, smoothed: Floats) -> Floats:
    """(nodes,) mean square error of a fit around each node over the square of what all others miss of it: of functions
    that are 1 beyond a place (of a turn: as far as half of it) and 0 elsewhere, summed over all such places.

    Nodes know of a jump's place no more than the gap that it lies in: that is averaged over in closed form. `smoothed`
    (nodes, nodes): as in AngleFit.
    """
    count = len(nodes)
    gaps = np.diff(nodes) if period is None else np.diff(np.append(nodes, nodes[0] + period))
    half = None if period is None else count // 2
    jumps = np.arange(len(gaps))
    ahead = jumps[:, None] - jumps - 1  # of the jump's gap that a place's gap is
    beyond = ahead >= 0 if half is None else ahead % count < half
    missed = _beyond((np.eye(count) - smoothed) / (1.0 - np.diagonal(smoothed))[:, None], half)
    squares, widths = np.zeros(count), np.zeros(count)
    for step, size in enumerate(_SIMPSON):
        part = step / (len(_SIMPSON) - 1)
        chance = beyond.astype(np.float64)  # that the place of this part of a gap is beyond the jump
        chance[jumps, jumps] = part
        if half is not None:
            chance[(jumps + half) % count, jumps] = 1.0 - part
        fitted = _beyond(product(spline_weights(nodes, nodes[jumps] + part * gaps, period), smoothed), half)
        error = product(chance * (fitted - 1.0) ** 2 + (1.0 - chance) * fitted**2, gaps[:, None])[:, 0]
        right = 0.0 if part < 0.5 else 1.0 if part > 0.5 else 0.5  # of the place that the gap's second node stands for
        for at, share in ((jumps, 1.0 - right), ((jumps + 1) % count, right)):
            squares[at] += share * size * gaps * error
            widths[at] += share * size * gaps
    return np.asarray(squares / widths / product(missed**2, gaps[:, None])[:, 0])


def _beyond(weights: Floats, half: int | None) -> Floats:
    """(places, gaps) sums of (places, nodes) weights over the nodes beyond each gap, of a turn over `half` nodes."""
    count = weights.shape[1]
    if half is None:
        return np.asarray(np.cumsum(weights[:, :0:-1], axis=1)[:, ::-1])
    sums = np.cumsum(np.concatenate([weights, weights], axis=1), axis=1)
    return np.asarray(sums[:, half : half + count] - sums[:, :count])
