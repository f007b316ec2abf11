"""The parameters of one breast, drawn once and kept: everything that its voxels follow from, at any spacing."""

from __future__ import annotations

import math
from typing import Any, Literal, Self

import pydantic

from physsim.body.breast.recipe import BreastClass, breast_class
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.randomness import Stream, checked_seed
from physsim.spec.base import Spec

VIEWS, SIDES = ("CC", "MLO"), ("L", "R")
THICKNESS_RANGE_MM = (20.0, 110.0)  # compressed breasts seen in screening lie within


class Breast(Spec):
    """A compressed breast. `Breast.draw` fills in what is not given; the drawn spec is what is saved.

    `thickness_mm` between the plates; `length_mm` from the chest wall to the outline's far end, `half_width_mm` of the
    outline across (CC); `stretch`: by how much the area under the plates grew in compression, the volume being kept;
    `nipple_shift`: sideways, in half widths; `outline_phase`: where two small lobes of the outline lie (radians);
    `crescent`: a rim of pectoral muscle at the chest wall (CC); `threshold`: the level of glandularity at which cells
    fill, found for the class's fat fraction.

    >>> spec = Breast.draw("B", view="CC", seed=7)
    >>> Breast.from_toml(spec.to_toml()) == spec
    True
    """

    density: str
    view: Literal["CC", "MLO"] = "CC"
    side: Literal["L", "R"] = "L"
    seed: int = pydantic.Field(ge=0, lt=2**63)
    thickness_mm: float
    length_mm: float
    half_width_mm: float
    stretch: float
    nipple_shift: float
    outline_phase: tuple[float, float]
    crescent: bool = False
    threshold: float | None = None

    @pydantic.model_validator(mode="after")
    def _possible(self) -> Self:
        breast_class(self.density)
        low, high = THICKNESS_RANGE_MM
        if not low <= self.thickness_mm <= high:
            raise ValueError(message(
                f"thickness_mm={self.thickness_mm:g}", f"compressed breasts are {low:g} to {high:g} mm thick",
                "Leave it out for the thickness usual for its density, or give one in that range."))
        for name, value in (("length_mm", self.length_mm), ("half_width_mm", self.half_width_mm)):
            if not 0.8 * self.thickness_mm <= value <= 250.0:
                raise ValueError(message(
                    f"{name}={value:g}", f"a breast {self.thickness_mm:g} mm thick between the plates reaches "
                    f"{0.8 * self.thickness_mm:g} to 250 mm", "Give a length in that range."))
        return self

    @property
    def tissue(self) -> BreastClass:
        """The numbers of its density class."""
        return breast_class(self.density)

    @property
    def half_mm(self) -> float:
        """Half the thickness, which is also the radius of the free edge (mm)."""
        return 0.5 * self.thickness_mm

    @property
    def height_mm(self) -> float:
        """Extent along the detector's chest-wall edge in MLO (mm)."""
        return 2.25 * self.half_width_mm

    @classmethod
    def draw(cls, density: str = "B", view: str = "CC", side: str = "L", *, seed: int = 7,
             thickness_mm: float | None = None, length_mm: float | None = None,
             half_width_mm: float | None = None) -> Self:
        """A breast of a density class; lengths not given are the class's own, shape details follow from the seed.

        A thickness alone keeps the volume: the area grows as the thickness falls.
        """
        tissue = breast_class(density)
        for name, value, known in (("view", view, VIEWS), ("side", side, SIDES)):
            if value not in known:
                upper = str(value).upper()
                mend = f"Did you mean {upper!r}?" if upper in known else did_you_mean(str(value), known)
                raise InvalidInput(message(f"{name}={value!r}", f"a breast has {name} {' or '.join(known)}", mend))
        thickness = tissue.thickness_mm if thickness_mm is None else float(thickness_mm)
        squeeze = tissue.thickness_mm / thickness if thickness > 0 else 1.0
        wide = round(math.sqrt(squeeze), 6)
        uniform = [float(x) for x in Stream(checked_seed(seed), "breast shape").uniform([0, 1]).ravel()]
        fields: dict[str, Any] = {
            "density": density, "view": view, "side": side, "seed": seed, "thickness_mm": thickness,
            "length_mm": round(tissue.length_mm * wide, 3) if length_mm is None else length_mm,
            "half_width_mm": round(tissue.half_width_mm * wide, 3) if half_width_mm is None else half_width_mm,
            "stretch": round(min(max(tissue.stretch * squeeze, 1.0), 3.0), 6),
            "nipple_shift": round(-0.09 + 0.08 * uniform[0], 6),
            "outline_phase": (round(uniform[1] - 0.5, 6), round(1.3 * uniform[2], 6)),
            "crescent": uniform[3] < 0.3,
        }
        return cls(**fields)
