"""Spectra of the user's own in files: CSV with stated units, and .spc, the format of MC-GPU and penEasy.

CSV: comment lines begin with #; then a header naming two columns, then numbers:
    energy_kev, and one of
    fluence_per_cm2_mas          photons per bin, cm2 and mAs at 1 m
    fluence_per_kev_cm2_mas      the same per keV
    relative                     photons per bin, in any unit
    relative_per_kev             photons per keV, in any unit
`energy_kev` is the CENTRE of a bin whose edges lie midway between neighbours.

.spc: comment lines begin with #; then lines "energy_eV number", where the energy is the LOWER EDGE of a bin and the
number is relative; a negative number ends the table and its energy is the upper edge of the last bin.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from physsim.errors import FileFormatError, did_you_mean, message
from physsim.units import EV_PER_KEV

Array = NDArray[np.float64]

CSV_COLUMNS = {"fluence_per_cm2_mas": (True, False), "fluence_per_kev_cm2_mas": (True, True),
               "relative": (False, False), "relative_per_kev": (False, True)}  # (absolute, per keV)


@dataclass(frozen=True)
class FileSpectrum:
    """Bins as a file holds them: centres (n,) keV, photons per bin (n,), per cm2 and mAs at 1 m where `absolute`."""

    energies_kev: Array
    fluence: Array
    absolute: bool


def read_spectrum(path: Path) -> FileSpectrum:
    """Read a .csv or .spc file. Errors: FileFormatError that names file, line, value and mend."""
    readers = {".csv": _read_csv, ".spc": _read_spc}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise FileFormatError(message(str(path), f"no reader for {suffix or 'a file without suffix'}",
                                      "Give a .csv or .spc file."))
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(message(str(path), str(error), "Give a readable text file.")) from None
    stripped = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    numbered = [(number, line) for number, line in stripped if line and line[0] != "#"]
    return readers[suffix](path, numbered)


def midpoint_edges_kev(centres_kev: Array) -> Array:
    """Edges (n + 1,) midway between centres (n,); the outer bins are symmetric; one bin alone is 1 keV wide."""
    if centres_kev.size == 1:
        return np.array([centres_kev[0] - 0.5, centres_kev[0] + 0.5])
    middle = 0.5 * (centres_kev[1:] + centres_kev[:-1])
    return np.concatenate([[2 * centres_kev[0] - middle[0]], middle, [2 * centres_kev[-1] - middle[-1]]])


def _read_csv(path: Path, numbered: list[tuple[int, str]]) -> FileSpectrum:
    if not numbered:
        raise FileFormatError(message(str(path), "the file holds no table", "Give a header and rows of two numbers."))
    header = [name.strip().lower() for name in numbered[0][1].split(",")]
    wanted = "the header must be energy_kev and one of " + ", ".join(CSV_COLUMNS)
    if len(header) != 2 or header[0] != "energy_kev" or header[1] not in CSV_COLUMNS:
        raise FileFormatError(message(f"{path} line {numbered[0][0]}: {numbered[0][1]!r}", wanted,
                                      did_you_mean(header[-1], CSV_COLUMNS)))
    rows = _numbers(path, numbered[1:], ",")
    absolute, per_kev = CSV_COLUMNS[header[1]]
    energies, fluence = _checked(path, numbered[1:], rows)
    return FileSpectrum(energies, fluence * np.diff(midpoint_edges_kev(energies)) if per_kev else fluence, absolute)


def _read_spc(path: Path, numbered: list[tuple[int, str]]) -> FileSpectrum:
    rows = _numbers(path, numbered, None)
    ends = np.flatnonzero(rows[:, 1] < 0.0)
    if ends.size == 0:
        raise FileFormatError(message(str(path), f"truncated: {len(rows)} rows and no negative number to end the table",
                                      "Add the last bin's upper edge with a negative number."))
    last = int(ends[0])
    edges, _ = _checked(path, numbered[: last + 1], np.abs(rows[: last + 1]), least=2)
    edges = edges / EV_PER_KEV
    return FileSpectrum(0.5 * (edges[1:] + edges[:-1]), rows[:last, 1], absolute=False)


def _numbers(path: Path, numbered: list[tuple[int, str]], separator: str | None) -> Array:
    rows = np.empty((len(numbered), 2))
    for place, (number, line) in enumerate(numbered):
        words = line.split("#")[0].split(separator)
        try:
            rows[place, 0], rows[place, 1] = (float(word) for word in words)
        except ValueError:
            raise FileFormatError(message(f"{path} line {number}: {line!r}", "two numbers belong on each line",
                                          "Mend the line; a file cut short ends like this.")) from None
    return rows


def _checked(path: Path, numbered: list[tuple[int, str]], rows: Array, least: int = 1) -> tuple[Array, Array]:
    if len(rows) < least:
        raise FileFormatError(message(str(path), f"truncated: {len(rows)} rows", f"Give at least {least}."))
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1) | (rows[:, 1] < 0.0))
    if bad.size:
        raise FileFormatError(message(f"{path} line {numbered[bad[0]][0]}: {numbered[bad[0]][1]!r}",
                                      "photon numbers must be finite and not negative", "Mend the value."))
    unsorted = np.flatnonzero(np.diff(rows[:, 0]) <= 0.0)
    if unsorted.size:
        place = int(unsorted[0]) + 1
        raise FileFormatError(message(f"{path} line {numbered[place][0]}: {numbered[place][1]!r}",
                                      f"energies must rise, and the line before has {rows[place - 1, 0]:g}",
                                      "Sort the rows."))
    return rows[:, 0], rows[:, 1]
