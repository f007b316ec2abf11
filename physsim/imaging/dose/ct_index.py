"""The computed tomography dose index CTDI100: free in air, and in the standard phantoms of PMMA, by photon transport.

CTDI100 = 1 / (N T) times the air kerma integrated over 100 mm along the axis of one turn, N T the beam's nominal width.
In the phantom's middle it is scored in the cavity of an ionisation chamber of 3 cm3, PMMA filling the rest of the hole.
The outer holes are treated alike by a whole turn: for them it is scored in a thin ring through their axes, of air's
composition and PMMA's density, which disturbs the beam as little as PMMA would. What photons leave there is air kerma.
Beams wider than 40 mm by IEC 60601-2-44, edition 3.1: that of a beam of 20 mm, times the two beams' ratio in air.
References: IEC 60601-2-44:2009+A1:2012; T. B. Shope et al., Med. Phys. 8 (1981) 488 (CTDI).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.dose.turning_beam import TurningBeam
from physsim.io.kept import kept_numbers
from physsim.phantom.phantom import Phantom
from physsim.spec.grid import Grid
from physsim.spec.material import Material, material
from physsim.spec.provenance import kernels_sha256, tables_sha256
from physsim.spec.scatter import MonteCarlo
from physsim.transport.montecarlo import transport_photons
from physsim.transport.montecarlo_result import MonteCarloResult, standard_error

Floats = NDArray[np.float64]

DIAMETERS_CM = (16, 32)
CHAMBER_MM, LENGTH_MM = 100.0, 150.0
DEPTH_MM = 10.0  # of the outer holes' axes below the surface
CAVITY_MM = 6.2  # diameter of 3 cm3 over 100 mm
WIDE_MM, REFERENCE_MM = 40.0, 20.0  # nominal beams above which the rule for wide ones holds, and its reference
HISTORIES = 2**19  # 0.8 % of the weighted index, or less
_RING_MM = 2.0  # air of PMMA's density takes more low energies than PMMA: 6 mm of it lower the index by 1.4 %
_VOXEL_MM, _SLAB_MM = 1.0, 25.0
_NAMES = ("air", "phantom", "centre", "edge")


@dataclass(frozen=True)
class DoseIndex:
    """CTDI100 (mGy per mAs of a whole turn): `air`, free in air on the axis; `centre`, `edge`: in the phantom.

    `centre_error`, `edge_error`, `weighted_error`: relative standard errors.
    """

    air: float
    centre: float
    edge: float
    centre_error: float
    edge_error: float
    weighted_error: float

    @property
    def weighted(self) -> float:
        """CTDIw = centre / 3 + 2 edge / 3."""
        return self.centre / 3.0 + 2.0 * self.edge / 3.0

    def scaled(self, factor: float) -> DoseIndex:
        """For so many mAs, or another beam in proportion."""
        return DoseIndex(self.air * factor, self.centre * factor, self.edge * factor, self.centre_error,
                         self.edge_error, self.weighted_error)


def dose_index(beam: TurningBeam, diameter_cm: int, *, histories: int = HISTORIES,
               threads: int | None = None) -> DoseIndex:
    """Of a beam in the phantom of 16 cm (head) or 32 cm (body) diameter, per mAs of a whole turn; kept (io.kept).

    The same for every seed of a study: an index is a property of the scanner. Its error is stated.
    Raises InvalidInput for another diameter.
    Neglects: over-beaming, the chamber's wall and electrode (PMMA), its cavity at the edge (found below 0.5 %), table.
    """
    if diameter_cm not in DIAMETERS_CM:
        raise InvalidInput(message(f"diameter_cm={diameter_cm}", "CTDI phantoms have 16 or 32 cm", "Give 16 or 32."))
    return _kept(beam, 10.0 * diameter_cm, histories, threads)


@lru_cache(maxsize=16)
def _kept(beam: TurningBeam, diameter_mm: float, histories: int, threads: int | None) -> DoseIndex:
    narrow = beam.narrowed(REFERENCE_MM) if beam.collimation_mm > WIDE_MM else beam

    def made() -> dict[str, float]:
        found = index_in(narrow, diameter_mm, histories=histories, threads=threads)
        return {name: float(value) for name, value in vars(found).items()}

    key = (f"{narrow.spectrum.to_json()} {narrow.source_axis_mm!r} {narrow.across_mm!r} {narrow.along_mm!r} "
           f"{narrow.cathode} {diameter_mm!r} {histories} {kernels_sha256()} {tables_sha256()}")
    index = DoseIndex(**kept_numbers("ct_index", key, made))
    return index if narrow is beam else index.scaled(beam.air_kerma_mgy() / index.air)


def index_in(beam: TurningBeam, diameter_mm: float, *, length_mm: float = LENGTH_MM, scored: Material | None = None,
             histories: int = HISTORIES, seed: int = 0, threads: int | None = None) -> DoseIndex:
    """Of a beam as it is, in a cylinder of PMMA of any size; `scored`: what the dose is of (None: air)."""
    pmma, air = material("pmma"), material("air")
    inside = (air, air.replace(density_g_cm3=pmma.density_g_cm3)) if scored is None else (scored, scored)
    labels, grid = _labels(diameter_mm, length_mm)
    phantom = Phantom(grid=grid, labels=labels, name="CTDI phantom",
                      materials=(air, pmma, inside[0].replace(name="centre"), inside[1].replace(name="edge")))
    run = MonteCarlo(histories=histories, dose="expected", dose_regions=_NAMES[2:])
    found = transport_photons(phantom, beam.source(), run, seed=seed, regions=labels, region_names=_NAMES,
                              threads=threads)
    dose = [found.dose(name) for name in _NAMES[2:]]
    scale = beam.photons() * CHAMBER_MM / beam.collimation_mm
    return DoseIndex(beam.air_kerma_mgy(), dose[0].value * scale, dose[1].value * scale, dose[0].relative_error,
                     dose[1].relative_error, _weighted_error(found))


def _labels(diameter_mm: float, length_mm: float) -> tuple[NDArray[np.uint8], Grid]:
    """Air, PMMA, cavity and ring (0 to 3); cavity and ring are as long as the chamber."""
    radius, count = 0.5 * diameter_mm, 2 * math.ceil((0.5 * diameter_mm + 1.0) / _VOXEL_MM)
    slabs = 2 * math.ceil(0.5 * length_mm / _SLAB_MM)
    x = (np.arange(count) - 0.5 * (count - 1)) * _VOXEL_MM
    far = np.sqrt(x[None, :] ** 2 + x[:, None] ** 2)
    plain = (far < radius).astype(np.uint8)
    holed = plain.copy()
    holed[far < 0.5 * CAVITY_MM] = 2
    holed[np.abs(far - (radius - DEPTH_MM)) < 0.5 * _RING_MM] = 3
    z = (np.arange(slabs) - 0.5 * (slabs - 1)) * _SLAB_MM
    labels = np.stack([holed if abs(height) < 0.5 * CHAMBER_MM else plain for height in z])
    return labels, Grid(shape=labels.shape, spacing_mm=(_VOXEL_MM, _VOXEL_MM, _SLAB_MM),
                        origin_mm=(float(x[0]), float(x[0]), float(z[0])))


def _weighted_error(found: MonteCarloResult) -> float:
    """Relative standard error of centre / 3 + 2 edge / 3, from batches that both share."""
    parts = np.array([1.0, 2.0]) / found.regions.mass_g[2:4]
    counts = found.region_counts[:, 2:4] @ parts
    return float(standard_error(counts / found.batch_histories, found.batch_histories)) \
        / float(counts.sum() / found.histories)
