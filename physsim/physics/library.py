"""The library of materials as plain data: tissues, plastics, metals, detectors, contrast agents, ICRP reference media.

Files: phantoms/tissues and phantoms/materials. An entry has `density_g_cm3`, a `source` and one of `mass_fractions`,
`formula` or `mixture_by_mass` (formula -> weight); `unverified` names what no second source confirms. Every element
symbol is a material too, at the density of the pure element. `physsim.spec.material` makes specs of them.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from physsim.errors import FileFormatError, InvalidInput, did_you_mean, message
from physsim.physics.composition import mass_fractions_from_formula, mixed_mass_fractions, normalised_mass_fractions
from physsim.physics.elements import elements
from physsim.resources import phantoms_path

_KEYS = {"density_g_cm3", "source", "mass_fractions", "formula", "mixture_by_mass", "unverified"}


@dataclass(frozen=True, kw_only=True)
class LibraryEntry:
    """One material of the library; `unverified` is None where the data were checked against a second source."""

    name: str
    group: str
    density_g_cm3: float
    mass_fractions: Mapping[str, float]
    source: str
    unverified: str | None


def library_entry(name: str) -> LibraryEntry:
    """The material of that name, alias or element symbol; InvalidInput with a suggestion for anything else."""
    entries = _raw_entries()
    for candidate in (name, name.lower().replace(" ", "_").replace("-", "_")):
        known = aliases().get(candidate, candidate)
        if known in entries:
            return _entry(known)
    choices = [known for known in (*entries, *aliases()) if name.startswith("icrp_") or "icrp_" not in known[:5]]
    raise InvalidInput(message(
        f"material {name!r}", "no such tissue, compound or element in the library", did_you_mean(name, choices)))


def library_names() -> tuple[str, ...]:
    """Names of all materials, element symbols last; aliases not included."""
    return tuple(_raw_entries())


@cache
def aliases() -> dict[str, str]:
    """Short name -> name of the library."""
    return {str(short): str(name) for short, name in _toml(phantoms_path() / "materials" / "aliases.toml").items()}


@cache
def _entry(name: str) -> LibraryEntry:
    raw = _raw_entries()[name]
    if "formula" in raw:
        fractions = mass_fractions_from_formula(raw["formula"])
    elif "mixture_by_mass" in raw:
        fractions = mixed_mass_fractions(
            (mass_fractions_from_formula(part), weight) for part, weight in raw["mixture_by_mass"].items())
    else:
        fractions = normalised_mass_fractions(raw["mass_fractions"])
    return LibraryEntry(name=name, group=raw["group"], density_g_cm3=raw["density_g_cm3"], mass_fractions=fractions,
                        source=raw["source"], unverified=raw.get("unverified"))


@cache
def _raw_entries() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = {}
    for folder in ("tissues", "materials"):
        for path in sorted((phantoms_path() / folder).glob("*.toml")):
            if path.stem == "aliases":
                continue
            for name, raw in _toml(path).items():
                if name in entries or raw.keys() - _KEYS:
                    raise FileFormatError(message(
                        f"{path.name}: {name}", "stands twice or has an unknown key",
                        did_you_mean(next(iter(raw.keys() - _KEYS), name), _KEYS)))
                entries[name] = {"group": path.stem, **raw}
    entries.update(_reference_phantom_media(phantoms_path() / "tissues" / "icrp_reference_phantoms.json"))
    for symbol, pure in elements().items():
        entries[symbol] = {"group": "elements", "density_g_cm3": pure.density_g_cm3, "mass_fractions": {symbol: 1.0},
                           "source": "NIST X-ray mass attenuation coefficients, table 1"}
    return entries


def _reference_phantom_media(path: Path) -> dict[str, dict[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    phantoms, source = content["phantoms"], content["source"]
    return {name: {"group": path.stem, "source": f"{phantoms[name.split('_')[1]]}; {source}", **raw}
            for name, raw in content["media"].items()}


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
