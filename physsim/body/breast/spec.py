"""The parameters of one breast, drawn once and kept: everything that its voxels follow from, at any spacing."""

from __future__ import annotations

from typing import Any, Literal, Self

import pydantic

from physsim.body.breast.recipe import BreastClass, breast_class
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.randomness import Stream, checked_seed
from physsim.spec.base import Spec

UNCOMPRESSED = "uncompressed"
VIEWS, SIDES = ("CC", "MLO", UNCOMPRESSED), ("L", "R")
THICKNESS_RANGE_MM = (20.0, 110.0)  # compressed breasts seen in screening lie within
ANGLES_DEG = {"CC": (-30.0, 30.0), "MLO": (30.0, 90.0), UNCOMPRESSED: (0.0, 0.0)}
_USUAL_ANGLE_DEG = {"CC": 0.0, "MLO": 45.0, UNCOMPRESSED: 0.0}


class Breast(Spec):
    """A breast and a view of it. `Breast.draw` fills in what is not given; the drawn spec is what is saved.

    The breast itself follows from `density`, `seed`, `length_mm` and `half_width_mm`: from the chest wall to the far
    end of the outline, and half across, of the CC view at the thickness usual for its class, which give the volume.
    `view`, `angle_deg` (of the beam: 0 from above, 90 from the medial side) and `thickness_mm` between the plates say
    how it is looked at: the same breast, the volume of each tissue kept, in every view. `nipple_shift`: sideways in CC,
    in half widths; `outline_phase`: where two small lobes of the CC outline lie (radians); `crescent`: a rim of the
    pectoral muscle at the chest wall (CC); `threshold`: the level of glandularity at which cells fill, found for the
    class's fat fraction. "uncompressed" is the material breast, as it hangs forward.

    >>> spec = Breast.draw("B", view="CC", seed=7)
    >>> Breast.from_toml(spec.to_toml()) == spec
    True
    >>> spec.seen("MLO").angle_deg
    45.0
    """

    density: str
    view: Literal["CC", "MLO", "uncompressed"] = "CC"
    angle_deg: float = 0.0
    side: Literal["L", "R"] = "L"
    seed: int = pydantic.Field(ge=0, lt=2**63)
    thickness_mm: float
    length_mm: float
    half_width_mm: float
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
        usual = self.tissue.thickness_mm
        for name, value in (("length_mm", self.length_mm), ("half_width_mm", self.half_width_mm)):
            if not 0.8 * usual <= value <= 250.0:
                raise ValueError(message(
                    f"{name}={value:g}", f"a breast {usual:g} mm thick between the plates reaches "
                    f"{0.8 * usual:g} to 250 mm", "Give a length in that range."))
        least, most = ANGLES_DEG[self.view]
        if not least <= self.angle_deg <= most:
            raise ValueError(message(f"angle_deg={self.angle_deg:g}", f"a beam of {self.view} lies at {least:g} to "
                                     f"{most:g} degrees", "Give an angle in that range, or the other view."))
        return self

    @property
    def tissue(self) -> BreastClass:
        """The numbers of its density class."""
        return breast_class(self.density)

    @property
    def material(self) -> Self:
        """The same breast uncompressed, as a left one: what its tissue follows from."""
        return self.seen(UNCOMPRESSED).replace(side="L", thickness_mm=self.tissue.thickness_mm)

    def seen(self, view: str, angle_deg: float | None = None, thickness_mm: float | None = None) -> Self:
        """The same breast in another view (or at another angle and thickness)."""
        usual = _USUAL_ANGLE_DEG.get(view, 0.0)
        return self.replace(view=view, angle_deg=usual if angle_deg is None else angle_deg,
                            thickness_mm=self.thickness_mm if thickness_mm is None else thickness_mm)

    @classmethod
    def draw(cls, density: str = "B", view: str = "CC", side: str = "L", *, seed: int = 7,
             thickness_mm: float | None = None, length_mm: float | None = None, half_width_mm: float | None = None,
             angle_deg: float | None = None) -> Self:
        """A breast of a density class; lengths not given are the class's own, shape details follow from the seed.

        A thickness alone keeps the volume: the area grows as the thickness falls.
        """
        tissue = breast_class(density)
        for name, value, known in (("view", view, VIEWS), ("side", side, SIDES)):
            if value not in known:
                same = [one for one in known if one.upper() == str(value).upper()]
                mend = f"Did you mean {same[0]!r}?" if same else did_you_mean(str(value), known)
                raise InvalidInput(message(
                    f"{name}={value!r}", f"a breast has {name} {', '.join(known[:-1])} or {known[-1]}", mend))
        uniform = [float(x) for x in Stream(checked_seed(seed), "breast shape").uniform([0, 1]).ravel()]
        fields: dict[str, Any] = {
            "density": density, "view": view, "side": side, "seed": seed,
            "angle_deg": _USUAL_ANGLE_DEG[view] if angle_deg is None else angle_deg,
            "thickness_mm": tissue.thickness_mm if thickness_mm is None else thickness_mm,
            "length_mm": tissue.length_mm if length_mm is None else length_mm,
            "half_width_mm": tissue.half_width_mm if half_width_mm is None else half_width_mm,
            "nipple_shift": round(-0.09 + 0.08 * uniform[0], 6),
            "outline_phase": (round(uniform[1] - 0.5, 6), round(1.3 * uniform[2], 6)),
            "crescent": uniform[3] < 0.3,
        }
        return cls(**fields)
