"""Maker of coils: a bowel that fills a declared field as one tube which nowhere crosses itself.

On a lattice turned against the body's axes the shortest path from the first to the last point is lengthened: an edge
with a free edge beside it is replaced by the way over that one, chosen at random, until the path is long enough or
nothing is free. So the tube never crosses itself, and what was near its beginning stays there. Corners are cut by a
quadratic spline, places are jittered, and the calibre gives way where two turns come near each other.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from physsim.body.space import Space
from physsim.errors import InvalidInput, message
from physsim.phantom.pieces import rotation_xyz
from physsim.randomness import Stream
from physsim.spec.base import Spec

Floats = npt.NDArray[np.float64]
Cell = tuple[int, int, int]
_STEP_MM = 4.0  # between the points of the tube
_STEPS: tuple[Cell, ...] = ((1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1))
_DRAWN = 2048  # numbers drawn at a time
_TRIES = 60  # a node that has had no free edge beside it so often in a row has none


class Coil(Spec):
    """The maker's table.

    `name`: of the tube's field; `field`: what it fills; `spacing_mm` of the lattice, at least the tube's width;
    `radius_mm` of the tube, `least_radius_mm` where turns come near each other, `gap_mm` kept between them;
    `length_mm`: at most; `before`: points through which it runs to its beginning (the duodenum), `last`: its end;
    `jitter_mm`: of the nodes; `turn_deg`: of the lattice; `depth_mm`: of the nodes in the field; `pockets` of gas: rows
    (first, last: parts of the length; part of the radius within `wall_mm` of the surface), made as the field NAME gas.
    """

    name: str
    field: str
    before: tuple[tuple[float, float, float], ...] = pydantic.Field(min_length=1)
    last: tuple[float, float, float]
    length_mm: float = pydantic.Field(gt=0)
    spacing_mm: float = pydantic.Field(gt=0)
    radius_mm: float = pydantic.Field(gt=0)
    least_radius_mm: float = pydantic.Field(gt=0)
    gap_mm: float = 1.0
    wall_mm: float = pydantic.Field(0.0, ge=0)
    pockets: tuple[tuple[float, float, float], ...] = ()
    jitter_mm: float = pydantic.Field(2.0, ge=0)
    turn_deg: tuple[float, float, float] = (17.0, 11.0, 29.0)
    depth_mm: float = 8.0
    reach_mm: float = 12.0


def coil(table: dict[str, Any], space: Space) -> dict[str, Any]:
    """The fields of the tube and, where it has pockets of gas, of these."""
    own = Coil(**table)
    points, radius = line(own, space)
    fields = [{"name": own.name, "reach_mm": own.reach_mm, "parts": [tube(points, radius)]}]
    if own.pockets:
        share = np.linspace(0.0, 1.0, len(points))
        gas = gas_pockets(points, radius - own.wall_mm, share, own.pockets)
        fields.append({"name": f"{own.name} gas", "reach_mm": own.reach_mm, "parts": gas})
    return {"field": fields}


def tube(points: Floats, radius: Floats) -> dict[str, Any]:
    """A part of the grammar: a round tube through all these points."""
    return {"tube": {"points": np.round(points, 3).tolist(), "radius": np.round(radius, 3).tolist(), "smooth": False}}


def gas_pockets(
    points: Floats, lumen_mm: Floats, share: Floats, rows: tuple[tuple[float, float, float], ...]
) -> list[dict[str, Any]]:
    """Tubes within a lumen: rows (first, last: parts of the length `share`; part of the lumen's radius filled)."""
    made = []
    for first, last, filled in rows:
        within = (share >= first) & (share <= last)
        ends = np.minimum(share - first, last - share)[within] / max(last - first, 1e-9)
        radius = np.maximum(lumen_mm[within] * filled * np.minimum(1.0, 0.45 + 3.0 * ends), 0.5)
        if within.sum() >= 2:
            made.append(tube(points[within], radius))
    return made


def line(own: Coil, space: Space) -> tuple[Floats, Floats]:
    """Points (n, 3) along the tube and its radius (n,) there, mm."""
    turn = rotation_xyz(own.turn_deg)
    free = _cells(own, space, turn)
    first, last = (_nearest(free, np.array(place), own, turn) for place in (own.before[-1], own.last))
    path = _shortest(free, first, last)
    if path is None:
        raise InvalidInput(
            message(f"{space.where}: coil {own.name!r}: field {own.field!r}",
                    "falls into pieces: no way through it from the first to the last point",
                    "Widen the field, or lessen spacing_mm or depth_mm.")
        )  # fmt: skip
    draws = Stream(space.seed, f"coil {own.name}")
    path = _lengthened(path, free, round(own.length_mm / own.spacing_mm), draws)
    nodes = np.array(path, float) * own.spacing_mm
    jitter = 2 * draws.uniform64(10**6 + np.arange(len(path))[:, None], [0, 1]).reshape(-1, 4)[:, :3] - 1
    nodes = (nodes + own.jitter_mm * jitter) @ turn.T
    controls = np.concatenate([np.array(own.before), nodes, [own.last]])
    points = _even(_cut(controls))
    return points, _calibre(points, own)


def _cells(own: Coil, space: Space, turn: Floats) -> set[Cell]:
    """Nodes of the lattice that lie deep enough in the field."""
    low, high = space.box(own.field)
    middle, half = 0.5 * (low + high), 0.5 * float(np.sqrt(((high - low) ** 2).sum()))
    centre, count = np.rint(middle @ turn / own.spacing_mm), int(np.ceil(half / own.spacing_mm))
    steps = np.arange(-count, count + 1)
    index = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3) + centre
    places = np.round(index * own.spacing_mm @ turn.T, 4)
    deep = space.distance(own.field, places) < -own.depth_mm
    return {(int(a), int(b), int(c)) for a, b, c in index[deep]}


