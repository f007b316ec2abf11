"""Height, weight and head size by age and sex: distributions of growth charts and of a national survey."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from physsim.body.tables import reference_rows
from physsim.errors import InvalidInput, message

Sex = Literal["F", "M"]
OLDEST_YEARS = 90.0
_BMI_FROM_YEARS = 2.0  # growth charts give weight before, body mass index from then on
# Correlation of the z-scores of height and of weight (below 2 years) or body mass index, by age: weighted body measures
# of NHANES 2017-2020, trends with age removed, both sexes together (adults of every decade: between -0.12 and 0.12).
_CORRELATION_AGES = (0.5, 1.5, 2.0, 4.0, 9.0, 14.0, 18.0, 25.0)
_CORRELATIONS = (0.80, 0.71, 0.27, 0.27, 0.36, 0.19, 0.04, 0.02)


@dataclass(frozen=True)
class BoxCox:
    """A skewed normal distribution: value = M (1 + L S z)^(1/L) with z standard normal (LMS method).

    Reference: T. J. Cole, P. J. Green, "Smoothing reference centile curves: the LMS method and penalized likelihood",
    Statistics in Medicine 11:1305 (1992), doi:10.1002/sim.4780111005.
    """

    power: float
    median: float
    spread: float

    def value(self, z: float) -> float:
        """The value at a z-score; held at 1e-3 of the root's argument where a power is far from 1 (|z| above 5)."""
        if abs(self.power) < 1e-6:
            return self.median * math.exp(self.spread * z)
        return float(self.median * max(1.0 + self.power * self.spread * z, 1e-3) ** (1.0 / self.power))

    def z_score(self, value: float) -> float:
        """The z-score of a value larger than 0."""
        ratio = value / self.median
        if abs(self.power) < 1e-6:
            return math.log(ratio) / self.spread
        return float((ratio**self.power - 1.0) / (self.power * self.spread))


def distribution(quantity: str, sex: Sex, age_years: float) -> BoxCox:
    """The distribution of `height_cm`, `weight_kg` (below 2 years), `bmi_kg_m2` (from 2 years) or
    `head_circumference_cm` (below 3 years) at an age; linear in age between the rows of body_size.csv.

    Neglects: children of today are heavier than those of the CDC charts (surveys of 1963 to 1994); everyone above 80
    years is taken as the survey's oldest group, whose ages it does not tell.
    """
    ages, rows = _table(quantity, sex)
    return BoxCox(*(float(np.interp(age_years, ages, rows[:, n])) for n in range(3)))


def height_and_weight(sex: Sex, age_years: float, z_height: float, z_weight: float) -> tuple[float, float]:
    """Height (cm) and weight (kg) from two independent standard normal numbers.

    The second z-score is that of weight below 2 years and of body mass index from then on, given the height:
    z = rho z_height + sqrt(1 - rho^2) z_weight with the correlation rho of the age.
    """
    height_cm = distribution("height_cm", sex, age_years).value(z_height)
    rho = correlation(age_years)
    z = rho * z_height + math.sqrt(1.0 - rho * rho) * z_weight
    if age_years < _BMI_FROM_YEARS:
        return height_cm, distribution("weight_kg", sex, age_years).value(z)
    return height_cm, distribution("bmi_kg_m2", sex, age_years).value(z) * (height_cm / 100.0) ** 2


def weight_given_height(sex: Sex, age_years: float, height_cm: float, z_weight: float) -> float:
    """Weight (kg) of somebody of a given height, from a standard normal number."""
    z_height = distribution("height_cm", sex, age_years).z_score(height_cm)
    rho = correlation(age_years)
    z = rho * z_height + math.sqrt(1.0 - rho * rho) * z_weight
    if age_years < _BMI_FROM_YEARS:
        return distribution("weight_kg", sex, age_years).value(z)
    return distribution("bmi_kg_m2", sex, age_years).value(z) * (height_cm / 100.0) ** 2


def z_scores(sex: Sex, age_years: float, height_cm: float, weight_kg: float) -> tuple[float, float]:
    """z-scores of the height, and of the weight (below 2 years) or body mass index (from 2 years on)."""
    z_height = distribution("height_cm", sex, age_years).z_score(height_cm)
    if age_years < _BMI_FROM_YEARS:
        return z_height, distribution("weight_kg", sex, age_years).z_score(weight_kg)
    return z_height, distribution("bmi_kg_m2", sex, age_years).z_score(weight_kg / (height_cm / 100.0) ** 2)


def correlation(age_years: float) -> float:
    """Correlation of the z-scores of height and of weight (below 2 years) or body mass index (from 2 years on)."""
    if _CORRELATION_AGES[1] < age_years < _BMI_FROM_YEARS:
        return _CORRELATIONS[1]
    return float(np.interp(age_years, _CORRELATION_AGES, _CORRELATIONS))


def checked_sex(sex: str) -> Sex:
    """`sex`, or InvalidInput when it is neither "F" nor "M"."""
    if sex == "F":
        return "F"
    if sex == "M":
        return "M"
    raise InvalidInput(message(f"sex={sex!r}", "bodies are of sex 'F' or 'M'", "Give one of the two."))


def checked_age(age_years: float) -> float:
    """`age_years`, or InvalidInput when nobody of that age stands in the tables."""
    if not 0.0 <= age_years <= OLDEST_YEARS:
        raise InvalidInput(
            message(
                f"age_years={age_years}", f"bodies are made from 0 to {OLDEST_YEARS:g} years", "Give an age in years."
            )
        )
    return float(age_years)


@cache
def _table(quantity: str, sex: Sex) -> tuple[np.ndarray, np.ndarray]:
    rows = [r for r in reference_rows("body_size.csv") if r["quantity"] == quantity and r["sex"] == sex]
    ages = np.array([float(r["age_years"]) for r in rows])
    return ages, np.array([[float(r[name]) for name in ("L", "M", "S")] for r in rows])
