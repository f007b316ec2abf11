"""From a patient's parameters to the body made for them, and to voxels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from physsim.body.body import Body
from physsim.body.breast.recipe import breast_class
from physsim.body.breathing import breathing
from physsim.body.cardiac import cardiac, stroke_out
from physsim.body.declare import Declared, read_declared
from physsim.body.finer import coarser, finer_grid
from physsim.body.flow import nodes
from physsim.body.growth import GrowthMap, growth_map, numbers_at
from physsim.body.growth_controls import controlled
from physsim.body.growth_fit import controls_of
from physsim.body.lesion_motion import with_lesions
from physsim.body.motion import Motion
from physsim.body.space_map import world_box
from physsim.body.vanishing import Vanishing, checked_way, cut_organs, judge_vanished
from physsim.body.voxelise import body_grid, voxelise_body
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.phantom.overlay import box_corners
from physsim.phantom.phantom import HEIGHTS, Phantom
from physsim.resources import phantoms_path
from physsim.spec.grid import Grid

if TYPE_CHECKING:
    from physsim.body.patient import Patient

Corner = npt.NDArray[np.float64]  # (3,) canonical mm
Ends = tuple[float, float]  # of heights: low and high, mm
CANONICAL = "adult_body"  # the file of phantoms/anatomy that every patient is made of
# Heights of the canonical body (mm above the disc L5/S1) of what belongs to a region, arms beside it included; only
# the trunk ends at the width of the shoulders, so that hanging arms are left out.
REGIONS: dict[str, tuple[float, float]] = {
    "whole": (-math.inf, math.inf),
    "head": (500.0, math.inf),
    "chest": (60.0, 530.0),
    "abdomen": (-110.0, 270.0),
    "trunk": (-110.0, 530.0),
    "pelvis": (-260.0, 60.0),
}
_BREASTS_YEARS, _GROWN_YEARS = 10.0, 20.0
_NARROW_SULCI = 0.4  # a newborn's over the adult's, which a child's brain leaves no room for: own recipe
_ARMLESS = "trunk"
NOTHING_BEYOND = (0.0, 0.0)
_SEEN_MM, _ROOM_MM, _SHOULDER_MM = 10.0, 2.0, 30.0  # step at which the skin is looked for; round it; below the joint
# What a body does not hang on: its lesions are painted into it, breath and heartbeat move it.
_SAME_BODY: dict[str, Any] = {"lesions": (), "sampling_weight": 1.0, "respiration": 1.0, "cardiac": 0.0}
_SMALL, _COARSEST_MM = 0.6, 3.3  # bodies below this scale are painted finer where voxels are larger, canonical mm


@dataclass(frozen=True, eq=False)
class PatientBody:
    """The canonical body with a patient's numbers and organ sizes, and the map from the patient's space to it."""

    body: Body
    growth: GrowthMap
    _seen: dict[tuple[str, Ends], tuple[Corner, Corner]] = field(default_factory=dict, repr=False)  # skin's boxes

    def grid(self, spacing_mm: float | tuple[float, float, float], region: str = "whole",
             beyond_mm: Ends = NOTHING_BEYOND) -> Grid:
        """A grid round a region of REGIONS, its voxel centres at whole multiples of the spacing in the world.

        `beyond_mm`: by how much it reaches beyond the region below and above it, rounded up to voxels; no farther than
        the body does.
        """
        if region not in REGIONS:
            raise InvalidInput(message(f"region={region!r}", "no such region", did_you_mean(region, REGIONS)))
        whole = body_grid(self.body, spacing_mm, self.growth)
        if region == "whole":
            return whole
        steps, origin = np.array(whole.spacing_mm), np.array(whole.origin_mm)
        low, high = self._seen_box(region, beyond_mm)
        world_low, world_high = world_box(self.growth, low - _ROOM_MM, high + _ROOM_MM)
        world_low[2], world_high[2] = (self.growth.world_height(level) for level in REGIONS[region])
        size, more = np.array(whole.shape[::-1]), [math.ceil(beyond / steps[2]) for beyond in beyond_mm]
        first = np.maximum(np.floor((world_low - origin) / steps), 0).astype(int)
        last = np.minimum(np.ceil((world_high - origin) / steps), size - 1).astype(int)
        first[2] = max(math.ceil(max((world_low[2] - origin[2]) / steps[2], 0)) - more[0], 0)
        last[2] = min(math.floor(min((world_high[2] - origin[2]) / steps[2], size[2] - 1)) + more[1], size[2] - 1)
        nx, ny, nz = (int(n) for n in last - first + 1)
        x, y, z = (float(v) for v in origin + first * steps)
        return Grid(shape=(nz, ny, nx), spacing_mm=whole.spacing_mm, origin_mm=(x, y, z))

    def _seen_box(self, region: str, beyond_mm: Ends) -> tuple[Corner, Corner]:
        """_skin_box of a region, or of that and what lies beyond; kept."""
        key = (region, beyond_mm)
        if key not in self._seen:
            if beyond_mm == NOTHING_BEYOND:
                self._seen[key] = self._skin_box(region, REGIONS[region])
            else:
                low, high = (self.growth.world_height(level) for level in REGIONS[region])
                ends = [self.growth.canonical_height(z) for z in (low - beyond_mm[0], high + beyond_mm[1])]
                own, wide = self._seen_box(region, NOTHING_BEYOND), self._skin_box(region, (ends[0], ends[1]))
                self._seen[key] = np.minimum(own[0], wide[0]), np.maximum(own[1], wide[1])
        return self._seen[key]

    def _skin_box(self, region: str, heights: Ends) -> tuple[Corner, Corner]:
        """Low and high corner (canonical mm) of what lies within the skin at `heights` of the canonical body."""
        body, program, (low_z, high_z) = self.body, self.body.program, heights
        low, high = program.box_low.copy(), program.box_high.copy()
        low[2], high[2] = max(low[2], low_z), min(high[2], high_z)
        points, _ = nodes(low, high, _SEEN_MM)
        seen = np.zeros(len(points), bool)
        for number, structure in enumerate(program.structures):
            if any(layer.material == "skin" for layer in structure.filled()):
                corners = program.tables.structure_float[number, :6]
                near = ((points >= corners[:3]) & (points <= corners[3:])).all(1)
                seen[near] |= program.distance(points[near], structure=number, margin_mm=_SEEN_MM) < 0.0
        if region == _ARMLESS:
            arm = program.distance(points, field=body.field_number("arm skin", "arms"), margin_mm=_SEEN_MM) < 0.0
            seen &= ~arm | (points[:, 2] > body.numbers["shoulder_z"] - _SHOULDER_MM)
        return points[seen].min(0) - _SEEN_MM, points[seen].max(0) + _SEEN_MM


def patient_body(patient: Patient) -> PatientBody:
    """The body of a patient: a pure function of the parameters. The last two are kept, with their programs.

    Phases of breath and heart, and lesions, share the body at rest.
    """
    return _made(patient.replace(**_SAME_BODY).to_json())


def forget_bodies() -> None:
    """Let go of the bodies that are kept: their memory, or their time where it is measured."""
    _made.cache_clear()


@lru_cache(maxsize=2)
def _made(at_rest: str) -> PatientBody:
    from physsim.body.patient import Patient

    patient = Patient.from_json(at_rest)
    growth = growth_map(patient.sex, patient.age_years, patient.height_cm, patient.build)
    declared = canonical_declared()
    numbers = own_numbers(patient)
    values = controls_of(patient, declared, growth, numbers)
    where = f"{CANONICAL}.toml"
    return PatientBody(Body.of(controlled(declared, values), numbers, patient.seed, where), growth)


def patient_phantom(
    patient: Patient,
    spacing_mm: float | tuple[float, float, float] | None = None,
    region: str = "whole",
    grid: Grid | None = None,
    density_dtype: npt.DTypeLike = np.float16,
    vanishing: Vanishing = "warn",
    beyond_mm: Ends = NOTHING_BEYOND,
) -> Phantom:
    """Voxels of a patient: see Patient.phantom."""
    if (grid is None) == (spacing_mm is None):
        raise InvalidInput(message(f"spacing_mm={spacing_mm}", "one of spacing and grid says the voxels", "Give one."))
    checked_way(vanishing)
    _check_beyond(beyond_mm, region, grid)
    made = patient_body(patient)
    own = None
    if grid is None:
        assert spacing_mm is not None
        grid = made.grid(spacing_mm, region, beyond_mm)
        if beyond_mm != NOTHING_BEYOND:
            corners = box_corners(made.grid(spacing_mm, region))
            own = corners.min(axis=0), corners.max(axis=0)
    space = None if made.growth.is_identity else made.growth
    scale = made.growth.mean_scale
    factor = 2 if scale < _SMALL and max(grid.spacing_mm) > _COARSEST_MM * scale else 1
    motion = patient_motion(patient, made.body)

    def painted(moved: Motion | None) -> Phantom:
        phantom = voxelise_body(
            made.body, grid=grid if factor == 1 else finer_grid(grid, factor), canonical_from_world=space,
            density_dtype=density_dtype, vanishing="keep", name=patient.title, motion=moved,
        )  # fmt: skip
        if factor > 1:
            phantom = coarser(phantom, grid, factor, density_dtype)
        return phantom.replace(made_from={**phantom.made_from, **record})

    record: dict[str, Any] = {"patient": patient.to_dict()}
    if spacing_mm is None or region != "whole":
        record["region"] = "window" if spacing_mm is None else region
    if own is not None:
        record[HEIGHTS] = [round(float(corner[2]), 6) for corner in own]
    phantom = painted(motion)
    if vanishing != "keep":
        judge_vanished(phantom.truth, grid, cut_organs(made.body, grid, space, motion), vanishing)
    return with_lesions(phantom, patient.lesions, made.body, space, motion, lambda: painted(None), own)


def _check_beyond(beyond_mm: Ends, region: str, grid: Grid | None) -> None:
    """InvalidInput for what lies beyond no region, and for a region that should end before it does."""
    if not all(0.0 <= beyond < math.inf for beyond in beyond_mm):
        raise InvalidInput(message(f"beyond_mm={beyond_mm}", "voxels reach 0 mm or more beyond a region's ends",
                                   "Give (below, above), for example (40.0, 40.0)."))
    if beyond_mm != NOTHING_BEYOND and (grid is not None or region == "whole"):
        what = "a grid says where voxels end" if grid is not None else "nothing lies beyond the whole body"
        raise InvalidInput(message(f"beyond_mm={beyond_mm}", f"it has no effect: {what}", "Leave it out."))


def patient_motion(patient: Patient, body: Body) -> Motion | None:
    """Where the patient's breath and heartbeat bring their body, in the canonical frame: a breath after a beat."""
    breath = breathing(body, patient.respiration) if patient.respiration < 1.0 else None
    beat = cardiac(body, patient.cardiac) if stroke_out(patient.cardiac) > 0.0 else None
    return breath.after(beat) if breath and beat else breath or beat


def own_numbers(patient: Patient) -> dict[str, float]:
    """Numbers of the canonical file that the patient's own parameters set."""
    grown = patient.sex == "F" and patient.age_years >= _BREASTS_YEARS
    sulci = round(_NARROW_SULCI + (1.0 - _NARROW_SULCI) * min(patient.age_years / _GROWN_YEARS, 1.0), 6)
    numbers = {
        "female": float(patient.sex == "F"), "breasts": float(grown), "arms": float(patient.arms == "up"),
        "sulci": sulci, "age_years": round(patient.age_years, 6), **numbers_at(patient.age_years),
    }  # fmt: skip
    if grown and patient.breast_density is not None:
        own = breast_class(patient.breast_density)
        numbers |= {"breast_level": own.body_level, "breast_size": own.body_size}
    return numbers


@cache
def canonical_declared() -> Declared:
    """The declarations of CANONICAL."""
    return read_declared(phantoms_path() / "anatomy" / f"{CANONICAL}.toml")
