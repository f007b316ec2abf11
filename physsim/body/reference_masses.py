"""Masses that organs should have: ICRP 89 at the reference ages, and between and beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from physsim.body.body_size import Sex
from physsim.body.tables import reference_rows
from physsim.errors import InvalidInput, did_you_mean, message

REFERENCE_AGES_YEARS = (0, 1, 5, 10, 15, 35)
_GROWN_YEARS = 20.0  # the adult's masses hold from this age on
_CONCEPTION_YEARS = 0.75  # masses grow smoothly with the logarithm of the age since conception
_LINEAR_TO_BMI, _FAT_OF_EXCESS = 30.0, 0.75  # excess weight holds 22 to 30 % fat-free tissue (Webster et al. 1984)
_FAT_OF_ADIPOSE = 0.80  # lipid by mass of adipose tissue (ICRP 89, paragraph on adipose tissue)

# Powers of the height at one age and sex. Brain and eyes 0.46 +- 0.13 (S. B. Heymsfield et al., "Differences between
# brain mass and body weight scaling to height", J. Appl. Physiol. 106:40, 2009); bone 2.3 and all other tissues 2.0
# (J. M. Schuna et al., "Scaling of adult regional body mass and body composition as a whole to height", Am. J. Hum.
# Biol. 27:372, 2015: lean soft tissue 2.0 to 2.3, bone mineral 2.1 to 2.4).
_HEAD_POWER, _BONE_POWER, _SOFT_POWER = 0.46, 2.3, 2.0
_OF_THE_HEAD = ("brain", "eyes_both")
_OF_BONE = ("skeleton_total_incl_marrow", "cortical_bone", "trabecular_bone", "skeletal_cartilage", "all_marrow",
            "active_marrow", "inactive_marrow", "teeth")  # fmt: skip


# Known of adults alone: their share of another row holds at every age.
_SHARE_OF = {"right_lung_with_blood": "lungs_with_blood", "left_lung_with_blood": "lungs_with_blood"}


@dataclass(frozen=True)
class ReferenceMass:
    """One value of ICRP 89: `mass_g`, whether it was READ or RECALLED, and from where."""

    organ: str
    mass_g: float
    status: str
    source: str


def reference_masses(sex: Sex, age_years: float) -> dict[str, ReferenceMass]:
    """The table's organs at one of the reference ages 0, 1, 5, 10, 15 and 35 years, by name."""
    if age_years not in REFERENCE_AGES_YEARS:
        raise InvalidInput(
            message(
                f"age_years={age_years}", "ICRP 89 has no reference body of that age",
                f"Give one of {list(REFERENCE_AGES_YEARS)}, or ask target_masses_g.",
            )
        )  # fmt: skip
    return {
        r["organ"]: ReferenceMass(r["organ"], float(r["value"]), r["status"], r["source"])
        for r in reference_rows("organ_masses_icrp89.csv")
        if r["sex"] == sex and float(r["age_years"]) == age_years and r["unit"] == "g"
    }


def reference_size(sex: Sex, age_years: float) -> tuple[float, float]:
    """Height (cm) and weight (kg) of the reference body, interpolated between the reference ages."""
    return _interpolated("height", sex, age_years), _interpolated("total_body", sex, age_years) / 1000.0


def organ_names() -> tuple[str, ...]:
    """Names of the organs whose mass the table follows over the ages, in its order."""
    names = dict.fromkeys(r["organ"] for r in reference_rows("organ_masses_icrp89.csv") if r["unit"] == "g")
    return tuple(name for name in names if name in _SHARE_OF or _has(name, "F") or _has(name, "M"))


def target_mass_g(organ: str, sex: Sex, age_years: float, height_cm: float, weight_kg: float) -> float:
    """Mass (g) that an organ of the table should have in a body of that sex, age, height and weight; 0 where absent.

    At a reference body's age, height and weight it is ICRP 89's value. Between the ages the cube root of the mass runs
    through the table by a monotone cubic in log(age + 9 months), the adult's value holding from 20 years on; height
    acts as a power law; adipose tissue changes with the body fat of Deurenberg's equations; skeletal muscle takes what
    is left of the weight.

    Neglects: loss of brain and bone after 20 years (muscle falls as fat rises with age at one weight); effects of
    obesity on liver, heart and kidneys. Adipose tissue is at least 3 % and muscle at least 8 % of the weight. Valid for
    body mass indices of 14 to 41 (the equations' range, where they overestimate fat in the obese: from an index of 30
    on, three quarters of the excess weight are fat); extrapolated beyond.
    Reference: P. Deurenberg, J. A. Weststrate, J. C. Seidell, "Body mass index as a measure of body fatness", Br. J.
    Nutr. 65:105 (1991); J. D. Webster, R. Hesp, J. S. Garrow, "The composition of excess weight in obese women", Hum.
    Nutr. Clin. Nutr. 38C:299 (1984), recalled.
    """
    if organ not in organ_names():
        raise InvalidInput(message(f"organ={organ!r}", "not in the table", did_you_mean(organ, organ_names())))
    if organ in _SHARE_OF:
        grown = reference_masses(sex, REFERENCE_AGES_YEARS[-1])
        whole = target_mass_g(_SHARE_OF[organ], sex, age_years, height_cm, weight_kg)
        return whole * grown[organ].mass_g / grown[_SHARE_OF[organ]].mass_g
    if not _has(organ, sex):
        return 0.0
    if organ == "total_body":
        return 1000.0 * weight_kg
    if organ == "adipose":
        return _adipose_g(sex, age_years, height_cm, weight_kg)
    if organ == "skeletal_muscle":
        return _muscle_g(sex, age_years, height_cm, weight_kg)
    return _by_height(organ, sex, age_years, height_cm)


