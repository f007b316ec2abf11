"""The shipped cross sections beside NIST's published totals, row by row."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from physsim.physics.attenuation import absorption_edges_kev, mass_attenuation_cm2_g
from physsim.physics.interpolation import Side
from physsim.physics.library import library_entry
from physsim.physics.nist import NistRow, nist_tables

ENERGY_MIN_KEV = 10.0
LIMIT_PERCENT = 0.1
EDGE_TOLERANCE = 1e-3  # relative; NIST prints the energies of edges with four digits


@dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """One row: values in cm2/g, difference in percent of the reference; `note` marks a misprint of the source."""

    table: str
    energy_kev: float
    value: float
    reference: float
    difference_percent: float
    edge: str | None
    note: str | None

    def as_dict(self) -> dict[str, object]:
        """The row for JSON; `edge` and `note` only where they say something."""
        return {key: value for key, value in asdict(self).items() if value is not None}


def compare_with_nist() -> list[ComparedRow]:
    """All rows of all NIST tables from 10 to 150 keV; rows at an edge are taken below and above it."""
    rows = []
    for table in nist_tables().values():
        fractions = library_entry(table.material).mass_fractions
        edges = absorption_edges_kev(fractions)
        for row in table.rows:
            if row.energy_kev < ENERGY_MIN_KEV:
                continue
            side: Side = "below" if row.edge == "below" else "above"
            value = float(mass_attenuation_cm2_g(fractions, _exact_energy(row, edges), side=side))
            reference = row.mass_attenuation_cm2_g
            rows.append(ComparedRow(
                table=table.name, energy_kev=row.energy_kev, value=value, reference=reference,
                difference_percent=100.0 * (value / reference - 1.0), edge=row.edge, note=row.misprint))
    return rows


def worst_per_table(rows: list[ComparedRow]) -> dict[str, tuple[ComparedRow, int, int]]:
    """Table -> (row of the largest difference, number of rows, of which misprints); misprints cannot be the worst."""
    summary = {}
    for name in dict.fromkeys(row.table for row in rows):
        own = [row for row in rows if row.table == name]
        counted = [row for row in own if row.note is None]
        worst = max(counted, key=lambda row: abs(row.difference_percent))
        summary[name] = (worst, len(own), len(own) - len(counted))
    return summary


def _exact_energy(row: NistRow, edges_kev: np.ndarray) -> float:
    """The edge that a doubled row stands for; NIST prints it rounded, which would fall on the wrong side."""
    if row.edge is None:
        return row.energy_kev
    nearest = float(edges_kev[np.argmin(np.abs(edges_kev - row.energy_kev))])
    return nearest if abs(nearest / row.energy_kev - 1.0) <= EDGE_TOLERANCE else row.energy_kev
