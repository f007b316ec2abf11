"""The tube model's own cross sections: its flat filters, and the mu_en/rho of air behind every air kerma.

SpekPy's model is validated against measured spectra with PENELOPE's cross sections. XCOM and NIST's mu_en/rho, which
physsim uses everywhere else, lie higher: 1 % in Al below 25 keV, 2-4 % in Mo, Rh and Ag below their K edges (4-5 % of
the air kerma of a mammographic beam), and for the mu_en/rho of air 2.5 % at 5-25 keV, 1.0 % at 60 keV, 0.4 % at
100 keV. That is the standard uncertainty of mu_en/rho: 2.5 % for mammographic, 1.6 % for other beams up to 100 kV
(Andreo et al.). Hence two rules:

1. A tube's flat filters belong to the tube: PENELOPE. Whatever stands in the beam afterwards (patient, bowtie, the
   aluminium of a half-value layer, filters of a table or of a single energy) goes by XCOM.
2. Air kerma has one meaning in physsim, for tubes, tables and single energies, and as the weight of a half-value layer:
   fluence x energy x PENELOPE's mu_en/rho of air. Only `kerma_nist_ugy_per_mas` says that it takes NIST's.

Reference: PENELOPE's tables as SpekPy 2.5.4 carries them (built by build.py); P. Andreo, D. T. Burns,
F. Salvat, Phys. Med. Biol. 57 (2012) 2117, doi:10.1088/0031-9155/57/8/2117.
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.physics.attenuation import HasDensity, mass_fractions_of
from physsim.physics.elements import element
from physsim.physics.spectra.quantities import transmission
from physsim.physics.tables import DATA, checked_bytes
from physsim.units import CM_PER_MM

Array = NDArray[np.float64]

_PARTS = 11  # points in a bin over which transmission is averaged: absorption edges fall inside bins


def provenance() -> dict[str, Any]:
    """Where the tables of the spectra come from, and the SHA-256 of each file."""
    known: dict[str, Any] = json.loads((DATA / "spectra_tables.json").read_text(encoding="utf-8"))
    return known


def table_bytes(name: str) -> bytes:
    """A shipped file, checked against its SHA-256. Errors: FileFormatError."""
    return checked_bytes(DATA / name, provenance()["sha256"][name])


def filter_attenuation_per_mm(material: HasDensity, energies_kev: Array) -> Array:
    """Linear attenuation (1/mm) of a tube's filter, coherent scatter included, at 1-150 keV in any shape."""
    total = np.zeros(energies_kev.shape)
    log_energy = portable.log(energies_kev)
    for symbol, fraction in mass_fractions_of(material).items():
        nodes, values = _element_table(element(symbol).atomic_number)
        total += fraction * portable.exp(np.interp(log_energy, nodes, values))
    return np.asarray(total * (material.density_g_cm3 * CM_PER_MM))


def filter_optical_depth(layers: Sequence[tuple[HasDensity, float]], edges_kev: Array) -> Array:
    """-log of the transmission of (material, thickness mm) layers, averaged over each bin; (n,) for n + 1 edges."""
    share = (np.arange(_PARTS) + 0.5) / _PARTS
    energies = np.clip(edges_kev[:-1, None] + np.diff(edges_kev)[:, None] * share, 1.0, 150.0)
    depth = np.zeros(energies.shape)
    for material, thickness_mm in layers:
        depth += filter_attenuation_per_mm(material, energies) * thickness_mm
    least = depth.min(axis=1)
    return np.asarray(least - portable.log(transmission(depth - least[:, None]).mean(axis=1)))


def air_absorption_cm2_g(energies_kev: Array) -> Array:
    """Mass energy-absorption coefficient of dry air, any shape, 1-150 keV."""
    return portable.exp(np.interp(portable.log(energies_kev), *_air_table()))


@functools.cache
def _air_table() -> tuple[Array, Array]:
    with np.load(io.BytesIO(table_bytes("spectra_cross_sections.npz"))) as stored:
        return portable.log(stored["air_energy_kev"]), portable.log(stored["air_absorption_cm2_g"])


@functools.cache
def _element_table(atomic_number: int) -> tuple[Array, Array]:
    """log keV and log cm2/g of one element; edges appear as two nodes at one energy."""
    with np.load(io.BytesIO(table_bytes("spectra_cross_sections.npz"))) as stored:
        first, last = stored["first"][atomic_number - 1 : atomic_number + 1]
        energy, value = stored["energy_kev"][first:last], stored["mass_attenuation_cm2_g"][first:last]
    return portable.log(energy), portable.log(value)
