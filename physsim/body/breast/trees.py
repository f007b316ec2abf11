"""Ducts and vessels of the breast as chains of tapered capsules, and its lymph nodes as ellipsoids."""

from __future__ import annotations

import math
import tomllib
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.breast.coarse import depth_at
from physsim.body.breast.outline import Outline
from physsim.body.breast.spec import Breast
from physsim.body.breast.trigonometry import cosine_and_sine
from physsim.randomness import Stream
from physsim.resources import phantoms_path

Floats = npt.NDArray[np.float64]
DUCT, VESSEL = 0.0, 1.0
_TREE_DIGITS = 6


class _Draws:
    """Numbers in (0, 1) in the order of asking."""

    def __init__(self, seed: int, name: str) -> None:
        self._numbers = Stream(seed, name).uniform64(np.arange(20000)).ravel()
        self._at = 0

    def between(self, low: float, high: float) -> float:
        self._at += 1
        return low + (high - low) * float(self._numbers[self._at - 1])

    def direction(self) -> Floats:
        """A vector of the size of a unit one, near enough, without preferred direction."""
        return np.array([self.between(-1, 1), self.between(-1, 1), self.between(-1, 1)])


def trees(breast: Breast, outline: Outline) -> Floats:
    """Segments (n, 9): start, end (mm), radius at start and end (mm), and DUCT or VESSEL."""
    rows: list[list[float]] = []
    _ducts(breast, outline, rows)
    _vessels(breast, outline, rows)
    return np.round(np.array(rows), _TREE_DIGITS)


def lymph_nodes(breast: Breast) -> Floats:
    """Ellipsoids (n, 5) of the axilla: centre, semi-axis along x and across (mm); none in CC."""
    if breast.view == "CC":
        return np.zeros((0, 5))
    return np.array([
        [node["place"][0] * breast.length_mm, node["place"][1] * breast.height_mm, node["level"] * breast.thickness_mm,
         node["semi_axes_mm"][1], node["semi_axes_mm"][0]] for node in _numbers()["nodes"]])


def _ducts(breast: Breast, outline: Outline, rows: list[list[float]]) -> None:
    """A fan of lactiferous ducts from the nipple, branching into the gland."""
    own = _numbers()["ducts"]
    draw = _Draws(breast.seed, "breast ducts")
    count = round(draw.between(own["count"][0] - 0.5, own["count"][1] + 0.5))
    start = np.array([outline.nipple_x - 1.0, outline.nipple_y, breast.half_mm])
    for n in range(count):
        across = math.radians(own["fan_deg"]) * (2 * (n + 0.5) / count - 1 + draw.between(-0.5, 0.5) / count)
        cos, sin = (float(value) for value in cosine_and_sine(across))
        heading = np.array([-cos, sin, draw.between(-0.4, 0.4)])
        place = start + np.array([0.0, draw.between(-2.5, 2.5), draw.between(-2.5, 2.5)])
        _branch(breast, outline, draw, rows, place, heading, own["length"] * breast.length_mm,
                draw.between(*own["radius_mm"]), own["generations"], own, DUCT)


def _vessels(breast: Breast, outline: Outline, rows: list[list[float]]) -> None:
    """Veins and arteries that enter at the chest wall, a few millimetres under the skin, and run forward."""
    own = _numbers()["vessels"]
    draw = _Draws(breast.seed, "breast vessels")
    low, high = outline.y_range
    for _ in range(round(draw.between(own["count"][0] - 0.5, own["count"][1] + 0.5))):
        y = low + (high - low) * draw.between(0.12, 0.88)
        under = draw.between(*own["depth_mm"])
        z = under if draw.between(0, 1) < 0.5 else breast.thickness_mm - under
        goal = np.array([outline.nipple_x, outline.nipple_y + draw.between(-25, 25), z])
        place = np.array([-2.0, y, z])
        heading = goal - place
        _branch(breast, outline, draw, rows, place, heading / max(float(np.sqrt((heading**2).sum())), 1e-9),
                own["length"] * breast.length_mm, draw.between(*own["radius_mm"]) * breast.tissue.vessel_radius,
                own["generations"], own, VESSEL)


def _branch(breast: Breast, outline: Outline, draw: _Draws, rows: list[list[float]], place: Floats, heading: Floats,
            length: float, radius: float, generations: int, own: dict[str, Any], kind: float) -> None:
    """One tube with bends, then its two daughters."""
    step = own.get("step_mm", 1.8)
    half = breast.half_mm
    end_radius = radius * (0.9 if generations > 1 else 0.5)
    count = max(2, round(length * draw.between(0.7, 1.3) / step))
    for n in range(count):
        heading = heading + own["wiggle"] * draw.direction() * (1.0, 1.0, 0.5)
        if kind == VESSEL:  # stays between skin and gland
            level = 5.5 if place[2] < half else breast.thickness_mm - 5.5
            heading[2] += 0.08 * (level - place[2])
        else:
            heading[2] += 0.02 * (half - place[2])
        heading = heading / max(float(np.sqrt((heading**2).sum())), 1e-9)
        there = place + step * heading
        if _margin(breast, outline, there) < 3.0 and (place[0] < outline.nipple_x - 8.0 or there[0] > outline.nipple_x):
            return
        start = radius + (end_radius - radius) * n / count
        rows.append([*place, *there, start, radius + (end_radius - radius) * (n + 1) / count, kind])
        place = there
    if generations <= 1:
        return
    spread = draw.between(0.25, 0.55)
    side = np.array([-heading[1], heading[0], draw.between(-0.5, 0.5)])
    for sign, weight in ((1.0, draw.between(0.8, 1.0)), (-1.0, draw.between(0.6, 0.9))):
        _branch(breast, outline, draw, rows, place, heading + sign * spread * side, length * own["length_ratio"],
                end_radius * own["radius_ratio"] * weight, generations - 1, own, kind)


def _margin(breast: Breast, outline: Outline, place: Floats) -> float:
    """Distance to the breast's surface (mm), negative outside."""
    half = breast.half_mm
    e = float(depth_at(outline, place[:1], place[1:2])[0, 0])
    across = float(place[2]) - half
    if e < half:
        return half - math.sqrt((half - e) ** 2 + across**2)
    return half - abs(across)


def binned(segments: Floats, box: tuple[float, float, float], count: tuple[int, int],
           margin_mm: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Segments by square tiles of the x-y plane, as CSR lists; box: y of the first tile, tile along y and x (mm)."""
    y0, dy, dx = box
    rows, columns = count
    lists: list[list[int]] = [[] for _ in range(rows * columns)]
    for number, row in enumerate(segments):
        wide = max(row[6], row[7]) + margin_mm
        i0, i1 = (math.floor((edge) / dx) for edge in (min(row[0], row[3]) - wide, max(row[0], row[3]) + wide))
        j0, j1 = (math.floor((edge - y0) / dy) for edge in (min(row[1], row[4]) - wide, max(row[1], row[4]) + wide))
        for j in range(max(j0, 0), min(j1 + 1, rows)):
            for i in range(max(i0, 0), min(i1 + 1, columns)):
                lists[j * columns + i].append(number)
    start = np.zeros(len(lists) + 1, np.int64)
    start[1:] = np.cumsum([len(one) for one in lists])
    return start, np.array([number for one in lists for number in one], np.int64)


def _numbers() -> dict[str, Any]:
    path = phantoms_path() / "anatomy" / "breast" / "trees.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
