"""Coded words of DICOM (PS3.16): body parts, views, organs; SNOMED CT (SCT) or DICOM's own (DCM).

Neglects: organs without an entry here are coded as "Organ" or "Tissue" with their own name as label.
Reference: PS3.16 CID 4009, 4010, 4014, 4031, 7150, 7151 and annex L (2025b).
"""

from __future__ import annotations

import re
from typing import Any

from physsim.errors import InvalidInput, did_you_mean, message

Module = dict[Any, Any]  # from keyword, private element or encoded tag (physsim.io.dicom_encoding) to value

# Body part examined (PS3.16 annex L) with its SNOMED CT code and meaning (PS3.16 CID 4031)
BODY_PARTS = {
    "CHEST": ("816094009", "Chest"), "ABDOMEN": ("818981001", "Abdomen"), "PELVIS": ("816092008", "Pelvis"),
    "ABDOMENPELVIS": ("818982008", "Abdomen and Pelvis"), "SKULL": ("89546000", "Skull"),
    "HEAD": ("69536005", "Head"), "JAW": ("661005", "Jaw region"),
    "NECK": ("45048000", "Neck"), "HAND": ("85562004", "Hand"), "KNEE": ("72696002", "Knee"),
    "HIP": ("29836001", "Hip"),
    "BREAST": ("76752008", "Breast"), "LSPINE": ("122496007", "Lumbar spine"),
    "WHOLEBODY": ("38266002", "Entire body"), "PHANTOM": ("", ""),  # a test object is no body part: left empty
}

# View position (PS3.3 C.8.11.5.1.1) with its SNOMED CT code and meaning (PS3.16 CID 4010)
VIEWS = {"PA": ("272479007", "postero-anterior"), "AP": ("399348003", "antero-posterior"),
         "LL": ("399173006", "left lateral"), "RL": ("399198007", "right lateral"),
         "LAO": ("399135007", "left anterior oblique"), "RAO": ("399356000", "right anterior oblique")}

# View of a mammogram with its SNOMED CT code and meaning (PS3.16 CID 4014)
BREAST_VIEWS = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique"),
                "ML": ("399260004", "medio-lateral"), "LM": ("399352003", "latero-medial"),
                "LMO": ("399099002", "latero-medial oblique"), "FB": ("399196006", "caudo-cranial (from below)"),
                "SIO": ("399188001", "superolateral to inferomedial oblique"),
                "XCCL": ("399192008", "cranio-caudal exaggerated laterally"),
                "XCCM": ("399101009", "cranio-caudal exaggerated medially")}

# CID 4052
CTDI_PHANTOMS = {16: ("113690", "IEC Head Dosimetry Phantom"), 32: ("113691", "IEC Body Dosimetry Phantom")}

# Segmented property categories (CID 7150) and types (CID 7151, 7166) by words of a name, the first that fits
ANATOMY = ("91723000", "Anatomical Structure")
ABNORMAL = ("49755003", "Morphologically Abnormal Structure")
TISSUE = ("85756007", "Tissue")
_ORGANS = {
    "upper left lung": ("44714003", "Upper lobe of left lung"),
    "lower left lung": ("41224006", "Lower lobe of left lung"),
    "upper right lung": ("42400003", "Upper lobe of right lung"),
    "middle right lung": ("72481006", "Middle lobe of right lung"),
    "lower right lung": ("266005", "Lower lobe of right lung"),
    "artery": ("51114001", "Artery"), "vein": ("29092000", "Vein"), "muscle": ("127954009", "Skeletal muscle"),
    "lung": ("39607008", "Lung"), "trachea": ("44567001", "Trachea"), "bronchus": ("955009", "Bronchus"),
    "bronchi": ("955009", "Bronchus"), "heart": ("80891009", "Heart"), "aorta": ("15825003", "Aorta"),
    "oesophagus": ("32849002", "Esophagus"), "liver": ("10200004", "Liver"), "spleen": ("78961009", "Spleen"),
    "kidney": ("64033007", "Kidney"), "pancreas": ("15776009", "Pancreas"), "stomach": ("69695003", "Stomach"),
    "gallbladder": ("28231008", "Gallbladder"), "adrenal": ("23451007", "Adrenal gland"),
    "small bowel": ("30315005", "Small intestine"), "colon": ("71854001", "Colon"), "rectum": ("34402009", "Rectum"),
    "bladder": ("89837001", "Urinary bladder"), "prostate": ("41216001", "Prostate"), "uterus": ("35039007", "Uterus"),
    "ovary": ("15497006", "Ovary"), "thyroid": ("69748006", "Thyroid"), "thymus": ("9875009", "Thymus"),
    "brain": ("12738006", "Brain"), "eye": ("81745001", "Eye"), "vertebra": ("51282000", "Vertebra"),
    "rib": ("113197003", "Rib"), "sternum": ("56873002", "Sternum"), "clavicle": ("51299004", "Clavicle"),
    "scapula": ("79601000", "Scapula"), "femur": ("71341001", "Femur"), "skull": ("89546000", "Skull"),
    "breast": ("76752008", "Breast"), "skin": ("39937001", "Skin"), "fat": ("55603005", "Adipose tissue"),
    "bone": ("272673000", "Bone")}
_LESIONS = {
    "nodule": ("27925004", "Nodule"), "calcification": ("18115005", "Pathologic calcification, calcified structure"),
    "cyst": ("367643001", "Cyst"), "effusion": ("41699000", "Effusion"), "mass": ("4147007", "Mass")}
_LESION = ("52988006", "Lesion")


def code(value: str, meaning: str, scheme: str = "SCT") -> Module:
    """One coded concept (code sequence macro, PS3.3 table 8.8-1)."""
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def checked_body_part(body_part: str) -> str:
    """`body_part` when DICOM has such a word; raises InvalidInput otherwise."""
    if body_part not in BODY_PARTS:
        raise InvalidInput(message(f"body_part={body_part!r}", "no such body part",
                                   did_you_mean(body_part, BODY_PARTS)))
    return body_part


def anatomic_region(body_part: str) -> list[Module]:
    """Anatomic region sequence (PS3.16 CID 4031); empty for a test object."""
    value, meaning = BODY_PARTS[checked_body_part(body_part)]
    return [code(value, meaning)] if value else []


def organ_codes(name: str) -> tuple[Module, Module]:
    """Category and type of an organ by its name, such as "left kidney"; ("Tissue", "Tissue") where none fits.

    >>> organ_codes("right lower lung lobe")[1]["CodeMeaning"], organ_codes("left kidney")[1]["CodeValue"]
    ('Lower lobe of right lung', '64033007')
    """
    found = _fitting(_ORGANS, name)
    return (code(*ANATOMY), code(*found)) if found else (code(*TISSUE), code(*TISSUE))


def lesion_codes(name: str) -> tuple[Module, Module]:
    """Category and type of a lesion by its name or type, such as "solid_nodule"; "Lesion" where none fits."""
    return code(*ABNORMAL), code(*(_fitting(_LESIONS, name) or _LESION))


def _fitting(table: dict[str, tuple[str, str]], name: str) -> tuple[str, str] | None:
    """The first entry all of whose words (or their plurals) are among the name's words."""
    words = {word for part in re.findall("[a-z]+", name.lower()) for word in (part, part.removesuffix("s"))}
    return next((found for wanted, found in table.items() if words.issuperset(wanted.split())), None)
