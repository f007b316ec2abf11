"""What the report gives: spectra, the energy absorption of air, and results (phantoms/published/tg195_*.csv)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from physsim.resources import phantoms_path
from physsim.spec.spectrum import Spectrum, SpectrumTable


@dataclass(frozen=True)
class Reference:
    """Mean over the codes of the report; `low` and `high`, the codes' extremes, where the source states them."""

    mean: float
    unit: str
    low: float | None
    high: float | None


@cache
def references() -> dict[tuple[str, str, str, str], Reference]:
    """(case, spectrum, mode, region) -> reference, of cases 1 to 3."""
    return {
        (row["case"], row["spectrum"], row["mode"], row["region"]): Reference(
            float(row["mean"]),
            row["unit"],
            float(row["lo"]) if row["lo"] else None,
            float(row["hi"]) if row["hi"] else None,
        )
        for row in _rows("tg195_results")
    }


@cache
def spectrum(name: str) -> Spectrum:
    """rqr8, rqr9 or rqrm3: bins of 0.5 keV, photons uniform within each."""
    rows = [row for row in _rows(f"tg195_{name}") if float(row["weight"]) > 0.0]
    return Spectrum(
        table=SpectrumTable(
            energies_kev=tuple(float(row["energy_keV_bin_centre"]) for row in rows),
            fluence=tuple(float(row["weight"]) for row in rows),
        )
    )


@cache
def air_absorption() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges (n + 1) of the report's 0.5 keV bins and mu_en/rho of air (n) in cm2/g."""
    rows = list(_rows("tg195_air_absorption"))
    centres = np.array([float(row["energy_keV_bin_centre"]) for row in rows])
    values = np.array([float(row["mu_en_over_rho_cm2_g"]) for row in rows])
    return np.append(centres - 0.25, centres[-1] + 0.25), values


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = (phantoms_path() / "published" / f"{name}.csv").read_text(encoding="utf-8")
    return iter(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
