"""What a mammogram says besides a radiograph: view, side, compression, mean glandular dose (MG, PS3.3 A.27)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.dicom.codes import BREAST_VIEWS, Module, anatomic_region, code
from physsim.imaging.dicom.tube import Tube, checked_pixels, positive

DGY_PER_MGY = 0.01


@dataclass(frozen=True, kw_only=True)
class MammogramTechnique(Tube):
    """How a breast was imaged, in the words of DICOM; see Tube for the beam; `anode` such as "TUNGSTEN", "RHODIUM".

    `laterality`: the patient's side. `view`: "CC", "MLO", ... `thickness_mm`: between paddle and breast support.
    `compression_n`: newton. `glandular_dose_mgy`: mean glandular dose (stored in dGy as Organ Dose).
    `patient_orientation`: DICOM letters of the directions of rows and of columns, such as ("A", "L").
    `pixel_mm`: (along a row, along a column) at the detector. `tilt_deg`: of the beam against vertical, 0 for CC.
    """

    pixel_mm: tuple[float, float]
    patient_orientation: tuple[str, str]
    laterality: Literal["L", "R"]
    view: str
    thickness_mm: float
    compression_n: float
    paddle: str = "flat paddle"
    glandular_dose_mgy: float | None = None
    tilt_deg: float | None = None
    implant: bool = False
    description: str = "Simulated mammogram"
    detector_type: Literal["DIRECT", "SCINTILLATOR", "STORAGE", "FILM"] = "DIRECT"

    def __post_init__(self) -> None:
        Tube.__post_init__(self)
        checked_pixels(self.pixel_mm)
        positive(self, "thickness_mm", "compression_n")
        if self.laterality not in ("L", "R"):
            raise InvalidInput(message(f"laterality={self.laterality!r}", "a breast is left or right",
                                       "Give 'L' or 'R'."))
        if self.view not in BREAST_VIEWS:
            raise InvalidInput(message(f"view={self.view!r}", "no such view of a breast",
                                       did_you_mean(self.view, BREAST_VIEWS)))
        if len(self.patient_orientation) != 2 or not all(self.patient_orientation):
            raise InvalidInput(message(f"patient_orientation={self.patient_orientation}", "MG wants two directions",
                                       "Give for example ('A', 'L')."))


def mammography_positioning_module(technique: MammogramTechnique) -> Module:
    """Compression and distances (C.8.11.5, C.8.11.7)."""
    module: Module = {"DistanceSourceToDetector": technique.source_to_detector_mm,
                      "BodyPartThickness": technique.thickness_mm, "CompressionForce": technique.compression_n,
                      "PaddleDescription": technique.paddle, "PositionerType": "MAMMOGRAPHIC"}
    if technique.source_to_patient_mm is not None:
        module["DistanceSourceToPatient"] = technique.source_to_patient_mm
        module["EstimatedRadiographicMagnificationFactor"] = (technique.source_to_detector_mm
                                                              / technique.source_to_patient_mm)
    if technique.tilt_deg is not None:
        module["PositionerPrimaryAngle"] = technique.tilt_deg
    if technique.glandular_dose_mgy is not None:
        module["OrganDose"] = technique.glandular_dose_mgy * DGY_PER_MGY
    return module


def mammography_image_module(technique: MammogramTechnique) -> Module:
    """Mammography image (C.8.11.7)."""
    return {"ImageLaterality": technique.laterality, "OrganExposed": "BREAST",
            "AnatomicRegionSequence": anatomic_region("BREAST"), **breast_view_module(technique)}


def breast_view_module(technique: MammogramTechnique) -> Module:
    """The view, whole, with or without implant (C.8.21.6)."""
    return {"ViewCodeSequence": [{**code(*BREAST_VIEWS[technique.view]), "ViewModifierCodeSequence": []}],
            "BreastImplantPresent": "YES" if technique.implant else "NO", "PartialView": "NO"}
