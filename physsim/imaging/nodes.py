"""Spectra at a few nodes of what changes over a field, and the interpolation between them to a stated error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.errors import InvalidInput, message
from physsim.physics.spectra.tube import takeoff_sine

Floats = NDArray[np.float64]

NODE_TOLERANCE = 1e-7  # largest relative error of a signal by the polynomial between nodes
_MOST_NODES = 25
_PROBES = 24


def lagrange(nodes: Floats, values: Floats) -> list[Floats]:
    """Weights of the polynomial through `nodes` at `values`, one array of their shape a node."""
    shares = []
    for i, node in enumerate(nodes):
        share = np.ones_like(values)
        for j, other in enumerate(nodes):
            if i != j:
                share = share * ((values - other) / (node - other))
        shares.append(share)
    return shares


def polynomial(nodes: Floats, values: Sequence[NDArray[np.floating]], at: Floats) -> Floats:
    """The polynomial through `values` (one array a node) at `at`."""
    total = np.zeros(at.shape)
    for share, value in zip(lagrange(nodes, at), values, strict=True):
        total = total + share * value
    return total


def exponential(nodes: Floats, values: Sequence[NDArray[np.floating]], at: Floats) -> Floats:
    """exp of the polynomial through the logarithms of `values` >= 0: for what falls by orders of magnitude."""
    if len(nodes) == 1:
        return np.zeros(at.shape) + values[0]
    logs = [portable.log(np.maximum(np.asarray(value, np.float64), 1e-290)) for value in values]
    return np.asarray(portable.exp(polynomial(nodes, logs, at)))


def refined(fluence: Floats, times: int) -> Floats:
    """`times` as many nodes of spectra (nodes, energies), by cubics through four neighbours; never below 0."""
    nodes = len(fluence)
    place = np.arange((nodes - 1) * times + 1) / times
    first = np.clip(place.astype(np.int64) - 1, 0, nodes - 4)
    shares = lagrange(np.arange(4.0), place - first)
    return np.maximum(sum((share[:, None] * fluence[first + k] for k, share in enumerate(shares)),
                          np.zeros((len(place), fluence.shape[1]))), 0.0)


def fewest_nodes(
    limits: tuple[float, float],
    spectra: Callable[[float], Floats],
    behind: Floats,
    between: Callable[[Floats, Sequence[Floats], Floats], Floats],
    what: str,
) -> Floats:
    """The fewest Chebyshev nodes between which `between` (polynomial, exponential) meets NODE_TOLERANCE.

    `spectra(node)`: (quantities, heel nodes, energies); their sums are looked at as they are and times `behind`, the
    transmission of an object. Raises InvalidInput, naming `what`, where _MOST_NODES are too few.
    """
    low, high = limits

    def sums(places: Floats) -> Floats:  # (places, quantities, heel ends, beams)
        ends = np.stack([spectra(place)[:, [0, -1]] for place in places.tolist()])
        return in_order(np.moveaxis(np.stack([ends, ends * behind], -1), 3, 0))

    probes = low + (high - low) * (np.arange(_PROBES) + 0.5) / _PROBES
    wanted = sums(probes)
    for count in range(1, _MOST_NODES + 1):
        nodes = low + (high - low) * chebyshev(count)
        found = between(nodes, list(sums(nodes)), np.broadcast_to(probes[:, None, None, None], wanted.shape))
        if (np.abs(found - wanted) <= NODE_TOLERANCE * wanted).all():
            return nodes
    raise InvalidInput(message(f"{what} from {low:.3g} to {high:.3g}",
                               "it changes too much over the field to be described",
                               "Turn the detector towards the source, or make the field smaller."))


def chebyshev(count: int) -> Floats:
    """`count` places in [0, 1], dense at the ends, which are among them: (1 - cos(pi k / (count - 1))) / 2."""
    sines = [float(takeoff_sine(90.0 - 180.0 * n / max(count - 1, 1))) for n in range(count)]
    return 0.5 - 0.5 * np.array(sines)


@dataclass(frozen=True)
class Depth:
    """Where a path between `low` and `high` mm stands among nodes: log(mm - low + a tenth of the span).

    The first millimetres harden the beam most; by this coordinate 13 nodes describe 45 mm of aluminium.
    """

    low: float
    high: float

    @property
    def _shift(self) -> float:
        return 0.1 * max(self.high - self.low, 1e-3) - self.low

    def place(self, mm: NDArray[np.float64] | float) -> Floats:
        """The coordinate of a path."""
        return np.asarray(portable.log(np.asarray(mm) + self._shift))

    def mm(self, place: float) -> float:
        """The path at a coordinate."""
        return max(float(portable.exp(place)) - self._shift, 0.0)

    @property
    def limits(self) -> tuple[float, float]:
        """The coordinates of `low` and `high`."""
        return float(self.place(self.low)), float(self.place(self.high))


def in_order(values: Floats) -> Floats:
    """Sum over the first axis, one after the other: numpy's own order depends on the CPU."""
    total = np.zeros(values.shape[1:])
    for value in values:
        total = total + value
    return total