def body_fat_percent(sex: Sex, age_years: float, bmi_kg_m2: float) -> float:
    """Body fat (% of mass) from the body mass index; standard error of an individual 4.1 (adults), 4.4 (children)."""
    male = float(sex == "M")
    child = 1.51 * bmi_kg_m2 - 0.70 * age_years - 3.6 * male + 1.4
    adult = 1.20 * bmi_kg_m2 + 0.23 * age_years - 10.8 * male - 5.4
    share = float(np.clip((age_years - 14.0) / 3.0, 0.0, 1.0))  # the two equations meet at 15 to 16 years
    return (1.0 - share) * child + share * adult


def _by_height(organ: str, sex: Sex, age_years: float, height_cm: float) -> float:
    height_of_reference, _ = reference_size(sex, age_years)
    power = _HEAD_POWER if organ in _OF_THE_HEAD else _BONE_POWER if organ in _OF_BONE else _SOFT_POWER
    return float(_interpolated(organ, sex, age_years) * (height_cm / height_of_reference) ** power)


def _adipose_g(sex: Sex, age_years: float, height_cm: float, weight_kg: float) -> float:
    """The reference's adipose tissue plus the difference of body fat that the equations give."""
    height, weight = reference_size(sex, age_years)
    own = _fat_g(sex, age_years, height_cm, weight_kg)
    of_reference = _fat_g(sex, min(age_years, REFERENCE_AGES_YEARS[-1]), height, weight)
    adipose = _interpolated("adipose", sex, age_years) + (own - of_reference) / _FAT_OF_ADIPOSE
    return max(adipose, 30.0 * weight_kg)


def _fat_g(sex: Sex, age_years: float, height_cm: float, weight_kg: float) -> float:
    """Body fat by Deurenberg's equations; of the weight above a body mass index of 30, three quarters are fat."""
    linear_to = min(weight_kg, _LINEAR_TO_BMI * (height_cm / 100.0) ** 2)
    percent = body_fat_percent(sex, age_years, linear_to / (height_cm / 100.0) ** 2)
    return 10.0 * percent * linear_to + 1000.0 * _FAT_OF_EXCESS * (weight_kg - linear_to)


def _muscle_g(sex: Sex, age_years: float, height_cm: float, weight_kg: float) -> float:
    """Reference muscle plus what the other tissues leave of the difference in weight."""
    _, weight = reference_size(sex, age_years)
    organs = [organ for organ in _WEIGHED if _has(organ, sex)]
    grown = sum(_by_height(o, sex, age_years, height_cm) - _interpolated(o, sex, age_years) for o in organs)
    fatter = _adipose_g(sex, age_years, height_cm, weight_kg) - _interpolated("adipose", sex, age_years)
    rest = 1000.0 * (weight_kg - weight) - grown - fatter
    return max(_interpolated("skeletal_muscle", sex, age_years) + rest, 80.0 * weight_kg)


# Tissues that make up the body beside muscle and adipose tissue, each counted once.
_WEIGHED = ("skeleton_total_incl_marrow", "skin", "liver", "brain", "lungs_with_blood", "heart_with_blood", "spleen",
            "kidneys_both", "pancreas", "stomach_wall", "stomach_contents", "small_intestine_wall",
            "small_intestine_contents", "right_colon_wall", "left_colon_wall", "rectosigmoid_wall")  # fmt: skip


def _interpolated(organ: str, sex: Sex, age_years: float) -> float:
    ages, values = _points(organ, sex)
    age_years = min(age_years, _GROWN_YEARS)
    if age_years in ages:  # the table's own value, to the last bit: a root and its cube differ by machine
        return float(values[ages == age_years][0])
    size = float(_curve(organ, sex)(np.log(age_years + _CONCEPTION_YEARS)))
    return max(size, 0.0) ** 3


def _has(organ: str, sex: Sex) -> bool:
    return len(_points(organ, sex)[0]) > 1


@cache
def _points(organ: str, sex: Sex) -> tuple[np.ndarray, np.ndarray]:
    rows = [r for r in reference_rows("organ_masses_icrp89.csv") if r["organ"] == organ and r["sex"] == sex]
    ages = [min(float(r["age_years"]), _GROWN_YEARS) for r in rows]
    return np.array(ages), np.array([float(r["value"]) for r in rows])


@cache
def _curve(organ: str, sex: Sex) -> Any:
    from scipy.interpolate import PchipInterpolator

    ages, values = _points(organ, sex)
    return PchipInterpolator(np.log(ages + _CONCEPTION_YEARS), np.cbrt(values), extrapolate=True)
