"""Truth in a radiograph or mammogram as DICOM Segmentation: which pixels of that image each lesion or organ reaches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import FileFormatError, InvalidInput, message
from physsim.imaging.dicom.attributes import (
    Subject,
    general_equipment_module,
    general_series_module,
    general_study_module,
    patient_module,
    patient_study_module,
    with_sop_common_module,
)
from physsim.imaging.dicom.codes import Module
from physsim.imaging.dicom.multiframe import dimension_module, frame_content, functional_groups_module
from physsim.imaging.dicom.segmentation import (
    SOP_CLASS,
    Segment,
    derivation_item,
    reference_item,
    segment_module,
    segmentation_image_module,
)
from physsim.io.atomic import write_bytes
from physsim.io.dicom import bit_packed_bytes, packed_bits
from physsim.io.dicom_identity import Identity


def save_image_segmentation(path: str | Path, masks: npt.NDArray[Any], segments: Sequence[Segment],
                            source: str | Path, subject: Subject, identity: Identity, *,
                            description: str = "Truth in the image", series: int = 8, overwrite: bool = False) -> None:
    """Write `masks` (segments, rows, columns), True where a ray meets the structure, over the image file `source`.

    Structures may overlap, as they do in projection. `source`: one view as save_for_presentation or save_for_processing
    wrote it. Raises InvalidInput for masks of another size than the image, empty ones, and segments of equal numbers.
    """
    import pydicom

    array = np.asarray(masks)
    if array.dtype != np.bool_ or array.ndim != 3 or len(array) != len(segments) or not len(segments):
        raise InvalidInput(message(f"masks of shape {array.shape} and dtype {array.dtype} for {len(segments)} segments",
                                   "must be (segments, rows, columns) of bool", "Compare the paths with 0."))
    if len({one.number for one in segments}) != len(segments):
        raise InvalidInput(message(f"segments with numbers {[one.number for one in segments]}",
                                   "each structure wants a number of its own", "Give each number once."))
    empty = [one.name for one, mask in zip(segments, array, strict=True) if not mask.any()]
    if empty:
        raise InvalidInput(message(", ".join(empty[:4]), "no pixel shows it", "Leave the segment out."))
    image = pydicom.dcmread(source, stop_before_pixels=True)
    try:
        size = (int(image.Rows), int(image.Columns))
        found: Module = {"class": str(image.SOPClassUID), "instance": str(image.SOPInstanceUID),
                         "series": str(image.SeriesInstanceUID)}
    except AttributeError as error:
        raise FileFormatError(message(str(source), f"is no image ({error})", "Give a radiograph.")) from None
    if array.shape[1:] != size:
        raise InvalidInput(message(f"masks of {array.shape[1:]} pixels", f"the image has {size}",
                                   "Give its own masks."))
    frames: list[Module] = [
        {**frame_content(identity, index=[n]), "SegmentIdentificationSequence": [{"ReferencedSegmentNumber": n}],
         "DerivationImageSequence": [derivation_item(found)]} for n in range(1, len(segments) + 1)]
    attributes: Module = {
        **patient_module(subject), **patient_study_module(subject), **general_study_module(identity, description),
        **general_series_module(identity, "SEG", series, description, "PHANTOM"), **general_equipment_module(identity),
        **segmentation_image_module(identity, description, "UNDEFINED"),
        "PatientOrientation": [str(letters) for letters in image.get("PatientOrientation") or ()],
        "SegmentSequence": [segment_module(n, one, identity) for n, one in enumerate(segments, 1)],
        "ReferencedSeriesSequence": [{"SeriesInstanceUID": found["series"],
                                      "ReferencedInstanceSequence": [reference_item(found)]}],
        **functional_groups_module({}, frames, identity),
        **dimension_module(identity, [("ReferencedSegmentNumber", "SegmentIdentificationSequence", "segment")],
                           "image segments")}
    packed = packed_bits(array)
    attributes = with_sop_common_module(attributes, identity, SOP_CLASS, np.frombuffer(packed, np.uint8))
    write_bytes(path, bit_packed_bytes(attributes, packed, (len(segments), *size)), overwrite)
