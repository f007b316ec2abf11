"""The doses of CT scans as a DICOM X-Ray Radiation Dose SR (PS3.3 A.35.8): what RIS and dose registries read.

Templates of PS3.16: TID 10011 (CT radiation dose), 10012 (accumulated), 10013 (one irradiation event).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from physsim.imaging.dicom.attributes import (
    Subject,
    general_equipment_module,
    general_study_module,
    patient_module,
    patient_study_module,
    with_sop_common_module,
)
from physsim.imaging.dicom.codes import CTDI_PHANTOMS, Module, anatomic_region, code
from physsim.io.dicom import bytes_without_pixels
from physsim.io.dicom_identity import Identity

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.88.67"


@dataclass(frozen=True, kw_only=True)
class IrradiationEvent:
    """One scan with one beam; mm, kV, mA, s, mGy, mGy cm. `pitch`: None for axial turns. `ssde_mgy`,
    `water_diameter_mm`: None where not known."""

    protocol: str
    body_part: str
    kvp: float
    current_ma: float
    most_current_ma: float
    exposure_s: float
    turn_s: float
    length_mm: float
    slice_collimation_mm: float
    collimation_mm: float
    pitch: float | None
    ctdi_vol_mgy: float
    phantom_cm: Literal[16, 32]
    dlp_mgy_cm: float
    ssde_mgy: float | None = None
    water_diameter_mm: float | None = None


def dose_report_bytes(events: Sequence[IrradiationEvent], subject: Subject, identity: Identity) -> bytes:
    """The DICOM file."""
    moment = identity.moment
    day, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    content: Module = {
        **patient_module(subject), **patient_study_module(subject), **general_study_module(identity, "CT dose"),
        "Modality": "SR", "SeriesInstanceUID": identity.uid("series", "SR", 1), "SeriesNumber": 999,
        "SeriesDescription": "Radiation dose", "ReferencedPerformedProcedureStepSequence": [],
        **general_equipment_module(identity), "InstanceNumber": 1, "ContentDate": day, "ContentTime": time,
        "CompletionFlag": "COMPLETE", "VerificationFlag": "UNVERIFIED", "PerformedProcedureCodeSequence": [],
        "ValueType": "CONTAINER", "ContinuityOfContent": "SEPARATE",
        "ConceptNameCodeSequence": [code("113701", "X-Ray Radiation Dose Report", "DCM")],
        "ContentTemplateSequence": [{"MappingResource": "DCMR", "TemplateIdentifier": "10011"}],
        "ContentSequence": _report(events, identity)}
    nothing = np.zeros(0, np.uint8)
    return bytes_without_pixels(with_sop_common_module(content, identity, SOP_CLASS, nothing))


def _report(events: Sequence[IrradiationEvent], identity: Identity) -> list[Module]:
    total = float(np.cumsum([one.dlp_mgy_cm for one in events])[-1])
    intent = _code("HAS CONCEPT MOD", code("363703001", "Has Intent"), code("261004008", "Diagnostic Intent"))
    return [
        {**_code("HAS CONCEPT MOD", _dcm("121058", "Procedure reported"),
                 code("77477000", "Computed Tomography X-Ray")), "ContentSequence": [intent]},
        _code("HAS OBS CONTEXT", _dcm("121005", "Observer Type"), _dcm("121007", "Device")),
        _uid("HAS OBS CONTEXT", _dcm("121012", "Device Observer UID"), identity.uid("device")),
        _text("HAS OBS CONTEXT", _dcm("121013", "Device Observer Name"), "physsim virtual X-ray system"),
        {**_code("HAS OBS CONTEXT", _dcm("113705", "Scope of Accumulation"), _dcm("113014", "Study")),
         "ContentSequence": [_uid("HAS PROPERTIES", _dcm("110180", "Study Instance UID"), identity.uid("study"))]},
        _container(_dcm("113811", "CT Accumulated Dose Data"), [
            _number(_dcm("113812", "Total Number of Irradiation Events"), len(events), "{events}", "events"),
            _number(_dcm("113813", "CT Dose Length Product Total"), total, "mGy.cm")]),
        *(_event(one, number, identity) for number, one in enumerate(events)),
        _code("CONTAINS", _dcm("113854", "Source of Dose Information"), _dcm("113856", "Automated Data Collection"))]


def _event(one: IrradiationEvent, number: int, identity: Identity) -> Module:
    region = anatomic_region(one.body_part) or [code("38266002", "Entire body")]
    kind = _dcm("113804", "Sequenced Acquisition") if one.pitch is None else code("116152004", "Spiral Acquisition")
    source = _container(_dcm("113831", "CT X-Ray Source Parameters"), [
        _text("CONTAINS", _dcm("113832", "Identification of the X-Ray Source"), "1"),
        _number(_dcm("113733", "KVP"), one.kvp, "kV"),
        _number(_dcm("113833", "Maximum X-Ray Tube Current"), one.most_current_ma, "mA"),
        _number(_dcm("113734", "X-Ray Tube Current"), one.current_ma, "mA"),
        _number(_dcm("113834", "Exposure Time per Rotation"), one.turn_s, "s")])
    pitch = [] if one.pitch is None else [_number(_dcm("113828", "Pitch Factor"), one.pitch, "{ratio}", "ratio")]
    taken = _container(_dcm("113822", "CT Acquisition Parameters"), [
        _number(_dcm("113824", "Exposure Time"), one.exposure_s, "s"),
        _number(_dcm("113825", "Scanning Length"), one.length_mm, "mm"),
        _number(_dcm("113826", "Nominal Single Collimation Width"), one.slice_collimation_mm, "mm"),
        _number(_dcm("113827", "Nominal Total Collimation Width"), one.collimation_mm, "mm"), *pitch,
        _number(_dcm("113823", "Number of X-Ray Sources"), 1, "{X-Ray sources}", "X-Ray sources"), source])
    dose = [_number(_dcm("113830", "Mean CTDIvol"), one.ctdi_vol_mgy, "mGy"),
            _code("CONTAINS", _dcm("113835", "CTDIw Phantom Type"), _dcm(*CTDI_PHANTOMS[one.phantom_cm])),
            _number(_dcm("113838", "DLP"), one.dlp_mgy_cm, "mGy.cm")]
    if one.ssde_mgy is not None:
        size = [] if one.water_diameter_mm is None else [
            {**_number(_dcm("113980", "Water Equivalent Diameter"), one.water_diameter_mm, "mm"),
             "RelationshipType": "INFERRED FROM"}]
        method = _code("HAS CONCEPT MOD", code("370129005", "Measurement Method"),
                       _dcm("113989", "Arithmetic Average of SSDE(z)"))
        dose.append({**_number(_dcm("113930", "Size Specific Dose Estimation"), one.ssde_mgy, "mGy"),
                     "ContentSequence": [method, *size]})
    return _container(_dcm("113819", "CT Acquisition"), [
        _text("CONTAINS", _dcm("125203", "Acquisition Protocol"), one.protocol[:64]),
        _code("CONTAINS", _dcm("123014", "Target Region"), region[0]),
        _code("CONTAINS", _dcm("113820", "CT Acquisition Type"), kind),
        _uid("CONTAINS", _dcm("113769", "Irradiation Event UID"), identity.uid("event", number)), taken,
        _container(_dcm("113829", "CT Dose"), dose)])


def _dcm(value: str, meaning: str) -> Module:
    return code(value, meaning, "DCM")


def _item(relation: str, kind: str, name: Module) -> Module:
    return {"RelationshipType": relation, "ValueType": kind, "ConceptNameCodeSequence": [name]}


def _code(relation: str, name: Module, value: Module) -> Module:
    return {**_item(relation, "CODE", name), "ConceptCodeSequence": [value]}


def _uid(relation: str, name: Module, value: str) -> Module:
    return {**_item(relation, "UIDREF", name), "UID": value}


def _text(relation: str, name: Module, value: str) -> Module:
    return {**_item(relation, "TEXT", name), "TextValue": value}


def _number(name: Module, value: float, unit: str, meaning: str | None = None) -> Module:
    measured = {"NumericValue": float(f"{value:.9g}"),
                "MeasurementUnitsCodeSequence": [code(unit, meaning or unit, "UCUM")]}
    return {**_item("CONTAINS", "NUM", name), "MeasuredValueSequence": [measured]}


def _container(name: Module, content: list[Module]) -> Module:
    return {**_item("CONTAINS", "CONTAINER", name), "ContinuityOfContent": "SEPARATE", "ContentSequence": content}
