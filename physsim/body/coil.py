"""Maker of coils: a bowel that fills a declared field as one tube which nowhere crosses itself.

On a lattice turned against the body's axes the shortest path from the first to the last point is lengthened: an edge
with a free edge beside it is replaced by the way over that one, chosen at random, and corners are laid over onto free
nodes, which brings free nodes together, until the path is long enough or fills the lattice. So the tube never crosses
itself, and what was near its beginning stays there. Corners are cut by a quadratic spline; then turns push each other
and the field's surface pushes them until they lie evenly. Where two turns come near each other the calibre gives way.
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
_TRIES = 100  # a node that has found nothing free beside it so often in a row will not
# Evening out: beads along the line (mm apart), rounds, how far one moves at most in a round (mm), and how much of the
# way to the middle of its neighbours; the field is asked anew every so many rounds.
_BEAD_MM, _ROUNDS, _MOVE_MM, _STIFF, _ASKED = 6.0, 48, 1.5, 0.15, 4
_FILM_MM = 0.4  # of fluid between gas and wall
_WALL_KEPT = 0.6  # of the wall's thickness stays where the calibre gives way


class Coil(Spec):
    """The maker's table.

    `name`: of the tube's field; `field`: what it fills; `spacing_mm` of the lattice and of turns from each other;
    `lumen_mm`: the lumen's radius, not less than `least_lumen_mm` where turns come near each other; `wall_mm`: the
    wall's thickness; `gap_mm` kept between turns, as long as tubes of that calibre have room beside each other: larger
    ones press on each other, and their walls merge. `length_mm`: at most; `before`: points through which it runs to its
    beginning (the duodenum), `last`: its end; `turn_deg`: of the lattice; `jitter_mm`: of the nodes; `depth_mm`: of the
    nodes in the field, `lie_mm`: of the line, once evened out; `pockets` of gas: rows (first, last: parts of the
    length; part of the lumen's radius). Makes the fields NAME, NAME lumen and, with pockets, NAME gas.
    """

    name: str
    field: str
    before: tuple[tuple[float, float, float], ...] = pydantic.Field(min_length=1)
    last: tuple[float, float, float]
    length_mm: float = pydantic.Field(gt=0)
    spacing_mm: float = pydantic.Field(gt=0)
    lattice_mm: float = pydantic.Field(gt=0)
    lumen_mm: float = pydantic.Field(gt=0)
    least_lumen_mm: float = pydantic.Field(gt=0)
    wall_mm: float = pydantic.Field(gt=0)
    gap_mm: float = 1.0
    pockets: tuple[tuple[float, float, float], ...] = ()
    jitter_mm: float = pydantic.Field(2.0, ge=0)
    turn_deg: tuple[float, float, float] = (17.0, 11.0, 29.0)
    depth_mm: float = 8.0
    lie_mm: float = 8.0
    reach_mm: float = 12.0

    @property
    def radius_mm(self) -> float:
        """Of the tube, wall and all, where it has room."""
        return self.lumen_mm + self.wall_mm


def coil(table: dict[str, Any], space: Space) -> dict[str, Any]:
    """The fields of the tube, of its lumen and, where it has pockets of gas, of these."""
    own = Coil(**table)
    points = line(own, space)
    radius, lumen = calibre(points, own)
    fields = [
        {"name": own.name, "reach_mm": own.reach_mm, "parts": [tube(points, radius)]},
        {"name": f"{own.name} lumen", "reach_mm": own.reach_mm, "parts": [tube(points, lumen)]},
    ]
    if own.pockets:
        share = np.linspace(0.0, 1.0, len(points))
        gas = gas_pockets(points, lumen - _FILM_MM, share, own.pockets)
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


def line(own: Coil, space: Space) -> Floats:
    """Points (n, 3) along the tube, mm."""
    turn = rotation_xyz(own.turn_deg)
    free = _largest_piece(_cells(own, space, turn), own)
    first, last = (_nearest(free, np.array(place), own, turn) for place in (own.before[-1], own.last))
    path = _shortest(free, first, last)
    draws = Stream(space.seed, f"coil {own.name}")
    path = _lengthened(path, free, round(own.length_mm / own.lattice_mm), draws)
    nodes = np.array(path, float) * own.lattice_mm
    jitter = 2 * draws.uniform64(10**6 + np.arange(len(path))[:, None], [0, 1]).reshape(-1, 4)[:, :3] - 1
    nodes = (nodes + own.jitter_mm * jitter) @ turn.T
    controls = np.concatenate([np.array(own.before), nodes, [own.last]])
    points = _even(_cut(controls), _BEAD_MM)
    given = np.sqrt(((points - np.array(own.before[-1])) ** 2).sum(1))
    return _even(_evened_out(points, int(given.argmin()) + 1, own, space), _STEP_MM)


def _cells(own: Coil, space: Space, turn: Floats) -> set[Cell]:
    """Nodes of the lattice that lie deep enough in the field."""
    low, high = space.box(own.field)
    middle, half = 0.5 * (low + high), 0.5 * float(np.sqrt(((high - low) ** 2).sum()))
    centre, count = np.rint(middle @ turn / own.lattice_mm), int(np.ceil(half / own.lattice_mm))
    steps = np.arange(-count, count + 1)
    index = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3) + centre
    places = np.round(index * own.lattice_mm @ turn.T, 4)
    deep = space.distance(own.field, places) < -own.depth_mm
    return {(int(a), int(b), int(c)) for a, b, c in index[deep]}


def _largest_piece(free: set[Cell], own: Coil) -> set[Cell]:
    """The nodes of the field's largest connected piece: pockets between organs stay without bowel."""
    if not free:
        raise InvalidInput(
            message(f"coil {own.name!r}: field {own.field!r}", f"has no place {own.depth_mm:g} mm under its surface",
                    "Widen the field, or lessen depth_mm.")
        )  # fmt: skip
    left, largest = set(free), set[Cell]()
    for start in sorted(free):
        if start not in left or len(left) <= len(largest):
            continue
        left.discard(start)
        piece, queue = {start}, deque([start])
        while queue:
            cell = queue.popleft()
            for step in _STEPS:
                other = _beside(cell, step)
                if other in left:
                    left.discard(other)
                    piece.add(other)
                    queue.append(other)
        largest = piece if len(piece) > len(largest) else largest
    return largest


def _nearest(free: set[Cell], place: Floats, own: Coil, turn: Floats) -> Cell:
    wanted = place @ turn / own.lattice_mm
    return min(sorted(free), key=lambda cell: round(sum((a - b) ** 2 for a, b in zip(cell, wanted, strict=True)), 9))


def _beside(cell: Cell, step: Cell) -> Cell:
    return cell[0] + step[0], cell[1] + step[1], cell[2] + step[2]


def _shortest(free: set[Cell], first: Cell, last: Cell) -> list[Cell]:
    """The shortest way between two nodes of one piece."""
    before: dict[Cell, Cell] = {first: first}
    queue = deque([first])
    while last not in before:
        cell = queue.popleft()
        for step in _STEPS:
            other = _beside(cell, step)
            if other in free and other not in before:
                before[other] = cell
                queue.append(other)
    path = [last]
    while path[-1] != first:
        path.append(before[path[-1]])
    return path[::-1]


def _lengthened(path: list[Cell], free: set[Cell], count: int, draws: Stream) -> list[Cell]:
    """The path with edges replaced by the way over a free edge beside them, to `count` nodes at most."""
    taken, number, failed = set(path), 0, 0
    while len(path) + 2 <= count and failed < _TRIES * len(path):
        if number % _DRAWN == 0:
            some = draws.uniform64(number + np.arange(_DRAWN))
        a, b = some[number % _DRAWN]
        number += 1
        failed += 1
        at = int(a * (len(path) - 1))
        if _laid_over(path, at, free, taken):
            continue
        one, two = path[at], path[at + 1]
        across = _STEPS[2:] if one[0] != two[0] else _STEPS[:2] + _STEPS[4:] if one[1] != two[1] else _STEPS[:4]
        step = across[int(b * len(across))]
        over = [_beside(one, step), _beside(two, step)]
        if all(cell in free and cell not in taken for cell in over):
            failed = 0
            path[at + 1 : at + 1] = over
            taken.update(over)
    return path


def _laid_over(path: list[Cell], at: int, free: set[Cell], taken: set[Cell]) -> bool:
    """A corner of the path laid over to the other side of its square, if that is free; whether it was."""
    if not 0 < at < len(path) - 1:
        return False
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = path[at - 1 : at + 2]
    other = (ax + cx - bx, ay + cy - by, az + cz - bz)
    if other in taken or other not in free:
        return False
    taken.discard(path[at])
    taken.add(other)
    path[at] = other
    return True


def _cut(controls: Floats, steps: int = 8) -> Floats:
    """Points of the quadratic spline that runs through the middles of the edges, and the two ends."""
    middles = 0.5 * (controls[1:] + controls[:-1])
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c = middles[:-1, None], controls[1:-1, None], middles[1:, None]
    bows = ((1 - t) ** 2 * a + 2 * t * (1 - t) * b + t**2 * c).reshape(-1, 3)
    return np.concatenate([controls[:1], bows, middles[-1:], controls[-1:]])


def _even(points: Floats, step_mm: float) -> Floats:
    """Points at even distances of about `step_mm`."""
    at = np.r_[0.0, np.cumsum(np.sqrt((np.diff(points, axis=0) ** 2).sum(1)))]
    even = np.linspace(0.0, at[-1], max(2, round(float(at[-1]) / step_mm)) + 1)
    return np.stack([np.interp(even, at, points[:, axis]) for axis in range(3)], axis=1)


def nearest_turn_mm(points: Floats, apart_mm: float) -> Floats:
    """(n,) distance from each point to the nearest one that lies more than `apart_mm` farther along the line."""
    along = np.r_[0.0, np.cumsum(np.sqrt((np.diff(points, axis=0) ** 2).sum(1)))]
    gap = np.sqrt(((points[:, None] - points[None]) ** 2).sum(2))
    gap[np.abs(along[:, None] - along[None]) < apart_mm] = np.inf
    nearest: Floats = gap.min(1)
    return nearest


def _evened_out(points: Floats, first: int, own: Coil, space: Space) -> Floats:
    """The line once its turns have pushed each other `spacing_mm` apart and lie `lie_mm` deep, as far as there is room.

    Points before `first` and the last one stay. Moves are so short that no turn can pass through another.
    """
    held = np.zeros((len(points), 1))
    held[first:-1] = 1.0
    for number in range(_ROUNDS):
        if number % _ASKED == 0:
            one, two = _neighbours(points, own)
            depth = -space.distance(own.field, points, own.spacing_mm)
            shallow = np.flatnonzero(depth < own.lie_mm)
            inward = np.zeros_like(points)
            inward[shallow] = -0.5 * space.slope(own.field, points[shallow]) * (own.lie_mm - depth[shallow])[:, None]
        apart = points[one] - points[two]
        far = np.maximum(np.sqrt((apart**2).sum(1)), 1e-3)
        push = apart * (0.25 * np.maximum(own.spacing_mm - far, 0.0) / far)[:, None]
        move = inward.copy()
        for axis in range(3):
            move[:, axis] += np.bincount(one, push[:, axis], len(points)) - np.bincount(two, push[:, axis], len(points))
        move[1:-1] += _STIFF * (0.5 * (points[:-2] + points[2:]) - points[1:-1])
        long = np.sqrt((move**2).sum(1, keepdims=True))
        points = np.round(points + held * move * np.minimum(1.0, _MOVE_MM / np.maximum(long, 1e-9)), 3)
    return points


def _neighbours(points: Floats, own: Coil) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs of places on the line that may come within `spacing_mm` before they are looked for again."""
    near = own.spacing_mm + 2 * _ASKED * _MOVE_MM
    square = np.zeros((len(points), len(points)))
    for axis in range(3):
        square += (points[:, axis, None] - points[None, :, axis]) ** 2
    one, two = np.nonzero(np.triu(square < near**2, round(1.6 * own.spacing_mm / _BEAD_MM)))
    return one, two


def calibre(points: Floats, own: Coil) -> tuple[Floats, Floats]:
    """Radius of the tube and of its lumen (n,) along the line: they give way to the nearest other turn."""
    half = 0.5 * (nearest_turn_mm(points, 1.6 * own.spacing_mm) - _STEP_MM / 4)
    pressed = max(0.0, own.radius_mm - 0.5 * (own.spacing_mm - own.gap_mm))
    wide = _smooth(np.minimum(own.radius_mm, half - 0.5 * own.gap_mm + pressed))
    kept = _WALL_KEPT * own.wall_mm
    lumen = np.minimum(_smooth(np.minimum(own.lumen_mm, half - 0.5 * kept)), wide - kept)
    lumen = np.maximum(lumen, own.least_lumen_mm)
    return np.maximum(wide, lumen + kept), lumen


def _smooth(radius: Floats) -> Floats:
    """The least of five neighbours, evened out over five, never more than it was."""
    padded = np.pad(radius, 2, mode="edge")
    least = np.min([padded[n : n + len(radius)] for n in range(5)], axis=0)
    padded = np.pad(least, 2, mode="edge")
    even: Floats = np.mean([padded[n : n + len(radius)] for n in range(5)], axis=0)
    return np.minimum(even, radius)
