"""Organ masses of a phantom beside those that ICRP 89 gives for that person."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any

from physsim.body.reference_masses import REFERENCE_AGES_YEARS, organ_names, reference_masses
from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.resources import phantoms_path

if TYPE_CHECKING:
    from physsim.body.patient import Patient

MASSES = "material_masses_g"  # key of Phantom.made_from: {organ: {material: g}}


@dataclass(frozen=True)
class OrganMass:
    """One organ: volume and mass as made, the mass that it should have, and whether that was READ or RECALLED.

    `reference_g` is None for organs of which the table says nothing; `difference_percent` of the reference.
    """

    name: str
    volume_cm3: float
    mass_g: float
    reference_g: float | None = None
    source: str = ""

    @property
    def difference_percent(self) -> float | None:
        """100 (mass - reference) / reference."""
        return None if not self.reference_g else 100.0 * (self.mass_g / self.reference_g - 1.0)

    def row(self) -> dict[str, Any]:
        """The row as plain data."""
        return {
            "name": self.name, "volume_cm3": self.volume_cm3, "mass_g": self.mass_g, "reference_g": self.reference_g,
            "difference_percent": self.difference_percent, "source": self.source,
        }  # fmt: skip


def organ_masses(phantom: Phantom, patient: Patient | None = None) -> tuple[OrganMass, ...]:
    """The organs of ICRP 89 that the phantom holds, in the table's order, then the structures that belong to none.

    `patient`: default the one that the phantom was made from. Like is compared with like: walls without contents, the
    heart with its blood, lungs with theirs, tissue without the large vessels in it
    (phantoms/anatomy/growth/masses.toml). Rows of the whole body (skin, muscle, adipose tissue, skeleton, total) appear
    for whole bodies only. Raises InvalidInput for a phantom that was not made from a patient.
    """
    if patient is None:
        from physsim.body.patient import Patient

        if "patient" not in phantom.made_from:
            why = "it was not made from a patient, so that nobody knows what its organs should weigh"
            raise InvalidInput(message(f"phantom {phantom.name!r}", why, "Give patient=."))
        patient = Patient.from_dict(dict(phantom.made_from["patient"]))
    masses = phantom.made_from.get(MASSES)
    if masses is None:
        why = "its file holds no masses by organ and material"
        raise InvalidInput(message(f"phantom {phantom.name!r}", why, "Make it anew from the patient."))
    volumes = {organ.name: organ.volume_mm3 / 1000.0 for organ in phantom.truth.organs}
    whole = phantom.made_from.get("numbers", {}).get("whole", 0) != 0 and "region" not in phantom.made_from
    rows, used = [], set()
    for name in organ_names():
        found = shares(name, masses)
        target = patient.target_mass_g(name)
        if not found or target <= 0 or (name in WHOLE_BODY and not whole):
            continue
        mass = sum(sum(share.values()) for share in found.values())
        own = {organ: sum(share.values()) / max(sum(masses[organ].values()), 1e-30) for organ, share in found.items()}
        volume = sum(volumes[organ] * part for organ, part in own.items())
        rows.append(OrganMass(name, volume, mass, target, status(name, patient)))
        if name not in WHOLE_BODY:
            used |= set(found)
    for organ in phantom.truth.organs:
        if organ.name not in used and organ.name != "background" and organ.volume_mm3 > 0:
            rows.append(OrganMass(organ.name, volumes[organ.name], organ.mass_g))
    return tuple(rows)


WHOLE_BODY = ("skin", "skeletal_muscle", "adipose", "skeleton_total_incl_marrow", "total_body")


def status(name: str, patient: Patient) -> str:
    """READ or RECALLED as ICRP 89's value at a reference body; DERIVED from such values for everyone else."""
    from physsim.body.patient import reference_patient

    if patient.age_years in REFERENCE_AGES_YEARS and name not in patient.organ_scale:
        at = reference_patient(patient.sex, patient.age_years)
        if (at.height_cm, at.weight_kg) == (patient.height_cm, patient.weight_kg):
            known = reference_masses(patient.sex, patient.age_years)
            if name in known:
                return known[name].status
    return "DERIVED"


def shares(name: str, masses: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """What of {organ: {material: g}} belongs to an organ of ICRP 89."""
    rule = _rules().get(name)
    if rule is None or ("needs" in rule and rule["needs"] not in masses):
        return {}
    organs = rule.get("organs", ["*", "-background"])
    found = {}
    for organ, own in masses.items():
        if not _matches(organ, organs) or organ == "background":
            continue
        materials = rule.get("materials", ["*"])
        kept = {m: g for m, g in own.items() if _matches(m, materials)}
        if sum(kept.values()) > 0:
            found[organ] = kept
    return found


def mass_g(name: str, masses: Mapping[str, Mapping[str, float]]) -> float:
    """Mass (g) of an organ of ICRP 89 in {organ: {material: g}}; 0 where it is not."""
    return sum(sum(own.values()) for own in shares(name, masses).values())


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, one) for one in patterns if one[0] != "-") and not any(
        fnmatchcase(name, one[1:]) for one in patterns if one[0] == "-"
    )


@cache
def _rules() -> dict[str, dict[str, Any]]:
    path = phantoms_path() / "anatomy" / "growth" / "masses.toml"
    rules: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["organ"]
    return rules
