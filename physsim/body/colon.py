"""Maker of a colon: a tube with haustra, the folds between them, and pockets of gas along it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from physsim.body.coil import gas_pockets, tube
from physsim.body.expression import Names, number
from physsim.phantom import curves
from physsim.randomness import Stream
from physsim.spec.base import Spec

Floats = npt.NDArray[np.float64]
_STEP_MM = 3.0
_OVERLAP = 0.01  # of the length, by which pieces of the wall reach into each other, so that the lumen is one


class Colon(Spec):
    """The maker's table.

    `name`: of the fields NAME and NAME gas; `points` (numbers, or expressions of the body's numbers) and `radius` of
    the tube; `haustrum_mm`: from fold to fold, varied by a fifth; `fold`: share of the radius by which a fold draws the
    wall in; `bulge`: share by which haustra stand off to the sides of the three taeniae in turn; `pockets`: of gas,
    rows (first, last: parts of the length; share of the lumen's radius); `wall_mm`: between the surface and the gas;
    `walls`: rows (end: part of the length; organ of the surface up to there); `warp` of the fields.
    """

    name: str
    points: tuple[tuple[float, float, float], ...] = pydantic.Field(min_length=2)
    radius: tuple[float, ...]
    haustrum_mm: float = pydantic.Field(27.0, gt=0)
    fold: float = pydantic.Field(0.22, ge=0, lt=1)
    fold_mm: float = 4.0
    bulge: float = 0.1
    pockets: tuple[tuple[float, float, float], ...] = ()
    wall_mm: float = 2.5
    walls: tuple[tuple[float, str], ...] = ()
    warp: str | None = None
    reach_mm: float = 12.0
    seed: int = 0

    @pydantic.model_validator(mode="after")
    def _as_many(self) -> Colon:
        if len(self.radius) != len(self.points):
            raise ValueError(f"{self.name}: {len(self.radius)} radii for {len(self.points)} points. Give one a point.")
        return self

    @classmethod
    def of(cls, table: Mapping[str, Any], numbers: Mapping[str, float]) -> Colon:
        """A maker's table, its points evaluated."""
        names = Names(numbers)
        points = [[number(one, names) for one in point] for point in table["points"]]
        return cls(**{**table, "points": points})


def colon(table: dict[str, Any], numbers: Mapping[str, float]) -> dict[str, Any]:
    """The fields of the tube and of its gas."""
    own = Colon.of(table, numbers)
    points, radius, share = haustral_tube(own)
    common = {"reach_mm": own.reach_mm, **({"warp": own.warp} if own.warp else {})}
    parts, start = [], 0.0
    for end, organ in own.walls or ((1.0, ""),):
        piece = tube(*_between(points, radius, share, start - _OVERLAP, end + _OVERLAP))
        parts.append({**piece, **({"organ": organ} if organ else {})})
        start = end
    fields: list[dict[str, Any]] = [{"name": own.name, **common, "parts": parts}]
    gas = gas_pockets(points, radius - own.wall_mm, share, own.pockets)
    if gas:
        fields.append({"name": f"{own.name} gas", **common, "parts": gas})
    return {"field": fields}


def _between(points: Floats, radius: Floats, share: Floats, first: float, last: float) -> tuple[Floats, Floats]:
    """The part of a tube from one share of its length to another: it ends there, not at the points nearest to them."""
    first, last = max(first, 0.0), min(last, 1.0)
    at: Floats = np.r_[first, share[(share > first) & (share < last)], last]
    place = np.stack([np.interp(at, share, points[:, axis]) for axis in range(3)], axis=1)
    return place, np.asarray(np.interp(at, share, radius))


def haustral_tube(own: Colon) -> tuple[Floats, Floats, Floats]:
    """Points (n, 3) along the colon, its radius there (mm), and the part of its length (n,)."""
    given = np.array(own.points)
    curve, along = curves.spline_through(given, _STEP_MM)
    at = np.r_[0.0, np.cumsum(np.sqrt((np.diff(given, axis=0) ** 2).sum(1)))]
    radius = curves.monotone_cubic(at, np.array(own.radius)[:, None], np.minimum(along, at[-1]))[:, 0]
    draws = Stream(own.seed, f"colon {own.name}").uniform64(np.arange(400)).reshape(-1, 2)
    steps = own.haustrum_mm * (0.8 + 0.4 * draws[:, 0])
    folds = np.cumsum(steps)
    folds = folds[folds < along[-1] - 0.5 * own.haustrum_mm]
    depth = own.fold * (0.6 + 0.8 * draws[: len(folds), 1])
    near = (along[:, None] - folds[None]) / own.fold_mm
    drawn_in = (depth / (1.0 + near**2) ** 2).max(1, initial=0.0)
    # haustra stand off to one of three sides in turn
    ahead = np.gradient(curve, axis=0)
    ahead /= np.sqrt((ahead**2).sum(1, keepdims=True))
    e = np.cross(ahead, [0.36, 0.48, 0.8])
    e /= np.maximum(np.sqrt((e**2).sum(1, keepdims=True)), 1e-6)
    f = np.cross(ahead, e)
    number = np.searchsorted(folds, along)
    begin, end = np.r_[0.0, folds][number], np.r_[folds, along[-1]][number]
    part = (along - begin) / np.maximum(end - begin, 1e-9)
    off = own.bulge * radius * 4.0 * part * (1.0 - part)
    sides = np.array([[1.0, 0.0], [-0.5, 0.8660254], [-0.5, -0.8660254]])[number % 3]
    points = curve + off[:, None] * (sides[:, :1] * e + sides[:, 1:] * f)
    return points, radius * (1.0 - drawn_in), along / along[-1]
