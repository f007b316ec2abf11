"""A radiograph as a DICOM digital X-ray image, for processing (linear) or for presentation (logarithm, windowed).

IOD: Digital X-Ray Image, PS3.3 A.26. Stored values map to physical ones by the real world value mapping, since DX fixes
rescale slope and intercept to 1 and 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.dicom_attributes import (
    Module,
    Subject,
    acquisition_context_module,
    anatomic_region,
    code,
    general_equipment_module,
    general_image_module,
    general_series_module,
    general_study_module,
    patient_module,
    patient_study_module,
    real_world_value_module,
    with_sop_common_module,
)
from physsim.io.dicom import write_dicom
from physsim.io.dicom_identity import Identity
from physsim.io.presentation import Window, display_levels, log_attenuation, percentile_window
from physsim.units import UAS_PER_MAS

Intent = Literal["FOR PRESENTATION", "FOR PROCESSING"]
SOP_CLASS: dict[Intent, str] = {"FOR PRESENTATION": "1.2.840.10008.5.1.4.1.1.1.1",
                                "FOR PROCESSING": "1.2.840.10008.5.1.4.1.1.1.1.1"}
TOP = 65535

# View position (PS3.3 C.8.11.5.1.1) with its SNOMED CT code and meaning (PS3.16 CID 4010)
VIEWS = {"PA": ("272479007", "postero-anterior"), "AP": ("399348003", "antero-posterior"),
         "LL": ("399173006", "left lateral"), "RL": ("399198007", "right lateral"),
         "LAO": ("399135007", "left anterior oblique"), "RAO": ("399356000", "right anterior oblique")}


@dataclass(frozen=True, kw_only=True)
class Technique:
    """Technique factors: how the radiograph was taken, in the words of DICOM; lengths mm, kVp, mAs.

    `patient_orientation`: DICOM letters of the directions of rows and of columns (orientation_letters of u and v).
    `pixel_mm`: (along a row, along a column) at the detector. `filters`: (DICOM material, thickness) from the tube on;
    `bowtie`: a shaped filter besides (DICOM's BUTTERFLY).
    `scatter`: what the pixels hold, for example "Primary only (no scatter)."
    """

    kvp: float
    mas: float
    pixel_mm: tuple[float, float]
    source_to_detector_mm: float
    patient_orientation: tuple[str, str]
    scatter: str
    body_part: str = "CHEST"
    view_position: str = "PA"
    laterality: Literal["L", "R", "U", "B"] = "U"
    source_to_patient_mm: float | None = None
    exposure_time_ms: float | None = None
    focal_spot_mm: float | None = None
    anode: str = "TUNGSTEN"
    filters: tuple[tuple[str, float], ...] = ()
    bowtie: bool = False
    grid: str = "NONE"
    detector_type: Literal["DIRECT", "SCINTILLATOR", "STORAGE", "FILM"] = "SCINTILLATOR"
    entrance_air_kerma_mgy: float | None = None
    description: str = "Simulated radiograph"

    def __post_init__(self) -> None:
        for name in ("kvp", "mas", "source_to_detector_mm"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InvalidInput(message(f"{name}={getattr(self, name)}", "must be larger than 0", f"Give {name}."))
        if not all(math.isfinite(pitch) and pitch > 0 for pitch in self.pixel_mm):
            raise InvalidInput(message(f"pixel_mm={self.pixel_mm}", "pixels must be larger than 0 mm",
                                       "Did you mean 0.2?"))
        if self.view_position not in VIEWS:
            raise InvalidInput(message(f"view_position={self.view_position!r}", "no such view",
                                       did_you_mean(self.view_position, VIEWS)))
        if len(self.patient_orientation) != 2 or not all(self.patient_orientation):
            raise InvalidInput(message(f"patient_orientation={self.patient_orientation}", "DX wants two directions",
                                       "Give for example ('L', 'F')."))


def save_for_processing(path: str | Path, signal: npt.NDArray[Any], unit: str, technique: Technique, subject: Subject,
                        identity: Identity, *, signal_per_level: float | None = None, series: int = 1, number: int = 1,
                        overwrite: bool = False) -> float:
    """Write the linear detector signal, (rows, columns), in `unit` (UCUM, such as "keV/mm2"); returns signal per level.

    `signal_per_level` defaults to the smallest power of two that keeps the image below saturation. A given one that
    would saturate, and a negative signal, raise InvalidInput: nothing is clipped.
    """
    values = np.asarray(signal, np.float64)
    if values.ndim != 2 or not np.isfinite(values).all() or values.min() < 0:
        raise InvalidInput(message(f"signal of shape {values.shape} from {values.min()} to {values.max()}",
                                   "must be (rows, columns), finite and not negative", "Give one view's signal."))
    highest = float(values.max())
    if signal_per_level is None:
        mantissa, exponent = math.frexp(highest / TOP)  # exact, unlike a logarithm
        signal_per_level = 2.0 ** (exponent - (mantissa == 0.5)) if highest > 0 else 1.0
    if not signal_per_level > 0 or highest / signal_per_level > TOP + 0.5:
        raise InvalidInput(message(f"signal_per_level={signal_per_level}",
                                   f"16 bits end at {TOP} and the signal reaches {highest}",
                                   f"Give at least {highest / TOP:.6g}."))
    pixels = np.rint(values / signal_per_level).astype(np.uint16)
    mapping = real_world_value_module(signal_per_level, 0.0, TOP, unit, "SIGNAL", "detector signal")
    attributes = radiograph_attributes("FOR PROCESSING", technique, subject, identity, series, number) | mapping
    attributes = with_sop_common_module(attributes, identity, SOP_CLASS["FOR PROCESSING"], pixels)
    write_dicom(path, attributes, pixels, overwrite)
    return signal_per_level


def save_for_presentation(path: str | Path, signal: npt.NDArray[Any], open_field: float | npt.NDArray[Any],
                          technique: Technique, subject: Subject, identity: Identity, *, window: Window | None = None,
                          series: int = 2, number: int = 1, overwrite: bool = False) -> Window:
    """Write ln(open field / signal) on 16 bits, dense parts white; returns the window.

    `window` defaults to the percentiles 0.5 and 99.5. The stored levels span the whole range of the logarithm; the
    window is an attribute that a viewer may change.
    """
    values = log_attenuation(signal, open_field)
    span = percentile_window(values, 0.0, 100.0)
    window = percentile_window(values) if window is None else window
    pixels = display_levels(values, span, 16)
    slope = (span.high - span.low) / TOP
    center, width = (window.low + window.high) / 2, window.high - window.low
    attributes = radiograph_attributes("FOR PRESENTATION", technique, subject, identity, series, number)
    attributes |= real_world_value_module(slope, span.low, TOP, "1", "LOG", "ln(open field / signal)")
    # PS3.3 C.11.2.1.2.1: LINEAR runs from center - 0.5 - (width - 1) / 2 to center - 0.5 + (width - 1) / 2
    attributes |= {"WindowCenter": (center - span.low) / slope + 0.5, "WindowWidth": max(width / slope + 1, 1.0),
                   "WindowCenterWidthExplanation": "physsim"}
    attributes = with_sop_common_module(attributes, identity, SOP_CLASS["FOR PRESENTATION"], pixels)
    write_dicom(path, attributes, pixels, overwrite)
    return window


def radiograph_attributes(intent: Intent, technique: Technique, subject: Subject, identity: Identity, series: int,
                          number: int) -> Module:
    """All attributes of a DX image but its pixels, window, real world mapping and SOP common."""
    presentation = intent == "FOR PRESENTATION"
    image_type = ["DERIVED" if presentation else "ORIGINAL", "PRIMARY", ""]
    return {
        **patient_module(subject), **patient_study_module(subject),
        **general_study_module(identity, technique.description),
        **general_series_module(identity, "DX", series, f"{intent.lower()}: {technique.description}",
                                technique.body_part),
        "PresentationIntentType": intent,
        **general_equipment_module(), **general_image_module(identity, number, image_type, technique.scatter),
        **dx_anatomy_module(technique), **dx_image_module(intent, technique), **dx_detector_module(technique),
        **dx_positioning_module(technique), **x_ray_generation_module(technique), **x_ray_filtration_module(technique),
        **x_ray_dose_module(technique), "Grid": technique.grid, **acquisition_context_module(),
    }


def dx_anatomy_module(technique: Technique) -> Module:
    """DX anatomy imaged (C.8.11.2)."""
    return {"ImageLaterality": technique.laterality, "AnatomicRegionSequence": anatomic_region(technique.body_part)}


def dx_image_module(intent: Intent, technique: Technique) -> Module:
    """DX image (C.8.11.3): dense parts white for presentation, more X-rays higher for processing."""
    presentation = intent == "FOR PRESENTATION"
    return {"PhotometricInterpretation": "MONOCHROME2", "PixelIntensityRelationship": "LOG" if presentation else "LIN",
            "PixelIntensityRelationshipSign": -1 if presentation else 1, "RescaleIntercept": 0, "RescaleSlope": 1,
            "RescaleType": "US", "PresentationLUTShape": "IDENTITY",
            "PatientOrientation": list(technique.patient_orientation)}


def dx_detector_module(technique: Technique) -> Module:
    """DX detector (C.8.11.4); DICOM lists the spacing between rows first."""
    return {"DetectorType": technique.detector_type, "DetectorConfiguration": "AREA",
            "DetectorDescription": "physsim virtual detector",
            "ImagerPixelSpacing": [technique.pixel_mm[1], technique.pixel_mm[0]]}


def dx_positioning_module(technique: Technique) -> Module:
    """DX positioning (C.8.11.5)."""
    value, meaning = VIEWS[technique.view_position]
    module: Module = {"ViewPosition": technique.view_position, "PositionerType": "NONE",
                      "ViewCodeSequence": [{**code(value, meaning), "ViewModifierCodeSequence": []}],
                      "DistanceSourceToDetector": technique.source_to_detector_mm}
    if technique.source_to_patient_mm is not None:
        module["DistanceSourceToPatient"] = technique.source_to_patient_mm
        module["EstimatedRadiographicMagnificationFactor"] = (
            technique.source_to_detector_mm / technique.source_to_patient_mm)
    return module


def x_ray_generation_module(technique: Technique) -> Module:
    """X-ray generation (C.8.11.9): uAs, and mAs where they are whole, as DICOM wants them."""
    module: Module = {"KVP": technique.kvp, "ExposureInuAs": round(technique.mas * UAS_PER_MAS),
                      "AnodeTargetMaterial": technique.anode}
    if technique.mas == round(technique.mas):
        module["Exposure"] = round(technique.mas)
    if technique.exposure_time_ms is not None:
        module["ExposureTime"] = round(technique.exposure_time_ms)
    if technique.focal_spot_mm is not None:
        module["FocalSpots"] = technique.focal_spot_mm
    return module


def x_ray_filtration_module(technique: Technique) -> Module:
    """X-ray filtration (C.8.7.10)."""
    if not technique.filters:
        return {"FilterType": "BUTTERFLY" if technique.bowtie else "NONE"}
    thickness = [t for _, t in technique.filters]
    count = len(technique.filters) + technique.bowtie
    return {"FilterType": "STRIP" if count == 1 else "MULTIPLE", "FilterMaterial":
            [material for material, _ in technique.filters], "FilterThicknessMinimum": thickness,
            "FilterThicknessMaximum": thickness}


def x_ray_dose_module(technique: Technique) -> Module:
    """X-ray acquisition dose (C.8.7.8): entrance air kerma where it was computed."""
    kerma = technique.entrance_air_kerma_mgy
    return {} if kerma is None else {"EntranceDoseInmGy": kerma}
