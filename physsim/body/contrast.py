"""Contrast agents: iodine, gadolinium or barium in organs and vessels, as mg of the element in a ml of tissue.

The agent's mass is added to the tissue's, its volume kept. Enhancements and their sources stand in
phantoms/anatomy/contrast/phases.toml; they become concentrations by the published HU per mg/ml at 120 kV.

Reference: K. T. Bae, Intravenous contrast medium administration and scan timing at CT, Radiology 256 (2010) 32.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pydantic

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.phantom.truth import OrganTruth, Truth
from physsim.resources import phantoms_path
from physsim.spec.base import Spec
from physsim.spec.material import Material
from physsim.units import CM3_PER_MM3

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

Agent = Literal["iodine", "gadolinium", "barium"]
_MOST_MG_ML = 600.0


def phases() -> tuple[str, ...]:
    """Names of the phases."""
    return tuple(_table()["enhancement"])


def phase_concentrations(phase: str) -> dict[str, float]:
    """Iodine (mg/ml) by compartment in a phase: published enhancement over published HU per mg/ml.

    >>> round(phase_concentrations("portal venous")["liver"], 2)
    2.12
    """
    table = _table()
    if phase not in table["enhancement"]:
        raise InvalidInput(message(f"phase {phase!r}", "no such phase", did_you_mean(phase, table["enhancement"])))
    return {name: hu / table["hu_per_mg_ml"] for name, hu in table["enhancement"][phase].items()}


def oral_concentrations(agent: Agent = "iodine") -> dict[str, float]:
    """Concentration (mg/ml of the element) of an agent for CT in stomach and small bowel."""
    oral = _table()["oral"]
    if agent not in oral:
        raise InvalidInput(message(f"oral {agent!r}", "is not given for CT", "Give iodine or barium."))
    return {name: float(oral[agent]) for name in oral["places"]}


def contrast_material(base: Material, agent: str, mg_ml: float) -> Material:
    """A tissue with `mg_ml` of an agent's element in each ml, its volume kept.

    >>> from physsim.spec.material import material
    >>> round(contrast_material(material("blood"), "iodine", 10.0).density_g_cm3, 3)
    1.07
    """
    agents = _table()["agents"]
    if agent not in agents:
        raise InvalidInput(message(f"agent {agent!r}", "no such agent", did_you_mean(agent, agents)))
    if not (math.isfinite(mg_ml) and 0.0 < mg_ml <= _MOST_MG_ML):
        raise InvalidInput(
            message(f"{mg_ml:g} mg/ml of {agent}", f"concentrations lie above 0 and up to {_MOST_MG_ML:g}", "Mend it.")
        )
    added = mg_ml / 1000.0 / agents[agent].get("element_share", 1.0)
    own = Material.from_formula(agents[agent]["formula"], density_g_cm3=1.0)
    return Material.from_masses(
        [(base, base.density_g_cm3), (own, added)], name=f"{base.name} + {mg_ml:.3g} mg/ml {agent}",
        density_g_cm3=base.density_g_cm3 + added,
    )  # fmt: skip


class Contrast(Spec):
    """A contrast agent in the organs of a phantom: `phantom.insert(Contrast(phase="arterial"))`.

    `phase`: "arterial" (35 s), "portal venous" (70 s) or "late" (5 min), iodine; `mg_ml`: concentration of the agent's
    element by compartment, organ, or pattern of organ names ("*artery"), alone or over the phase's; `scale`: factor on
    all of it (dose per weight, single patients). A voxel takes the agent as the organ with most of it does, in
    proportion to its relative density. Lesions take up nothing unless they are named.

    Raises InvalidInput for unknown phases and agents, organs that the phantom lacks, phantoms without organ labels.

    Neglects: mixing of enhanced and plain blood, partial volume of thin vessels.

    >>> Contrast(phase="late", scale=0.8).concentrations()["liver"] < 1
    True
    """

    phase: str | None = None
    mg_ml: dict[str, pydantic.NonNegativeFloat] = pydantic.Field(default_factory=dict)
    agent: Agent = "iodine"
    scale: pydantic.PositiveFloat = 1.0

    @pydantic.model_validator(mode="after")
    def _something(self) -> Contrast:
        if self.phase is None and not self.mg_ml:
            raise InvalidInput(message("contrast", "neither a phase nor concentrations are given", "Give one of them."))
        if self.phase is not None:
            phase_concentrations(self.phase)
            if self.agent != "iodine":
                raise InvalidInput(message(f"agent={self.agent!r}", "phases are those of iodine", "Give mg_ml alone."))
        return self

    def concentrations(self) -> dict[str, float]:
        """mg/ml by compartment, organ or pattern."""
        own = {} if self.phase is None else phase_concentrations(self.phase)
        return {name: self.scale * value for name, value in {**own, **self.mg_ml}.items()}

    def inserted_into(self, phantom: Phantom, overlay_spacing_mm: float | None = None) -> Phantom:
        """The phantom with the agent; overlays keep what they are."""
        if overlay_spacing_mm is not None:
            raise InvalidInput(
                message(f"overlay_spacing_mm={overlay_spacing_mm}", "an agent goes into organs", "Leave it out.")
            )
        if phantom.truth.organ_labels is None:
            raise InvalidInput(message("contrast", "the phantom has no organ labels", "Voxelise it with its truth."))
        concentration = _by_organ(phantom, self.concentrations(), self.mg_ml)
        return _enhanced(phantom, phantom.truth.organ_labels, concentration, self.agent)


def _enhanced(phantom: Phantom, organs: npt.NDArray[Any], concentration: list[float], agent: str) -> Phantom:
    seen = _seen(phantom.labels, organs, len(phantom.materials), len(concentration))
    table = np.tile(np.arange(len(phantom.materials)), (len(concentration), 1))
    materials = list(phantom.materials)
    made: dict[tuple[int, float], int] = {}
    gained = np.zeros(len(concentration))
    for organ, label in np.argwhere(seen):
        mg_ml = concentration[organ]
        if mg_ml > 0.0:
            key = (int(label), mg_ml)
            if key not in made:
                made[key] = len(materials)
                materials.append(contrast_material(materials[label], agent, mg_ml))
            table[organ, label] = made[key]
            part = materials[made[key]].density_g_cm3 / materials[label].density_g_cm3 - 1.0
            gained[organ] += seen[organ, label] * part / seen[organ].sum()
    if not made:
        raise InvalidInput(message("contrast", "no voxel takes it up", "Name organs that hold voxels."))
    labels = np.empty(phantom.labels.shape, np.uint8 if len(materials) <= 256 else np.uint16)
    for k in range(len(labels)):
        labels[k] = table[organs[k], phantom.labels[k]]
    rows = tuple(
        OrganTruth(row.name, row.volume_mm3, row.mass_g * (1.0 + more))
        for row, more in zip(phantom.truth.organs, gained, strict=True)
    )
    return phantom.replace(labels=labels, materials=tuple(materials), truth=Truth(organs, rows, phantom.truth.lesions))


def _by_organ(phantom: Phantom, given: Mapping[str, float], needed: Mapping[str, float]) -> list[float]:
    """Concentration of each organ of a phantom; compartments by their patterns, first match first."""
    compartments: dict[str, list[str]] = _table()["compartments"]
    names = phantom.truth.names()
    found = [0.0] * len(names)
    lesions = {lesion.name for lesion in phantom.truth.lesions}
    used: set[str] = set()
    for n, organ in enumerate(names):
        homes = (name for name, patterns in compartments.items() if any(fnmatchcase(organ, p) for p in patterns))
        home = next(homes, "")
        direct = [name for name in given if name not in compartments and fnmatchcase(organ, name)]
        if organ in given or direct:
            own = organ if organ in given else direct[0]
        elif home in given and organ not in lesions:
            own = home
        else:
            continue
        found[n] = float(given[own])
        used.add(own)
    missing = [name for name in needed if name not in used]
    if missing:
        known = (*names, *compartments)
        raise InvalidInput(
            message(f"contrast in {missing[0]!r}", "the phantom has no such organ or compartment",
                    did_you_mean(missing[0], known))
        )  # fmt: skip
    return found


def _seen(labels: npt.NDArray[Any], organs: npt.NDArray[Any], materials: int, count: int) -> npt.NDArray[np.int64]:
    """How many voxels hold each (organ, label)."""
    seen = np.zeros(count * materials, np.int64)
    for k in range(len(labels)):
        seen += np.bincount(organs[k].ravel().astype(np.int64) * materials + labels[k].ravel(), minlength=len(seen))
    return seen.reshape(count, materials)


def iodine_mass_mg(phantom: Phantom, organ: str) -> float:
    """Mass (mg) of iodine in an organ's voxels."""
    mask = phantom.truth.mask(organ)
    share = np.array([one.mass_fractions.get("I", 0.0) * one.density_g_cm3 for one in phantom.materials])
    density = phantom.density[mask] if phantom.density is not None else 1.0
    total = float((share[phantom.labels[mask]] * density).sum())
    return 1000.0 * total * phantom.grid.voxel_volume_mm3 * CM3_PER_MM3


@cache
def _table() -> dict[str, Any]:
    path = phantoms_path() / "anatomy" / "contrast" / "phases.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
