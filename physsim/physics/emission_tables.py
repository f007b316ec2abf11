"""The tables that the emitted line is drawn from, once absorption emits one (kernels/physics/fluorescence.h)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.physics.alias import alias_tables
from physsim.physics.attenuation import absorption_edges_kev
from physsim.physics.energy_rows import CELLS_PER_OCTAVE, EnergyRows
from physsim.physics.fluorescence import material_fluorescence
from physsim.physics.tables import ENERGY_MAX_KEV

CELLS_TOGETHER = CELLS_PER_OCTAVE // 16
MOST_LINES = 256  # of one material: the alias tables of kernels/physics/alias.h


def emission_tables(mixtures: Sequence[Mapping[str, float]], rows: EnergyRows) -> dict[str, Any]:
    """emission_row, emission, emission_probability and line_kev of PhotonTables.

    A row holds for 1/16 octave, less between edges, at the geometric mean of its ends. Raises InvalidInput for a
    material of more than 256 lines.
    """
    materials = [material_fluorescence(fractions) for fractions in mixtures]
    most = max(2, *(material.line_kev.size for material in materials))
    if most > MOST_LINES:
        raise InvalidInput(message(
            f"a material with {most} fluorescence lines", f"at most {MOST_LINES} are tabulated",
            "Give fewer heavy elements, or build with fluorescence=False."))
    lines = 1 << (most - 1).bit_length()
    begins = np.diff(rows.cell // CELLS_TOGETHER, prepend=-1) != 0
    begins[1:] |= rows.cell[1:] == rows.cell[:-1]  # the part above an edge
    edges = np.concatenate([absorption_edges_kev(fractions) for fractions in mixtures])
    begins |= np.isin(rows.low_kev, edges)
    first = np.flatnonzero(begins)
    low, high = rows.low_kev[first], np.minimum(rows.high_kev[np.append(first[1:], begins.size) - 1], ENERGY_MAX_KEV)
    middle = np.sqrt(low * np.maximum(low, high))
    probability = np.zeros((len(materials), first.size, lines))
    line_kev = np.zeros((len(materials), lines), dtype=np.float32)
    for number, material in enumerate(materials):
        count = material.line_kev.size
        line_kev[number, :count] = material.line_kev
        probability[number, :, :count] = material.line_probability(middle)
    whole = np.cumsum(probability, axis=2)[:, :, -1:]
    never = np.eye(1, lines)  # no line: `lookup` never asks, and the energy is what it is
    probability = np.where(whole > 0.0, probability / np.where(whole > 0.0, whole, 1.0), never)
    return {
        "emission_row": (np.cumsum(begins) - 1).astype(np.int32),
        "emission": alias_tables(probability.reshape(-1, lines)).reshape(probability.shape),
        "emission_probability": probability.astype(np.float32), "line_kev": line_kev}
