"""Which DICOM attributes every image gets, one function a module of PS3.3; modality files add theirs.

A module is a plain map from keyword to value, a sequence a list of such maps; physsim.io.dicom turns them into bytes.
All identifiers and dates follow from content and seed (physsim.io.dicom_identity).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from physsim._version import __version__
from physsim.errors import InvalidInput, message
from physsim.imaging.dicom.codes import Module, anatomic_region, code
from physsim.io.dicom_encoding import elements, encode
from physsim.io.dicom_identity import Identity
from physsim.units import CM_PER_M

NOT_CLINICAL = "Simulated image of a virtual patient. For research, not for clinical use."
DAYS_PER_YEAR = 365.2425  # mean Gregorian year

PROVENANCE_GROUP = 0x7051  # private: the specification and seed that the study was simulated from


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who is in the image, as far as DICOM tells: a virtual patient or a test object."""

    identifier: str
    sex: Literal["F", "M", "O", ""] = ""
    age_years: float | None = None
    height_cm: float | None = None
    weight_kg: float | None = None

    def __post_init__(self) -> None:
        if not (self.identifier and self.identifier.isascii() and self.identifier.isprintable()
                and len(self.identifier) <= 48 and not set(self.identifier) & set("\\^=")):
            raise InvalidInput(message(f"identifier={self.identifier!r}",
                                       "DICOM wants up to 48 ASCII characters without \\, ^ and =",
                                       "Give for example 'patient-0007'."))
        if self.sex not in ("F", "M", "O", ""):
            raise InvalidInput(message(f"sex={self.sex!r}", "DICOM knows F, M, O and ''", "Give one of them."))
        for name in ("age_years", "height_cm", "weight_kg"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1000:
                raise InvalidInput(message(f"{name}={value}", "must lie from 0 to 1000", "Give a person's, or None."))


def patient_module(subject: Subject) -> Module:
    """Patient (C.7.1.1); the birth date stays empty, the age goes into the study."""
    return {"PatientName": f"PHYSSIM^{subject.identifier}", "PatientID": subject.identifier, "PatientBirthDate": "",
            "PatientSex": subject.sex, "PatientComments": NOT_CLINICAL}


def patient_study_module(subject: Subject) -> Module:
    """Patient study (C.7.2.2): age, height (m), weight (kg) where known."""
    module: Module = {}
    if subject.age_years is not None:
        module["PatientAge"] = age_string(subject.age_years)
    if subject.height_cm is not None:
        module["PatientSize"] = subject.height_cm / CM_PER_M
    if subject.weight_kg is not None:
        module["PatientWeight"] = subject.weight_kg
    return module


def general_study_module(identity: Identity, description: str) -> Module:
    """General study (C.7.2.1)."""
    return {"StudyInstanceUID": identity.uid("study"), **_moment(identity, "Study"), "ReferringPhysicianName": "",
            "StudyID": "1", "AccessionNumber": "", "StudyDescription": _long_string(description)}


def general_series_module(identity: Identity, modality: str, number: int, description: str, body_part: str) -> Module:
    """General series (C.7.3.1)."""
    known = {"BodyPartExamined": body_part} if anatomic_region(body_part) else {}
    return {"Modality": modality, "SeriesInstanceUID": identity.uid("series", modality, number), "SeriesNumber": number,
            **_moment(identity, "Series"), "SeriesDescription": _long_string(description), **known}


def general_equipment_module(identity: Identity) -> Module:
    """General equipment (C.7.5.1, C.7.5.2) and what it made the study from."""
    return {**provenance_module(identity), "Manufacturer": "physsim",
            "ManufacturerModelName": "physsim virtual X-ray system", "DeviceSerialNumber": "0",
            "SoftwareVersions": f"physsim {__version__}", "InstitutionName": "virtual"}


def general_image_module(identity: Identity, number: int, image_type: Sequence[str], comments: str) -> Module:
    """General image (C.7.6.1); `comments` says what the pixels hold and leave out."""
    module = {"ImageType": list(image_type), "InstanceNumber": number, **_moment(identity, "Content"),
              **_moment(identity, "Acquisition"), "AcquisitionNumber": 1, "BurnedInAnnotation": "NO",
              "LossyImageCompression": "00", "ImageComments": f"{comments} {NOT_CLINICAL}".strip()[:10240]}
    if image_type[0] == "DERIVED":
        module["DerivationDescription"] = "Computed from a simulated acquisition."
    return module


def with_sop_common_module(attributes: Module, identity: Identity, sop_class: str, pixels: npt.NDArray[Any]) -> Module:
    """All `attributes` and SOP common (C.12.1); call it last.

    The instance's UID depends on every attribute and pixel, so that different images never share one.
    """
    whole: Module = elements({**attributes, "SyntheticData": "YES"}, pixels.dtype.kind == "i")
    content = encode(whole)
    stored = hashlib.sha256(np.ascontiguousarray(pixels).data).digest()  # twice as fast as blake2b on today's CPUs
    uid = identity.uid("instance", sop_class, content, stored)
    return {**whole, "SOPClassUID": sop_class, "SOPInstanceUID": uid, **_moment(identity, "InstanceCreation")}


def provenance_module(identity: Identity) -> Module:
    """What made the study: contributing equipment (C.12.1), and the specification and seed as private elements.

    (7051,1001) holds the identity's content (the specification as JSON, or its hash), (7051,1002) the seed.
    """
    who = {"Manufacturer": "physsim", "ManufacturerModelName": "physsim", "SoftwareVersions": __version__,
           "ContributionDateTime": date_time(identity),
           "ContributionDescription": f"Simulated from {identity.uid('study')}, seed {identity.seed}. {NOT_CLINICAL}",
           "PurposeOfReferenceCodeSequence": [code("109102", "Processing Equipment", "DCM")]}
    return {"ContributingEquipmentSequence": [who], (PROVENANCE_GROUP, 0x10, "LO"): "PHYSSIM PROVENANCE",
            (PROVENANCE_GROUP, 0x1001, "UT"): identity.content, (PROVENANCE_GROUP, 0x1002, "LO"): str(identity.seed)}


def frame_of_reference_module(identity: Identity) -> Module:
    """Frame of reference (C.7.4.1): the world frame of one virtual patient."""
    return {"FrameOfReferenceUID": identity.uid("frame of reference"), "PositionReferenceIndicator": ""}


def acquisition_context_module() -> Module:
    """Acquisition context (C.7.6.14): empty."""
    return {"AcquisitionContextSequence": []}


def real_world_value_module(slope: float, intercept: float, last_stored: int, unit: str, label: str,
                            explanation: str, first_stored: int = 0) -> Module:
    """Real world value mapping (C.7.6.16.2.11): value = slope x stored + intercept, `unit` in UCUM ("1" for none)."""
    return {"RealWorldValueMappingSequence": [{
        "RealWorldValueFirstValueMapped": first_stored, "RealWorldValueLastValueMapped": last_stored,
        "RealWorldValueIntercept": float(intercept), "RealWorldValueSlope": float(slope), "LUTLabel": label[:16],
        "LUTExplanation": _long_string(explanation),
        "MeasurementUnitsCodeSequence": [code(unit, "no units" if unit == "1" else unit, "UCUM")]}]}


def age_string(age_years: float) -> str:
    """Age as DICOM writes it: days below a month, months below two years, else years.

    >>> age_string(54.2), age_string(0.5), age_string(0.02)
    ('054Y', '006M', '007D')
    """
    if age_years >= 2:
        return f"{int(age_years):03d}Y"
    months = int(age_years * 12)
    return f"{months:03d}M" if months >= 1 else f"{int(age_years * DAYS_PER_YEAR):03d}D"


def orientation_letters(direction: npt.ArrayLike) -> str:
    """A direction in the LPS frame as DICOM letters, main component first (C.7.6.1.1.1), parts below 0.1 left out.

    >>> orientation_letters((1, 0, 0)), orientation_letters((0, 0, -1)), orientation_letters((-0.8, 0.6, 0))
    ('L', 'F', 'RP')
    """
    vector = np.asarray(direction, np.float64)
    letters = (("R", "L"), ("A", "P"), ("F", "H"))
    order = sorted(range(3), key=lambda axis: (-abs(round(float(vector[axis]), 9)), axis))
    return "".join(letters[axis][int(vector[axis] > 0)] for axis in order if abs(vector[axis]) >= 0.1)


def date_time(identity: Identity) -> str:
    """The study's moment as DT."""
    return identity.moment.strftime("%Y%m%d%H%M%S")


def _moment(identity: Identity, what: str) -> Module:
    return {f"{what}Date": identity.moment.strftime("%Y%m%d"), f"{what}Time": identity.moment.strftime("%H%M%S")}


def _long_string(text: str) -> str:
    return text.replace("\\", "/").strip()[:64]
