"""Trees of the lungs in a motion: branches carried to where they are now, as straight capsules that keep their blood.

A lung that shrinks by half does not halve the blood in its arteries and veins: they shorten with it and become wider.
Ends of branches go with the lung; radii follow from the volume. Vessels, of blood, keep theirs; lumens, of air, swell
and shrink as the lung round them; the tissue of walls round lumens keeps its volume. What vessels and the lung's
neighbours take from it is given back to it: the parenchyma of each lobe keeps its mass.

Neglects: blood that leaves the chest with its pressure (the lungs hold as much at every depth of breath), the larger
share of capillaries at low volumes, branches that bend within one of their pieces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from physsim.body.arrays import as_float32
from physsim.body.motion_masses import refilled, weigh, weigh_at_rest
from physsim.body.painter import operations

if TYPE_CHECKING:
    from collections.abc import Hashable

    from physsim.body.declare import Structure
    from physsim.body.motion import Motion
    from physsim.body.program import Program
    from physsim.body.space_map import SpaceMap

Array = npt.NDArray[np.float64]
_PROBE_MM = 1.0
_WEIGHED_MM = (3.5, 2.2)  # lattices on which trees and lungs are weighed; not in step with the maps' cells of 5 mm
_AREA_OF_MASS = 1.08  # power of a tree's mass that its branches' areas follow: they overlap (measured: 1.05 to 1.1)
_COLUMNS = 24  # numbers a segment


@dataclass(frozen=True, eq=False)
class Branch:
    """Straight pieces of one part: where in the data, of which structure; ends (n, 3) and radius (n,) at rest, mm."""

    structure: int
    part_line: int  # instructions: of the part's box, and behind the last part of the structure
    after: int
    rows: slice
    start: Array
    end: Array
    radius: Array


def branches_of(program: Program, names: frozenset[str]) -> list[Branch]:
    """The pieces of those structures of these names that are made of branches alone."""
    code, data, found = program.tables.code, program.tables.data, []
    kinds = operations()
    for number, structure in enumerate(program.structures):
        if structure.name not in names or not of_branches(structure):
            continue
        at, part = int(program.tables.structure_int[number, 0]), -1
        after = at
        while code[after, 0] != kinds["RETURN"]:
            after += 1
        joins = np.flatnonzero(code[at:after, 0] == kinds["JOIN"])[: len(structure.parts)]
        after = at + int(joins[-1]) + 1
        while at < after:
            part = at if code[at, 0] == kinds["PART"] else part
            if code[at, 0] == kinds["BRANCHES"]:
                rows = slice(int(code[at, 4]), int(code[at, 4]) + _COLUMNS * int(code[at, 7]))
                table = data[rows].reshape(-1, _COLUMNS).astype(float)
                radius = table[:, 7] + 0.5 * table[:, 8]
                found.append(Branch(number, part, after, rows, table[:, :3], table[:, :3] + table[:, 3:6], radius))
            at += 1
    return found


def of_branches(structure: Structure) -> bool:
    """Whether nothing but branches, of one size everywhere, makes up a structure."""
    plain = structure.warp is None and not structure.mirror and structure.scale == 1.0
    return plain and all(part.branches is not None and part.op == "add" for part in structure.parts)


def _of_air(structure: Structure) -> bool:
    return structure.filled()[0].material == "air"


def carried(program: Program, motion: Motion, space: SpaceMap | None = None) -> Program:
    """The program with the lungs' trees where the motion brings them; it paints those without a motion.

    `space`: of a person of another size, in whom the canonical place tells how much room there is: what moves keeps its
    mass there.

    Shorter and wider pieces overlap more where they meet, and reach deeper under heart and diaphragm: radii are
    corrected by what the trees hold as painted. The density of lung is that by which each lobe keeps its mass in what
    is painted of it: vessels leave it less room than before, and heart, thymus and diaphragm now cover what its own map
    brings there.
    """
    found = [one for one in branches_of(program, motion.lungs) if motion.moves_anything(program, one.structure)]
    lungs = tuple(n for n, one in enumerate(program.structures)
                  if one.name in motion.lungs and any(layer.material == "lung" for layer in one.filled()))  # fmt: skip
    if not found and not any(motion.moves_anything(program, number) for number in lungs):
        return program
    start, end = (_moved(motion, [getattr(one, name) for one in found]) for name in ("start", "end"))
    swelling = [_swelling(motion, 0.5 * (a + b)) for a, b in zip(start, end, strict=True)]
    length = [_length(a, b) for a, b in zip(start, end, strict=True)]
    room = [_room(space, 0.5 * (one.start + one.end)) / _room(space, 0.5 * (a + b))
            for one, a, b in zip(found, start, end, strict=True)]  # fmt: skip
    pieces = _Pieces.of(program, found, length, swelling, room)
    trees = tuple(sorted({one.structure for one in found if not _of_air(program.structures[one.structure])}))
    weighed = (*trees, *lungs)
    share, kept = np.ones(len(trees)), np.ones(len(lungs))
    for step in _WEIGHED_MM:
        made = _placed(program, found, start, end, pieces.radii(dict(zip(trees, share, strict=True))))
        rest = weigh_at_rest(motion.body, program, weighed, step, cast("Hashable", space))
        now = weigh(motion.body, made, weighed, step, space, motion)
        short = np.split(rest[0] / np.maximum(now[0], 1e-9), [len(trees)])
        share, kept = share * short[0] ** _AREA_OF_MASS, short[1]
    # the last of these steps takes from the lung what it gives to the trees
    volume = np.split(now[1], [len(trees)])
    kept = kept * (1.0 + volume[0] @ (short[0] - 1.0) / max(volume[1].sum(), 1e-9))
    made = _placed(program, found, start, end, pieces.radii(dict(zip(trees, share, strict=True))))
    return refilled(made, dict(zip(lungs, kept.tolist(), strict=True)))


def _room(space: SpaceMap | None, points: Array) -> Array:
    """(n,) volume in the world of a unit of canonical volume at points of the canonical frame."""
    if space is None:
        return np.ones(len(points))
    edges = [space.world_from_canonical(points + step) - space.world_from_canonical(points - step)
             for step in _PROBE_MM * np.eye(3)]  # fmt: skip
    return np.asarray(np.linalg.det(np.stack(edges, -1)) / (2.0 * _PROBE_MM) ** 3)


def _placed(program: Program, found: list[Branch], start: list[Array], end: list[Array], radii: list[Array]) -> Program:
    """The program with pieces at other places, of other radii."""
    data, code = program.tables.data.copy(), program.tables.code.copy()
    boxes, more = program.tables.structure_float.copy(), list[float]()
    fresh: set[int] = set()
    for one, a, b, radius in zip(found, start, end, radii, strict=True):
        table = data[one.rows].reshape(-1, _COLUMNS).astype(float)
        table[:, :3], table[:, 3:6] = a, b - a
        table[:, 6] = 1.0 / np.maximum(((b - a) ** 2).sum(1), 1e-12)
        table[:, 7], table[:, 8], table[:, 23] = radius, 0.0, 1.0
        data[one.rows] = as_float32(table).ravel()
        wide = (np.minimum(one.start, one.end) - one.radius[:, None]).min(0)
        limits = data[int(code[one.part_line, 5]) :][:6].astype(float)
        room = float(np.max(wide - limits[:3]))  # of blends and layers, as at rest
        low = np.minimum(a, b).min(0) - radius.max() - room
        high = np.maximum(a, b).max(0) + radius.max() + room
        code[one.part_line, 5] = len(data) + len(more)
        code[one.after, 0] = operations()["RETURN"]  # limits of the body at rest hold no more
        more += [*low, *high]
        box = boxes[one.structure]
        first = one.structure not in fresh
        box[:3] = low if first else np.minimum(box[:3], low)
        box[3:6] = high if first else np.maximum(box[3:6], high)
        fresh.add(one.structure)
    tables = program.tables._replace(code=code, data=as_float32(np.r_[data, more]), structure_float=as_float32(boxes))
    return replace(program, tables=tables, carried=frozenset(fresh),
                   carried_rows=frozenset(one.rows.start for one in found))  # fmt: skip


def _moved(motion: Motion, points: list[Array]) -> list[Array]:
    there = motion.present(np.vstack([np.empty((0, 3)), *points]), "lung")
    return np.split(there, np.cumsum([len(one) for one in points])[:-1])


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Of each part's pieces: areas over pi (mm2) of the lumen now, and of what lies about it now."""

    lumen: list[Array]
    about: list[Array]
    structure: list[int]

    @classmethod
    def of(
        cls, program: Program, found: list[Branch], length: list[Array], swelling: list[Array], room: list[Array]
    ) -> _Pieces:
        """By the pieces' lengths now (mm), the swelling of the lung round them, and the world's room before and now."""
        shorter = [_length(one.start, one.end) / np.maximum(now, 1e-6)
                   for one, now in zip(found, length, strict=True)]  # fmt: skip
        lumens = {one.start.tobytes(): (one.radius**2, one.radius**2 * by * own)
                  for one, by, own in zip(found, shorter, swelling, strict=True)
                  if _of_air(program.structures[one.structure])}  # fmt: skip
        none = (np.zeros(1), np.zeros(1))
        pairs = [lumens.get(one.start.tobytes(), none) for one in found]
        about = [np.maximum(one.radius**2 - before, 0.0) for one, (before, _) in zip(found, pairs, strict=True)]
        now = [own * by * more for own, by, more in zip(about, shorter, room, strict=True)]
        return cls([lumen for _, lumen in pairs], now, [one.structure for one in found])

    def radii(self, share: dict[int, float]) -> list[Array]:
        """Radii (mm), with `share` of the area about lumens by structure (lumens have none)."""
        return [np.sqrt(lumen + share.get(structure, 1.0) * about)
                for lumen, about, structure in zip(self.lumen, self.about, self.structure, strict=True)]  # fmt: skip


def _length(start: Array, end: Array) -> Array:
    return np.asarray(np.linalg.norm(end - start, axis=1))


def _swelling(motion: Motion, places: Array) -> Array:
    """(n,) present volume over volume at rest of lung that now is at these places."""
    back = [(motion.rest(places + step, "lung") - motion.rest(places - step, "lung")) / (2.0 * _PROBE_MM)
            for step in _PROBE_MM * np.eye(3)]  # fmt: skip
    return np.asarray(1.0 / np.maximum(np.linalg.det(np.stack(back, -1)), 1e-3))
