"""Maker of vessels on a surface: the coronary arteries, in the fat upon the heart.

Each is a curve through declared points, laid on the surface of a field; side branches leave it in turn to the left and
to the right and run on along the surface, turning back towards the trunk's direction. At each of them the trunk's
radius falls so that radius^exponent is kept.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from physsim.body.breast.trigonometry import cosine_and_sine
from physsim.body.space import Space
from physsim.phantom import curves
from physsim.randomness import Stream
from physsim.spec.base import Spec

Floats = npt.NDArray[np.float64]
_STEP_MM = 3.0
_DECIMALS = 3


class Trunk(Spec):
    """A vessel through `points`, `radius_mm` wide at first; `branches` leave it, `branch_mm` long, at `angle_deg`."""

    organ: str
    points: tuple[tuple[float, float, float], ...] = pydantic.Field(min_length=2)
    radius_mm: float = pydantic.Field(gt=0)
    branches: int = pydantic.Field(0, ge=0)
    branch_mm: float = 40.0
    angle_deg: float = 50.0


class SurfaceVessels(Spec):
    """The maker's table: vessels on a `field`, their middle lines `above_mm` over its surface."""

    name: str
    field: str
    material: str
    order: float
    above_mm: float = 0.5
    exponent: float = pydantic.Field(2.7, gt=1)
    share: float = pydantic.Field(0.55, gt=0, lt=1)
    trunks: tuple[Trunk, ...] = pydantic.Field(min_length=1)


def surface_vessels(table: dict[str, Any], space: Space) -> dict[str, Any]:
    """One structure, its organs those of the trunks."""
    own = SurfaceVessels(**table)
    parts = []
    for trunk in own.trunks:
        rows = [row for line, radius in trunk_lines(own, trunk, space) for row in _capsules(line, radius)]
        parts.append({"branches": rows, "organ": trunk.organ})
    return {"structure": [{"name": own.name, "material": own.material, "order": own.order, "parts": parts}]}


def trunk_lines(own: SurfaceVessels, trunk: Trunk, space: Space) -> list[tuple[Floats, Floats]]:
    """The trunk and its branches: points (n, 3) and radii (n,). A branch is `share` of the trunk's radius there."""
    line, _ = curves.spline_through(np.array(trunk.points), _STEP_MM)
    line = space.onto(own.field, line, own.above_mm)
    begins = np.linspace(0.2, 0.92, trunk.branches) if trunk.branches else np.zeros(0)
    leave = np.rint(begins * (len(line) - 1)).astype(int)
    narrower = (1.0 - own.share**own.exponent) ** (1.0 / own.exponent)
    radius = trunk.radius_mm * narrower ** (np.arange(len(line))[:, None] > leave[None]).sum(1)
    draws = Stream(space.seed, f"{own.name} {trunk.organ}").uniform64(np.arange(max(1, trunk.branches)))
    found = [(line, radius)]
    for number, at in enumerate(leave):
        side = 1.0 if number % 2 else -1.0
        angle = side * trunk.angle_deg * (0.75 + 0.5 * draws[number, 0])
        length = trunk.branch_mm * (1.0 - 0.45 * begins[number]) * (0.75 + 0.5 * draws[number, 1])
        way = _along_surface(own, space, line, int(at), math.radians(angle), length)
        taper = np.linspace(1.0, 0.55, len(way))
        found.append((way, own.share * radius[at] * taper))
    return found


def _along_surface(own: SurfaceVessels, space: Space, line: Floats, at: int, angle: float, length: float) -> Floats:
    """A way on the surface that begins at a point of the line, at an angle (radians) to it, and bends back to it."""
    steps = max(2, round(length / _STEP_MM))
    ahead = line[min(at + 2, len(line) - 1)] - line[max(at - 2, 0)]
    way: list[Floats] = [line[at]]
    turns = angle * (1.0 - 0.8 * np.arange(steps) / steps)
    cos, sin = cosine_and_sine(turns)
    for n in range(steps):
        up: Floats = space.slope(own.field, way[-1][None])[0]
        along = ahead - (ahead * up).sum() * up
        along /= math.sqrt(float((along**2).sum()))
        aside = np.array([up[1] * along[2] - up[2] * along[1], up[2] * along[0] - up[0] * along[2],
                          up[0] * along[1] - up[1] * along[0]])  # fmt: skip
        there: Floats = way[-1] + _STEP_MM * (float(cos[n]) * along + float(sin[n]) * aside)
        way.append(space.onto(own.field, there[None], own.above_mm)[0])
    return np.array(way)


def _capsules(line: Floats, radius: Floats) -> list[list[float]]:
    wide = radius[:, None]
    rows: Floats = np.concatenate([line[:-1], wide[:-1], line[1:], wide[1:]], axis=1).round(_DECIMALS)
    kept: list[list[float]] = rows[((rows[:, :3] - rows[:, 4:7]) ** 2).sum(1) > 0].tolist()
    return kept
