"""The sizes at which a patient's organs have their masses: repeated voxelising of coarse bodies, no formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from physsim.body.body import Body, _evaluated
from physsim.body.declare import Declared
from physsim.body.expression import Names
from physsim.body.growth import GrowthMap
from physsim.body.growth_controls import WHOLE, Control, controlled, present_controls
from physsim.body.masses import mass_g
from physsim.body.presence import present
from physsim.body.voxelise import body_grid, material_masses_g, paint
from physsim.spec.grid import Grid

if TYPE_CHECKING:
    from physsim.body.patient import Patient

Array = npt.NDArray[np.float64]
_ORGANS_X, _ORGANS_Z = 175.0, -260.0  # canonical mm: beyond and below are limbs
_DIGITS = 6  # of the values kept: below any effect on a mass
_LARGEST_STEP = 0.4  # of a control's logarithm in one round
_STEADY = 0.02  # a change of a control (logarithm) below which a new power would be noise


@dataclass(frozen=True)
class Solution:
    """Values of the controls by name, the masses (g) found with them, and those aimed at."""

    values: dict[str, float]
    found_g: dict[str, float]
    target_g: dict[str, float]

    def worst_percent(self) -> tuple[str, float]:
        """The organ furthest from its mass, and by how much."""
        name = max(self.found_g, key=lambda one: abs(self.found_g[one] / self.target_g[one] - 1.0), default="")
        return name, 100.0 * (self.found_g[name] / self.target_g[name] - 1.0) if name else 0.0

    def distance(self) -> float:
        """Sum of the relative errors, each counted up to 20 %: one organ that cannot follow hides no other."""
        return sum(min(abs(self.found_g[name] / self.target_g[name] - 1.0), 0.2) for name in self.found_g)


Which = Literal["all", "organs", "bowel"]
_BOWEL = ("small_intestine_wall", "small_intestine_contents")


def masses_of(
    body: Body, space: GrowthMap, spacing_mm: float, organs_only: bool = False
) -> dict[str, dict[str, float]]:
    """{organ: {material: g}} of a body in its own space at one spacing; nothing is kept of the voxels.

    `organs_only`: of head and trunk without arms, legs and most of the shoulders.
    """
    grid = body_grid(body, spacing_mm, space)
    if organs_only:
        grid = _of_organs(grid, space)
    labels, organs = np.empty(grid.shape, np.uint16), np.empty(grid.shape, np.uint16)
    density = np.empty(grid.shape, np.float32)
    _, masses = paint(body, body.program, grid, None if space.is_identity else space, labels, density, organs)
    return material_masses_g(body, grid, masses)


def _of_organs(grid: Grid, space: GrowthMap) -> Grid:
    """The part of a grid that holds organs."""
    corners = space.world_from_canonical([[_ORGANS_X, 0.0, 150.0], [0.0, 0.0, _ORGANS_Z]])
    origin, step = grid.world_from_voxel[:3, 3], np.array(grid.spacing_mm)
    nz, ny, nx = grid.shape
    first_x = max(0, int(np.floor((-corners[0, 0] - origin[0]) / step[0])))
    last_x = min(nx - 1, int(np.ceil((corners[0, 0] - origin[0]) / step[0])))
    first_z = max(0, int(np.floor((corners[1, 2] - origin[2]) / step[2])))
    x, y, z = (float(v) for v in origin + step * np.array([first_x, 0, first_z]))
    return Grid(shape=(nz - first_z, ny, last_x - first_x + 1), spacing_mm=grid.spacing_mm, origin_mm=(x, y, z))


def solved(
    patient: Patient,
    declared: Declared,
    space: GrowthMap,
    numbers: Mapping[str, float],
    start: Mapping[str, float],
    spacing_mm: float,
    rounds: int,
    tolerance: float = 0.001,
    which: Which = "all",
) -> Solution:
    """Controls at which organs have their masses, by fixed points with powers learnt on the way.

    Each round voxelises the whole body at `spacing_mm` and takes a Newton step in logarithms; it ends when every mass
    is within `tolerance` (relative) or can come no nearer, or after `rounds`, with the best round's values. `which`:
    with "organs" skin, fat, muscle and bone stay as they are in `start`, and limbs are left out; with "bowel" all but
    the small bowel's two radii, which do not move its line.
    """
    here = present(declared, Names(_evaluated({**declared.numbers, **numbers}, "patient")), "patient")
    used = [one for one in present_controls(here) if patient.target_mass_g(one.organ) > 0]
    if declared.numbers.get("whole", 0) == 0:
        used = [one for one in used if one.kind not in WHOLE]
    solving = [one for one in used if _is_solved(one, which)]
    fixed = {one.name: start[one.name] for one in used if one not in solving and one.name in start}
    used = solving
    values = np.array([start.get(one.name, _declared_value(one, declared)) for one in used])
    limits = np.array([one.limits for one in used]).reshape(-1, 2)
    target = {one.organ: patient.target_mass_g(one.organ) for one in used}
    slopes = _slopes(used)
    before: tuple[Array, Array] | None = None
    best: Solution | None = None
    for _ in range(rounds):
        now_values = {one.name: float(value) for one, value in zip(used, values, strict=True)}
        body = Body.of(controlled(declared, {**fixed, **now_values}), numbers, patient.seed, "patient")
        masses = masses_of(body, space, spacing_mm, which in ("organs", "bowel"))
        found = {one.organ: mass_g(one.organ, masses) for one in used}
        now = Solution({**now_values, **fixed}, found, target)
        if best is None or now.distance() <= best.distance():
            best = now
        logs = np.log(np.maximum([found[one.organ] for one in used], 1e-9))
        wanted = np.log([target[one.organ] for one in used]) - logs
        if _nothing_left(wanted, np.array([one.power for one in used]), values, limits, tolerance):
            return now
        if before is not None:
            _learn(slopes, used, np.log(values) - before[0], logs - before[1])
        before = (np.log(values), logs)
        moving = np.abs(wanted) > 0.5 * tolerance  # what is right stays: tubes that lie between organs then lie still
        moved = values * np.exp(step_within(slopes, wanted, np.log(limits / values[:, None]), moving))
        values = np.array([float(f"{value:.{_DIGITS}g}") for value in moved])
    assert best is not None
    return best


def _is_solved(control: Control, which: Which) -> bool:
    """Whether a control is one of those to be solved for."""
    if which == "bowel":
        return control.organ in _BOWEL
    return which == "all" or control.kind not in WHOLE


def _nothing_left(wanted: Array, powers: Array, values: Array, limits: Array, tolerance: float) -> bool:
    """Whether each mass is within the tolerance, or its control at the limit beyond which it would have to go."""
    towards = np.sign(wanted * powers)
    stopped = ((towards < 0) & (values <= limits[:, 0])) | ((towards > 0) & (values >= limits[:, 1]))
    return bool((stopped | (np.abs(wanted) <= tolerance)).all())


def step_within(
    slopes: Array, wanted: Array, room: Array, moving: npt.NDArray[np.bool_], largest: float = _LARGEST_STEP
) -> Array:
    """Changes of the controls' logarithms (n,) that give the `wanted` ones of the masses, within `room` (n, 2).

    Only controls that are `moving` (n,) change, for the masses of their own organs. A control that would leave its
    room, or go further than `largest`, stops there, and the others are asked again with what it does: so an organ
    that cannot follow spoils no other's mass.
    """
    low, high = np.maximum(room[:, 0], -largest), np.minimum(room[:, 1], largest)
    step = np.zeros(len(wanted))
    free = moving.copy()
    while free.any():
        rest = wanted - slopes[:, ~free] @ step[~free]
        step[free] = np.linalg.solve(slopes[np.ix_(free, free)], rest[free])
        beyond = free & ((step < low) | (step > high))
        step = np.clip(step, low, high)
        if not beyond.any():
            break
        free &= ~beyond
    return step


def _slopes(used: list[Control]) -> Array:
    """d ln mass / d ln control as the controls declare it: rows are organs, columns controls."""
    slopes = np.diag([one.power for one in used])
    for column, control in enumerate(used):
        for row, other in enumerate(used):
            if row != column:
                slopes[row, column] = control.effects.get(other.organ, 0.0)
    return slopes


def _learn(slopes: Array, used: list[Control], moved: Array, changed: Array) -> None:
    """The diagonal half of the way (in logarithms) to what the last step did, beside the effects of the other controls.

    Within bounds; only half, because neighbours press on each other by more than the declared effects.
    """
    others = changed - slopes @ moved + slopes.diagonal() * moved
    for place, control in enumerate(used):
        if abs(moved[place]) > _STEADY:
            low, high = sorted((control.power / 4, control.power * 1.5))
            found = min(max(others[place] / moved[place], low), high)
            slopes[place, place] = math.copysign(math.sqrt(slopes[place, place] * found), control.power)


def _declared_value(control: Control, declared: Declared) -> float:
    """1, or what the body says of a number."""
    return float(declared.numbers[control.solids[0]]) if control.kind == "number" else 1.0
