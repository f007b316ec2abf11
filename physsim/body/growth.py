"""Growth: the map between a patient's own space and the canonical adult body, by age, sex, height and build."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.body_size import Sex
from physsim.body.reference_masses import reference_size
from physsim.phantom.curves import monotone_cubic
from physsim.resources import phantoms_path

Array = npt.NDArray[np.float64]
_CONCEPTION_YEARS = 0.75
_STEP_MM = 1.0
_BELOW_MM, _ABOVE_MM = 400.0, 400.0  # the tables go on beyond soles and vertex
_FORWARD_MM = (-250.0, 340.0)  # behind and before the plane that nothing lifts: all bodies lie between
_ROUNDS, _SETTLED = 40, 1e-12  # of Newton's method that undoes the shear: at most, and levels it may miss by
# Powers of the height at one age and sex: soft tissue and bone go with its square (see reference_masses), so that
# widths go with its root; brain and skull with its power 0.46, of which each axis has a third.
_WIDTH_POWER, _HEAD_POWER = 0.5, 0.153


@dataclass(frozen=True, eq=False)
class GrowthMap:
    """x = X / sx(u), y = y0 + (Y - Y0) / sy(u), z = u - q(u) (y1 - y) where Z(u) is the world's height of level u.

    Capitals are the world (mm, origin at the middle of the disc L5/S1), small letters the canonical body. The map is
    a closed form; its inverse solves one equation in u. The shear q lifts the front of the chest: horizontal ribs and
    a high sternum in small children, and the organs with them. det J = u'(Z) / (sx sy) (1 - q'(u) (y1 - y)) > 0 in all
    of space: beyond the table's ends, which raised hands reach, heights go on at the scale of the end, and beyond
    `_FORWARD_MM`, farther than any body is deep, y1 - y stays what it is there.

    Neglects: arms and trunk share their scales at one height, so that raised arms have those of neck and head; single
    organs are sized apart from it (see organ scales).
    """

    level: Array  # (n,) canonical mm, even steps
    height: Array  # (n,) world mm
    width_scale: Array  # (n,)
    depth_scale: Array  # (n,)
    shear: Array  # (n,)
    pivot_y: float
    world_pivot_y: float
    shear_y: float
    lattice_mm: float

    def canonical_from_world(self, points_mm: npt.ArrayLike) -> Array:
        """(n, 3) canonical points of (n, 3) world points."""
        x, y, z = np.asarray(points_mm, float).T
        at = _along(z, self.height, self._places)
        sx, sy, q = (self._read(one, at) for one in (self.width_scale, self.depth_scale, self.shear))
        y = self.pivot_y + (y - self.world_pivot_y) / sy
        return np.stack([x / sx, y, self.level[0] + _STEP_MM * at - q * self._forward(y)], axis=1)

    def world_from_canonical(self, points_mm: npt.ArrayLike) -> Array:
        """(n, 3) world points of (n, 3) canonical points."""
        x, y, z = np.asarray(points_mm, float).T
        forward = self._forward(y)
        start = (z - self.level[0]) / _STEP_MM
        at = start
        slope = np.append(np.diff(self.shear), 0.0)
        for _ in range(_ROUNDS if self.shear.any() else 0):
            missed = at - start - self._read(self.shear, at) * forward / _STEP_MM
            if np.abs(missed).max(initial=0.0) < _SETTLED:
                break
            own = (at > 0.0) * slope[np.clip(at, 0.0, len(slope) - 1.0).astype(np.int64)]
            at = at - missed / (1.0 - own * forward / _STEP_MM)
        sx, sy = (self._read(one, at) for one in (self.width_scale, self.depth_scale))
        height = _along(at, self._places, self.height)
        return np.stack([x * sx, self.world_pivot_y + (y - self.pivot_y) * sy, height], axis=1)

    def determinant(self, points_mm: npt.ArrayLike, step_mm: float = 0.05) -> Array:
        """det of d canonical / d world at (n, 3) world points, by central differences."""
        points = np.asarray(points_mm, float)
        columns = []
        for axis in range(3):
            step = np.zeros(3)
            step[axis] = step_mm
            difference = self.canonical_from_world(points + step) - self.canonical_from_world(points - step)
            columns.append(difference / (2 * step_mm))
        return np.asarray(np.linalg.det(np.stack(columns, axis=-1)))

    @property
    def is_identity(self) -> bool:
        """Whether the world is the canonical body: the reference man."""
        scales = np.r_[self.width_scale, self.depth_scale, np.diff(self.height) / _STEP_MM]
        return bool(np.abs(scales - 1.0).max() < 1e-9 and not self.shear.any())

    @property
    def mean_scale(self) -> float:
        """Size of the trunk over the canonical one's: cube root of its volume scale at the waist."""
        at = int(np.argmin(np.abs(self.level - 150.0)))
        tall = (self.height[at + 1] - self.height[at]) / _STEP_MM
        return float(np.cbrt(self.width_scale[at] * self.depth_scale[at] * tall))

    def world_height(self, level_mm: float) -> float:
        """World z (mm) of a canonical level in the plane where nothing is lifted; infinite where the level is."""
        return float(_along(np.array(level_mm), self.level, self.height))

    def canonical_height(self, height_mm: float) -> float:
        """The inverse of world_height."""
        return float(_along(np.array(height_mm), self.height, self.level))

    @property
    def _places(self) -> Array:
        return np.arange(len(self.level), dtype=float)

    def _forward(self, y: Array) -> Array:
        """How far (mm) what lies at canonical y is before the plane that nothing lifts."""
        return np.asarray(np.clip(self.shear_y - y, *_FORWARD_MM))

    def _read(self, table: Array, at: Array) -> Array:
        return np.asarray(np.interp(at, self._places, table))


