"""Truth as DICOM Segmentation (PS3.3 A.51): a segment an organ or lesion, one bit a voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from physsim._version import __version__
from physsim.errors import FileFormatError, InvalidInput, message
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
from physsim.imaging.dicom.codes import Module, code, lesion_codes, organ_codes
from physsim.imaging.dicom.multiframe import (
    dimension_module,
    frame_content,
    functional_groups_module,
    pixel_measures,
    plane_position,
)
from physsim.io.atomic import write_bytes
from physsim.io.dicom import bit_packed_bytes, packed_bits
from physsim.io.dicom_identity import Identity
from physsim.io.image import Image

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"
_POSITION_TOLERANCE_MM = 1e-3


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A structure in the labels: `number` is its label, `name` such as "left kidney" or "nodule 1".

    `kind`: "organ" or "lesion", which choose the codes (physsim.imaging.dicom.codes) unless `category` and `type` give
    them as (SNOMED code, meaning).
    """

    number: int
    name: str
    kind: Literal["organ", "lesion"] = "organ"
    category: tuple[str, str] | None = None
    type: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.number < 1:
            raise InvalidInput(message(f"number={self.number}", "0 is what belongs to no segment", "Give 1 or more."))
        if not 0 < len(self.name) <= 64 or "\\" in self.name:
            raise InvalidInput(message(f"name={self.name!r}", "DICOM wants 1 to 64 letters without a backslash",
                                       "Give a short name."))

    def codes(self) -> tuple[Module, Module]:
        """Category and type."""
        category, kind = (organ_codes if self.kind == "organ" else lesion_codes)(self.name)
        return code(*self.category) if self.category else category, code(*self.type) if self.type else kind


def save_segmentation(path: str | Path, labels: Image, segments: Sequence[Segment], subject: Subject,
                      identity: Identity, *, sources: Sequence[str | Path] = (), description: str = "Truth",
                      series: int = 9, overwrite: bool = False) -> int:
    """Write each of `segments` as the voxels of `labels` (whole numbers) that carry its number; returns the frames.

    Only slices that a segment meets are stored. `sources`: the slices of the CT series that the truth belongs to (as
    save_ct_series returns them), or one file with a frame for each (as save_tomosynthesis writes it); each is named by
    the frames that lie in it. Raises InvalidInput for labels that are no whole numbers, left-handed axes, doubled or
    absent segments, sources of another size and slices elsewhere. Neglects: overlapping truth.
    """
    array = labels.array
    if array.dtype.kind not in "iub":
        raise InvalidInput(message(f"labels of dtype {array.dtype}", "they number the segments", "Give whole numbers."))
    if np.linalg.det(np.array(labels.direction)) < 0:
        raise InvalidInput(message(f"direction={labels.direction}", "DICOM slices run along row x column",
                                   "Flip the z axis."))
    numbers = [one.number for one in segments]
    if not numbers or len(set(numbers)) != len(numbers):
        raise InvalidInput(message(f"segments with numbers {numbers}", "each structure wants a number of its own",
                                   "Give each number once."))
    present = _slices_by_label(array)
    absent = [one.name for one in segments if one.number not in present]
    if absent:
        raise InvalidInput(message(", ".join(absent[:4]), "no voxel carries the number", "Leave the segment out."))
    places = [(position, one.number, z) for position, one in enumerate(segments, 1) for z in present[one.number]]
    named = _sources(labels, sources)
    packed = packed_bits(array[z] == number for _, number, z in places)
    attributes = _attributes(labels, segments, places, named, subject, identity, description, series)
    attributes = with_sop_common_module(attributes, identity, SOP_CLASS, np.frombuffer(packed, np.uint8))
    write_bytes(path, bit_packed_bytes(attributes, packed, (len(places), *array.shape[1:])), overwrite)
    return len(places)


def segment_module(position: int, segment: Segment, identity: Identity) -> Module:
    """One item of the segment sequence (C.8.20.2)."""
    category, kind = segment.codes()
    return {"SegmentNumber": position, "SegmentLabel": segment.name, "SegmentAlgorithmType": "AUTOMATIC",
            "SegmentAlgorithmName": f"physsim {__version__}, truth", "SegmentDescription": f"label {segment.number}",
            "SegmentedPropertyCategoryCodeSequence": [category], "SegmentedPropertyTypeCodeSequence": [kind],
            "TrackingID": segment.name, "TrackingUID": identity.uid("segment", segment.name, segment.number)}


def segmentation_image_module(identity: Identity, description: str, overlap: Literal["NO", "UNDEFINED"]) -> Module:
    """General image and segmentation image (C.8.20.2), but for the segments themselves."""
    image = general_image_module(identity, 1, ("DERIVED", "PRIMARY"), "Truth from the geometry of the phantom.")
    for keyword in ("AcquisitionDate", "AcquisitionTime", "AcquisitionNumber", "DerivationDescription"):
        image.pop(keyword, None)  # nothing was acquired
    return {**image, "PhotometricInterpretation": "MONOCHROME2", "SegmentationType": "BINARY",
            "SegmentsOverlap": overlap, "ContentLabel": "TRUTH", "ContentDescription": description[:64],
            "ContentCreatorName": "PHYSSIM^TRUTH"}


