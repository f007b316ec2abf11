"""A body in motion as a scan sees it: the body of each view, of a few that the cycle is made of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom


@dataclass(frozen=True, eq=False)
class Cine:
    """Phantoms of a body at equal phases of its cycle, the first at 0: what gated scans take in place of a Patient."""

    bodies: Sequence[Phantom]

    def __post_init__(self) -> None:
        if len(self.bodies) < 2:
            raise InvalidInput(message(f"{len(self.bodies)} bodies", "a cycle has two states or more", "Give them."))

    def at(self, number: int) -> Phantom:
        """The body of a state."""
        return self.bodies[number % len(self.bodies)]


@dataclass(frozen=True, eq=False)
class MovingBody:
    """bodies: state -> phantom. states: (views,) which of them each view sees."""

    bodies: dict[int, Phantom]
    states: NDArray[np.int64]

    def runs(self, views: slice) -> Iterator[tuple[slice, Phantom]]:
        """Runs of views, one after the other, that see one body."""
        states = self.states[views]
        edges = [0, *(np.flatnonzero(np.diff(states)) + 1).tolist(), len(states)]
        for low, high in itertools.pairwise(edges):
            yield slice(views.start + low, views.start + high), self.bodies[int(states[low])]


def states_of_views(views: int, views_a_turn: int, turn_s: float, phase: float, period_s: float,
                    bodies: int) -> NDArray[np.int64]:
    """(views,) nearest of `bodies` states, for a scan whose middle view is at `phase`."""
    seconds = (np.arange(views) - 0.5 * (views - 1)) * (turn_s / views_a_turn)
    return np.asarray(np.floor((phase + seconds / period_s) * bodies + 0.5).astype(np.int64) % bodies)
