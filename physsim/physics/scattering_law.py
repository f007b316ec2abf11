"""The laws that photons scatter by, per gram of one material: form factors times Rayleigh, S times Klein-Nishina.

Per atom F^2 and S are found once for each element; those of materials are sums. kernels/physics/{rayleigh,compton}.h
hold the same laws, scaled to the tabulated cross sections.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.physics.form_factors import (
    FormFactor,
    element_coherent,
    element_incoherent,
    mixed_mol_g,
    with_measured,
)

Floats = NDArray[np.float64]

HC_KEV_ANGSTROM = 12.398419843  # CODATA 2022
ELECTRON_REST_ENERGY_KEV = 510.99895069  # CODATA 2022
ELECTRON_RADIUS_SQUARED_MOL = 2.8179403205e-13**2 * 6.02214076e23  # r_e^2 N_A, cm2/mol (CODATA 2022)


class ScatteringLaw:
    """Differential cross sections per gram of one material, unscaled.

    coherent, incoherent, free: (4001,) F^2, S and F^2 of free atoms in mol/g at knots_squared(),
        straight lines between.
    """

    def __init__(self, fractions: Mapping[str, float], measured: FormFactor | None, *, binding: bool) -> None:
        self.fractions, self.measured = dict(fractions), measured
        self.free = mixed_mol_g(self.fractions, _coherent)
        self.coherent = with_measured(self.free, _knots_per_angstrom(), measured)
        self.incoherent = mixed_mol_g(self.fractions, _incoherent if binding else _all_electrons)

    def rayleigh(self, energy_kev: Floats, half: Floats) -> Floats:
        """cm2/g/sr at half = (1 - cos theta) / 2."""
        squared = x_squared(energy_kev, half)
        return np.asarray(thomson(half) * np.interp(squared, knots_squared(), self.coherent))

    def compton(self, energy_kev: Floats, half: Floats) -> Floats:
        """cm2/g/sr."""
        squared = x_squared(energy_kev, half)
        return np.asarray(klein_nishina(energy_kev, half) * np.interp(squared, knots_squared(), self.incoherent))


def x_squared(energy_kev: Floats, half: Floats) -> Floats:
    """Square of the momentum transfer, 1/angstrom2."""
    return np.asarray((energy_kev / HC_KEV_ANGSTROM) ** 2 * half)


def thomson(half: Floats) -> Floats:
    """cm2/mol/sr of a free electron at low energy."""
    cosine = 1.0 - 2.0 * half
    return np.asarray(0.5 * ELECTRON_RADIUS_SQUARED_MOL * (1.0 + cosine * cosine))


def klein_nishina(energy_kev: Floats, half: Floats) -> Floats:
    """cm2/mol/sr of a free electron at rest."""
    share = 1.0 / (1.0 + 2.0 * energy_kev / ELECTRON_REST_ENERGY_KEV * half)
    return np.asarray(
        0.5 * ELECTRON_RADIUS_SQUARED_MOL * (share * share * (share + 1.0 / share - 4.0 * half * (1.0 - half))))


@cache
def knots_squared() -> Floats:
    """(4001,) x^2 in 1/angstrom2 between which F^2 and S are straight lines; the first is 0."""
    return _frozen(_knots_per_angstrom() * _knots_per_angstrom())


@cache
def _knots_per_angstrom() -> Floats:
    return _frozen(np.concatenate([[0.0], portable.exp(np.linspace(-7.0, 2.6, 4000))]))


@cache
def _coherent(symbol: str) -> Floats:
    return _frozen(element_coherent(symbol, _knots_per_angstrom()))


@cache
def _incoherent(symbol: str) -> Floats:
    return _frozen(element_incoherent(symbol, _knots_per_angstrom()))


def _all_electrons(symbol: str) -> Floats:
    return element_incoherent(symbol, _knots_per_angstrom(), binding=False)


def _frozen(array: Floats) -> Floats:
    array.flags.writeable = False
    return array
