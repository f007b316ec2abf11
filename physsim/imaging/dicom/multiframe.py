"""What all multi-frame images share: functional groups and dimensions (PS3.3 C.7.6.16-17), exact poses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from physsim.errors import FileFormatError, message
from physsim.imaging.dicom.attributes import date_time
from physsim.imaging.dicom.codes import Module, anatomic_region
from physsim.io.dicom_identity import Identity
from physsim.io.image import Image
from physsim.spec.geometry import Geometry

POSE_GROUP = 0x7053  # private: source, detector centre, u and v in the patient's frame, mm, as in physsim's Geometry
_POSE = ("source_mm", "centre_mm", "u", "v")


def functional_groups_module(shared: Module, frames: Sequence[Module], identity: Identity, number: int = 1) -> Module:
    """Multi-frame functional groups (C.7.6.16): what all `frames` share, and each one's own."""
    day, time = identity.moment.strftime("%Y%m%d"), identity.moment.strftime("%H%M%S")
    return {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": list(frames),
            "NumberOfFrames": len(frames), "InstanceNumber": number, "ContentDate": day, "ContentTime": time}


def dimension_module(identity: Identity, pointers: Sequence[tuple[str, str, str]], what: str,
                     kind: str | None = None) -> Module:
    """Multi-frame dimension (C.7.6.17); `pointers`: (attribute, its functional group, label), slowest first."""
    uid = identity.uid("dimensions", what)
    module: Module = {
        "DimensionOrganizationSequence": [{"DimensionOrganizationUID": uid}],
        "DimensionIndexSequence": [
            {"DimensionOrganizationUID": uid, "DimensionIndexPointer": attribute, "FunctionalGroupPointer": group,
             "DimensionDescriptionLabel": label} for attribute, group, label in pointers]}
    return module if kind is None else module | {"DimensionOrganizationType": kind}


def frame_content(identity: Identity, *, index: Sequence[int] | None = None, number: int | None = None,
                  duration_ms: float = 0.0, stack: int | None = None) -> Module:
    """Frame content (C.7.6.16.2.2): indices along the dimensions, acquisition's number, place in the stack."""
    content: Module = {}
    if number is not None:
        content |= {"FrameAcquisitionNumber": number, "FrameAcquisitionDateTime": date_time(identity),
                    "FrameReferenceDateTime": date_time(identity), "FrameAcquisitionDuration": duration_ms}
    if index is not None:
        content["DimensionIndexValues"] = list(index)
    if stack is not None:
        content |= {"StackID": "1", "InStackPositionNumber": stack}
    return {"FrameContentSequence": [content]}


def frame_anatomy(body_part: str, laterality: str) -> Module:
    """Frame anatomy (C.7.6.16.2.8)."""
    return {"FrameAnatomySequence": [{"AnatomicRegionSequence": anatomic_region(body_part),
                                      "FrameLaterality": laterality}]}


def pixel_measures(volume: Image) -> Module:
    """Pixel measures and orientation of a volume's slices (C.7.6.16.2.1 and .4); rows' spacing first."""
    x, y, z = volume.spacing_mm
    return {"PixelMeasuresSequence": [{"PixelSpacing": [y, x], "SliceThickness": z, "SpacingBetweenSlices": z}],
            "PlaneOrientationSequence": [{"ImageOrientationPatient": [*volume.direction[0], *volume.direction[1]]}]}


def plane_position(volume: Image, index: int) -> Module:
    """Plane position (C.7.6.16.2.3) of slice `index`."""
    place = volume.world_from_voxel @ np.array([0.0, 0.0, index, 1.0])
    return {"PlanePositionSequence": [{"ImagePositionPatient": [float(c) for c in place[:3]]}]}


def pose_module(geometry: Geometry, view: int) -> Module:
    """The pose of one view as private doubles (7053,1001) to (7053,1004), exact."""
    pose = {(POSE_GROUP, 0x1001 + n, "FD"): [float(c) for c in getattr(geometry, name)[view]]
            for n, name in enumerate(_POSE)}
    return {(POSE_GROUP, 0x10, "LO"): "PHYSSIM GEOMETRY", **pose}


def geometry_of(datasets: Sequence[Any], rows: int, columns: int, pixel_mm: tuple[float, float],
                radius_mm: float | None = None) -> Geometry:
    """The geometry that pose_module wrote into `datasets` (pydicom's), a view each; FileFormatError without one."""
    try:
        source, centre, u, v = (np.array([one[POSE_GROUP, 0x1001 + n].value for one in datasets], np.float64)
                                for n in range(len(_POSE)))
    except (KeyError, ValueError) as error:
        raise FileFormatError(message("projections", f"hold no poses of physsim ({error})",
                                      "Only files that physsim wrote have them.")) from None
    return Geometry(source_mm=source, centre_mm=centre, u=u, v=v, rows=rows, columns=columns, pixel_mm=pixel_mm,
                    radius_mm=radius_mm)
