"""The arrays that photon transport reads: attenuation, shares of the processes and the tables of the samplers.

kernels/physics/photon_tables.h is the same thing as a C++ struct. All materials of a scene share one set of energy
cells: 256 an octave from 1 keV on (0.2 - 0.4 % of the energy), found from the bits of a float; within a cell everything
is a straight line. A cell with an absorption edge has two rows, so that edges stand where they are; a second edge
within one cell becomes a ramp.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.physics.attenuation import absorption_edges_kev, mass_attenuation_cm2_g, mass_fractions_of
from physsim.physics.composition import HasComposition
from physsim.physics.interpolation import Side
from physsim.physics.tables import ENERGY_MAX_KEV

Floats = NDArray[np.float64]
Composition = HasComposition | Mapping[str, float] | str

CELLS_PER_OCTAVE = 256  # ENERGY_CELL_SHIFT of kernels/physics/photon_tables.h
CELLS = 1837  # the last begins at 150 keV
NO_EDGE_KEV = 1e30


@dataclass(frozen=True, kw_only=True, eq=False)
class PhotonTables:
    """Read-only arrays for `materials` in the order given; layouts as in kernels/physics/photon_tables.h.

    cell_row: (cells,) int32, energy row of each cell. cell_edge: (cells,) float32, keV, the edge in the cell or 1e30.
    row: (materials, rows, 8) float32: mu/rho in cm2/g and three cumulative shares (photoelectric without emission,
    + with emission, + Rayleigh) at the lower end of the cell, then their slopes along the cell.
    """

    cell_row: NDArray[np.int32]
    cell_edge: NDArray[np.float32]
    row: NDArray[np.float32]

    @property
    def materials(self) -> int:
        """Number of materials."""
        return int(self.row.shape[0])

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Name -> array, for the engine."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, kw_only=True)
class EnergyRows:
    """Energy rows of a scene: their ends in keV, and the ends' places along the cell (0 to 1)."""

    cell_row: NDArray[np.int32]
    cell_edge: NDArray[np.float32]
    low_kev: Floats
    high_kev: Floats
    low_along: Floats
    high_along: Floats


def build(materials: Sequence[Composition]) -> PhotonTables:
    """Tables for materials given as Material, library name or mass fractions.

    Raises InvalidInput for an empty list and for unknown materials or elements.

    >>> build(["water", "bone_cortical"]).materials
    2
    """
    if not materials:
        raise InvalidInput(message("materials=[]", "photons need one at least", "Give for example ['air', 'water']."))
    compositions = [mass_fractions_of(material) for material in materials]
    rows = energy_rows(compositions)
    lines = [_lines(rows, _shares(fractions, rows.low_kev, "above"), _shares(fractions, rows.high_kev, "below"))
             for fractions in compositions]
    tables = PhotonTables(cell_row=rows.cell_row, cell_edge=rows.cell_edge, row=np.array(lines, dtype=np.float32))
    for array in tables.arrays().values():
        array.flags.writeable = False
    return tables


def cell_energies_kev() -> Floats:
    """Lower ends of the cells, and the upper end of the last; (cells + 1,)."""
    octave, part = np.divmod(np.arange(CELLS + 1), CELLS_PER_OCTAVE)
    return np.asarray(np.ldexp(1.0 + part / CELLS_PER_OCTAVE, octave))


def energy_rows(compositions: Sequence[Mapping[str, float]]) -> EnergyRows:
    """The rows for all edges of these mass fractions; of several edges in one cell the highest step is kept."""
    ends = cell_energies_kev()
    kept: dict[int, tuple[float, float]] = {}
    for fractions in compositions:
        for edge in absorption_edges_kev(fractions):
            inside = int(np.searchsorted(ends, edge, side="right")) - 1
            if ends[inside] < np.float32(edge) < ends[inside + 1]:
                step = float(mass_attenuation_cm2_g(fractions, edge)
                             / mass_attenuation_cm2_g(fractions, edge, side="below"))
                kept[inside] = max(kept.get(inside, (0.0, 0.0)), (step, float(edge)))
    edges = np.full(CELLS, NO_EDGE_KEV)
    for inside, (_, edge) in kept.items():
        edges[inside] = edge
    split = edges < NO_EDGE_KEV
    cell_row = np.arange(CELLS) + np.cumsum(split) - split
    cell = np.repeat(np.arange(CELLS), 1 + split)
    above = np.concatenate([[False], cell[1:] == cell[:-1]])
    low, high = np.where(above, edges[cell], ends[cell]), np.where(split[cell] & ~above, edges[cell], ends[cell + 1])
    width = ends[cell + 1] - ends[cell]
    return EnergyRows(
        cell_row=cell_row.astype(np.int32), cell_edge=edges.astype(np.float32), low_kev=low, high_kev=high,
        low_along=(low - ends[cell]) / width, high_along=(high - ends[cell]) / width)


def _shares(fractions: Mapping[str, float], energy_kev: Floats, side: Side) -> Floats:
    """(rows, 4): mu/rho and the cumulative shares of the processes."""
    energy = np.minimum(energy_kev, ENERGY_MAX_KEV)
    photo, rayleigh, compton = (mass_attenuation_cm2_g(fractions, energy, process, side=side)
                                for process in ("photoelectric", "rayleigh", "compton"))
    total = photo + rayleigh + compton
    return np.stack([total, photo / total, photo / total, (photo + rayleigh) / total], axis=1)


def _lines(rows: EnergyRows, low: Floats, high: Floats) -> Floats:
    """(rows, 2 k): values at the cells' lower ends, then slopes along the cells, from k values at the rows' ends."""
    slope = (high - low) / (rows.high_along - rows.low_along)[:, None]
    return np.concatenate([low - rows.low_along[:, None] * slope, slope], axis=1)
