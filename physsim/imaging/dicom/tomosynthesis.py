"""A reconstructed breast as Breast Tomosynthesis Image (PS3.3 A.55): one file, a frame a slice along the volume's z."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from physsim._version import __version__
from physsim.errors import InvalidInput, message
from physsim.imaging.dicom.attributes import (
    Subject,
    acquisition_context_module,
    frame_of_reference_module,
    general_equipment_module,
    general_series_module,
    general_study_module,
    patient_module,
    patient_study_module,
    real_world_value_module,
    with_sop_common_module,
)
from physsim.imaging.dicom.breast_projections import Sweep
from physsim.imaging.dicom.codes import Module
from physsim.imaging.dicom.levels import TOP, range_levels
from physsim.imaging.dicom.mammogram import DGY_PER_MGY, MammogramTechnique, breast_view_module
from physsim.imaging.dicom.multiframe import (
    dimension_module,
    frame_anatomy,
    frame_content,
    functional_groups_module,
    pixel_measures,
    plane_position,
)
from physsim.imaging.dicom.tube import x_ray_filtration_module
from physsim.io.dicom import write_dicom
from physsim.io.dicom_identity import Identity
from physsim.io.image import Image
from physsim.io.presentation import Window, percentile_window

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.13.1.3"
_ROOM_CELSIUS = 20  # the standard wants a temperature; a virtual detector has none
IMAGE_TYPE = ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"]


def save_tomosynthesis(path: str | Path, volume: Image, unit: str, technique: MammogramTechnique, subject: Subject,
                       identity: Identity, *, algorithm: str, sweep: Sweep | None = None, window: Window | None = None,
                       series: int = 5, overwrite: bool = False) -> Window:
    """Write `volume`, in `unit` (UCUM, such as "/mm"), on 16 bits over its own range; returns the window.

    `algorithm`: how it was reconstructed; `sweep`: of the projections, whose angles and exposures the file then lists.
    With a sweep the standard wants focal spot, tube current and half-value layer too. `window` defaults to the
    percentiles 0.5 and 99.5 of the middle slice. Raises InvalidInput for left-handed axes.
    """
    if np.linalg.det(np.array(volume.direction)) < 0:
        raise InvalidInput(message(f"direction={volume.direction}", "DICOM slices run along row x column",
                                   "Flip the z axis."))
    levels = range_levels(volume.array)
    window = percentile_window(volume.array[len(volume.array) // 2]) if window is None else window
    mapping = real_world_value_module(levels.slope, levels.intercept, TOP, unit, "VALUE", algorithm)
    shared: Module = {
        **mapping, **pixel_measures(volume), **frame_anatomy("BREAST", technique.laterality),
        "FrameVOILUTSequence": [levels.window_module(window)], "DerivationImageSequence": [],
        "PixelValueTransformationSequence": [{"RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "US"}]}
    kind: Module = {"XRay3DFrameTypeSequence": [{
        "FrameType": IMAGE_TYPE, "PixelPresentation": "MONOCHROME", "VolumetricProperties": "VOLUME",
        "VolumeBasedCalculationTechnique": "NONE", "ReconstructionIndex": 1}]}
    frames = [{**frame_content(identity, index=[1, z + 1], stack=z + 1), **plane_position(volume, z), **kind}
              for z in range(len(volume.array))]
    attributes: Module = {
        **patient_module(subject), **patient_study_module(subject),
        **general_study_module(identity, technique.description),
        **general_series_module(identity, "MG", series, f"tomosynthesis: {technique.description}", "BREAST"),
        **frame_of_reference_module(identity), **general_equipment_module(identity), **breast_view_module(technique),
        **acquisition_context_module(), **reconstruction_module(algorithm),
        "ImageType": IMAGE_TYPE, "PixelPresentation": "MONOCHROME", "VolumetricProperties": "VOLUME",
        "VolumeBasedCalculationTechnique": "NONE", "ContentQualification": "RESEARCH", "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00", "PresentationLUTShape": "IDENTITY", "PhotometricInterpretation": "MONOCHROME2",
        "ImageComments": technique.scatter[:10240],
        **functional_groups_module(shared, frames, identity),
        **dimension_module(identity, [("StackID", "FrameContentSequence", "stack"),
                                      ("InStackPositionNumber", "FrameContentSequence", "slice")], "slices", "3D")}
    if sweep is not None:
        attributes |= acquisition_module(technique, sweep)
    write_dicom(path, with_sop_common_module(attributes, identity, SOP_CLASS, levels.stored), levels.stored, overwrite)
    return window


def reconstruction_module(algorithm: str) -> Module:
    """X-ray 3D reconstruction (C.8.21.4)."""
    return {"XRay3DReconstructionSequence": [{
        "ApplicationName": "physsim", "ApplicationVersion": __version__, "ApplicationManufacturer": "physsim",
        "AlgorithmType": "FILTER_BACK_PROJ", "AlgorithmDescription": algorithm[:1024],
        "ReconstructionDescription": algorithm[:64], "AcquisitionIndex": 1}]}


def acquisition_module(technique: MammogramTechnique, sweep: Sweep) -> Module:
    """Breast tomosynthesis acquisition (C.8.21.3.4): the beam, the arc and each projection's angle and exposure."""
    frame, geometry = sweep.frame(), sweep.geometry
    offsets = (geometry.source_mm - np.asarray(sweep.isocentre_mm)) @ frame.T
    angles = [round(float(a), 9) + 0.0 for a in np.degrees(np.arctan2(offsets[:, 0], offsets[:, 2]))]
    views = len(geometry)
    mas = sweep.mas or (technique.mas / views,) * views
    distance = float(geometry.distance_mm[views // 2])
    entry = technique.source_to_patient_mm or distance - sweep.support_mm - technique.thickness_mm
    current, spot, layer = technique.tube_current_ma, technique.focal_spot_mm, technique.half_value_layer_mm
    if current is None or spot is None or layer is None:
        raise InvalidInput(message(f"tube_current_ma={current}, focal_spot_mm={spot}, half_value_layer_mm={layer}",
                                   "the acquisition of a tomosynthesis image must state them", "Give them."))
    projections: list[Module] = [
        {"RelativeXRayExposure": round(1000 * mas[view] / max(mas)), "PositionerPrimaryAngle": angle,
         "PositionerPrimaryAngleDirection": "CW" if angle >= 0 else "CC", "ExposureInmAs": mas[view],
         "ExposureTimeInms": 1000.0 * mas[view] / current, "XRayTubeCurrentInmA": current}
        for view, angle in enumerate(angles)]
    item: Module = {
        "KVP": technique.kvp, "DistanceSourceToDetector": distance, "DistanceSourceToPatient": entry,
        "EstimatedRadiographicMagnificationFactor": distance / entry, "FieldOfViewShape": "RECTANGLE",
        "FieldOfViewOrigin": [0.0, 0.0], "FieldOfViewRotation": 0.0, "FieldOfViewHorizontalFlip": "NO",
        "DetectorTemperature": _ROOM_CELSIUS,
        **x_ray_filtration_module(technique), "Grid": technique.grid, "FocalSpots": spot, "HalfValueLayer": layer,
        "AnodeTargetMaterial": technique.anode, "BodyPartThickness": technique.thickness_mm,
        "CompressionForce": technique.compression_n, "PaddleDescription": technique.paddle,
        "ExposureControlMode": "MANUAL", "ExposureControlModeDescription": "as the protocol says",
        "ExposureInmAs": sum(mas), "XRayReceptorType": "DIGITAL_DETECTOR", "PrimaryPositionerScanArc":
        max(angles) - min(angles), "PrimaryPositionerScanStartAngle": angles[0], "PrimaryPositionerIncrement":
        (angles[-1] - angles[0]) / max(views - 1, 1), "PerProjectionAcquisitionSequence": projections}
    if technique.glandular_dose_mgy is not None:
        item["OrganDose"] = technique.glandular_dose_mgy * DGY_PER_MGY
    return {"XRay3DAcquisitionSequence": [item]}
