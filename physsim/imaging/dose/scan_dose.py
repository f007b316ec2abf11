"""Doses of a CT scan: CTDIvol, dose-length product, and the size-specific dose estimate of the body in its slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.dose.ct_index import DoseIndex, dose_index
from physsim.imaging.dose.turning_beam import turning_beam
from physsim.io.image import Image
from physsim.portable import exp
from physsim.spec.protocol import Protocol
from physsim.units import CM_PER_MM

Floats = NDArray[np.float64]

HEADS = ("HEAD", "SKULL", "JAW")  # parts of the body whose index is of the phantom of 16 cm
# Factor = a exp(-b Dw), Dw in cm. Body: AAPM report 204 (2011), phantom of 32 cm, Dw as in report 220 (2014). Head:
# AAPM report 293 (2019), phantom of 16 cm; RECALLED, not read again.
_FACTORS = {32: (3.704369, 0.03671937), 16: (1.9852, 0.0486)}
_SIZES_CM = 8.0, 45.0  # that the factors are for
_WATER_HU = 1000.0


@dataclass(frozen=True, eq=False)
class ScanDose:
    """Dose of a scan, all in proportion to its mAs.

    `index`: CTDI100 (mGy) of a turn of mean mAs, in the phantom of `phantom_cm`. `ctdi_vol_mgy`: of the scan, `error`
    its relative standard error; `by_slice_mgy`: (slices,) by the tube's current there. `length_mm`: that is exposed,
    `dlp_mgy_cm` = CTDIvol x length. `water_diameter_mm`: (slices,) of the water cylinder that attenuates as the body
    does (AAPM report 220). `ssde_mgy`: mean over the slices whose diameter is 8 to 45 cm, None without any. `cut`: the
    body reaches beyond the volume, so that diameters are too small.
    """

    index: DoseIndex
    phantom_cm: Literal[16, 32]
    ctdi_vol_mgy: float
    by_slice_mgy: Floats
    error: float
    length_mm: float
    dlp_mgy_cm: float
    water_diameter_mm: Floats
    ssde_mgy: float | None
    cut: bool

    def figures(self) -> dict[str, float]:
        """What a table of dose holds; diameters' mean over the slices."""
        ssde = {} if self.ssde_mgy is None else {"ssde_mgy": self.ssde_mgy}
        return {"ctdi_vol_mgy": self.ctdi_vol_mgy, "ctdi_vol_error": self.error,
                "ctdi_phantom_cm": float(self.phantom_cm), "dlp_mgy_cm": self.dlp_mgy_cm,
                "water_diameter_mm": float(_mean(self.water_diameter_mm)), **ssde}

    def table(self) -> dict[str, Any]:
        """All figures as plain data, the index's and those of each slice too (mGy, mm)."""
        index = {"air": self.index.air, "centre": self.index.centre, "edge": self.index.edge,
                 "weighted": self.index.weighted}
        return {**self.figures(), "exposed_length_mm": self.length_mm, "body_cut": self.cut,
                "ctdi_100_mgy": index, "ctdi_vol_by_slice_mgy": self.by_slice_mgy.tolist(),
                "water_diameter_by_slice_mm": self.water_diameter_mm.tolist()}


def phantom_cm(protocol: Protocol) -> Literal[16, 32]:
    """Diameter of the dosimetry phantom that a protocol's index is of."""
    return 16 if protocol.body_part in HEADS else 32


def scan_dose(protocol: Protocol, mas: Floats, source_z_mm: Floats, diameter_mm: Floats, current: Floats, cut: bool,
              threads: int | None = None) -> ScanDose:
    """Of views of `mas` (views,) from `source_z_mm`; `current`: (slices,) relative to the mean; `diameter_mm`:
    (slices,) of water, see water_diameter_mm.

    Axial turns that stand nearer than the beam is high overlap, and add; a short scan's share of a turn counts.
    Neglects: that a modulated current, and a short scan, favour some angles (the index is of even turns).
    """
    rotation = protocol.rotation
    assert rotation is not None
    beam = turning_beam(protocol)
    wanted = phantom_cm(protocol)
    per_mas = dose_index(beam, wanted, threads=threads)
    total = float(np.cumsum(mas)[-1])
    length = exposed_length_mm(protocol, source_z_mm)
    product = per_mas.weighted * total * beam.collimation_mm
    mean = product / length
    by_slice = mean * current
    factor = size_factor(diameter_mm, wanted)
    known = np.isfinite(factor)
    ssde = float(_mean((factor * by_slice)[known])) if known.any() else None
    return ScanDose(per_mas.scaled(total / len(mas) * rotation.views), wanted, mean, by_slice,
                    per_mas.weighted_error, length, product * CM_PER_MM, diameter_mm, ssde, cut)


def exposed_length_mm(protocol: Protocol, source_z_mm: Floats) -> float:
    """Table feed of a turn times turns; of one axial place the collimation."""
    rotation = protocol.rotation
    assert rotation is not None
    height = rotation.collimation_mm(protocol.detector)
    if rotation.pitch is not None:
        return rotation.pitch * height * len(source_z_mm) / rotation.views
    places = np.unique(source_z_mm.round(6))
    return height if len(places) == 1 else float(places[1] - places[0]) * len(places)


def water_diameter_mm(volume: Image, unmeasured: float | None = None) -> Floats:
    """(slices,) 2 sqrt(area / pi), area the sum of (HU / 1000 + 1) over a slice; 0 where noise makes it negative.

    `unmeasured`: value of voxels without CT number, which add as little as air.
    Reference: AAPM report 220 (2014), with the whole slice as region: air adds nothing.
    """
    area, air = volume.spacing_mm[0] * volume.spacing_mm[1], np.float32(-_WATER_HU)
    known = (one if unmeasured is None else np.where(one == np.float32(unmeasured), air, one) for one in volume.array)
    relative = np.array([np.cumsum(one.sum(axis=0, dtype=np.float64))[-1] / _WATER_HU + one.size for one in known])
    return np.asarray(2.0 * np.sqrt(np.maximum(relative, 0.0) * area / np.pi))


def size_factor(diameter_mm: Floats, phantom: int) -> Floats:
    """SSDE over CTDIvol in the phantom of 16 or 32 cm; NaN outside 8 to 45 cm."""
    a, b = _FACTORS[phantom]
    wide = np.asarray(diameter_mm) * CM_PER_MM
    return np.where((wide >= _SIZES_CM[0]) & (wide <= _SIZES_CM[1]), a * exp(-b * wide), np.nan)


def _mean(values: Floats) -> float:
    return float(np.cumsum(values)[-1]) / len(values)
