"""A reconstructed volume as a DICOM CT series, one file a slice (CT Image, PS3.3 A.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.imaging.dicom_attributes import (
    Module,
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
from physsim.io.atomic import check_output
from physsim.io.dicom import write_dicom
from physsim.io.dicom_identity import Identity
from physsim.io.image import Image

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.2"
LOWEST_HU, HIGHEST_HU = -32768, 32767


def save_ct_series(folder: str | Path, volume_hu: Image, subject: Subject, identity: Identity, *, kvp: float,
                   comments: str, body_part: str = "CHEST", description: str = "Simulated CT", series: int = 1,
                   overwrite: bool = False) -> list[Path]:
    """Write `volume_hu` (HU) into an existing `folder` as slice_0001.dcm and so on, whole HU in 16 bits.

    Returns the files, in the order of the volume's z axis. Raises InvalidInput when a value leaves 16 bits or the axes
    are left-handed (DICOM's slices cannot say so). Neglects: fractions of a HU.
    """
    folder, hu = Path(folder), np.asarray(volume_hu.array, np.float64)
    if not (np.isfinite(hu).all() and hu.min() >= LOWEST_HU and hu.max() <= HIGHEST_HU):
        raise InvalidInput(message(f"CT numbers from {hu.min()} to {hu.max()}",
                                   f"16 bits hold {LOWEST_HU} to {HIGHEST_HU} HU", "Clip the volume."))
    if np.linalg.det(np.array(volume_hu.direction)) < 0:
        raise InvalidInput(message(f"direction={volume_hu.direction}", "DICOM slices run along row x column",
                                   "Flip the z axis."))
    paths = [folder / f"slice_{number:04d}.dcm" for number in range(1, len(hu) + 1)]
    for path in paths:
        check_output(path, overwrite)
    for number, (path, plane) in enumerate(zip(paths, hu, strict=True), 1):
        pixels = np.rint(plane).astype(np.int16)
        attributes: Module = {
            **patient_module(subject), **patient_study_module(subject), **general_study_module(identity, description),
            **general_series_module(identity, "CT", series, description, body_part), "PatientPosition": "HFS",
            **frame_of_reference_module(identity), **general_equipment_module(),
            **general_image_module(identity, number, ("ORIGINAL", "PRIMARY", "AXIAL"), comments),
            **image_plane_module(volume_hu, number - 1), **ct_image_module(kvp)}
        write_dicom(path, with_sop_common_module(attributes, identity, SOP_CLASS, pixels), pixels, overwrite)
    return paths


def image_plane_module(volume: Image, index: int) -> Module:
    """Image plane (C.7.6.2) of slice `index`; DICOM lists the spacing between rows first."""
    x, y, z = volume.spacing_mm
    position: Any = volume.world_from_voxel @ np.array([0.0, 0.0, index, 1.0])
    return {"PixelSpacing": [y, x], "ImageOrientationPatient": [*volume.direction[0], *volume.direction[1]],
            "ImagePositionPatient": [float(c) for c in position[:3]], "SliceThickness": z}


def ct_image_module(kvp: float) -> Module:
    """CT image (C.8.2.1): stored values are whole HU."""
    return {"PhotometricInterpretation": "MONOCHROME2", "RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "HU",
            "KVP": kvp}
