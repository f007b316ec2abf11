"""A radiograph as a DICOM digital X-ray image, for processing (linear) or for presentation.

IOD: Digital X-Ray Image, PS3.3 A.26. Stored values map to physical ones by the real world value mapping, since DX fixes
rescale slope and intercept to 1 and 0. The same three functions write mammograms (physsim.imaging.dicom.mammogram).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.dicom.attributes import (
    Subject,
    acquisition_context_module,
    general_equipment_module,
    general_image_module,
    general_series_module,
    general_study_module,
    patient_module,
    patient_study_module,
    real_world_value_module,
    with_sop_common_module,
)
from physsim.imaging.dicom.codes import VIEWS, Module, anatomic_region, checked_body_part, code
from physsim.imaging.dicom.levels import TOP, range_levels, signal_levels
from physsim.imaging.dicom.mammogram import MammogramTechnique, mammography_image_module, mammography_positioning_module
from physsim.imaging.dicom.tube import (
    Tube,
    checked_pixels,
    exposure_index_module,
    x_ray_dose_module,
    x_ray_filtration_module,
    x_ray_generation_module,
    x_ray_grid_module,
)
from physsim.io.dicom import write_dicom
from physsim.io.dicom_identity import Identity
from physsim.io.presentation import Window, log_attenuation, percentile_window

Intent = Literal["FOR PRESENTATION", "FOR PROCESSING"]
SOP_CLASS: dict[Intent, str] = {"FOR PRESENTATION": "1.2.840.10008.5.1.4.1.1.1.1",
                                "FOR PROCESSING": "1.2.840.10008.5.1.4.1.1.1.1.1"}
MAMMOGRAM_SOP_CLASS: dict[Intent, str] = {"FOR PRESENTATION": "1.2.840.10008.5.1.4.1.1.1.2",
                                          "FOR PROCESSING": "1.2.840.10008.5.1.4.1.1.1.2.1"}


@dataclass(frozen=True, kw_only=True)
class Technique(Tube):
    """How a radiograph was taken, in the words of DICOM; see Tube for the beam.

    `patient_orientation`: DICOM letters of the directions of rows and of columns (orientation_letters of u and v).
    `pixel_mm`: (along a row, along a column) at the detector.
    """

    pixel_mm: tuple[float, float]
    patient_orientation: tuple[str, str]
    body_part: str = "CHEST"
    view_position: str = "PA"
    laterality: Literal["L", "R", "U", "B"] = "U"
    description: str = "Simulated radiograph"

    def __post_init__(self) -> None:
        Tube.__post_init__(self)
        checked_pixels(self.pixel_mm)
        checked_body_part(self.body_part)
        if self.view_position not in VIEWS:
            raise InvalidInput(message(f"view_position={self.view_position!r}", "no such view",
                                       did_you_mean(self.view_position, VIEWS)))
        if len(self.patient_orientation) != 2 or not all(self.patient_orientation):
            raise InvalidInput(message(f"patient_orientation={self.patient_orientation}", "DX wants two directions",
                                       "Give for example ('L', 'F')."))


AnyTechnique = Technique | MammogramTechnique


def save_for_processing(path: str | Path, signal: npt.NDArray[Any], unit: str, technique: AnyTechnique,
                        subject: Subject, identity: Identity, *, signal_per_level: float | None = None, series: int = 1,
                        number: int = 1, overwrite: bool = False) -> float:
    """Write the linear detector signal, (rows, columns), in `unit` (UCUM, such as "keV/mm2"); returns signal per level.

    `signal_per_level` defaults to the smallest power of two that keeps the image below saturation. A given one that
    would saturate, and a negative signal, raise InvalidInput: nothing is clipped.
    """
    levels = signal_levels(_one_view(signal), signal_per_level)
    mapping = real_world_value_module(levels.slope, 0.0, TOP, unit, "SIGNAL", "detector signal")
    _write(path, "FOR PROCESSING", technique, subject, identity, series, number, mapping, levels.stored, overwrite)
    return levels.slope


def save_for_presentation(path: str | Path, signal: npt.NDArray[Any], open_field: float | npt.NDArray[Any],
                          technique: AnyTechnique, subject: Subject, identity: Identity, *,
                          window: Window | None = None, series: int = 2, number: int = 1,
                          overwrite: bool = False) -> Window:
    """Write ln(open field / signal) on 16 bits, dense parts white; returns the window.

    `window` defaults to the percentiles 0.5 and 99.5. The stored levels span the whole range of the logarithm; the
    window is an attribute that a viewer may change.
    """
    return save_processed(path, log_attenuation(signal, open_field), technique, subject, identity, window=window,
                          meaning=("LOG", "ln(open field / signal)"), series=series, number=number, overwrite=overwrite)


def save_processed(path: str | Path, image: npt.NDArray[Any], technique: AnyTechnique,
                   subject: Subject, identity: Identity, *, window: Window | None = None,
                   meaning: tuple[str, str] = ("PROCESSED", "processed for presentation"), series: int = 2,
                   number: int = 1, overwrite: bool = False) -> Window:
    """Write an image, (rows, columns), that is processed for presentation already, higher values white.

    `window` defaults to the percentiles 0.5 and 99.5; `meaning`: a word and a phrase for what the values are.
    """
    values = _one_view(image)
    levels = range_levels(values)
    window = percentile_window(values) if window is None else window
    more = real_world_value_module(levels.slope, levels.intercept, TOP, "1", *meaning) | levels.window_module(window)
    _write(path, "FOR PRESENTATION", technique, subject, identity, series, number, more, levels.stored, overwrite)
    return window


def projection_attributes(intent: Intent, technique: AnyTechnique, subject: Subject,
                          identity: Identity, series: int, number: int) -> Module:
    """All attributes of a DX or MG image but its pixels, window, real world mapping and SOP common."""
    if isinstance(technique, MammogramTechnique):
        modality, body_part = "MG", "BREAST"
        own = mammography_positioning_module(technique) | mammography_image_module(technique)
    else:
        modality, body_part = "DX", technique.body_part
        own = dx_positioning_module(technique) | dx_anatomy_module(technique)
    image_type = ["DERIVED" if intent == "FOR PRESENTATION" else "ORIGINAL", "PRIMARY", ""]
    return {
        **patient_module(subject), **patient_study_module(subject),
        **general_study_module(identity, technique.description),
        **general_series_module(identity, modality, series, f"{intent.lower()}: {technique.description}", body_part),
        "PresentationIntentType": intent,
        **general_equipment_module(identity), **general_image_module(identity, number, image_type, technique.scatter),
        **dx_image_module(intent, technique), **dx_detector_module(technique), **x_ray_generation_module(technique),
        **x_ray_filtration_module(technique), **x_ray_dose_module(technique), **x_ray_grid_module(technique),
        **own,
        **acquisition_context_module(),
    }


def dx_anatomy_module(technique: Technique) -> Module:
    """DX anatomy imaged (C.8.11.2)."""
    return {"ImageLaterality": technique.laterality, "AnatomicRegionSequence": anatomic_region(technique.body_part)}


def dx_image_module(intent: Intent, technique: AnyTechnique) -> Module:
    """DX image (C.8.11.3): dense parts white for presentation, more X-rays higher for processing."""
    presentation = intent == "FOR PRESENTATION"
    return {"PhotometricInterpretation": "MONOCHROME2", "PixelIntensityRelationship": "LOG" if presentation else "LIN",
            "PixelIntensityRelationshipSign": -1 if presentation else 1, "RescaleIntercept": 0, "RescaleSlope": 1,
            "RescaleType": "US", "PresentationLUTShape": "IDENTITY",
            "PatientOrientation": list(technique.patient_orientation)}


def dx_detector_module(technique: AnyTechnique) -> Module:
    """DX detector (C.8.11.4); DICOM lists the spacing between rows first."""
    spacing = [technique.pixel_mm[1], technique.pixel_mm[0]]
    return {"DetectorType": technique.detector_type, "DetectorConfiguration": "AREA", "DetectorID": "physsim",
            "DetectorDescription": "physsim virtual detector", "DetectorElementSpacing": spacing,
            "ImagerPixelSpacing": spacing, **exposure_index_module(technique)}


def dx_positioning_module(technique: Technique) -> Module:
    """DX positioning (C.8.11.5)."""
    value, meaning = VIEWS[technique.view_position]
    return {"ViewPosition": technique.view_position, "PositionerType": "NONE",
            "ViewCodeSequence": [{**code(value, meaning), "ViewModifierCodeSequence": []}],
            **distances_module(technique)}


def distances_module(tube: Tube) -> Module:
    """Distances (mm) and how much larger than the patient's entrance the image is."""
    module: Module = {"DistanceSourceToDetector": tube.source_to_detector_mm}
    if tube.source_to_patient_mm is not None:
        module["DistanceSourceToPatient"] = tube.source_to_patient_mm
        module["EstimatedRadiographicMagnificationFactor"] = tube.source_to_detector_mm / tube.source_to_patient_mm
    return module


def _write(path: str | Path, intent: Intent, technique: AnyTechnique, subject: Subject,
           identity: Identity, series: int, number: int, more: Module, pixels: npt.NDArray[np.uint16],
           overwrite: bool) -> None:
    classes = MAMMOGRAM_SOP_CLASS if isinstance(technique, MammogramTechnique) else SOP_CLASS
    attributes = projection_attributes(intent, technique, subject, identity, series, number) | more
    write_dicom(path, with_sop_common_module(attributes, identity, classes[intent], pixels), pixels, overwrite)


def _one_view(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array = np.asarray(image)
    if array.ndim != 2:
        raise InvalidInput(message(f"image of shape {array.shape}", "a file holds one view: (rows, columns)",
                                   "Save each view by itself."))
    return array
