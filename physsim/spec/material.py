"""A material: what it is made of, by mass, and how dense it is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Self

import pydantic

from physsim.errors import InvalidInput, message
from physsim.physics.composition import mass_fractions_from_formula, mixed_mass_fractions, normalised_mass_fractions
from physsim.physics.hounsfield import tissue_from_hu
from physsim.physics.library import library_entry, library_names
from physsim.spec.base import Spec

Parts = Mapping["str | Material", float] | Iterable[tuple["str | Material", float]]
DENSITY_MAX_G_CM3 = 25.0  # osmium, the densest element, has 22.6 g/cm3


class Material(Spec):
    """Mass fractions of elements (sum 1 within 1e-3, then normalised) and a density in g/cm3.

    `attenuation_uncertainty` is the relative standard uncertainty of mu (0.02 = 2 %) where known: from CT numbers.

    >>> round(Material.from_formula("CsI", density_g_cm3=4.51).mass_fractions["I"], 3)
    0.488
    """

    name: str
    density_g_cm3: float
    mass_fractions: dict[str, float]
    source: str = "user"
    attenuation_uncertainty: pydantic.NonNegativeFloat | None = None

    @pydantic.field_validator("density_g_cm3")
    @classmethod
    def _dense(cls, value: float) -> float:
        if not 0.0 < value <= DENSITY_MAX_G_CM3:
            raise ValueError(f"densities lie above 0 and up to {DENSITY_MAX_G_CM3:g} g/cm3. Give g/cm3: water has 1.0.")
        return value

    @pydantic.field_validator("mass_fractions")
    @classmethod
    def _normalised(cls, value: dict[str, float]) -> dict[str, float]:
        return normalised_mass_fractions(value)

    def __hash__(self) -> int:
        return hash((self.name, self.density_g_cm3, tuple(self.mass_fractions.items()), self.source))

    @classmethod
    def from_formula(cls, formula: str, *, density_g_cm3: float, name: str | None = None) -> Self:
        """A compound such as "Gd2O2S" or "Ca10(PO4)6(OH)2"."""
        fractions = mass_fractions_from_formula(formula)
        return cls(name=name or formula, density_g_cm3=density_g_cm3, mass_fractions=fractions,
                   source=f"stoichiometry {formula}")

    @classmethod
    def from_masses(cls, parts: Parts, *, name: str, density_g_cm3: float | None = None) -> Self:
        """A mixture by mass of (material or library name, weight) parts; weights need not sum to 1.

        Without `density_g_cm3` the volumes of the parts add (ideal mixing).
        """
        listed = _resolved(parts)
        total = math.fsum(weight for _, weight in listed)
        fractions = mixed_mass_fractions((part.mass_fractions, weight) for part, weight in listed)
        if density_g_cm3 is None:
            density_g_cm3 = total / math.fsum(weight / part.density_g_cm3 for part, weight in listed)
        return cls(name=name, density_g_cm3=density_g_cm3, mass_fractions=fractions,
                   source="mixture by mass: " + _shares(listed))

    @classmethod
    def from_volumes(cls, parts: Parts, *, name: str) -> Self:
        """A mixture by volume; masses and volumes add, so the density is the mean of the parts' by volume."""
        listed = _resolved(parts)
        total = math.fsum(volume for _, volume in listed)
        fractions = mixed_mass_fractions((part.mass_fractions, volume * part.density_g_cm3) for part, volume in listed)
        density = math.fsum(volume * part.density_g_cm3 for part, volume in listed) / total
        return cls(name=name, density_g_cm3=density, mass_fractions=fractions,
                   source="mixture by volume: " + _shares(listed))

    @classmethod
    def from_hu(cls, hu: float) -> Self:
        """The tissue of a CT number after Schneider et al. (2000), with the uncertainty of its attenuation.

        Raises InvalidInput outside -1024 to 2000 HU: metal needs its own material. Below -1000 HU it is air.
        """
        tissue = tissue_from_hu(hu)
        return cls(name=f"{tissue.segment}_{hu:g}hu", density_g_cm3=tissue.density_g_cm3,
                   mass_fractions=dict(tissue.mass_fractions), attenuation_uncertainty=tissue.attenuation_uncertainty,
                   source=f"{hu:g} HU: W. Schneider et al., Phys. Med. Biol. 45 (2000) 459")


def material(name: str) -> Material:
    """The material of the library by name, alias ("bone", "teflon") or element symbol ("Al").

    Raises InvalidInput, with the nearest names, for anything else. `materials()` lists the names.

    >>> material("water").density_g_cm3
    1.0
    """
    entry = library_entry(name)
    return Material(name=entry.name, density_g_cm3=entry.density_g_cm3, mass_fractions=dict(entry.mass_fractions),
                    source=entry.source + (f" (unverified: {entry.unverified})" if entry.unverified else ""))


def resolved_material(of: str | Material) -> Material:
    """The material of that name in the library, or the one given."""
    return material(of) if isinstance(of, str) else of


def _known(of: str | Material) -> str | Material:
    resolved_material(of)
    return of


# The field of a spec that names what something is made of: a name of the library stays one in the file.
KnownMaterial = Annotated[str | Material, pydantic.AfterValidator(_known)]


def materials() -> list[str]:
    """Names of all materials of the library, element symbols last."""
    return list(library_names())


def _shares(listed: list[tuple[Material, float]]) -> str:
    total = math.fsum(amount for _, amount in listed)
    return ", ".join(f"{amount / total:.6g} {part.name}" for part, amount in listed)


def _resolved(parts: Parts) -> list[tuple[Material, float]]:
    pairs = parts.items() if isinstance(parts, Mapping) else parts
    listed = [(resolved_material(part), float(amount)) for part, amount in pairs]
    for part, amount in listed:
        if not (math.isfinite(amount) and amount >= 0.0):
            raise InvalidInput(message(
                f"amount of {part.name}={amount!r}", "amounts are finite and not negative",
                "Give an amount of 0 or more."))
    if not listed or math.fsum(amount for _, amount in listed) <= 0.0:
        raise InvalidInput(message("mixture", "its amounts sum to 0", "Give one part an amount larger than 0."))
    return listed