def _nearest(free: set[Cell], place: Floats, own: Coil, turn: Floats) -> Cell:
    if not free:
        raise InvalidInput(
            message(f"coil {own.name!r}: field {own.field!r}", f"has no place {own.depth_mm:g} mm under its surface",
                    "Widen the field, or lessen depth_mm.")
        )  # fmt: skip
    wanted = place @ turn / own.spacing_mm
    return min(sorted(free), key=lambda cell: round(sum((a - b) ** 2 for a, b in zip(cell, wanted, strict=True)), 9))


def _beside(cell: Cell, step: Cell) -> Cell:
    return cell[0] + step[0], cell[1] + step[1], cell[2] + step[2]


def _shortest(free: set[Cell], first: Cell, last: Cell) -> list[Cell] | None:
    before: dict[Cell, Cell] = {first: first}
    queue = deque([first])
    while queue:
        cell = queue.popleft()
        if cell == last:
            path = [cell]
            while path[-1] != first:
                path.append(before[path[-1]])
            return path[::-1]
        for step in _STEPS:
            other = _beside(cell, step)
            if other in free and other not in before:
                before[other] = cell
                queue.append(other)
    return None


def _lengthened(path: list[Cell], free: set[Cell], count: int, draws: Stream) -> list[Cell]:
    """The path with edges replaced by the way over a free edge beside them, to `count` nodes at most."""
    taken, number, failed = set(path), 0, 0
    while len(path) + 2 <= count and failed < _TRIES * len(path):
        if number % _DRAWN == 0:
            some = draws.uniform64(number + np.arange(_DRAWN))
        a, b = some[number % _DRAWN]
        number += 1
        at = int(a * (len(path) - 1))
        one, two = path[at], path[at + 1]
        along = tuple(abs(p - q) for p, q in zip(one, two, strict=True))
        across = [step for step in _STEPS if not any(s and t for s, t in zip(step, along, strict=True))]
        step = across[int(b * len(across))]
        over = [_beside(one, step), _beside(two, step)]
        if any(cell not in free or cell in taken for cell in over):
            failed += 1
            continue
        failed = 0
        path[at + 1 : at + 1] = over
        taken.update(over)
    return path


def _cut(controls: Floats, steps: int = 8) -> Floats:
    """Points of the quadratic spline that runs through the middles of the edges, and the two ends."""
    middles = 0.5 * (controls[1:] + controls[:-1])
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c = middles[:-1, None], controls[1:-1, None], middles[1:, None]
    bows = ((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c).reshape(-1, 3)
    return np.concatenate([controls[:1], bows, middles[-1:], controls[-1:]])


def _even(points: Floats) -> Floats:
    """Points at even distances of about `_STEP_MM`."""
    at = np.r_[0.0, np.cumsum(np.sqrt((np.diff(points, axis=0) ** 2).sum(1)))]
    even = np.linspace(0.0, at[-1], max(2, round(float(at[-1]) / _STEP_MM)) + 1)
    return np.stack([np.interp(even, at, points[:, axis]) for axis in range(3)], axis=1)


def nearest_turn_mm(points: Floats, apart_mm: float) -> Floats:
    """(n,) distance from each point to the nearest one that lies more than `apart_mm` farther along the line."""
    along = np.r_[0.0, np.cumsum(np.sqrt((np.diff(points, axis=0) ** 2).sum(1)))]
    gap = np.sqrt(((points[:, None] - points[None]) ** 2).sum(2))
    gap[np.abs(along[:, None] - along[None]) < apart_mm] = np.inf
    nearest: Floats = gap.min(1)
    return nearest


def _calibre(points: Floats, own: Coil) -> Floats:
    """The tube's radius: half the way to the nearest other turn at most, evened out."""
    wide = np.minimum(own.radius_mm, 0.5 * (nearest_turn_mm(points, 3.2 * own.radius_mm) - own.gap_mm - _STEP_MM / 4))
    wide = np.maximum(wide, own.least_radius_mm)
    padded = np.pad(wide, 2, mode="edge")
    least = np.min([padded[n : n + len(wide)] for n in range(5)], axis=0)
    padded = np.pad(least, 2, mode="edge")
    even: Floats = np.mean([padded[n : n + len(wide)] for n in range(5)], axis=0)
    return np.minimum(even, wide)
