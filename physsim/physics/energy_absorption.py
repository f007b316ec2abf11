"""Mass energy-absorption coefficients mu_en/rho of the materials that NIST tabulates, 1-150 keV.

NIST's energies are up to 50 % apart, too far for power laws (3 % for air at 70 keV). So the tabulated value is divided
by an estimate that carries the fast changes: photoelectric cross section + Compton cross section times the fraction of
its energy that a photon gives on average to a free electron (Klein-Nishina); the ratio, close to 1, is interpolated.
Reference: J. H. Hubbell and S. M. Seltzer, NISTIR 5632; F. H. Attix, Introduction to Radiological Physics (1986).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import portable
from physsim.physics.attenuation import absorption_edges_kev, mass_attenuation_cm2_g
from physsim.physics.interpolation import Side, brackets, checked_energy_kev
from physsim.physics.library import library_entry
from physsim.physics.nist import nist_table

Floats = NDArray[np.float64]

ELECTRON_REST_ENERGY_KEV = 510.99895069  # CODATA 2022
EDGE_TOLERANCE = 1e-3  # relative; NIST prints edges with four digits


def mass_energy_absorption_cm2_g(name: str, energy_kev: ArrayLike, *, side: Side = "above") -> Floats:
    """Mass energy-absorption coefficient in cm2/g of a NIST table ("air", "water", "csi", "Al", ...).

    The result has the shape of `energy_kev`. Raises InvalidInput for a material that NIST's shipped tables lack and for
    energies outside 1-150 keV.

    >>> float(mass_energy_absorption_cm2_g("air", 60.0).round(5))
    0.03041
    """
    knots, ratio = _ratio_to_estimate(nist_table(name).name)
    energy = checked_energy_kev(energy_kev)
    index, along = brackets(knots, portable.log(knots), energy, side)
    here = ratio[index] + along * (ratio[index + 1] - ratio[index])
    return _estimate(nist_table(name).material, energy, side) * here


@cache
def _ratio_to_estimate(table_name: str) -> tuple[Floats, Floats]:
    """Knots (keV, edges twice and at their exact energies) and tabulated value / estimate there."""
    table = nist_table(table_name)
    edges = absorption_edges_kev(library_entry(table.material).mass_fractions)
    knots, ratios = [], []
    for row in table.rows:
        energy: float = row.energy_kev
        if row.edge is not None:
            nearest = float(edges[np.argmin(np.abs(edges - energy))])
            energy = nearest if abs(nearest / energy - 1.0) <= EDGE_TOLERANCE else energy
        side: Side = "below" if row.edge == "below" else "above"
        knots.append(energy)
        ratios.append(row.mass_energy_absorption_cm2_g / float(_estimate(table.material, np.asarray(energy), side)))
    return np.array(knots), np.array(ratios)


def _estimate(material: str, energy_kev: Floats, side: Side) -> Floats:
    fractions = library_entry(material).mass_fractions
    photoelectric = mass_attenuation_cm2_g(fractions, energy_kev, "photoelectric", side=side)
    compton = mass_attenuation_cm2_g(fractions, energy_kev, "compton")
    return photoelectric + compton_energy_fraction(energy_kev) * compton


def compton_energy_fraction(energy_kev: ArrayLike) -> Floats:
    """Mean fraction of a photon's energy that a free electron at rest takes in Compton scattering (Klein-Nishina).

    Energy-transfer cross section over cross section (Attix, chapter 7, both per 2 pi r_e^2). Accurate to 1e-5 from
    1 keV on, where the terms cancel to that degree.
    """
    a = np.asarray(energy_kev, dtype=np.float64) / ELECTRON_REST_ENERGY_KEV
    b = 1.0 + 2.0 * a
    log = portable.log(b)
    total = (1.0 + a) / (a * a) * (2.0 * (1.0 + a) / b - log / a) + log / (2.0 * a) - (1.0 + 3.0 * a) / (b * b)
    transfer = (2.0 * (1.0 + a) * (1.0 + a) / (a * a * b) - (1.0 + 3.0 * a) / (b * b)
                - (1.0 + a) * (2.0 * a * a - 2.0 * a - 1.0) / (a * a * b * b) - 4.0 * a * a / (3.0 * b * b * b)
                - ((1.0 + a) / (a * a * a) - 1.0 / (2.0 * a) + 1.0 / (2.0 * a * a * a)) * log)
    return np.asarray(transfer / total)
