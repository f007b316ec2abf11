"""A measured scan of a test object and how it was taken, for `physsim validate measured`."""

from __future__ import annotations

from typing import Literal

import pydantic

from physsim.errors import message
from physsim.spec.base import Spec
from physsim.spec.grid import Vector
from physsim.spec.protocol import Protocol
from physsim.spec.run import PhantomSource, protocol_from
from physsim.spec.scatter import MonteCarlo

Place = tuple[float, float]


class Region(Spec):
    """A disc of one material, in all slices: x and y of the middle (mm, of the phantom) and its radius."""

    name: str
    centre_mm: Place
    radius_mm: float = pydantic.Field(gt=0.0)


class Square(Spec):
    """A square of each slice, about a place (mm, of the phantom)."""

    centre_mm: Place
    side_mm: float = pydantic.Field(gt=0.0)


class BeamStop(Spec):
    """Elements in the shadow of something opaque, and beside it: (first row, last, first column, last) in each of
    `views` (first, last). What is under it is scatter."""

    under: tuple[int, int, int, int]
    beside: tuple[int, int, int, int]
    views: tuple[int, int]

    @pydantic.model_validator(mode="after")
    def _rising(self) -> BeamStop:
        for name, ends in (("under", self.under), ("beside", self.beside), ("views", self.views)):
            if any(high < low or low < 0 for low, high in zip(ends[::2], ends[1::2], strict=True)):
                raise ValueError(message(f"{name}={ends}", "it runs from first to last", "Give 0 <= first <= last."))
        return self


class Limits(Spec):
    """Differences that count: HU, and parts of noise power, resolution and scatter to primary."""

    hu: float = pydantic.Field(default=3.0, gt=0.0)
    noise_power: float = pydantic.Field(default=0.1, gt=0.0)
    resolution: float = pydantic.Field(default=0.03, gt=0.0)
    scatter: float = pydantic.Field(default=0.1, gt=0.0)


class MeasuredScan(Spec):
    """Where a measured scan lies, and what physsim needs to take the same.

    `volume`: CT numbers, a folder of DICOM slices or a volume file; `projections`: a folder of DICOM-CT-PD, -ln(signal
    / open beam) without corrections for scatter; both beside the TOML. `phantom`, `protocol`, `scatter`: as in a run.
    `shift_mm`: place of the phantom's origin in the volume. `slices_mm`: heights (of the phantom) of the slices to look
    at. `regions`: CT numbers; `noise`: uniform, for the noise power; `wire`: for the MTF; `beam_stops`: for scatter to
    primary.
    """

    name: str
    volume: str | None = None
    projections: str | None = None
    phantom: PhantomSource
    protocol: Protocol
    scatter: Literal["none", "montecarlo"] | MonteCarlo = "none"
    shift_mm: Vector = (0.0, 0.0, 0.0)
    slices_mm: tuple[float, float] | None = None
    regions: tuple[Region, ...] = ()
    noise: Square | None = None
    wire: Square | None = None
    beam_stops: tuple[BeamStop, ...] = ()
    limits: Limits = Limits()

    _preset = pydantic.field_validator("protocol", mode="before")(protocol_from)

    @pydantic.model_validator(mode="after")
    def _whole(self) -> MeasuredScan:
        if self.protocol.rotation is None or self.protocol.energy_bins or self.protocol.second_beam \
                or self.protocol.gating:
            raise ValueError(message(f"protocol {self.protocol.name}", "scans of one beam that make one volume are "
                                     "compared", "Give such a protocol, for example preset = \"chest_ct\"."))
        seen = {"regions": self.regions, "noise": self.noise, "wire": self.wire}
        wants_volume = [name for name, value in seen.items() if value]
        if (self.volume is not None) != bool(wants_volume):
            looked = " and ".join(wants_volume) or "nothing to look at"
            raise ValueError(message(f"volume={self.volume!r} with {looked}",
                                     "regions, noise and wire are looked for in the volume, and nothing else",
                                     "Give both or neither."))
        if (self.projections is not None) != bool(self.beam_stops):
            raise ValueError(message(f"projections={self.projections!r} with {len(self.beam_stops)} beam_stops",
                                     "these are looked for in the projections, and nothing else",
                                     "Give both or neither."))
        if self.beam_stops and self.scatter == "none":
            raise ValueError(message("beam_stops with scatter='none'", "what lies under them is scatter",
                                     "Give scatter = \"montecarlo\"."))
        if not wants_volume and not self.beam_stops:
            raise ValueError(message(f"measured scan {self.name!r}", "nothing is compared",
                                     "Give regions, noise, wire or beam_stops."))
        return self
