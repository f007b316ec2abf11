"""NIST's published coefficients (NISTIR 5632), shipped as data: the reference of the tables and the source of mu_en."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.physics.library import aliases

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, kw_only=True)
class NistRow:
    """One line of a NIST table; `edge` says on which side of an absorption edge it stands, if on one."""

    energy_kev: float
    mass_attenuation_cm2_g: float
    mass_energy_absorption_cm2_g: float
    edge: str | None
    misprint: str | None


@dataclass(frozen=True, kw_only=True)
class NistTable:
    """One NIST table: its name, the material of the library (or element symbol) it describes, its rows by energy."""

    name: str
    material: str
    rows: tuple[NistRow, ...]


@cache
def nist_tables() -> dict[str, NistTable]:
    """All NIST tables by name: "z13", "water", ...; 1-150 keV."""
    materials = {row["table"]: row["material"] for row in _rows("nist_tables.csv")}
    misprints = {(row["table"], float(row["energy_kev"])): row["note"] for row in _rows("nist_misprints.csv")}
    lines: dict[str, list[tuple[float, float, float]]] = {name: [] for name in materials}
    for row in _rows("nist_attenuation.csv"):
        lines[row["table"]].append((float(row["energy_kev"]), float(row["mass_attenuation_cm2_g"]),
                                    float(row["mass_energy_absorption_cm2_g"])))
    tables = {}
    for name, listed in lines.items():
        energies = [energy for energy, *_ in listed]
        sides = [None if energies.count(energy) == 1 else "below" if energies.index(energy) == i else "above"
                 for i, energy in enumerate(energies)]
        tables[name] = NistTable(name=name, material=materials[name], rows=tuple(
            NistRow(energy_kev=energy, mass_attenuation_cm2_g=total, mass_energy_absorption_cm2_g=absorbed, edge=side,
                    misprint=misprints.get((name, energy)))
            for (energy, total, absorbed), side in zip(listed, sides, strict=True)))
    return tables


def nist_table(name: str) -> NistTable:
    """The table of that name, of that material of the library, or of that element symbol."""
    tables = nist_tables()
    if name in tables:
        return tables[name]
    by_material = {table.material: table for table in tables.values()}
    known = aliases().get(name, name)
    if known in by_material:
        return by_material[known]
    raise InvalidInput(message(
        f"NIST table {name!r}", "no such table is shipped", did_you_mean(name, {*tables, *by_material})))


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))
