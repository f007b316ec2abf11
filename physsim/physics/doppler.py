"""The tables that the momentum of the electron in Compton scattering is drawn from (kernels/physics/doppler.h).

An element's part is found once a process; those of materials are sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.physics.elements import element
from physsim.physics.scattering_law import ELECTRON_REST_ENERGY_KEV, HC_KEV_ANGSTROM
from physsim.physics.tables import scattering_tables

Floats = NDArray[np.float64]

INVERSE_FINE_STRUCTURE = 137.035999177  # CODATA 2022: m c in atomic units of momentum
ROWS, BINS = 44, 128
LOWEST_AU = 100.0  # profiles end there
_FINE = np.concatenate([
    np.arange(0.0, 2.0, 0.01), portable.exp(np.linspace(0.6931471805599453, 4.605170185988092, 401))])


def doppler_bins(fractions: Mapping[str, float]) -> Floats:
    """(ROWS, 128) probability of p / (1 + |p|) in equal bins between -100/101 and p0 / (1 + p0); rows sum to 1.

    A shell takes part up to p_max = p0 - U / (2 p0), so that the electron gets more than its binding energy U.
    """
    found = np.zeros((2, ROWS, BINS))
    for symbol, fraction in fractions.items():
        found += fraction / element(symbol).atomic_weight * electrons_by_bin(symbol)
    paid, free = found
    whole, fallback = (np.cumsum(part, axis=1)[:, -1:] for part in (paid, free))
    return np.asarray(np.where(whole > 1e-9, paid / np.maximum(whole, 1e-9), free / fallback))


@cache
def electrons_by_bin(symbol: str) -> Floats:
    """(2, ROWS, 128): electrons of an atom in the bins, those that can pay their binding energy and all."""
    tables = scattering_tables()
    shells = np.flatnonzero(tables.profile_atomic_number == element(symbol).atomic_number)
    p0 = free_momentum_au(rows_per_angstrom())[:, None]
    ends = _bin_ends(p0)
    grid = _Places(ends)
    found = np.zeros((2, ROWS, BINS))
    for side, electrons, binding_kev in zip(_one_sided(shells), tables.profile_electrons[shells],
                                            tables.profile_binding_kev[shells], strict=True):
        limit = p0 - binding_kev * INVERSE_FINE_STRUCTURE**2 / (2.0 * ELECTRON_REST_ENERGY_KEV * p0)
        free = grid.below(side)
        paid = np.where(ends <= limit, free, _Places(limit).below(side))
        found[0] += electrons * np.diff(paid, axis=1)
        found[1] += electrons * np.diff(free, axis=1)
    found.flags.writeable = False
    return found


def rows_per_angstrom() -> Floats:
    """Momentum transfers x of the rows, 4 an octave from 2^-7."""
    octave, part = np.divmod(np.arange(ROWS), 4)
    return np.asarray(np.ldexp(1.0 + part / 4, octave - 7))


def free_momentum_au(x_per_angstrom: Floats) -> Floats:
    """p0 = E sin(theta/2) / c in atomic units: the momentum along the transfer with which no energy is lost."""
    return np.asarray(x_per_angstrom * (HC_KEV_ANGSTROM * INVERSE_FINE_STRUCTURE / ELECTRON_REST_ENERGY_KEV))


def _bin_ends(p0: Floats) -> Floats:
    """(ROWS, BINS + 1) momenta in atomic units."""
    lowest = -LOWEST_AU / (1.0 + LOWEST_AU)
    place = lowest + (p0 / (1.0 + p0) - lowest) * np.arange(BINS + 1) / BINS
    return np.asarray(place / (1.0 - np.abs(place)))


class _Places:
    """Where momenta lie between the points of _FINE: looked up once for all shells."""

    def __init__(self, p_au: Floats) -> None:
        size = np.minimum(np.abs(p_au), _FINE[-1])
        self._sign = np.sign(p_au)
        self._index = np.clip(np.searchsorted(_FINE, size, side="right") - 1, 0, _FINE.size - 2)
        self._along = size - _FINE[self._index]

    def below(self, side: Floats) -> Floats:
        """Integral of a profile from -100 a.u. to the momenta; `side` is its integral from 0 to _FINE."""
        slope = np.diff(side) / np.diff(_FINE)
        return np.asarray(side[-1] + self._sign * (slope[self._index] * self._along + side[self._index]))


def _one_sided(shells: NDArray[np.intp]) -> Floats:
    """(shells, points): integrals of profiles from 0 to _FINE; exponentials of p between the knots, then trapezia."""
    tables = scattering_tables()
    logs = portable.log(np.maximum(tables.profile[shells], 1e-30))
    profile = portable.exp(np.array([np.interp(_FINE, tables.momentum_au, log) for log in logs]))
    parts = 0.5 * (profile[:, 1:] + profile[:, :-1]) * np.diff(_FINE)
    return np.concatenate([np.zeros((len(shells), 1)), np.cumsum(parts, axis=1)], axis=1)
