"""The tables that the emitted line is drawn from, once absorption emits one (kernels/physics/fluorescence.h)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.physics.alias import alias_tables
from physsim.physics.element_sections import ElementSections
from physsim.physics.energy_rows import CELLS_PER_OCTAVE, EnergyRows
from physsim.physics.fluorescence import LineChances, material_line_kev
from physsim.physics.tables import ENERGY_MAX_KEV

CELLS_TOGETHER = CELLS_PER_OCTAVE // 16
MOST_LINES = 256  # of one material: the alias tables of kernels/physics/alias.h


def emission_tables(mixtures: Sequence[Mapping[str, float]], rows: EnergyRows) -> dict[str, Any]:
    """emission_row, emission, emission_probability and line_kev of PhotonTables.

    A row holds for 1/16 octave, less between edges, at the geometric mean of its ends. Raises InvalidInput for a
    material of more than 256 lines.
    """
    own_kev = [material_line_kev(fractions) for fractions in mixtures]
    most = max(2, *(own.size for own in own_kev))
    if most > MOST_LINES:
        raise InvalidInput(message(
            f"a material with {most} fluorescence lines", f"at most {MOST_LINES} are tabulated",
            "Give fewer heavy elements, or build with fluorescence=False."))
    lines = 1 << (most - 1).bit_length()
    begins = np.diff(rows.cell // CELLS_TOGETHER, prepend=-1) != 0
    begins[1:] |= rows.cell[1:] == rows.cell[:-1]  # the part above an edge
    begins |= np.isin(rows.low_kev, rows.edges_kev)
    first = np.flatnonzero(begins)
    low, high = rows.low_kev[first], np.minimum(rows.high_kev[np.append(first[1:], begins.size) - 1], ENERGY_MAX_KEV)
    middle = np.sqrt(low * np.maximum(low, high))
    probability = np.zeros((len(mixtures), first.size, lines))
    line_kev = np.zeros((len(mixtures), lines), dtype=np.float32)
    chances = LineChances(ElementSections(middle))
    for number, (fractions, own) in enumerate(zip(mixtures, own_kev, strict=True)):
        line_kev[number, :own.size] = own
        probability[number, :, :own.size] = chances.of_lines(fractions)
    whole = np.cumsum(probability, axis=2)[:, :, -1:]
    never = np.eye(1, lines)  # no line: `lookup` never asks, and the energy is what it is
    probability = np.where(whole > 0.0, probability / np.where(whole > 0.0, whole, 1.0), never)
    return {
        "emission_row": (np.cumsum(begins) - 1).astype(np.int32),
        "emission": alias_tables(probability),
        "emission_probability": probability.astype(np.float32), "line_kev": line_kev}
