"""The arrays that photon transport reads: attenuation, shares of the processes and the tables of the samplers.

kernels/physics/photon_tables.h is the same thing as a C++ struct. All materials of a scene share one set of energy
cells: 256 an octave from 1 keV on (0.2 - 0.4 % of the energy), found from the bits of a float; within a cell everything
is a straight line. A cell with an absorption edge has two rows, so that edges stand where they are; a second edge
within one cell becomes a ramp.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.physics.alias import alias_tables
from physsim.physics.attenuation import mass_fractions_of
from physsim.physics.composition import HasComposition
from physsim.physics.doppler import doppler_bins
from physsim.physics.element_sections import ElementSections
from physsim.physics.emission_tables import emission_tables
from physsim.physics.energy_rows import EnergyRows, energy_rows
from physsim.physics.fluorescence import LineChances
from physsim.physics.form_factors import FormFactor, molecular_form_factor
from physsim.physics.scattering_law import ScatteringLaw
from physsim.physics.scattering_tables import (
    compton_bins,
    interference,
    normalisation,
    rayleigh_bins,
    scattering_nodes,
)
from physsim.physics.tables import ENERGY_MAX_KEV, PROCESSES

Floats = NDArray[np.float64]
Composition = HasComposition | Mapping[str, float] | str


@dataclass(frozen=True, kw_only=True, eq=False)
class PhotonTables:
    """Read-only arrays for `materials` in the order given; layouts as in kernels/physics/photon_tables.h.

    cell_row: (cells,) int32, energy row of each cell. cell_edge: (cells,) float32, keV, the edge in the cell or 1e30.
    row: (materials, rows, 8) float32: mu/rho in cm2/g and three cumulative shares (photoelectric without emission,
    + with emission, + Rayleigh) at the lower end of the cell, then their slopes along the cell.
    rayleigh: (materials, 116, 256), compton: (materials, 116, 128), doppler: (materials, 44, 128) int32 alias tables;
    doppler_density: that of doppler, float32; both (materials, 0, 128) without Doppler broadening.
    scattering: (materials, 1100, 2) float32, F^2 and S in mol/g. normalisation: (materials, 116, 2) float32.
    emission_row: (rows,) int32; emission: (materials, emission rows, lines) int32 alias tables, emission_probability
    the same in float32; line_kev: (materials, lines) float32.
    """

    cell_row: NDArray[np.int32]
    cell_edge: NDArray[np.float32]
    row: NDArray[np.float32]
    rayleigh: NDArray[np.int32]
    compton: NDArray[np.int32]
    doppler: NDArray[np.int32]
    doppler_density: NDArray[np.float32]
    scattering: NDArray[np.float32]
    normalisation: NDArray[np.float32]
    emission_row: NDArray[np.int32]
    emission: NDArray[np.int32]
    emission_probability: NDArray[np.float32]
    line_kev: NDArray[np.float32]

    @property
    def materials(self) -> int:
        """Number of materials."""
        return int(self.row.shape[0])

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Name -> array, for the engine."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def build(materials: Sequence[Composition], *, fluorescence: bool = True, doppler: bool = True, binding: bool = True,
          form_factors: Sequence[FormFactor | str | None] | None = None) -> PhotonTables:
    """Tables for materials given as Material, library name or mass fractions.

    `fluorescence`: K and L lines are emitted (else all is deposited); `doppler`: Compton scattering from moving
    electrons; `binding`: Klein-Nishina x S (else S = Z, while the total stays); `form_factors`: one a material, None
    for free atoms, a name of `molecular_form_factor` ("water", "fat", ...) or a FormFactor. A form factor changes the
    Rayleigh cross section too, by the ratio of the integrals of F^2 (1 + cos^2 theta).

    Raises InvalidInput for an empty list, unknown materials, elements or form factors, and another number of these.

    >>> build(["water", "bone_cortical"], form_factors=["water", None]).materials
    2
    """
    if not materials:
        raise InvalidInput(message("materials=[]", "photons need one at least", "Give for example ['air', 'water']."))
    if form_factors is not None and len(form_factors) != len(materials):
        raise InvalidInput(message(
            f"{len(form_factors)} form factors", f"there are {len(materials)} materials",
            "Give one a material, None for free atoms."))
    measured = [molecular_form_factor(given) if isinstance(given, str) else given
                for given in form_factors or [None] * len(materials)]
    compositions = tuple(tuple(mass_fractions_of(material).items()) for material in materials)
    return _built(compositions, tuple(measured), fluorescence, doppler, binding)


@lru_cache(maxsize=8)
def _built(compositions: tuple[tuple[tuple[str, float], ...], ...], measured: tuple[FormFactor | None, ...],
           fluorescence: bool, doppler: bool, binding: bool) -> PhotonTables:
    mixtures = [dict(items) for items in compositions]
    rows = energy_rows(mixtures)
    laws = [ScatteringLaw(fractions, factor, binding=binding)
            for fractions, factor in zip(mixtures, measured, strict=True)]
    moving = np.array([doppler_bins(fractions) if doppler else np.zeros((0, 128)) for fractions in mixtures])
    compton = compton_bins(laws)
    tables = PhotonTables(
        cell_row=rows.cell_row, cell_edge=rows.cell_edge,
        row=_rows(rows, laws, fluorescence=fluorescence).astype(np.float32),
        rayleigh=alias_tables(rayleigh_bins(laws)), compton=alias_tables(compton),
        doppler=alias_tables(moving), doppler_density=(moving * moving.shape[2]).astype(np.float32),
        scattering=scattering_nodes(laws).astype(np.float32),
        normalisation=normalisation(laws, compton).astype(np.float32),
        **emission_tables(mixtures, rows))
    for array in tables.arrays().values():
        array.flags.writeable = False
    return tables


def _rows(rows: EnergyRows, laws: Sequence[ScatteringLaw], *, fluorescence: bool) -> Floats:
    """(materials, rows, 8): mu/rho and cumulative shares of the processes at the cells' lower ends, then slopes."""
    low_kev, high_kev = (np.minimum(energy, ENERGY_MAX_KEV) for energy in (rows.low_kev, rows.high_kev))
    low, high = LineChances(ElementSections(low_kev)), LineChances(ElementSections(high_kev, "below"))
    found = []
    for law in laws:
        waves = [None, None] if law.measured is None else interference(law, [low_kev, high_kev])
        found.append(_lines(rows, *(
            _shares(law.fractions, chances, wave, fluorescence=fluorescence)
            for chances, wave in zip((low, high), waves, strict=True))))
    return np.array(found)


def _shares(fractions: Mapping[str, float], chances: LineChances, interference: Floats | None, *,
            fluorescence: bool) -> Floats:
    """(rows, 4): mu/rho and the cumulative shares of the processes."""
    photo, rayleigh, compton = (chances.sections.mixture(fractions, process) for process in PROCESSES)
    if interference is not None:
        rayleigh = rayleigh * interference
    emitted = chances.of_any(fractions) if fluorescence else np.zeros(photo.size)
    total = photo + rayleigh + compton
    return np.stack([total, photo * (1.0 - emitted) / total, photo / total, (photo + rayleigh) / total], axis=1)


def _lines(rows: EnergyRows, low: Floats, high: Floats) -> Floats:
    """(rows, 2 k): values at the cells' lower ends, then slopes along the cells, from k values at the rows' ends."""
    slope = (high - low) / (rows.high_along - rows.low_along)[:, None]
    return np.concatenate([low - rows.low_along[:, None] * slope, slope], axis=1)
