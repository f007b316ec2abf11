"""What pixels do with the charge that they collect, as specs: integrate it, or count photons by their energy."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal, Self

import pydantic

from physsim.errors import message
from physsim.spec.base import Spec


class Lag(Spec):
    """A part of the signal that comes late: `fraction` is held back and leaves with time constant `frames`."""

    fraction: float = pydantic.Field(gt=0.0, lt=1.0)
    frames: float = pydantic.Field(gt=0.0)


class IntegratingReadout(Spec):
    """Integrates the charge of a reading and turns it to digital numbers (DN).

    DN = round(offset_dn + dn_per_electron x electrons), between 0 and 2^bits - 1; electrons end at
    `full_well_electrons`. `dn_per_electron`: so that a full well is the highest number if left out.
    `electronic_noise_electrons`: standard deviation of a reading. `crosstalk`: part of a pixel's charge that each of
    its four neighbours gets. `lag`: late parts. Pixels differ: `gain_spread`, relative standard deviation of the gain;
    `offset_spread_dn` of the offset; `dead_pixel_fraction` of them always read 0.
    """

    kind: Literal["integrating"] = "integrating"
    electronic_noise_electrons: float = pydantic.Field(default=1000.0, ge=0.0)
    full_well_electrons: float = pydantic.Field(default=6e7, gt=0.0)
    bits: int = pydantic.Field(default=16, ge=8, le=24)
    offset_dn: float = pydantic.Field(default=100.0, ge=0.0)
    dn_per_electron: float | None = pydantic.Field(default=None, gt=0.0)
    crosstalk: float = pydantic.Field(default=0.0, ge=0.0, lt=0.2)
    lag: tuple[Lag, ...] = pydantic.Field(default=(), max_length=8)
    gain_spread: float = pydantic.Field(default=0.0, ge=0.0, le=0.2)
    offset_spread_dn: float = pydantic.Field(default=0.0, ge=0.0)
    dead_pixel_fraction: float = pydantic.Field(default=0.0, ge=0.0, le=0.1)

    @pydantic.model_validator(mode="after")
    def _there_is_room(self) -> Self:
        if self.offset_dn >= self.highest_dn:
            raise ValueError(message(f"offset_dn={self.offset_dn:g}", f"{self.bits} bits end at {self.highest_dn}",
                                     "Give a smaller offset or more bits."))
        late = sum(one.fraction for one in self.lag)
        if late >= 1.0:
            raise ValueError(message(f"lag of {late:g} of the signal", "it holds back more than there is",
                                     "Give fractions whose sum is below 1."))
        return self

    @property
    def highest_dn(self) -> int:
        """The largest number."""
        return int(2**self.bits - 1)

    @property
    def gain_dn(self) -> float:
        """DN per electron."""
        if self.dn_per_electron is not None:
            return self.dn_per_electron
        return (self.highest_dn - self.offset_dn) / self.full_well_electrons


class CountingReadout(Spec):
    """Counts photons whose charge in a pixel passes thresholds.

    `thresholds_kev`: strictly rising; bin k counts pulses from threshold k up to the next, the last without end.
    `dead_time_ns` of a pixel after a pulse: "paralysable" (each pulse, counted or not, begins it anew) or
    "nonparalysable". `frame_us`: time of a reading, from which rates follow; in a scan that of a view, turn_s / views,
    takes its place. `noise_kev`: standard deviation of a pulse's height by electronics. `cell_mm`: along a row and a
    column, of the cells that count each for itself and are read out together as one pixel; a pixel is one if left out.
    Charge drifts as a cloud: `cloud_um`, its standard deviation where it begins, grows
    by diffusion under `bias_v` over the way to the pixels, and clouds near a border are shared by pixels. `drift_mm`:
    between the electrodes, where that is not the layer's thickness (silicon lit from its edge).
    """

    kind: Literal["counting"] = "counting"
    thresholds_kev: tuple[float, ...]
    dead_time_ns: float = pydantic.Field(default=0.0, ge=0.0)
    pile_up: Literal["paralysable", "nonparalysable"] = "paralysable"
    frame_us: float = pydantic.Field(default=300.0, gt=0.0)
    noise_kev: float = pydantic.Field(default=0.0, ge=0.0, le=50.0)
    bias_v: float | None = pydantic.Field(default=None, gt=0.0)
    cloud_um: float = pydantic.Field(default=0.0, ge=0.0, le=200.0)
    drift_mm: float | None = pydantic.Field(default=None, gt=0.0, le=100.0)
    cell_mm: tuple[pydantic.PositiveFloat, pydantic.PositiveFloat] | None = None

    @pydantic.model_validator(mode="after")
    def _drift_needs_bias(self) -> Self:
        if self.drift_mm is not None and self.bias_v is None:
            raise ValueError(message(f"drift_mm={self.drift_mm:g}", "it has no effect: without bias_v no cloud grows",
                                     "Give bias_v, or leave drift_mm out."))
        return self

    @property
    def frame_s(self) -> float:
        """Time of a reading in s."""
        return self.frame_us * 1e-6

    @property
    def dead_s(self) -> float:
        """Dead time in s."""
        return self.dead_time_ns * 1e-9

    @pydantic.field_validator("thresholds_kev")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not value:
            raise ValueError("a counter needs a threshold. Give for example (25, 50).")
        if min(value) <= 0.0:
            raise ValueError(f"a threshold of {min(value):g} keV counts noise without end. Give more than 0.")
        for low, high in itertools.pairwise(value):
            if high <= low:
                mend = ", ".join(f"{one:g}" for one in sorted(set(value)))
                raise ValueError(f"{low:g} keV stands before {high:g}: thresholds rise. Did you mean ({mend})?")
        return value


Readout = Annotated[IntegratingReadout | CountingReadout, pydantic.Field(discriminator="kind")]
