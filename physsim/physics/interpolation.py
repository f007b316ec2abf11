"""Interpolation by power laws between table points (log-log), with steps where an energy stands twice."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import portable
from physsim.errors import InvalidInput, message
from physsim.physics.tables import ENERGY_MAX_KEV, ENERGY_MIN_KEV

Floats = NDArray[np.float64]
Side = Literal["above", "below"]


def checked_energy_kev(energy_kev: ArrayLike) -> Floats:
    """Energies as float64 of the shape given; InvalidInput when one is outside 1-150 keV or not a number."""
    energy = np.asarray(energy_kev, dtype=np.float64)
    inside = (energy >= ENERGY_MIN_KEV) & (energy <= ENERGY_MAX_KEV)
    if not inside.all():
        worst = float(energy[~inside].flat[0])
        raise InvalidInput(message(
            f"energy_kev={worst:g}", f"the cross sections cover {ENERGY_MIN_KEV:g} to {ENERGY_MAX_KEV:g} keV",
            "Give energies in keV within that range."))
    return energy


def brackets(knots_kev: Floats, log_knots: Floats, energy_kev: Floats,
             side: Side = "above") -> tuple[NDArray[np.intp], Floats]:
    """Index of the knot at or below each energy, and the fraction (in log energy) of the way to the next knot.

    At an edge (a knot that stands twice) `side` says which of its two values holds.
    """
    rank = np.searchsorted(knots_kev, energy_kev, side="right" if side == "above" else "left") - 1
    index = np.clip(rank, 0, knots_kev.size - 2)
    width = log_knots[index + 1] - log_knots[index]
    along = portable.log(energy_kev) - log_knots[index]
    return index, np.where(width > 0.0, along / np.where(width > 0.0, width, 1.0), 0.0)


def power_law(log_values: Floats, index: NDArray[np.intp], fraction: Floats) -> Floats:
    """Values between knots from their logarithms, with the brackets found by `brackets`."""
    return portable.exp(log_values[index] + fraction * (log_values[index + 1] - log_values[index]))
