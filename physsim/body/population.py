"""Populations: joint draws of patients, each a pure function of the population and a number."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
import pydantic

from physsim.body.body_size import Sex
from physsim.body.patient import Patient, anatomy
from physsim.errors import InvalidInput, message
from physsim.randomness import Stream
from physsim.spec.base import Spec


class Uniform(Spec):
    """Even between two ends."""

    kind: Literal["uniform"] = "uniform"
    low: float
    high: float

    @pydantic.model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.high < self.low:
            raise InvalidInput(message(f"low={self.low}, high={self.high}", "the ends are swapped", "Swap them."))
        return self

    def at(self, u: float) -> float:
        """The quantile at u in (0, 1)."""
        return self.low + (self.high - self.low) * u


class Quantiles(Spec):
    """Any distribution by its quantiles: `shares` below each of `values`, straight between (0 first, 1 last)."""

    kind: Literal["quantiles"] = "quantiles"
    values: tuple[float, ...] = pydantic.Field(min_length=2)
    shares: tuple[float, ...]

    @pydantic.model_validator(mode="after")
    def _a_distribution(self) -> Quantiles:
        rising = list(self.shares) == sorted(self.shares) and list(self.values) == sorted(self.values)
        if len(self.shares) != len(self.values) or not rising or (self.shares[0], self.shares[-1]) != (0, 1):
            raise InvalidInput(
                message(
                    f"shares={self.shares} of values={self.values}",
                    "a distribution has as many shares as values, both rising, from 0 to 1",
                    "Give for example values=(40, 55, 74) and shares=(0, 0.6, 1).",
                )
            )
        return self

    def at(self, u: float) -> float:
        """The quantile at u in (0, 1)."""
        return float(np.interp(u, self.shares, self.values))


class Choice(Spec):
    """One of several values, even or by `shares`."""

    kind: Literal["choice"] = "choice"
    values: tuple[float, ...] = pydantic.Field(min_length=1)
    shares: tuple[pydantic.PositiveFloat, ...] | None = None

    @pydantic.model_validator(mode="after")
    def _as_many(self) -> Choice:
        if self.shares is not None and len(self.shares) != len(self.values):
            raise InvalidInput(
                message(f"{len(self.shares)} shares of {len(self.values)} values", "each value has a share",
                        "Give as many, or none.")
            )  # fmt: skip
        return self

    def at(self, u: float) -> float:
        """The value whose share of (0, 1) holds u."""
        shares = np.array(self.shares or [1.0] * len(self.values))
        return self.values[int(np.searchsorted(np.cumsum(shares / shares.sum())[:-1], u, side="right"))]


Distribution = Annotated[Uniform | Quantiles | Choice, pydantic.Field(discriminator="kind")]


class Stratum(Spec):
    """A part of a population.

    `share`: of the population; `drawn`: of the cohort (default: `share`): a part drawn more often than it is common
    carries weights below 1. What is left out is drawn from the reference tables (see anatomy).
    """

    name: str = "all"
    share: float = pydantic.Field(default=1.0, gt=0.0, le=1.0)
    drawn: float | None = pydantic.Field(default=None, gt=0.0, le=1.0)
    sex: Sex | None = None
    age_years: Distribution | None = None
    height_cm: Distribution | None = None
    weight_kg: Distribution | None = None
    bmi_kg_m2: Distribution | None = None
    fixed: dict[str, Any] = pydantic.Field(default_factory=dict)

    @pydantic.model_validator(mode="after")
    def _known(self) -> Stratum:
        free = set(Patient.model_fields) - {"sex", "age_years", "height_cm", "weight_kg", "seed", "sampling_weight"}
        for name in self.fixed:
            if name not in free:
                raise InvalidInput(
                    message(f"fixed {name!r}", "not a parameter that a stratum can fix", f"Known: {sorted(free)}.")
                )
        if self.bmi_kg_m2 is not None and self.weight_kg is not None:
            raise InvalidInput(message("bmi_kg_m2 and weight_kg", "one follows from the other", "Give one of them."))
        return self


class Population(Spec):
    """Patients by number: `population.patient(i)` depends on this spec and on i alone.

    >>> screened = Population(strata=(Stratum(sex="F", age_years=Uniform(low=40, high=74)),), seed=3)
    >>> screened.patient(17).sex
    'F'
    """

    name: str = "population"
    strata: tuple[Stratum, ...] = pydantic.Field(default=(Stratum(),), min_length=1)
    seed: int = pydantic.Field(default=0, ge=0, lt=2**64)

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Population:
        totals = {"share": sum(s.share for s in self.strata), "drawn": sum(_drawn(s) for s in self.strata)}
        for what, total in totals.items():
            if abs(total - 1.0) > 1e-9:
                raise InvalidInput(
                    message(
                        f"strata with {what} adding up to {total:g}", "the parts make the whole",
                        f"Mend {what} of {[s.name for s in self.strata]} so that they add up to 1.",
                    )
                )  # fmt: skip
        return self

    def patient(self, number: int) -> Patient:
        """Patient `number` (0, 1, 2, ...)."""
        if number < 0:
            raise InvalidInput(message(f"number={number}", "patients are counted from 0", "Give 0 or more."))
        own = Stream(self.seed, "population patient").seed_for(number)
        bounds = np.cumsum([_drawn(s) for s in self.strata])[:-1]
        stratum = self.strata[int(np.searchsorted(bounds, _at(own, "stratum"), side="right"))]
        names = {"age": "age_years", "height_cm": "height_cm", "weight_kg": "weight_kg", "bmi": "bmi_kg_m2"}
        given = {
            name: round(getattr(stratum, field).at(_at(own, field)), 3)
            for name, field in names.items()
            if getattr(stratum, field) is not None
        }
        represents = stratum.share / _drawn(stratum)
        return anatomy(sex=stratum.sex, seed=own, sampling_weight=represents, **given, **stratum.fixed)


def _drawn(stratum: Stratum) -> float:
    return stratum.share if stratum.drawn is None else stratum.drawn


def _at(seed: int, name: str) -> float:
    return float(Stream(seed, f"population {name}").uniform64([0])[0, 0])
