"""CT numbers to tissues: 24 segments of composition, piecewise linear density, and what that conversion is worth.

Neglects: the scanner's own spectrum and filter (the published calibration fits CT numbers at 70 keV, as of 120 kVp),
contrast agents and metal, which a CT number cannot tell from bone. Values below -1000 HU (noise of air) count as -1000.
Reference: W. Schneider, T. Bortfeld, W. Schlegel, Phys. Med. Biol. 45 (2000) 459, doi:10.1088/0031-9155/45/2/314.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.physics.composition import normalised_mass_fractions
from physsim.resources import phantoms_path

Floats = NDArray[np.float64]

HU_MIN = -1024.0
HU_MAX = 2000.0

# Density in g/cm3 = offset + slope * HU from each lower bound on (Schneider 2000, section 3.2, as carried by TOPAS).
DENSITY_HU_FROM = np.array([-1000.0, -98.0, 15.0, 23.0, 101.0])
DENSITY_OFFSET = np.array([1.03121, 1.018, 1.03, 1.003, 1.017])
DENSITY_SLOPE = np.array([0.00103, 0.000893, 0.0, 0.001169, 0.000592])

# Relative standard uncertainty of mu from each lower bound on: lung, fat, soft tissue, marrow and cartilage, spongy
# bone, compact bone. Measured against 640 tissues of ICRU 44/46, ICRP 110 and 143 (tests/reference/test_hounsfield.py).
UNCERTAINTY_HU_FROM = np.array([-1000.0, -200.0, -20.0, 80.0, 300.0, 600.0])
UNCERTAINTY = np.array([0.029, 0.010, 0.015, 0.053, 0.037, 0.035])


@dataclass(frozen=True, kw_only=True)
class TissueSegment:
    """Tissue of a range of CT numbers: from `hu_from` up to the next segment's."""

    name: str
    hu_from: float
    mass_fractions: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class TissueFromHu:
    """A tissue with its density; `attenuation_uncertainty` is the relative standard uncertainty of mu (1 sigma)."""

    segment: str
    density_g_cm3: float
    mass_fractions: dict[str, float]
    attenuation_uncertainty: float


@cache
def tissue_segments() -> tuple[TissueSegment, ...]:
    """The segments by ascending CT number."""
    path = phantoms_path() / "tissues" / "hounsfield_schneider2000.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    segments = []
    for row in rows:
        name, hu_from = row.pop("segment"), float(row.pop("hu_from"))
        printed = {symbol: float(fraction) for symbol, fraction in row.items()}
        total = sum(printed.values())
        segments.append(TissueSegment(name=name, hu_from=hu_from, mass_fractions=normalised_mass_fractions(
            {symbol: fraction / total for symbol, fraction in printed.items()})))
    return tuple(segments)


def density_from_hu(hu: ArrayLike) -> Floats:
    """Density in g/cm3, elementwise; InvalidInput outside -1024 to 2000 HU."""
    checked = _checked(hu)
    index = np.searchsorted(DENSITY_HU_FROM, checked, side="right") - 1
    return np.asarray(DENSITY_OFFSET[index] + DENSITY_SLOPE[index] * checked)


def segment_index_from_hu(hu: ArrayLike) -> NDArray[np.uint8]:
    """Index into `tissue_segments()`, elementwise (uint8, the shape of `hu`): labels of a phantom from a CT volume."""
    bounds = np.array([segment.hu_from for segment in tissue_segments()])
    index: NDArray[np.uint8] = (np.searchsorted(bounds, _checked(hu), side="right") - 1).astype(np.uint8)
    return index


def tissue_from_hu(hu: float) -> TissueFromHu:
    """The tissue of one CT number.

    >>> tissue_from_hu(40.0).segment
    'soft_tissue'
    """
    segment = tissue_segments()[int(segment_index_from_hu(hu))]
    return TissueFromHu(segment=segment.name, density_g_cm3=float(density_from_hu(hu)),
                        mass_fractions=segment.mass_fractions, attenuation_uncertainty=attenuation_uncertainty(hu))


def attenuation_uncertainty(hu: float) -> float:
    """Relative standard uncertainty (1 sigma) of the attenuation of a tissue known by its CT number alone.

    Root mean square, over the tabulated tissues of that range and 40-120 keV, of (converted / tabulated - 1), each
    tissue taken at its CT number at 70 keV. It is smallest near 70 keV; at 40 keV it is two to three times this value.
    """
    index = int(np.searchsorted(UNCERTAINTY_HU_FROM, float(_checked(hu)), side="right")) - 1
    return float(UNCERTAINTY[index])


def _checked(hu: ArrayLike) -> Floats:
    values = np.asarray(hu, dtype=np.float64)
    inside = (values >= HU_MIN) & (values <= HU_MAX)
    if not inside.all():
        worst = float(values[~inside].flat[0])
        raise InvalidInput(message(
            f"hu={worst:g}", f"tissues lie from {HU_MIN:g} to {HU_MAX:g} HU",
            "Give metal and contrast agents their own material; clip noise first."))
    return np.asarray(np.maximum(values, DENSITY_HU_FROM[0]))
