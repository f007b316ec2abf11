"""Ducts and vessels of the breast as chains of tapered capsules, and its lymph nodes as ellipsoids."""

from __future__ import annotations

import math
import tomllib
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.breast.dome import Dome
from physsim.body.breast.spec import Breast
from physsim.body.breast.trigonometry import cosine_and_sine
from physsim.body.breast.views import Form, form_of
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


def trees(form: Form) -> Floats:
    """Segments (n, 9) of a view: start, end (mm), radius at start and end (mm), and DUCT or VESSEL.

    They grow in the material breast and are carried into the view, each keeping its volume.
    """
    own = material_trees(form.breast.material)
    start, end = form.deformation.view(own[:, 0:3]), form.deformation.view(own[:, 3:6])
    length = np.sqrt(((own[:, 3:6] - own[:, 0:3]) ** 2).sum(1))
    now = np.sqrt(((end - start) ** 2).sum(1))
    thinner = np.sqrt(length / np.maximum(now, 0.2 * length))
    carried: Floats = np.c_[start, end, own[:, 6] * thinner, own[:, 7] * thinner, own[:, 8]]
    return np.round(carried, _TREE_DIGITS)


@lru_cache(maxsize=4)
def material_trees(material: Breast) -> Floats:
    """Segments (n, 9) in material coordinates."""
    dome = form_of(material).dome
    rows: list[list[float]] = []
    _ducts(material, dome, rows)
    _vessels(material, dome, rows)
    return np.round(np.array(rows), _TREE_DIGITS)


def lymph_nodes(form: Form) -> Floats:
    """Ellipsoids (n, 5) of the armpit: centre, semi-axis along x and across (mm); none in CC."""
    breast = form.breast
    if breast.view != "MLO":
        return np.zeros((0, 5))
    height = form.outline.height_mm
    return np.array([
        [node["place"] * float(form.outline.muscle_at(np.array(node["up"] * height))), node["up"] * height,
         node["level"] * breast.thickness_mm, node["semi_axes_mm"][1], node["semi_axes_mm"][0]]
        for node in _numbers()["nodes"]])


def _ducts(breast: Breast, dome: Dome, rows: list[list[float]]) -> None:
    """A fan of lactiferous ducts from the nipple, branching into the gland."""
    own = _numbers()["ducts"]
    draw = _Draws(breast.seed, "breast ducts")
    count = round(draw.between(own["count"][0] - 0.5, own["count"][1] + 0.5))
    for n in range(count):
        away = math.radians(own["fan_deg"]) * math.sqrt((n + 0.5) / count)  # evenly over the fan's solid angle
        round_ = 2.399963229728653 * n + draw.between(-0.5, 0.5)  # the golden angle
        cos, sin = (float(value) for value in cosine_and_sine(away))
        lateral, cranial = (float(value) for value in cosine_and_sine(round_))
        heading = np.array([-cos, sin * lateral, sin * cranial])
        place = np.array([dome.length_mm - 1.0, 2.5 * sin * lateral, 2.5 * sin * cranial])
        _branch(breast, dome, draw, rows, place, heading, own["length"] * dome.length_mm,
                draw.between(*own["radius_mm"]), own["generations"], own, DUCT)


def _vessels(breast: Breast, dome: Dome, rows: list[list[float]]) -> None:
    """Veins and arteries that enter at the chest wall, some millimetres under the skin, and run forward."""
    own = _numbers()["vessels"]
    draw = _Draws(breast.seed, "breast vessels")
    count = round(draw.between(own["count"][0] - 0.5, own["count"][1] + 0.5))
    for n in range(count):
        lateral, cranial = (float(value) for value in cosine_and_sine(2 * math.pi * (n + draw.between(0, 1)) / count))
        off = dome.radius_mm - draw.between(*own["depth_mm"])
        place = np.array([-2.0, off * lateral, off * cranial])
        goal = np.array([dome.length_mm, draw.between(-20, 20), draw.between(-20, 20)])
        heading = goal - place
        _branch(breast, dome, draw, rows, place, heading / max(float(np.sqrt((heading**2).sum())), 1e-9),
                own["length"] * dome.length_mm, draw.between(*own["radius_mm"]) * breast.tissue.vessel_radius,
                own["generations"], own, VESSEL)


def _branch(breast: Breast, dome: Dome, draw: _Draws, rows: list[list[float]], place: Floats, heading: Floats,
            length: float, radius: float, generations: int, own: dict[str, Any], kind: float) -> None:
    """One tube with bends, then its two daughters."""
    step = own.get("step_mm", 1.8)
    end_radius = radius * (0.9 if generations > 1 else 0.5)
    count = max(2, round(length * draw.between(0.7, 1.3) / step))
    for n in range(count):
        heading = heading + own["wiggle"] * draw.direction()
        if kind == VESSEL:  # stays between skin and gland
            heading = heading + 0.06 * (_depth(dome, place) - 8.0) * _outward(dome, place)
        heading = heading / max(float(np.sqrt((heading**2).sum())), 1e-9)
        there = place + step * heading
        if (_depth(dome, there) < 2.0 and place[0] < dome.length_mm - 8.0) or there[0] > dome.length_mm:
            return
        swell = 1.0 + own["uneven"] * draw.between(-1, 1)
        start = radius + (end_radius - radius) * n / count if n == 0 else rows[-1][7]
        rows.append([*place, *there, start, (radius + (end_radius - radius) * (n + 1) / count) * swell, kind])
        place = there
    if generations <= 1:
        return
    spread = draw.between(0.25, 0.55)
    side = np.array([draw.between(-0.5, 0.5), draw.between(-0.5, 0.5), draw.between(-0.5, 0.5)])
    side = np.cross(heading, side)
    side = side / max(float(np.sqrt((side**2).sum())), 1e-6)
    for sign, weight in ((1.0, draw.between(0.8, 1.0)), (-1.0, draw.between(0.6, 0.9))):
        _branch(breast, dome, draw, rows, place, heading + sign * spread * side, length * own["length_ratio"],
                end_radius * own["radius_ratio"] * weight, generations - 1, own, kind)


def _depth(dome: Dome, place: Floats) -> float:
    return float(dome.depth(place[None, :])[0])


def _outward(dome: Dome, place: Floats) -> Floats:
    """The unit normal of the dome through a place."""
    normal = place / (dome.length_mm**2, dome.radius_mm**2, dome.radius_mm**2) * (place[0] > 0, 1, 1)
    return np.asarray(normal / max(float(np.sqrt((normal**2).sum())), 1e-12))


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
