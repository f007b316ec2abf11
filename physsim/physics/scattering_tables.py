"""The tables that Rayleigh and Compton scattering are drawn from, and what scales their laws to the cross sections.

Layouts and laws: kernels/physics/{rayleigh,compton,form_factors}.h. Each bin holds the integral of the law over it (by
six Gaussian points), so the distribution function is exact at the bins' ends and energies of the rows. All materials
share the points: what depends on energy and angle alone is found once, and the engine sums it with the materials' F^2
or S.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.physics.element_sections import ElementSections
from physsim.physics.scattering_law import (
    HC_KEV_ANGSTROM,
    ScatteringLaw,
    klein_nishina,
    knots_squared,
    thomson,
    x_squared,
)
from physsim.physics.tables import ENERGY_MAX_KEV

Floats = NDArray[np.float64]

RAYLEIGH_ROWS, RAYLEIGH_BINS = 116, 256
COMPTON_ROWS, COMPTON_BINS = 116, 128
NODES, NODE_OFFSET, NODES_PER_OCTAVE = 1100, 2.0**-10, 64
_ROWS_TOGETHER = 16  # they stay in the cache
_GAUSS = (  # points and weights of six on [-1, 1]: Abramowitz and Stegun, table 25.4
    np.array([-0.932469514203152, -0.661209386466265, -0.238619186083197,
              0.238619186083197, 0.661209386466265, 0.932469514203152]),
    np.array([0.171324492379170, 0.360761573048139, 0.467913934572691,
              0.467913934572691, 0.360761573048139, 0.171324492379170]))


def rows_kev(rows: int, per_octave: int) -> Floats:
    """Energies of table rows from 1 keV on."""
    octave, part = np.divmod(np.arange(rows), per_octave)
    return np.asarray(np.ldexp(1.0 + part / per_octave, octave))


def nodes_squared_per_angstrom() -> Floats:
    """x^2 of the nodes of form_factors.h, (NODES,)."""
    octave, part = np.divmod(np.arange(NODES), NODES_PER_OCTAVE)
    return np.asarray(np.ldexp(1.0 + part / NODES_PER_OCTAVE, octave - 10) - NODE_OFFSET)


def scattering_nodes(laws: Sequence[ScatteringLaw]) -> Floats:
    """(materials, NODES, 2): F^2 and S in mol/g."""
    at = nodes_squared_per_angstrom()
    return np.array([np.stack([np.interp(at, knots_squared(), law.coherent),
                               np.interp(at, knots_squared(), law.incoherent)], axis=1) for law in laws])


def rayleigh_bins(laws: Sequence[ScatteringLaw]) -> Floats:
    """(materials, RAYLEIGH_ROWS, 256) integrals over bins of y; sin(theta/2) = y / (1 + b (1 - y)), b = E A / hc."""
    energy = rows_kev(RAYLEIGH_ROWS, 16)
    y = np.arange(RAYLEIGH_BINS + 1) / RAYLEIGH_BINS
    sine = y / (1.0 + energy[:, None] / HC_KEV_ANGSTROM * (1.0 - y))
    return _integrals(energy, sine * sine, lambda _, half: thomson(half), [law.coherent for law in laws])


def compton_bins(laws: Sequence[ScatteringLaw]) -> Floats:
    """(materials, COMPTON_ROWS, 128) integrals over bins of sin(theta/2)."""
    ends = np.broadcast_to((np.arange(COMPTON_BINS + 1) / COMPTON_BINS) ** 2, (COMPTON_ROWS, COMPTON_BINS + 1))
    return _integrals(rows_kev(COMPTON_ROWS, 16), ends, klein_nishina, [law.incoherent for law in laws])


def interference(law: ScatteringLaw, energy_kev: Sequence[Floats]) -> list[Floats]:
    """Rayleigh cross section of the measured form factor / that of free atoms, at each array of energies (n,)."""
    rows = rows_kev(64 * 8, 64)
    rows = rows[rows <= 2.0 * ENERGY_MAX_KEV]
    measured, free = _rayleigh_totals(rows, [law.coherent, law.free])
    return [np.interp(energy, rows, measured / free) for energy in energy_kev]


def normalisation(laws: Sequence[ScatteringLaw], compton: Floats) -> Floats:
    """(materials, COMPTON_ROWS, 2): tabulated cross section of free atoms / integral of the law, Rayleigh and Compton.

    `compton`: compton_bins of the laws.
    """
    energy = rows_kev(COMPTON_ROWS, 16)
    integral = np.stack([_rayleigh_totals(energy, [law.free for law in laws]), _totals(compton)], axis=2)
    tabulated = ElementSections(np.minimum(energy, ENERGY_MAX_KEV))
    section = np.array([[tabulated.mixture(law.fractions, "rayleigh"), tabulated.mixture(law.fractions, "compton")]
                        for law in laws]).transpose(0, 2, 1)
    factor = section / integral
    last = int(np.flatnonzero(energy <= ENERGY_MAX_KEV)[-1])
    factor[:, last + 1:] = factor[:, last:last + 1]  # beyond 150 keV nothing is tabulated
    return np.asarray(factor)


def _rayleigh_totals(energy_kev: Floats, squares: Sequence[Floats]) -> Floats:
    """(materials, n): Rayleigh cross sections in cm2/g, by 256 bins, of F^2 at the knots."""
    a = energy_kev[:, None] ** 2 / 20.0  # half of the bins below x of 0.36/angstrom
    y = np.arange(257) / 256
    return _totals(_integrals(energy_kev, y / (1.0 + a * (1.0 - y)), lambda _, half: thomson(half), squares))


def _totals(bins: Floats) -> Floats:
    """Over the sphere, the bins one after the other: numpy's own sums depend on the CPU."""
    return np.asarray(4.0 * np.pi * np.cumsum(bins, axis=-1)[..., -1])


def _integrals(energy_kev: Floats, ends: Floats, electron: Callable[[Floats, Floats], Floats],
               functions: Sequence[Floats]) -> Floats:
    """(functions, rows, bins): integrals of electron(energy, half) times each function of x^2 (at the knots) over bins.

    ends: (rows, bins + 1) of half = (1 - cos theta) / 2, ascending along a row.
    """
    points, weights = _GAUSS
    low, width = ends[:, :-1, None], np.diff(ends, axis=1)[:, :, None]
    values = np.stack(functions)
    sums = np.empty((len(functions), *width.shape[:2]))
    for first in range(0, len(ends), _ROWS_TOGETHER):
        rows = slice(first, first + _ROWS_TOGETHER)
        half, energy = low[rows] + width[rows] * (0.5 + 0.5 * points), energy_kev[rows, None, None]
        sums[:, rows] = _engine.sums_of_lookups(
            x_squared(energy, half), electron(energy, half) * (0.5 * weights), knots_squared(), values)
    return np.asarray(sums * width[:, :, 0])
