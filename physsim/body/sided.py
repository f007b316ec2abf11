"""The two of a pair made as unlike as the body's files say: shifted, thicker, stretched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.expression import Names, number
from physsim.body.side import Ends, Side
from physsim.phantom.pieces import rotation_xyz

Array = npt.NDArray[np.float64]
_POINTS = {"tube": "points", "plane": "point", "surface": "rows"}  # shapes whose points go each its own way
_THICKNESS = {"tube": ("radius", "radii"), "surface": ("thickness",)}
_STEP_MM, _DECIMALS = 0.5, 6
_OWN = "{side} "


def differences(sides: Sequence[Side], name: str) -> tuple[Side, ...]:
    """Those that a solid of this name, as declared, has."""
    plain = name.removeprefix(_OWN)
    return tuple(one for one in sides if any(fnmatchcase(plain, pattern) for pattern in one.solids))


def sided(parts: Sequence[Mapping[str, Any]], own: Sequence[Side], right: bool, names: Names) -> list[dict[str, Any]]:
    """Plain data of a pair's parts, declared at x > 0, as one side has them (the right one is mirrored later)."""
    half = 0.5 if right else -0.5
    thicker = 1.0
    for one in own:
        thicker *= 1.0 + half * one.thicker
    grown = half * sum(one.grow_mm for one in own)
    return [_part(part, own, half, thicker, grown, names) for part in parts]


def shifted(points: Array, own: Sequence[Side], half: float) -> Array:
    """(n, 3) mm of points at x > 0, moved by a share of the differences."""
    total = np.zeros_like(points)
    for one in own:
        where = np.ones(len(points))
        for axis, ends in enumerate((one.lateral, one.posterior, one.up)):
            if ends is not None:
                where = where * _between(points[:, axis], ends)
        total += half * where[:, None] * np.array(one.shift_mm)
    return points + total


def _part(
    part: Mapping[str, Any], own: Sequence[Side], half: float, thicker: float, grown: float, names: Names
) -> dict[str, Any]:
    made = dict(part)

    def values(of: Any) -> Array:
        if isinstance(of, (int, float, str)):
            return np.array(float(number(of, names)))
        return np.array([values(one) for one in of])

    def moved(of: Any) -> Any:
        points = values(of)
        return np.round(shifted(points.reshape(-1, 3), own, half).reshape(points.shape), _DECIMALS).tolist()

    for kind, key in _POINTS.items():
        if kind in part:
            made[kind] = {**part[kind], key: moved(part[kind][key])}
    for kind, keys in _THICKNESS.items():
        for key in keys:
            if thicker != 1.0 and kind in part and part[kind].get(key) is not None:
                made[kind][key] = np.round(thicker * values(part[kind][key]), _DECIMALS).tolist()
    if "plate" in part:  # stays flat: it goes and shears as its middle does
        corners = values(part["plate"]["polygon"])
        middle = corners.mean(0)
        flat = shifted(middle[None], own, half)[0] + (corners - middle) @ (np.eye(3) + _slopes(middle, own, half)).T
        made["plate"] = {**part["plate"], "polygon": np.round(flat, _DECIMALS).tolist()}
    if "ellipsoid" in part:
        made["ellipsoid"] = _ellipsoid(part["ellipsoid"], own, half, thicker, values)
    if "branches" in part:
        rows = np.array(part["branches"], float)
        rows[:, :3], rows[:, 4:7] = (np.array(moved(rows[:, at])) for at in (slice(0, 3), slice(4, 7)))
        rows[:, [3, 7]] *= thicker
        made["branches"] = np.round(rows, _DECIMALS).tolist()
    if grown and "field" in part and part.get("op", "add") == "add" and not part["field"].startswith(("left", "right")):
        grow = part.get("grow_mm", 0.0)
        made["grow_mm"] = f"({grow}) + {grown!r}" if isinstance(grow, str) else grow + grown
    return made


def _ellipsoid(
    given: Mapping[str, Any], own: Sequence[Side], half: float, thicker: float, values: Callable[[Any], Array]
) -> dict[str, Any]:
    centre, semi = values(given["centre"]), values(given["semi"])
    turn = values(given.get("turn_deg", (0.0, 0.0, 0.0)))
    axes = rotation_xyz((float(turn[0]), float(turn[1]), float(turn[2])))
    stretch = thicker + np.einsum("ia,ij,ja->a", axes, _slopes(centre, own, half), axes)
    there = shifted(centre[None], own, half)[0]
    return {**given, "centre": np.round(there, _DECIMALS).tolist(),
            "semi": np.round(semi * stretch, _DECIMALS).tolist()}  # fmt: skip


def _slopes(point: Array, own: Sequence[Side], half: float) -> Array:
    """(3, 3) of the shift at a point: row the component, column the axis along which it changes."""
    around = np.concatenate([point + _STEP_MM * np.eye(3), point - _STEP_MM * np.eye(3)])
    moved = shifted(around, own, half) - around
    return np.asarray((moved[:3] - moved[3:]).T / (2 * _STEP_MM))


def _between(at: Array, ends: Ends) -> Array:
    """0 outside the outer two places, 1 between the inner two, smooth (two derivatives) between."""
    steps = (at - ends[0]) / (ends[1] - ends[0]), (ends[3] - at) / (ends[3] - ends[2])
    up, down = (np.minimum(np.maximum(step, 0.0), 1.0) for step in steps)  # np.clip costs ten times that of few points
    return np.asarray((up * up * up * (10.0 + up * (6.0 * up - 15.0))) *
                      (down * down * down * (10.0 + down * (6.0 * down - 15.0))))