def growth_map(sex: Sex, age_years: float, height_cm: float, build: float = 1.0) -> GrowthMap:
    """The map of a body; `build` is depth over width of the trunk, at one cross-section, over the average's.

    Levels' scales run through phantoms/anatomy/growth/shape.toml over the ages; trunk, neck and legs then follow the
    height relative to the reference body's of that age and sex, widths its root and the head its 0.15th power.
    """
    table = _table()
    levels, canonical = table["levels"], table["canonical"]
    of_height = height_cm / reference_size(sex, age_years)[0]
    head = _step(np.array(list(levels.values()), float), levels["neck"], levels["skull"])
    wider = of_height ** (_WIDTH_POWER + (_HEAD_POWER - _WIDTH_POWER) * head)
    taller = of_height ** (1.0 + (_HEAD_POWER - 1.0) * head)
    level = np.arange(
        canonical["vertex_z"] - canonical["height_mm"] - _BELOW_MM, canonical["vertex_z"] + _ABOVE_MM, _STEP_MM
    )
    scale = {}
    for axis, factor in (("x", wider), ("y", wider), ("z", taller)):
        rows = table[sex][axis]
        knots = np.array([levels[name] for name in rows], float)
        values = np.array([_at_age(rows[name], age_years, table) for name in rows])
        values = values * factor[[name in rows for name in levels]]
        inside = np.clip(level, knots[0], knots[-1])
        scale[axis] = monotone_cubic(knots, values[:, None], inside)[:, 0]
    trunk = _bump(level, canonical["build_z"])
    scale["x"] = scale["x"] * (1.0 + (build**-0.5 - 1.0) * trunk)
    scale["y"] = scale["y"] * (1.0 + (build**0.5 - 1.0) * trunk)
    scale["z"] = _with_legs(level, scale["z"], canonical, 10.0 * height_cm)
    height = _integral(level, scale["z"])
    shear = _at_age(table["shear"][sex], age_years, table) * _bump(level, canonical["shear_z"])
    pivot = canonical["pivot_y"]
    smallest = float(min(one[(level > 0) & (level < canonical["vertex_z"])].min() for one in scale.values()))
    return GrowthMap(
        level=level, height=height, width_scale=scale["x"], depth_scale=scale["y"], shear=shear, pivot_y=pivot,
        world_pivot_y=pivot * float(np.interp(levels["chest"], level, scale["y"])), shear_y=canonical["shear_y"],
        lattice_mm=round(max(2.0, 10.0 * min(smallest, 1.0) ** 2), 1),
    )  # fmt: skip


def numbers_at(age_years: float) -> dict[str, float]:
    """Numbers of the body's files that follow the age: how much of an infant a body still is."""
    table = _table()
    return {name: round(_at_age(row, age_years, table), 6) for name, row in table["numbers"].items()}


def _along(at: Array, places: Array, values: Array) -> Array:
    """Values between rising places, and straight on at the slope of the last two beyond them."""
    above = np.maximum(at - places[-1], 0.0) * ((values[-1] - values[-2]) / (places[-1] - places[-2]))
    below = np.maximum(places[0] - at, 0.0) * ((values[1] - values[0]) / (places[1] - places[0]))
    return np.asarray(np.interp(at, places, values) + above - below)


def _with_legs(level: Array, scale: Array, canonical: dict[str, Any], height_mm: float) -> Array:
    """Scales in z with legs that make the whole as tall as it should be."""
    legs = 1.0 - _step(level, canonical["leg_z"], canonical["hip_z"])
    sole, vertex = canonical["vertex_z"] - canonical["height_mm"], canonical["vertex_z"]
    body = ((level >= sole) & (level < vertex)).astype(float)
    hip = float(np.interp(canonical["hip_z"], level, scale))
    above = np.where(level < canonical["hip_z"], hip, scale)
    rest = height_mm - _STEP_MM * float((_between((1.0 - legs) * above) * body).sum())
    length = _STEP_MM * float((_between(legs) * body).sum())
    return np.asarray((1.0 - legs) * above + legs * (rest / length))


def _between(values: Array) -> Array:
    """Means of each level and the next."""
    return np.asarray(0.5 * (values + np.r_[values[1:], values[-1]]))


def _integral(level: Array, scale: Array) -> Array:
    """World height of each level, 0 at level 0."""
    total = np.r_[0.0, np.cumsum(_between(scale)[:-1] * np.diff(level))]
    return np.asarray(total - np.interp(0.0, level, total))


def _at_age(row: list[float], age_years: float, table: dict[str, Any]) -> float:
    ages = np.array(table["ages_years"], float)
    at = np.log(min(max(age_years, 0.0), ages[-1]) + _CONCEPTION_YEARS)
    return float(monotone_cubic(np.log(ages + _CONCEPTION_YEARS), np.array(row, float)[:, None], [at])[0, 0])


def _step(at: Array, low: float, high: float) -> Array:
    """0 below `low`, 1 above `high`, smooth between (first and second derivative continuous)."""
    t = np.clip((at - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * t * (10.0 + t * (6.0 * t - 15.0)))


def _bump(at: Array, ends: list[float]) -> Array:
    """0 outside the first and last of four heights, 1 between the two others."""
    return _step(at, ends[0], ends[1]) * (1.0 - _step(at, ends[2], ends[3]))


@cache
def _table() -> dict[str, Any]:
    path = phantoms_path() / "anatomy" / "growth" / "shape.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
