"""Raw projections of breast tomosynthesis in one file: Breast Projection X-Ray Image (PS3.3 A.74), a frame a view.

The isocentre's frame (PS3.3 C.8.31.6.1): +z from the detector to the source, +y from the chest wall to the nipple, +x
as the right-hand rule says. Detectors at rest, or turned about the nipple's axis. The exact poses stand beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.imaging.dicom.attributes import (
    Subject,
    acquisition_context_module,
    date_time,
    frame_of_reference_module,
    general_equipment_module,
    general_series_module,
    general_study_module,
    patient_module,
    patient_study_module,
    real_world_value_module,
    with_sop_common_module,
)
from physsim.imaging.dicom.codes import Module, code
from physsim.imaging.dicom.levels import TOP, Levels, range_levels, signal_levels
from physsim.imaging.dicom.mammogram import DGY_PER_MGY, MammogramTechnique, breast_view_module
from physsim.imaging.dicom.multiframe import (
    dimension_module,
    frame_anatomy,
    frame_content,
    functional_groups_module,
    geometry_of,
    pose_module,
)
from physsim.imaging.dicom.radiograph import Intent
from physsim.imaging.dicom.tube import exposure_index_module, x_ray_filtration_module, x_ray_grid_module
from physsim.io.dicom import read_dicom, write_dicom
from physsim.io.dicom_identity import Identity
from physsim.io.presentation import Window, log_attenuation, percentile_window
from physsim.spec.geometry import Geometry

SOP_CLASS: dict[Intent, str] = {"FOR PRESENTATION": "1.2.840.10008.5.1.4.1.1.13.1.4",
                                "FOR PROCESSING": "1.2.840.10008.5.1.4.1.1.13.1.5"}
Floats = npt.NDArray[np.float64]
Vector = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """How the views of a tomosynthesis scan lie and share the exposure; world frame LPS, mm.

    `isocentre_mm`: the point that the source turns about; `toward_nipple`: from the chest wall, along the breast
    support; `support_mm`: height of the breast support above the detector; `mas`: by view (None: equal shares of the
    technique's). `seconds`: from the first view to the last.
    """

    geometry: Geometry
    isocentre_mm: Vector
    toward_nipple: Vector
    support_mm: float
    seconds: float
    mas: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.geometry.radius_mm is not None or self.geometry.beam != "cone":
            raise InvalidInput(message("geometry", "breast projections have a source and a flat detector",
                                       "Give such a geometry."))
        if self.mas is not None and (len(self.mas) != len(self.geometry) or not min(self.mas) > 0):
            raise InvalidInput(message(f"mas={self.mas}", f"the geometry has {len(self.geometry)} views",
                                       "Give one exposure above 0 mAs for each."))
        if not (self.seconds > 0 and self.support_mm >= 0):
            raise InvalidInput(message(f"seconds={self.seconds}, support_mm={self.support_mm}",
                                       "time runs and the support lies above the detector", "Give both."))

    def frame(self) -> Floats:
        """(3, 3): rows are the isocentre's x, y, z in the world, by the middle view's detector."""
        z = -self.geometry.normal[len(self.geometry) // 2]
        y = np.asarray(self.toward_nipple, np.float64)
        y = y - (y @ z) * z
        size = float(np.sqrt(y @ y))
        if not size > 0.1:
            raise InvalidInput(message(f"toward_nipple={self.toward_nipple}", "it points along the beam",
                                       "Give the direction along the breast support."))
        return np.array([np.cross(y / size, z), y / size, z])


def save_breast_projections_for_processing(
        path: str | Path, signal: npt.NDArray[Any], unit: str, technique: MammogramTechnique, sweep: Sweep,
        subject: Subject, identity: Identity, *, signal_per_level: float | None = None, series: int = 3,
        overwrite: bool = False) -> float:
    """Write the linear signal, (views, rows, columns), in `unit`; returns signal per level (see signal_levels).

    The standard wants tube current, focal spot, glandular dose and entrance kerma here: all are asked of `technique`.
    """
    levels = signal_levels(_views(signal, sweep), signal_per_level)
    mapping = real_world_value_module(levels.slope, 0.0, TOP, unit, "SIGNAL", "detector signal")
    whole = Window(0.0, max(float(np.max(signal)), levels.slope))
    mapping["FrameVOILUTSequence"] = [levels.window_module(whole)]
    _write(path, "FOR PROCESSING", levels, mapping, technique, sweep, subject, identity, series, overwrite)
    return levels.slope


def save_breast_projections_for_presentation(
        path: str | Path, signal: npt.NDArray[Any], open_field: float | npt.NDArray[Any], technique: MammogramTechnique,
        sweep: Sweep, subject: Subject, identity: Identity, *, window: Window | None = None, series: int = 4,
        overwrite: bool = False) -> Window:
    """Write ln(open field / signal) of all views, (views, rows, columns), dense parts white; returns the window."""
    views = _views(signal, sweep)
    free = np.broadcast_to(np.asarray(open_field, np.float64), views.shape)
    logarithms = np.stack([log_attenuation(one, field) for one, field in zip(views, free, strict=True)])
    window = percentile_window(logarithms[len(logarithms) // 2]) if window is None else window
    levels = range_levels(logarithms)
    mapping = real_world_value_module(levels.slope, levels.intercept, TOP, "1", "LOG", "ln(open field / signal)")
    mapping |= {"FrameVOILUTSequence": [levels.window_module(window)], "DerivationImageSequence": []}
    _write(path, "FOR PRESENTATION", levels, mapping, technique, sweep, subject, identity, series, overwrite)
    return window


def read_breast_projections(path: str | Path) -> tuple[npt.NDArray[np.float32], str, Geometry]:
    """The values (views, rows, columns), their unit and the poses of a file that physsim wrote."""
    image = read_dicom(path)
    frames = image.dataset.PerFrameFunctionalGroupsSequence
    row_mm, column_mm = map(float, frames[0].FramePixelDataPropertiesSequence[0].ImagerPixelSpacing)
    values = image.values.reshape(len(frames), *image.values.shape[-2:])
    return values, image.unit, geometry_of(frames, values.shape[1], values.shape[2], (column_mm, row_mm))


def enhanced_mammography_module(intent: Intent, technique: MammogramTechnique, sweep: Sweep,
                                identity: Identity) -> Module:
    """Enhanced mammography image (C.8.31.1) and breast view (C.8.21.6)."""
    current, entrance, glandular = _wanted(technique)
    return {
        "ImageType": _image_type(intent), **breast_view_module(technique), **exposure_index_module(technique),
        "PositionerMotion": "ROTATION_STEP" if len(sweep.geometry) > 1 else "STATIC", "PositionerType": "MAMMOGRAPHIC",
        "ContentQualification": "RESEARCH", "AcquisitionDateTime": date_time(identity),
        "AcquisitionDuration": sweep.seconds, "DetectorType": technique.detector_type, "DetectorConfiguration": "AREA",
        "DetectorDescription": "physsim virtual detector", "DetectorID": "physsim", "KVP": technique.kvp,
        "XRayTubeCurrentInmA": current, "ExposureInmAs": technique.mas,
        "ExposureTimeInms": 1000.0 * technique.mas / current, "FocalSpots": technique.focal_spot_mm,
        "AnodeTargetMaterial": technique.anode, "BodyPartThickness": technique.thickness_mm,
        "CompressionForce": technique.compression_n, "PaddleDescription": technique.paddle,
        "ExposureControlMode": "MANUAL", "ExposureControlModeDescription": "as the protocol says",
        "EntranceDoseInmGy": entrance, "OrganDose": glandular * DGY_PER_MGY,
        "TypeOfDetectorMotion": "STATIONARY" if np.ptp(sweep.geometry.centre_mm, axis=0).max() == 0 else "ROTATING",
        "PatientOrientation": list(technique.patient_orientation), "PhotometricInterpretation": "MONOCHROME2",
        "BurnedInAnnotation": "NO", "LossyImageCompression": "00", "PresentationLUTShape": "IDENTITY",
        "ImageComments": technique.scatter[:10240]}


def isocentre_module(sweep: Sweep, view: int) -> Module:
    """Breast X-ray isocentre reference system (C.8.31.6): source, breast support and detector of one view."""
    frame, geometry = sweep.frame(), sweep.geometry
    source = frame @ (geometry.source_mm[view] - np.asarray(sweep.isocentre_mm))
    detector = frame @ (geometry.centre_mm[view] - np.asarray(sweep.isocentre_mm))
    normal, u, v = (frame @ axis for axis in (-geometry.normal[view], geometry.u[view], geometry.v[view]))
    if abs(normal[1]) > 1e-6:
        raise InvalidInput(message(f"view {view}: the detector tilts by {np.degrees(np.arcsin(normal[1])):.3g} degrees",
                                   "towards the nipple, which is not written", "Turn it about the nipple's axis only."))
    own = np.array([[normal[2], 0.0, -normal[0]], [0.0, 1.0, 0.0], normal])  # the detector's x, y, z
    first = (-0.5 * (geometry.columns - 1) * geometry.pixel_mm[0] * (own @ u)
             - 0.5 * (geometry.rows - 1) * geometry.pixel_mm[1] * (own @ v))
    support = frame @ (geometry.centre_mm[0] - np.asarray(sweep.isocentre_mm)) + (0.0, 0.0, sweep.support_mm)
    angles = np.degrees([np.arctan2(source[0], source[2]), np.arctan2(source[1], np.hypot(source[0], source[2])),
                         np.arctan2(normal[0], normal[2])])
    primary, secondary, turned = (round(float(angle), 9) + 0.0 for angle in angles)  # below what libm's bits move
    place = [round(float(c), 9) + 0.0 for c in (*support, *detector)]
    names = [f"{what}{axis}PositionToIsocenter" for what in ("BreastSupport", "Detector") for axis in "XYZ"]
    return {"IsocenterReferenceSystemSequence": [{
        "XRaySourceIsocenterPrimaryAngle": primary, "XRaySourceIsocenterSecondaryAngle": secondary,
        "BreastSupportIsocenterPrimaryAngle": 0.0, "BreastSupportIsocenterSecondaryAngle": 0.0,
        "DetectorIsocenterPrimaryAngle": turned, "DetectorIsocenterSecondaryAngle": 0.0,
        **dict(zip(names, place, strict=True)),
        "DetectorActiveAreaTLHCPosition": [*(round(float(c), 9) + 0.0 for c in first[:2]), 0.0],
        "DetectorActiveAreaOrientation": [round(float(c), 12) + 0.0 for c in (*(own @ u), *(own @ v))]}],
        "PositionerPositionSequence": [{"PositionerPrimaryAngle": primary, "PositionerSecondaryAngle": secondary,
                                        "PositionerPrimaryAngleDirection": "CW" if primary >= 0 else "CC"}]}


def _write(path: str | Path, intent: Intent, levels: Levels, mapping: Module, technique: MammogramTechnique,
           sweep: Sweep, subject: Subject, identity: Identity, series: int, overwrite: bool) -> None:
    current, entrance, glandular = _wanted(technique)
    views, spacing = len(sweep.geometry), [technique.pixel_mm[1], technique.pixel_mm[0]]
    mas = sweep.mas or (technique.mas / views,) * views
    shared: Module = {
        "XRayFilterSequence": [x_ray_filtration_module(technique)], "XRayGridSequence": [x_ray_grid_module(technique)],
        **frame_anatomy("BREAST", technique.laterality), **mapping,
        "FieldOfViewSequence": [{"FieldOfViewShape": "RECTANGLE", "FieldOfViewRotation": 0.0, "FieldOfViewOrigin":
                                 [0.0, 0.0], "FieldOfViewHorizontalFlip": "NO"}],
        "CalibrationSequence": [{"CalibrationImage": "NO"}],
        "CollimatorShapeSequence": [{
            "CollimatorShape": "RECTANGULAR", "CollimatorLeftVerticalEdge": 1, "CollimatorUpperHorizontalEdge": 1,
            "CollimatorRightVerticalEdge": sweep.geometry.columns,
            "CollimatorLowerHorizontalEdge": sweep.geometry.rows}],
        "PixelValueTransformationSequence": [{"RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "US"}]}
    frames = []
    for view in range(views):
        share, time = mas[view] / sum(mas), 1000.0 * mas[view] / current
        source = float(np.linalg.norm(sweep.geometry.source_mm[view] - np.asarray(sweep.isocentre_mm)))
        distance = float(sweep.geometry.distance_mm[view])
        entry = technique.source_to_patient_mm or distance - sweep.support_mm - technique.thickness_mm
        frames.append({
            **frame_content(identity, index=[view + 1], number=view + 1, duration_ms=time),
            **isocentre_module(sweep, view),
            "XRayGeometrySequence": [{
                "DistanceSourceToDetector": distance, "DistanceSourceToPatient": entry, "DistanceSourceToIsocenter":
                round(source, 9), "EstimatedRadiographicMagnificationFactor": distance / entry}],
            "FrameAcquisitionSequence": [{"KVP": technique.kvp, "XRayTubeCurrentInmA": current, "ExposureInmAs":
                                          mas[view], "ExposureTimeInms": time}],
            "XRayAcquisitionDoseSequence": [{
                "ExposureInmAs": mas[view], "ExposureTimeInms": time, "EntranceDoseInmGy": entrance * share,
                "OrganDose": glandular * DGY_PER_MGY * share}],
            "IrradiationEventIdentificationSequence": [{"IrradiationEventUID": identity.uid("event", view)}],
            "FramePixelDataPropertiesSequence": [{
                "FrameType": _image_type(intent), "ImagerPixelSpacing": spacing, "GeometricalProperties": "UNIFORM",
                "PixelIntensityRelationship": "LIN" if intent == "FOR PROCESSING" else "LOG",
                "PixelIntensityRelationshipSign": 1 if intent == "FOR PROCESSING" else -1,
                "ImageProcessingApplied": "NONE"}],
            **pose_module(sweep.geometry, view)})
    attributes: Module = {
        **patient_module(subject), **patient_study_module(subject),
        **general_study_module(identity, technique.description),
        **general_series_module(identity, "MG", series, f"{intent.lower()}: {technique.description}", "BREAST"),
        "PresentationIntentType": intent, **frame_of_reference_module(identity), **general_equipment_module(identity),
        **enhanced_mammography_module(intent, technique, sweep, identity), **acquisition_context_module(),
        **functional_groups_module(shared, frames, identity),
        **dimension_module(identity, [("FrameAcquisitionNumber", "FrameContentSequence", "view")], "views"),
        "PatientOrientationCodeSequence": [{
            **code("C86043", "erect", "NCIt"),
            "PatientOrientationModifierCodeSequence": [code("10904000", "standing")]}]}
    pixels = levels.stored
    write_dicom(path, with_sop_common_module(attributes, identity, SOP_CLASS[intent], pixels), pixels, overwrite)


def _wanted(technique: MammogramTechnique) -> tuple[float, float, float]:
    """Tube current, entrance kerma and glandular dose, which the standard makes a condition here."""
    wanted = {name: getattr(technique, name) for name in
              ("tube_current_ma", "focal_spot_mm", "entrance_air_kerma_mgy", "glandular_dose_mgy")}
    missing = [name for name, value in wanted.items() if value is None]
    if missing:
        raise InvalidInput(message(", ".join(missing), "a breast projection image must state it", "Give it."))
    return wanted["tube_current_ma"], wanted["entrance_air_kerma_mgy"], wanted["glandular_dose_mgy"]


def _views(signal: npt.NDArray[Any], sweep: Sweep) -> npt.NDArray[Any]:
    array = np.asarray(signal)
    if array.shape != sweep.geometry.shape:
        raise InvalidInput(message(f"signal of shape {array.shape}", f"the geometry's are {sweep.geometry.shape}",
                                   "Give (views, rows, columns)."))
    return array


def _image_type(intent: Intent) -> list[str]:
    return ["ORIGINAL" if intent == "FOR PROCESSING" else "DERIVED", "PRIMARY", "TOMO_PROJ", "NONE"]
