"""The tables that the momentum of the electron in Compton scattering is drawn from (kernels/physics/doppler.h)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.physics.elements import element
from physsim.physics.scattering_tables import ELECTRON_REST_ENERGY_KEV, HC_KEV_ANGSTROM
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
    p0 = free_momentum_au(rows_per_angstrom())[:, None]
    lowest = -LOWEST_AU / (1.0 + LOWEST_AU)
    place = lowest + (p0 / (1.0 + p0) - lowest) * np.arange(BINS + 1) / BINS
    ends = place / (1.0 - np.abs(place))
    total, open_ends = np.zeros((ROWS, BINS)), np.zeros((ROWS, BINS))
    for electrons, binding_kev, index in _shells(fractions):
        limit = p0 - binding_kev * INVERSE_FINE_STRUCTURE**2 / (2.0 * ELECTRON_REST_ENERGY_KEV * p0)
        total += electrons * np.diff(_below(index, np.minimum(ends, limit)), axis=1)
        open_ends += electrons * np.diff(_below(index, ends), axis=1)
    whole, fallback = (np.cumsum(part, axis=1)[:, -1:] for part in (total, open_ends))
    return np.where(whole > 1e-9, total / np.maximum(whole, 1e-9), open_ends / fallback)


def rows_per_angstrom() -> Floats:
    """Momentum transfers x of the rows, 4 an octave from 2^-7."""
    octave, part = np.divmod(np.arange(ROWS), 4)
    return np.asarray(np.ldexp(1.0 + part / 4, octave - 7))


def free_momentum_au(x_per_angstrom: Floats) -> Floats:
    """p0 = E sin(theta/2) / c in atomic units: the momentum along the transfer with which no energy is lost."""
    return np.asarray(x_per_angstrom * (HC_KEV_ANGSTROM * INVERSE_FINE_STRUCTURE / ELECTRON_REST_ENERGY_KEV))


def _shells(fractions: Mapping[str, float]) -> list[tuple[float, float, int]]:
    """(electrons in mol/g, binding energy in keV, row of the profiles) of all shells of a material."""
    tables = scattering_tables()
    found = []
    for symbol, fraction in fractions.items():
        of = element(symbol)
        for index in np.flatnonzero(tables.profile_atomic_number == of.atomic_number):
            found.append((fraction / of.atomic_weight * float(tables.profile_electrons[index]),
                          float(tables.profile_binding_kev[index]), int(index)))
    return found


def _below(index: int, p_au: Floats) -> Floats:
    """Integral of a profile from -100 a.u. to p."""
    side = _one_side(index)
    return np.asarray(side[-1] + np.sign(p_au) * np.interp(np.abs(p_au), _FINE, side))


@cache
def _one_side(index: int) -> Floats:
    """Integral of a profile from 0 to _FINE; exponentials of p between the knots, trapezia on a fine grid."""
    tables = scattering_tables()
    logs = portable.log(np.maximum(tables.profile[index], 1e-30))
    profile = portable.exp(np.interp(_FINE, tables.momentum_au, logs))
    return np.concatenate([[0.0], np.cumsum(0.5 * (profile[1:] + profile[:-1]) * np.diff(_FINE))])
