"""Mass and linear attenuation of elements, compounds and mixtures, in total and by process, 1-150 keV.

Processes: photoelectric absorption, Rayleigh (coherent) and Compton (incoherent, bound electrons) scattering.
Neglects: pair production (none below 1022 keV), photonuclear reactions, chemical binding (mixture rule), the fine
structure above edges (XAFS, within some 50 eV).
Reference: NIST XCOM, https://dx.doi.org/10.18434/T48G6X, through xraylib (see data/tables.json).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.physics.composition import HasComposition, normalised_mass_fractions
from physsim.physics.element_sections import ElementSections
from physsim.physics.elements import element
from physsim.physics.interpolation import Side, checked_energy_kev
from physsim.physics.library import library_entry
from physsim.physics.tables import PROCESSES, element_table
from physsim.units import CM_PER_MM

Floats = NDArray[np.float64]
Process = Literal["total", "photoelectric", "rayleigh", "compton"]


class HasDensity(HasComposition, Protocol):
    """Anything with mass fractions and a density, such as a Material."""

    @property
    def density_g_cm3(self) -> float:
        """Density in g/cm3."""


def mass_attenuation_cm2_g(material: HasComposition | Mapping[str, float] | str, energy_kev: ArrayLike,
                           process: Process = "total", *, side: Side = "above") -> Floats:
    """Mass attenuation coefficient mu/rho in cm2/g.

    `material` is a Material, a name of the library ("water", "Al") or a mapping from element symbols to mass fractions
    (sum 1 within 1e-3); `energy_kev` an array of any shape within 1-150 keV, the result has its shape (float64, with
    equal bits on every CPU). At the very energy of an absorption edge `side` picks the value above or below.

    Raises InvalidInput for unknown materials, elements or processes and for energies outside 1-150 keV.

    >>> float(mass_attenuation_cm2_g("water", 60.0).round(4))
    0.2059
    """
    if process != "total" and process not in PROCESSES:
        raise InvalidInput(message(
            f"process={process!r}", "no such process", did_you_mean(str(process), ("total", *PROCESSES))))
    return ElementSections(checked_energy_kev(energy_kev), side).mixture(mass_fractions_of(material), process)


def linear_attenuation_per_mm(material: HasDensity | str, energy_kev: ArrayLike, process: Process = "total") -> Floats:
    """Linear attenuation coefficient mu in 1/mm of a Material or a name of the library (see mass_attenuation_cm2_g)."""
    material = library_entry(material) if isinstance(material, str) else material
    return np.asarray(CM_PER_MM * material.density_g_cm3 * mass_attenuation_cm2_g(material, energy_kev, process))


def absorption_edges_kev(material: HasComposition | Mapping[str, float] | str) -> Floats:
    """Absorption edges of all elements of a material within 1-150 keV, ascending."""
    edges = [element_table(element(symbol).atomic_number).edges_kev for symbol in mass_fractions_of(material)]
    return np.array(sorted(set(np.concatenate(edges).tolist())))  # np.unique would import numpy.ma: 17 ms


def mass_fractions_of(material: HasComposition | Mapping[str, float] | str) -> dict[str, float]:
    """Normalised mass fractions of a Material, a name of the library or a mapping."""
    if isinstance(material, str):
        return dict(library_entry(material).mass_fractions)
    return normalised_mass_fractions(material if isinstance(material, Mapping) else material.mass_fractions)
