"""The tables that Rayleigh and Compton scattering are drawn from, and what scales their laws to the cross sections.

Layouts and laws: kernels/physics/{rayleigh,compton,form_factors}.h. Each bin holds the integral of the law over it, so
the distribution function is exact at the bins' ends and energies of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.physics.form_factors import FormFactor, coherent_mol_g, incoherent_mol_g
from physsim.physics.tables import ENERGY_MAX_KEV

Floats = NDArray[np.float64]

HC_KEV_ANGSTROM = 12.398419843  # CODATA 2022
ELECTRON_REST_ENERGY_KEV = 510.99895069  # CODATA 2022
ELECTRON_RADIUS_SQUARED_MOL = 2.8179403205e-13**2 * 6.02214076e23  # r_e^2 N_A, cm2/mol (CODATA 2022)
RAYLEIGH_ROWS, RAYLEIGH_BINS = 116, 256
COMPTON_ROWS, COMPTON_BINS = 116, 128
NODES, NODE_OFFSET, NODES_PER_OCTAVE = 1100, 2.0**-10, 64
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


class ScatteringLaw:
    """Differential cross sections per gram of one material: the laws of rayleigh.h and compton.h, unscaled."""

    def __init__(self, fractions: Mapping[str, float], measured: FormFactor | None, *, binding: bool) -> None:
        self.fractions, self.measured, self.binding = dict(fractions), measured, binding
        x = np.concatenate([[0.0], portable.exp(np.linspace(-7.0, 2.6, 4000))])
        self._x_squared = x * x
        self._values = {
            True: coherent_mol_g(self.fractions, x, measured),
            False: incoherent_mol_g(self.fractions, x, binding=binding),
            None: coherent_mol_g(self.fractions, x)}

    def rayleigh(self, energy_kev: Floats, half: Floats, *, free: bool = False) -> Floats:
        """cm2/g/sr at half = (1 - cos theta) / 2; `free`: of free atoms even where a form factor was measured."""
        cosine = 1.0 - 2.0 * half
        square = self._square((energy_kev / HC_KEV_ANGSTROM) ** 2 * half, free)
        return np.asarray(0.5 * ELECTRON_RADIUS_SQUARED_MOL * (1.0 + cosine * cosine) * square)

    def _square(self, x_squared: Floats, free: bool) -> Floats:
        return np.asarray(np.interp(x_squared, self._x_squared, self._values[None if free else True]))

    def compton(self, energy_kev: Floats, half: Floats) -> Floats:
        """cm2/g/sr."""
        share = 1.0 / (1.0 + 2.0 * energy_kev / ELECTRON_REST_ENERGY_KEV * half)
        klein_nishina = share * share * (share + 1.0 / share - 4.0 * half * (1.0 - half))
        function = np.interp((energy_kev / HC_KEV_ANGSTROM) ** 2 * half, self._x_squared, self._values[False])
        return np.asarray(0.5 * ELECTRON_RADIUS_SQUARED_MOL * klein_nishina * function)

    def nodes(self) -> Floats:
        """(NODES, 2): F^2 and S in mol/g."""
        at = nodes_squared_per_angstrom()
        return np.stack([np.interp(at, self._x_squared, self._values[True]),
                         np.interp(at, self._x_squared, self._values[False])], axis=1)

    def rayleigh_bins(self) -> Floats:
        """(RAYLEIGH_ROWS, 256) integrals over bins of y, sin(theta/2) = y / (1 + b (1 - y)), b = E angstrom / hc."""
        energy = rows_kev(RAYLEIGH_ROWS, 16)[:, None]
        y = np.arange(RAYLEIGH_BINS + 1) / RAYLEIGH_BINS
        sine = y / (1.0 + energy / HC_KEV_ANGSTROM * (1.0 - y))
        return integrals(lambda half: self.rayleigh(energy[:, :, None], half), sine * sine)

    @cached_property
    def compton_bins(self) -> Floats:
        """(COMPTON_ROWS, 128) integrals over bins of sin(theta/2)."""
        energy = rows_kev(COMPTON_ROWS, 16)[:, None]
        ends = np.broadcast_to((np.arange(COMPTON_BINS + 1) / COMPTON_BINS) ** 2, (COMPTON_ROWS, COMPTON_BINS + 1))
        return integrals(lambda half: self.compton(energy[:, :, None], half), ends)

    def rayleigh_total(self, energy_kev: Floats, *, free: bool = False) -> Floats:
        """Cross section in cm2/g of the unscaled law at energies (n,)."""
        energy = energy_kev[:, None]
        a = energy * energy / 20.0  # half of the bins below x of 0.36/angstrom
        y = np.arange(257) / 256
        parts = integrals(lambda half: self.rayleigh(energy[:, :, None], half, free=free), y / (1.0 + a * (1.0 - y)))
        return np.asarray(4.0 * np.pi * np.cumsum(parts, axis=1)[:, -1])

    def interference(self, energy_kev: Floats) -> Floats:
        """Rayleigh cross section of the measured form factor / that of free atoms, at energies (n,)."""
        rows = rows_kev(64 * 8, 64)
        rows = rows[rows <= 2.0 * ENERGY_MAX_KEV]
        return np.interp(energy_kev, rows, self.rayleigh_total(rows) / self.rayleigh_total(rows, free=True))

    def normalisation(self) -> Floats:
        """(COMPTON_ROWS, 2): tabulated cross section of free atoms / integral of the law, Rayleigh and Compton."""
        free = self.rayleigh_total(rows_kev(COMPTON_ROWS, 16), free=True)
        compton = 4.0 * np.pi * np.cumsum(self.compton_bins, axis=1)[:, -1]
        energy = np.minimum(rows_kev(COMPTON_ROWS, 16), ENERGY_MAX_KEV)
        within = rows_kev(COMPTON_ROWS, 16) <= ENERGY_MAX_KEV
        factors = [mass_attenuation_cm2_g(self.fractions, energy, "rayleigh") / free,
                   mass_attenuation_cm2_g(self.fractions, energy, "compton") / compton]
        last = int(np.flatnonzero(within)[-1])
        for factor in factors:
            factor[last + 1:] = factor[last]  # beyond 150 keV nothing is tabulated
        return np.stack(factors, axis=1)


def integrals(law: Callable[[Floats], Floats], ends: Floats) -> Floats:
    """(rows, bins) integrals of a law of (rows, bins, points) over bins between `ends` (rows, bins + 1)."""
    low, width = ends[:, :-1, None], np.diff(ends, axis=1)[:, :, None]
    points, weights = _GAUSS
    values = law(low + width * (0.5 + 0.5 * points)) * (0.5 * weights)
    total = np.zeros(values.shape[:2])
    for point in range(points.size):  # a fixed order of the terms
        total += values[:, :, point]
    return total * width[:, :, 0]
