"""What the four density classes differ in: phantoms/anatomy/breast/classes.toml as frozen specs."""

from __future__ import annotations

import tomllib
from functools import lru_cache

import pydantic

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.resources import phantoms_path
from physsim.spec.base import Spec

Pair = tuple[float, float]


class BreastClass(Spec):
    """One density class; what each number does is written at the head of classes.toml."""

    fat_fraction: float = pydantic.Field(gt=0.0, lt=1.0)
    thickness_mm: float = pydantic.Field(gt=0.0)
    length_mm: float = pydantic.Field(gt=0.0)
    half_width_mm: float = pydantic.Field(gt=0.0)
    stretch: float = pydantic.Field(ge=1.0)
    elongation: float = pydantic.Field(ge=1.0)
    subcutaneous_fat_mm: float
    retromammary_fat_mm: float
    peripheral_fat: float
    gland_contrast: float
    lobule_mm: Pair
    fill: Pair
    lobule_spread: float
    lobulette_offset: float
    looseness: float
    texture: Pair
    walls: Pair
    small_walls: Pair
    strand_mm: float
    haze_fraction: float
    ligament_spread: float
    retroareolar_gland: float
    vessel_radius: float
    nipple_radius_mm: float
    body_level: float
    body_size: float = pydantic.Field(gt=0.0)


@lru_cache(maxsize=1)
def breast_classes() -> dict[str, BreastClass]:
    """The classes by name, "A" (almost all fat) to "D" (extremely dense)."""
    path = phantoms_path() / "anatomy" / "breast" / "classes.toml"
    return {name: BreastClass(**row) for name, row in tomllib.loads(path.read_text(encoding="utf-8")).items()}


def breast_class(name: str) -> BreastClass:
    """One class, or InvalidInput with the names there are."""
    known = breast_classes()
    if name not in known:
        mend = f"Did you mean {name.upper()!r}?" if str(name).upper() in known else did_you_mean(str(name), known)
        raise InvalidInput(message(f"density={name!r}", "no such density class", mend))
    return known[name]
