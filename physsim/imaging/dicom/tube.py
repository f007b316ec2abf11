"""The tube's settings, the filters behind it and the receptor, in the words of DICOM: what radiographs, mammograms and
tomosynthesis projections have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from physsim import portable
from physsim.errors import InvalidInput, message
from physsim.imaging.dicom.codes import Module
from physsim.units import UAS_PER_MAS

DGY_CM2_PER_MGY_CM2 = 0.01
_LN_10 = 2.302585092994046


@dataclass(frozen=True, kw_only=True)
class Tube:
    """How X-rays were made and seen; lengths mm, kVp, mAs, mA, ms.

    `filters`: (DICOM material, thickness) from the tube on; `bowtie`: a shaped filter besides (DICOM's BUTTERFLY).
    `scatter`: what the pixels hold, for example "Primary only (no scatter)."; it goes to the image comments.
    `grid`: DICOM's words, "NONE" or such as ("FIXED", "FOCUSED"); `grid_ratio`: lead height over gap; `grid_pitch_mm`:
    from strip to strip; `grid_focus_mm`: its focal distance. `exposure_index`, `target_exposure_index`: IEC 62494-1.
    `half_value_layer_mm`: of aluminium. `dose_area_product_mgy_cm2`: over the field.
    """

    kvp: float
    mas: float
    scatter: str
    source_to_detector_mm: float
    source_to_patient_mm: float | None = None
    exposure_time_ms: float | None = None
    tube_current_ma: float | None = None
    focal_spot_mm: float | None = None
    anode: str = "TUNGSTEN"
    filters: tuple[tuple[str, float], ...] = ()
    bowtie: bool = False
    half_value_layer_mm: float | None = None
    grid: str | tuple[str, ...] = "NONE"
    grid_ratio: float | None = None
    grid_pitch_mm: float | None = None
    grid_focus_mm: float | None = None
    detector_type: Literal["DIRECT", "SCINTILLATOR", "STORAGE", "FILM"] = "SCINTILLATOR"
    exposure_index: float | None = None
    target_exposure_index: float | None = None
    entrance_air_kerma_mgy: float | None = None
    dose_area_product_mgy_cm2: float | None = None

    def __post_init__(self) -> None:
        positive(self, "kvp", "mas", "source_to_detector_mm")
        positive(self, "source_to_patient_mm", "exposure_time_ms", "tube_current_ma", "focal_spot_mm",
                 "half_value_layer_mm", "grid_ratio", "grid_pitch_mm", "grid_focus_mm", "exposure_index",
                 "target_exposure_index", optional=True)


def positive(spec: object, *names: str, optional: bool = False) -> None:
    """Raises InvalidInput for the first of the attributes `names` that is not larger than 0 (None where `optional`)."""
    for name in names:
        value = getattr(spec, name)
        if not (optional and value is None) and not (math.isfinite(value) and value > 0):
            raise InvalidInput(message(f"{name}={value}", "must be larger than 0", f"Give {name}."))


def checked_pixels(pixel_mm: tuple[float, float]) -> None:
    """Raises InvalidInput unless both pitches are larger than 0 mm."""
    if not (len(pixel_mm) == 2 and all(math.isfinite(pitch) and pitch > 0 for pitch in pixel_mm)):
        raise InvalidInput(message(f"pixel_mm={pixel_mm}", "pixels must be larger than 0 mm", "Did you mean 0.2?"))


def x_ray_generation_module(tube: Tube) -> Module:
    """X-ray generation (C.8.7.9): uAs, and mAs where they are whole, as DICOM wants them."""
    module: Module = {"KVP": tube.kvp, "ExposureInuAs": round(tube.mas * UAS_PER_MAS),
                      "AnodeTargetMaterial": tube.anode}
    if tube.mas == round(tube.mas):
        module["Exposure"] = round(tube.mas)
    if tube.exposure_time_ms is not None:
        module["ExposureTime"] = round(tube.exposure_time_ms)
        module["ExposureTimeInuS"] = tube.exposure_time_ms * 1000.0
    if tube.tube_current_ma is not None:
        module["XRayTubeCurrent"] = round(tube.tube_current_ma)
        module["XRayTubeCurrentInuA"] = tube.tube_current_ma * 1000.0
    if tube.focal_spot_mm is not None:
        module["FocalSpots"] = tube.focal_spot_mm
    return module


def x_ray_filtration_module(tube: Tube) -> Module:
    """X-ray filtration (C.8.7.10)."""
    if not tube.filters:
        return {"FilterType": "BUTTERFLY" if tube.bowtie else "NONE"}
    thickness = [t for _, t in tube.filters]
    count = len(tube.filters) + tube.bowtie
    return {"FilterType": "STRIP" if count == 1 else "MULTIPLE", "FilterMaterial":
            [material for material, _ in tube.filters], "FilterThicknessMinimum": thickness,
            "FilterThicknessMaximum": thickness}


def x_ray_dose_module(tube: Tube) -> Module:
    """X-ray acquisition dose (C.8.7.8): what was computed of entrance air kerma, dose-area product and quality."""
    module: Module = {}
    if tube.entrance_air_kerma_mgy is not None:
        module["EntranceDoseInmGy"] = tube.entrance_air_kerma_mgy
    if tube.dose_area_product_mgy_cm2 is not None:  # DICOM counts it in dGy cm2
        module["ImageAndFluoroscopyAreaDoseProduct"] = tube.dose_area_product_mgy_cm2 * DGY_CM2_PER_MGY_CM2
    if tube.half_value_layer_mm is not None:
        module["HalfValueLayer"] = tube.half_value_layer_mm
    return module


def x_ray_grid_module(tube: Tube) -> Module:
    """X-ray grid (C.8.7.11)."""
    words = [tube.grid] if isinstance(tube.grid, str) else list(tube.grid)
    module: Module = {"Grid": words}
    if tube.grid_ratio is not None:  # PS3.3 C.8.7.11: two whole numbers, strips' height to their gap
        module["GridAspectRatio"] = [round(tube.grid_ratio), 1] if tube.grid_ratio == round(tube.grid_ratio) else [
            round(10 * tube.grid_ratio), 10]
    if tube.grid_pitch_mm is not None:
        module["GridPitch"] = tube.grid_pitch_mm
    if tube.grid_focus_mm is not None:
        module["GridFocalDistance"] = tube.grid_focus_mm
    return module


def exposure_index_module(tube: Tube) -> Module:
    """Exposure index, its target and the deviation index 10 lg(EI / target) to a hundredth (IEC 62494-1)."""
    module: Module = {}
    if tube.exposure_index is not None:
        module["ExposureIndex"] = tube.exposure_index
    if tube.target_exposure_index is not None:
        module["TargetExposureIndex"] = tube.target_exposure_index
    if tube.exposure_index is not None and tube.target_exposure_index is not None:
        ratio = tube.exposure_index / tube.target_exposure_index
        module["DeviationIndex"] = round(10.0 * float(portable.log(ratio)) / _LN_10, 2) + 0.0
    return module
