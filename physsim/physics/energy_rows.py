"""Energy rows of photon transport: 256 cells an octave from 1 keV on, cells with an edge in two rows.

A cell is found from the bits of a float32 (ENERGY_CELL_SHIFT of kernels/physics/photon_tables.h), so no logarithm is
taken. Neglects: a second edge within one cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.physics.attenuation import absorption_edges_kev
from physsim.physics.element_sections import ElementSections

Floats = NDArray[np.float64]

CELLS_PER_OCTAVE = 256
CELLS = 1837  # the last begins at 150 keV
NO_EDGE_KEV = 1e30


@dataclass(frozen=True, kw_only=True)
class EnergyRows:
    """Energy rows of a scene: the cell of each, its ends in keV, and the ends' places along the cell (0 to 1).

    edges_kev: all absorption edges, ascending.
    """

    cell_row: NDArray[np.int32]
    cell_edge: NDArray[np.float32]
    cell: NDArray[np.int64]
    low_kev: Floats
    high_kev: Floats
    low_along: Floats
    high_along: Floats
    edges_kev: Floats


def cell_energies_kev() -> Floats:
    """Lower ends of the cells, and the upper end of the last; (cells + 1,)."""
    octave, part = np.divmod(np.arange(CELLS + 1), CELLS_PER_OCTAVE)
    return np.asarray(np.ldexp(1.0 + part / CELLS_PER_OCTAVE, octave))


def energy_rows(compositions: Sequence[Mapping[str, float]]) -> EnergyRows:
    """The rows for all edges of these mass fractions; of several edges in one cell the highest step is kept."""
    ends = cell_energies_kev()
    own = [absorption_edges_kev(fractions) for fractions in compositions]
    known = np.array(sorted(set(np.concatenate(own).tolist())))
    beyond, before = ElementSections(known), ElementSections(known, "below")
    cells = np.searchsorted(ends, known, side="right") - 1
    within = (ends[cells] < known.astype(np.float32)) & (known.astype(np.float32) < ends[cells + 1])
    kept: dict[int, tuple[float, float]] = {}
    for fractions, edges_of in zip(compositions, own, strict=True):
        step = beyond.mixture(fractions) / before.mixture(fractions)
        for n in np.searchsorted(known, edges_of)[within[np.searchsorted(known, edges_of)]]:
            inside = int(cells[n])
            kept[inside] = max(kept.get(inside, (0.0, 0.0)), (float(step[n]), float(known[n])))
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
        cell_row=cell_row.astype(np.int32), cell_edge=edges.astype(np.float32), cell=cell, low_kev=low, high_kev=high,
        low_along=(low - ends[cell]) / width, high_along=(high - ends[cell]) / width,
        edges_kev=known)
