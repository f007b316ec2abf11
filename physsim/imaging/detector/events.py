"""Photons of one, two, three or four counts, as independent Poisson processes with the moments of a counting response.

Any mixture of such events has as means the sums of counts x rate and as mean pairs the sums of pairs x rate; so rates
that are not negative are sought (least squares, C. L. Lawson and R. J. Hanson 1974) which give the response's means and
pairs, with events of as few counts as do. Those that are hardly ever used are left out and the rest solved again.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.detector.counting import CountingResponse

Floats = NDArray[np.float64]

MOST_COUNTS = 4
_RARE = 3e-3  # of all counts
_MEAN_OFF, _PAIRS_OFF = 1e-3, 1e-2  # of all counts
_MEANS_FIRST = 30.0  # weight of means over pairs


@dataclass(frozen=True, eq=False)
class CountEvents:
    """Kinds of events and how often a photon makes them.

    kinds: (kinds, bins), counts by bin of each. rates: (E, kinds), events per photon that arrives at a pixel's cell.
    """

    kinds: NDArray[np.int64]
    rates: Floats

    @property
    def mean(self) -> Floats:
        """(E, bins) counts per photon."""
        return np.stack([(self.rates * kind).cumsum(axis=1)[:, -1] for kind in self.kinds.T], axis=1)

    @property
    def pairs(self) -> Floats:
        """(E, bins, bins) ordered pairs per photon."""
        return np.asarray((self.rates[:, :, None, None] * _pairs_of(self.kinds)).cumsum(axis=1)[:, -1])


def count_events(response: CountingResponse) -> CountEvents:
    """Events with the means (within 0.1 % of all counts) and pairs (1 %) of a response.

    Raises InvalidInput for a response without pairs, and one that events of four counts cannot have.
    """
    bins = response.mean.shape[1]
    if response.pairs.shape[1:] != (bins, bins):
        raise InvalidInput(message("response without pairs", "events are found from means and pairs",
                                   "Leave out pairs=False."))
    whole = float(response.mean.sum(axis=1).max())
    off = (np.inf, np.inf)
    for most in range(1, MOST_COUNTS + 1):
        kinds = np.array([np.bincount(one, minlength=bins) for size in range(1, most + 1)
                          for one in itertools.combinations_with_replacement(range(bins), size)])
        rates = _solved(response, kinds)
        used = ((rates * kinds.sum(axis=1)).max(axis=0) > _RARE * whole) | (kinds.sum(axis=1) == 1)
        events = CountEvents(kinds[used], _solved(response, kinds[used]))
        off = (float(np.abs(events.mean - response.mean).max()) / whole,
               float(np.abs(events.pairs - response.pairs).max()) / whole)
        if off[0] < _MEAN_OFF and off[1] < _PAIRS_OFF:
            return events
    raise InvalidInput(message(f"means are off by {off[0]:.2g}, pairs by {off[1]:.2g} of all counts",
                               f"photons leave more than {MOST_COUNTS} counts here",
                               "Give a higher lowest threshold, or larger pixels."))


def _pairs_of(kinds: NDArray[np.int64]) -> Floats:
    """(kinds, bins, bins) ordered pairs of counts in an event."""
    return np.asarray(kinds[:, :, None] * kinds[:, None, :] - kinds[:, :, None] * np.eye(kinds.shape[1]))


def _solved(response: CountingResponse, kinds: NDArray[np.int64]) -> Floats:
    from scipy.optimize import nnls

    upper = np.triu_indices(kinds.shape[1])
    matrix = np.concatenate([_MEANS_FIRST * kinds.T.astype(np.float64), _pairs_of(kinds)[:, *upper].T])
    wanted = np.concatenate([_MEANS_FIRST * response.mean, response.pairs[:, *upper]], axis=1)
    return np.stack([np.rint(nnls(matrix, one)[0] * 1e8) * 1e-8 for one in wanted])