def _attributes(labels: Image, segments: Sequence[Segment], places: Sequence[tuple[int, int, int]],
                named: list[Module] | None, subject: Subject, identity: Identity, description: str,
                series: int) -> Module:
    planes: list[Module] = [plane_position(labels, z) for z in range(len(labels.array))]
    frames: list[Module] = []
    for position, _, z in places:
        frame = {**frame_content(identity, index=[position, z + 1]), **planes[z],
                 "SegmentIdentificationSequence": [{"ReferencedSegmentNumber": position}]}
        if named is not None:
            frame["DerivationImageSequence"] = [derivation_item(named[z])]
        frames.append(frame)
    attributes: Module = {
        **patient_module(subject), **patient_study_module(subject), **general_study_module(identity, description),
        **general_series_module(identity, "SEG", series, description, "PHANTOM"), **general_equipment_module(identity),
        **frame_of_reference_module(identity),
        **segmentation_image_module(identity, description, "NO"),
        "SegmentSequence": [segment_module(n, one, identity) for n, one in enumerate(segments, 1)],
        **functional_groups_module(pixel_measures(labels), frames, identity),
        **dimension_module(identity, [
            ("ReferencedSegmentNumber", "SegmentIdentificationSequence", "segment"),
            ("ImagePositionPatient", "PlanePositionSequence", "position")], "segments")}
    if named is not None:
        files = {one["instance"]: one for one in named}
        attributes["ReferencedSeriesSequence"] = [{
            "SeriesInstanceUID": named[0]["series"],
            "ReferencedInstanceSequence": [reference_item(one) for one in files.values()]}]
    return attributes


def _slices_by_label(array: npt.NDArray[Any]) -> dict[int, list[int]]:
    """Label to the slices that it meets."""
    found: dict[int, list[int]] = {}
    for z, plane in enumerate(array):
        for number in np.unique(plane).tolist():
            found.setdefault(int(number), []).append(z)
    return found


def _sources(labels: Image, sources: Sequence[str | Path]) -> list[Module] | None:
    """The image that each slice of the labels lies in, by class, instance and series; None where none are given."""
    if not sources:
        return None
    normal = np.array(labels.direction[2])
    first = float(np.dot(labels.origin_mm, normal))
    found: dict[int, Module] = {}
    for source in sources:
        for place, image in _placed_images(source, labels.array.shape[1:]):
            height = (float(np.dot(place, normal)) - first) / labels.spacing_mm[2]
            if abs(height - round(height)) * labels.spacing_mm[2] < _POSITION_TOLERANCE_MM:
                found[round(height)] = image
    missing = [z for z in range(len(labels.array)) if z not in found]
    if missing:
        raise InvalidInput(message(f"{len(missing)} slices of the labels", "lie in none of the source images",
                                   "Give labels on the grid of the series, or leave sources out."))
    return [found[z] for z in range(len(labels.array))]


def _placed_images(source: str | Path, size: tuple[int, ...]) -> list[tuple[npt.NDArray[np.float64], Module]]:
    """Where each image of a file lies (mm), and what names it. Raises InvalidInput for slices of another size, and
    FileFormatError for files that hold none."""
    import pydicom

    data = pydicom.dcmread(source, stop_before_pixels=True)
    try:
        named: Module = {"class": str(data.SOPClassUID), "instance": str(data.SOPInstanceUID),
                         "series": str(data.SeriesInstanceUID)}
        if "PerFrameFunctionalGroupsSequence" in data:
            places = [one.PlanePositionSequence[0].ImagePositionPatient
                      for one in data.PerFrameFunctionalGroupsSequence]
            images = [(np.array(place, float), {**named, "frame": n}) for n, place in enumerate(places, 1)]
        else:
            images = [(np.array(data.ImagePositionPatient, float), named)]
        found = (int(data.Rows), int(data.Columns))
    except AttributeError as error:
        raise FileFormatError(message(str(source), f"holds no slices ({error})", "Give slices of a volume.")) from None
    if found != size:
        raise InvalidInput(message(f"{source} with slices of {found} pixels", f"the labels have {size}",
                                   "Give the slices that the labels lie on."))
    return images


def reference_item(source: Module) -> Module:
    """An image by class and instance, of a map with `class` and `instance`."""
    return {"ReferencedSOPClassUID": source["class"], "ReferencedSOPInstanceUID": source["instance"]}


def derivation_item(source: Module) -> Module:
    """That a frame segments the image `source`, or the `frame` of it (C.7.6.16.2.6)."""
    purpose = {"PurposeOfReferenceCodeSequence": [code("121322", "Source image for image processing operation", "DCM")],
               "SpatialLocationsPreserved": "YES"}
    frame = {"ReferencedFrameNumber": source["frame"]} if "frame" in source else {}
    return {"SourceImageSequence": [{**reference_item(source), **frame, **purpose}],
            "DerivationCodeSequence": [code("113076", "Segmentation", "DCM")]}
