"""The image receptor as a spec: its pixels, and what it makes of a photon."""

from __future__ import annotations

import math
from typing import Any

import pydantic

from physsim.errors import message
from physsim.spec.absorber import Absorber, Spread
from physsim.spec.absorber import IdealAbsorber as IdealAbsorber
from physsim.spec.absorber import Photoconductor as Photoconductor
from physsim.spec.absorber import Scintillator as Scintillator
from physsim.spec.base import Spec
from physsim.spec.readout import CountingReadout, IntegratingReadout, Readout

_MOST_BITS = 24


class Detector(Spec):
    """A detector: `rows` x `columns` pixels of `pixel_mm` (along a row, along a column).

    `absorber`: a Scintillator, a Photoconductor or an IdealAbsorber. `readout`: an IntegratingReadout or a
    CountingReadout (of a photoconductor or an ideal absorber). Shipped detectors: `physsim.detectors`.

    >>> Detector(rows=1000, columns=800, pixel_mm=0.2).size_mm
    (160.0, 200.0)
    """

    rows: int = pydantic.Field(gt=0)
    columns: int = pydantic.Field(gt=0)
    pixel_mm: tuple[float, float]
    absorber: Absorber = Scintillator()
    readout: Readout = IntegratingReadout()

    @pydantic.field_validator("rows", "columns", mode="wrap")
    @classmethod
    def _not_empty(cls, value: Any, handler: pydantic.ValidatorFunctionWrapHandler) -> int:
        if isinstance(value, (int, float)) and value < 1:
            raise ValueError("the field of view is empty. Give at least 1 pixel, for example 1000.")
        return int(handler(value))

    @pydantic.field_validator("pixel_mm", mode="before")
    @classmethod
    def _one_number_is_two(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, (int, float)) else value

    @pydantic.field_validator("pixel_mm")
    @classmethod
    def _positive(cls, value: tuple[float, float]) -> tuple[float, float]:
        if min(value) <= 0:
            raise ValueError("pixels must be larger than 0 mm. Did you mean 0.2?")
        return value

    @pydantic.model_validator(mode="after")
    def _fit_together(self) -> Detector:
        if isinstance(self.readout, CountingReadout):
            if isinstance(self.absorber, Scintillator):
                raise ValueError(message("readout of kind counting on a scintillator",
                                         "photons are counted by the charge that each frees in a photoconductor",
                                         "Give absorber=Photoconductor(material='cdte', ...)."))
            cell = self.readout.cell_mm
            if cell is not None and any(a > b * (1.0 + 1e-9) for a, b in zip(cell, self.pixel_mm, strict=True)):
                raise ValueError(message(f"cell_mm={cell} in pixels of {self.pixel_mm} mm",
                                         "a pixel is one cell or more", "Give smaller cells, or leave cell_mm out."))
            if isinstance(self.absorber, IdealAbsorber):
                for name in ("bias_v", "cloud_um"):
                    value = getattr(self.readout, name)
                    if value:
                        raise ValueError(message(f"{name}={value:g}", "it has no effect: an ideal absorber has no "
                                                 "layer that charge drifts through", f"Leave {name} out."))
        return self

    @property
    def spread(self) -> Spread | None:
        """How light or charge spreads; None without spread."""
        return None if isinstance(self.absorber, IdealAbsorber) else self.absorber.spread

    @property
    def fill_factor(self) -> float:
        """The part of a pixel's area where photons count."""
        return 1.0 if isinstance(self.absorber, IdealAbsorber) else self.absorber.fill_factor

    @property
    def cell_mm(self) -> tuple[float, float]:
        """Pitch of what counts for itself; the pixel's, unless a counting readout has cells."""
        cell = self.readout.cell_mm if isinstance(self.readout, CountingReadout) else None
        return self.pixel_mm if cell is None else cell

    @property
    def cells_per_pixel(self) -> float:
        """Of a counting detector; 1 without cells."""
        return self.pixel_mm[0] * self.pixel_mm[1] / (self.cell_mm[0] * self.cell_mm[1])

    @property
    def depth_layers(self) -> int:
        """In how many layers of depth blur and noise are told apart."""
        return self.absorber.depth_layers if isinstance(self.absorber, Scintillator) else 1

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width (along a row) and height (along a column) in mm."""
        return self.columns * self.pixel_mm[0], self.rows * self.pixel_mm[1]

    def with_pixels(self, pixel_mm: float | tuple[float, float]) -> Detector:
        """The same field (to the nearest whole pixel) in pixels of another size, as if numbers of pixels were added:
        they hold as much more charge as they are larger, the noise of as many more adds up, and numbers take as many
        more bits, to 24, so that they are rounded no more coarsely. Counting pixels keep the cells that they have.

        Neglects: that as many more numbers are rounded, which adds to the noise of electronics.
        """
        pitch = self.replace(pixel_mm=pixel_mm).pixel_mm
        width, height = self.size_mm
        readout, many = self.readout, pitch[0] * pitch[1] / (self.pixel_mm[0] * self.pixel_mm[1])
        if isinstance(readout, IntegratingReadout) and many != 1.0:
            readout = _together(readout, many)
        if isinstance(readout, CountingReadout) and many != 1.0:
            cell = tuple(min(a, b) for a, b in zip(self.cell_mm, pitch, strict=True))
            readout = readout.replace(cell_mm=None if cell == pitch else cell)
        return self.replace(pixel_mm=pitch, rows=round(height / pitch[1]), columns=round(width / pitch[0]),
                            readout=readout)


def _together(readout: IntegratingReadout, many: float) -> IntegratingReadout:
    """The readout of pixels `many` times as large, whose numbers are sums."""
    bits = min(_MOST_BITS, readout.bits + math.ceil(math.log2(max(many, 1.0)) - 1e-9))
    finer, per_electron = 2.0 ** (bits - readout.bits), readout.dn_per_electron
    return readout.replace(
        bits=bits, full_well_electrons=readout.full_well_electrons * many,
        electronic_noise_electrons=readout.electronic_noise_electrons * math.sqrt(many),
        dn_per_electron=None if per_electron is None else per_electron * finer / many,
        offset_dn=readout.offset_dn * finer, offset_spread_dn=readout.offset_spread_dn * math.sqrt(finer))
