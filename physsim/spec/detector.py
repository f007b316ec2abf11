"""The image receptor as a spec: its pixels, and what it makes of a photon."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic

from physsim.spec.base import Spec
from physsim.spec.material import KnownMaterial, Material, resolved_material


class Scintillator(Spec):
    """A layer that absorbs photons by the path they have through it: E (1 - exp(-mu(E) t / cos theta)).

    `thickness_mm`: of the layer; `packing`: the part of it that is scintillator (needles of CsI: 0.7 to 0.9).

    Neglects: K-escape and scatter inside the layer (every photon that interacts leaves all its energy), the depth of
    the interaction, light yield, blur, crosstalk, lag and noise.
    """

    kind: Literal["scintillator"] = "scintillator"
    material: KnownMaterial = "csi"
    thickness_mm: float = pydantic.Field(default=0.6, gt=0.0, le=100.0)
    packing: float = pydantic.Field(default=1.0, gt=0.0, le=1.0)

    @property
    def substance(self) -> Material:
        """The layer's material at full density."""
        return resolved_material(self.material)


class IdealAbsorber(Spec):
    """Absorbs every photon with all its energy: no layer is real, but nothing is simpler to check against."""

    kind: Literal["ideal"] = "ideal"


Absorber = Annotated[Scintillator | IdealAbsorber, pydantic.Field(discriminator="kind")]


class Detector(Spec):
    """A flat energy-integrating detector: `rows` x `columns` pixels of `pixel_mm` (along a row, along a column).

    The whole area is sensitive. `absorber`: a Scintillator or an IdealAbsorber.

    >>> Detector(rows=1000, columns=800, pixel_mm=0.2).size_mm
    (160.0, 200.0)
    """

    rows: int = pydantic.Field(gt=0)
    columns: int = pydantic.Field(gt=0)
    pixel_mm: tuple[float, float]
    absorber: Absorber = Scintillator()

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

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width (along a row) and height (along a column) in mm."""
        return self.columns * self.pixel_mm[0], self.rows * self.pixel_mm[1]

    def with_pixels(self, pixel_mm: float | tuple[float, float]) -> Detector:
        """The same field (to the nearest whole pixel) in pixels of another size."""
        pitch = self.replace(pixel_mm=pixel_mm).pixel_mm
        width, height = self.size_mm
        return self.replace(pixel_mm=pitch, rows=round(height / pitch[1]), columns=round(width / pitch[0]))
