"""A reconstructed volume as a DICOM CT series, one file a slice (CT Image, PS3.3 A.3): axial and helical scans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.dicom.attributes import (
    Subject,
    frame_of_reference_module,
    general_equipment_module,
    general_image_module,
    general_series_module,
    general_study_module,
    patient_module,
    patient_study_module,
    with_sop_common_module,
)
from physsim.imaging.dicom.codes import CTDI_PHANTOMS, Module, checked_body_part, code
from physsim.imaging.dicom.tube import positive
from physsim.io.atomic import check_output, write_series
from physsim.io.dicom import dicom_bytes
from physsim.io.dicom_encoding import elements
from physsim.io.dicom_identity import Identity
from physsim.io.image import Image
from physsim.io.presentation import Window
from physsim.units import UAS_PER_MAS

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.2"
LOWEST_HU, HIGHEST_HU = -32768, 32767
STORED_PADDING = -8192  # Pixel Padding Value (0028,0120): of voxels that were not measured
MODULATIONS = ("NONE", "ANGULAR", "LONGITUDINAL", "XYZ", "ORGAN_BASED")

# What a reader is offered first, by part of the body (HU): customary widths and centres
WINDOWS = {"CHEST": (("lung", Window(-1350.0, 150.0)), ("mediastinum", Window(-135.0, 215.0))),
           "HEAD": (("brain", Window(0.0, 80.0)), ("bone", Window(-700.0, 1300.0))),
           "JAW": (("bone and teeth", Window(-500.0, 2000.0)),)}
SOFT_TISSUE = (("soft tissue", Window(-160.0, 240.0)),)


@dataclass(frozen=True)
class MaterialMap:
    """Of images that were computed from others: the unit of their values ("HU", "mg/ml"), what a stored step is of it,
    and how they were made, in words."""

    unit: str
    step: float
    made: str


@dataclass(frozen=True, kw_only=True)
class CtTechnique:
    """How a CT scan was taken, in the words of DICOM; mm, degrees, kVp, mA, seconds, mGy. None: not stated.

    `pitch`: table feed a rotation over the collimated width (None: axial). `slice_collimation_mm`, `collimation_mm`: of
    a detector row and of all, at the isocentre. `scan_diameter_mm`: of the field that data were taken from.
    `reconstruction_diameter_mm`: None for the larger side of the slice. `source_to_axis_mm`: to the isocentre.
    `ctdi_vol_mgy` in the dosimetry phantom of `ctdi_phantom_cm` (16 or 32). `kernel`: the reconstruction's.
    `filter_type`: DICOM's word for the shaped filter. `exposure_time_s`: of a rotation.
    `windows`: (name, Window) in HU; None for what suits the part of the body.
    """

    kvp: float
    kernel: str
    scatter: str = ""
    tube_current_ma: float | None = None
    exposure_time_s: float | None = None
    pitch: float | None = None
    slice_collimation_mm: float | None = None
    collimation_mm: float | None = None
    scan_diameter_mm: float | None = None
    reconstruction_diameter_mm: float | None = None
    source_to_detector_mm: float | None = None
    source_to_axis_mm: float | None = None
    focal_spot_mm: float | None = None
    filter_type: Literal["NONE", "WEDGE", "BUTTERFLY", "MULTIPLE"] = "BUTTERFLY"
    filters: tuple[str, ...] = ()
    rotation: Literal["CW", "CC"] = "CW"
    modulation: str = "NONE"
    ctdi_vol_mgy: float | None = None
    ctdi_phantom_cm: Literal[16, 32] = 32
    water_equivalent_diameter_mm: float | None = None
    body_part: str = "CHEST"
    description: str = "Simulated CT"
    windows: tuple[tuple[str, Window], ...] | None = None

    def __post_init__(self) -> None:
        positive(self, "kvp")
        positive(self, "tube_current_ma", "exposure_time_s", "pitch", "slice_collimation_mm", "collimation_mm",
                 "scan_diameter_mm", "reconstruction_diameter_mm", "source_to_detector_mm", "source_to_axis_mm",
                 "focal_spot_mm", "ctdi_vol_mgy", "water_equivalent_diameter_mm", optional=True)
        checked_body_part(self.body_part)
        if self.modulation not in MODULATIONS:
            raise InvalidInput(message(f"modulation={self.modulation!r}", "no such tube-current modulation",
                                       did_you_mean(self.modulation, MODULATIONS)))
        if self.ctdi_phantom_cm not in CTDI_PHANTOMS:
            raise InvalidInput(message(f"ctdi_phantom_cm={self.ctdi_phantom_cm}", "CTDI phantoms have 16 or 32 cm",
                                       "Give 16 (head) or 32 (body)."))


def save_ct_series(folder: str | Path, volume_hu: Image, technique: CtTechnique, subject: Subject, identity: Identity,
                   *, series: int = 1, current_ma: npt.ArrayLike | None = None,
                   ctdi_vol_mgy: npt.ArrayLike | None = None, water_diameter_mm: npt.ArrayLike | None = None,
                   derived: MaterialMap | None = None, padding: float | None = None,
                   overwrite: bool = False) -> list[Path]:
    """Write `volume_hu` (HU) into an existing `folder` as slice_0001.dcm and so on, whole HU in 16 bits.

    `current_ma`, `ctdi_vol_mgy`, `water_diameter_mm`: (slices,) tube current when it was modulated, dose index, and
    water-equivalent diameter (0 where there is none), in place of the technique's. Returns the files, in the
    order of the volume's z axis. Raises InvalidInput when a value leaves 16 bits or the axes are left-handed (DICOM's
    slices cannot say so).
    `derived`: of images computed from others, whose unit and steps it says. `padding`: value of voxels that were not
    measured, stored as Pixel Padding Value; others are kept above it. Neglects: fractions of a HU, or step.
    """
    folder, hu = Path(folder), volume_hu.array
    step = 1.0 if derived is None else derived.step
    lowest, highest = _range(hu, padding, step)
    if not LOWEST_HU <= lowest <= highest <= HIGHEST_HU:
        raise InvalidInput(message(f"CT numbers from {lowest} to {highest}",
                                   f"16 bits hold {LOWEST_HU} to {HIGHEST_HU} HU", "Clip the volume."))
    if np.linalg.det(np.array(volume_hu.direction)) < 0:
        raise InvalidInput(message(f"direction={volume_hu.direction}", "DICOM slices run along row x column",
                                   "Flip the z axis."))
    currents, indices, diameters = (
        _by_slice(name, values, len(hu), least) for name, values, least in
        (("current_ma", current_ma, 0.0), ("ctdi_vol_mgy", ctdi_vol_mgy, 0.0),
         ("water_diameter_mm", water_diameter_mm, -1.0)))
    paths = [folder / f"slice_{number:04d}.dcm" for number in range(1, len(hu) + 1)]
    for path in paths:
        check_output(path, overwrite)
    common: Module = elements({
        **patient_module(subject), **patient_study_module(subject),
        **general_study_module(identity, technique.description),
        **general_series_module(identity, "CT", series, technique.description, technique.body_part),
        "PatientPosition": "HFS", **frame_of_reference_module(identity), **general_equipment_module(identity),
        **ct_image_module(technique, volume_hu), **window_module(technique),
        **({} if derived is None else derived_module(derived))})
    padded = padding is not None and bool((hu == padding).any())
    kind = ("ORIGINAL" if derived is None else "DERIVED", "PRIMARY", "AXIAL")

    def one(index: int) -> bytes:
        pixels = _stored(hu[index], padding, step)
        attributes = {**common, **image_plane_module(volume_hu, index),
                      **general_image_module(identity, index + 1, kind, technique.scatter if derived is None
                                             else f"{derived.made} {technique.scatter}")}
        if padded:
            attributes |= {"PixelPaddingValue": STORED_PADDING}
        if currents is not None:
            attributes |= exposure_module(technique, float(currents[index]))
        attributes |= dose_module(technique.ctdi_vol_mgy if indices is None else float(indices[index]),
                                  technique.ctdi_phantom_cm, technique.water_equivalent_diameter_mm
                                  if diameters is None else float(diameters[index]) or None)
        return dicom_bytes(with_sop_common_module(attributes, identity, SOP_CLASS, pixels), pixels)

    write_series(paths, one, overwrite)
    return paths


def _range(values: npt.NDArray[np.float32], padding: float | None, step: float) -> tuple[float, float]:
    """Lowest and highest value that was measured, in steps; NaN if there is one."""
    known = values if padding is None else values[values != padding]
    return (float(known.min()) / step, float(known.max()) / step) if known.size else (0.0, 0.0)


def _stored(values: npt.NDArray[np.float32], padding: float | None, step: float) -> npt.NDArray[np.int16]:
    """Whole steps of a slice."""
    if padding is None:
        return np.asarray(np.rint(values / np.float32(step)), np.int16)
    there = values == padding
    steps = np.rint(np.where(there, 0.0, values) / np.float32(step))
    return np.asarray(np.where(there, STORED_PADDING, np.maximum(steps, STORED_PADDING + 1)), np.int16)


def _by_slice(name: str, values: npt.ArrayLike | None, slices: int, above: float) -> npt.NDArray[np.float64] | None:
    found = None if values is None else np.asarray(values, np.float64)
    if found is not None and (found.shape != (slices,) or not (found > above).all()):
        raise InvalidInput(message(f"{name} of shape {found.shape}",
                                   f"one value above {above:g} for each of {slices} slices", "Give them."))
    return found


def image_plane_module(volume: Image, index: int) -> Module:
    """Image plane (C.7.6.2) of slice `index`; DICOM lists the spacing between rows first."""
    x, y, z = volume.spacing_mm
    position: Any = volume.world_from_voxel @ np.array([0.0, 0.0, index, 1.0])
    place = [float(c) for c in position[:3]]
    return {"PixelSpacing": [y, x], "ImageOrientationPatient": [*volume.direction[0], *volume.direction[1]],
            "ImagePositionPatient": place, "SliceThickness": z, "SpacingBetweenSlices": z,
            "SliceLocation": float(np.dot(place, volume.direction[2])) + 0.0}


def ct_image_module(technique: CtTechnique, volume: Image) -> Module:
    """CT image (C.8.2.1): stored values are whole HU."""
    nz, ny, nx = volume.array.shape
    x, y, _ = volume.spacing_mm
    centre: Any = volume.world_from_voxel @ np.array([(nx - 1) / 2, (ny - 1) / 2, (nz - 1) / 2, 1.0])
    module: Module = {
        "PhotometricInterpretation": "MONOCHROME2", "RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "HU",
        "KVP": technique.kvp, "ScanOptions": "AXIAL" if technique.pitch is None else "HELICAL",
        "ConvolutionKernel": technique.kernel, "GantryDetectorTilt": 0, "RotationDirection": technique.rotation,
        "FilterType": technique.filter_type, "ExposureModulationType": technique.modulation,
        "ReconstructionDiameter": technique.reconstruction_diameter_mm or max(nx * x, ny * y),
        "ReconstructionTargetCenterPatient": [float(c) for c in centre[:3]]}
    if technique.filters:
        module["FilterMaterial"] = list(technique.filters)
    for keyword, value in (("DataCollectionDiameter", technique.scan_diameter_mm),
                           ("DistanceSourceToDetector", technique.source_to_detector_mm),
                           ("DistanceSourceToPatient", technique.source_to_axis_mm),
                           ("FocalSpots", technique.focal_spot_mm), ("RevolutionTime", technique.exposure_time_s),
                           ("SingleCollimationWidth", technique.slice_collimation_mm),
                           ("TotalCollimationWidth", technique.collimation_mm),
                           ("SpiralPitchFactor", technique.pitch)):
        if value is not None:
            module[keyword] = value
    if technique.pitch is not None and technique.collimation_mm is not None:
        feed = technique.pitch * technique.collimation_mm
        module["TableFeedPerRotation"] = feed
        if technique.exposure_time_s is not None:
            module["TableSpeed"] = feed / technique.exposure_time_s
    return module | exposure_module(technique, technique.tube_current_ma)


def dose_module(ctdi_vol_mgy: float | None, phantom_cm: int, water_diameter_mm: float | None) -> Module:
    """CTDIvol (mGy) with its phantom, and water-equivalent diameter (mm) with its method."""
    module: Module = {}
    if ctdi_vol_mgy is not None:
        module |= {"CTDIvol": ctdi_vol_mgy,
                   "CTDIPhantomTypeCodeSequence": [code(*CTDI_PHANTOMS[phantom_cm], "DCM")]}
    if water_diameter_mm is not None:
        module |= {"WaterEquivalentDiameter": water_diameter_mm,
                   "WaterEquivalentDiameterCalculationMethodCodeSequence": [code("113987", "AAPM 220", "DCM")]}
    return module


def derived_module(derived: MaterialMap) -> Module:
    """Slope and unit of images computed from others (C.11.1): HU, or milligrams per millilitre."""
    return {"RescaleIntercept": 0, "RescaleSlope": derived.step,
            "RescaleType": "MGML" if derived.unit == "mg/ml" else derived.unit}


def exposure_module(technique: CtTechnique, current_ma: float | None) -> Module:
    """Current (mA), time (ms) and exposure (mAs) of a rotation, whole and in thousandths."""
    module: Module = {}
    if current_ma is not None:
        module["XRayTubeCurrent"] = round(current_ma)
    if technique.exposure_time_s is not None:
        module["ExposureTime"] = round(1000.0 * technique.exposure_time_s)
        if current_ma is not None:
            module["Exposure"] = round(current_ma * technique.exposure_time_s)
            module["ExposureInuAs"] = round(current_ma * technique.exposure_time_s * UAS_PER_MAS)
    return module


def window_module(technique: CtTechnique) -> Module:
    """Windows that a viewer offers (C.11.2), in HU."""
    windows = WINDOWS.get(technique.body_part, SOFT_TISSUE) if technique.windows is None else technique.windows
    if not windows:
        return {}
    return {"WindowCenter": [(w.low + w.high) / 2 for _, w in windows],
            "WindowWidth": [w.high - w.low for _, w in windows],
            "WindowCenterWidthExplanation": [name for name, _ in windows]}
