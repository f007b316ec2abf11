"""A phase of motion: where every point of the body at rest is now, and back, in the canonical frame.

Three kinds of media move differently: what lies outside the lungs, the lungs (they slide along the chest wall), and
bones, each a rigid body. Maps of the first two are tabulated: from present places to those at rest by displacements on
a lattice, trilinear between nodes, as the voxeliser reads them; the way forward is the exact inverse of that map, by
Newton's method, so that images and truth agree. Densities of lung are divided by the change of volume.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from physsim.body.arrays import Moves, as_float32
from physsim.body.body import Body
from physsim.errors import InvalidInput, did_you_mean, message

if TYPE_CHECKING:
    from physsim.body.program import Program
    from physsim.body.space_map import SpaceMap

Array = npt.NDArray[np.float64]
OUTSIDE, LUNG = 0, 1
MEDIA = ("body", "lung")
_STILL_MM = 0.02  # structures that move less anywhere count as unmoved
_SLACK_MM = 1.0
_EDGE = 4  # cells of the blocks in which extremes are kept
_FOUND_MM = 1e-5


@dataclass(frozen=True, eq=False)
class Motion:
    """Displacements of one phase, in mm of the canonical frame.

    `forward`, `inverse`: (2, nz, ny, nx, 3) displacement of media "body" and "lung", from places at rest and back from
    present places, on nodes `origin_mm` + `step_mm` (i, j, k); zero beyond. `bones`: present from rest (4, 4) by
    structure. `lungs`: the structures of the lungs (the rest belongs to the body, or is a bone). `first`: a motion that
    comes before this one (see `after`); the displacements are then this one's alone, bones and lungs of both together.
    """

    body: Body
    forward: Array
    inverse: Array
    origin_mm: Array
    step_mm: float
    bones: Mapping[str, Array]
    lungs: frozenset[str]
    name: str = "motion"
    first: Motion | None = None

    def medium(self, structure: str) -> str:
        """Medium of a structure of the body: "body", "lung", or its own name when it is a bone."""
        names = [one.name for one in self.body.structures]
        if structure not in names:
            raise InvalidInput(message(f"structure {structure!r}", "the body has none of that name",
                                       did_you_mean(structure, names)))  # fmt: skip
        return structure if structure in self.bones else MEDIA[LUNG if structure in self.lungs else OUTSIDE]

    def present(self, rest_mm: npt.ArrayLike, medium: str = "body") -> Array:
        """(n, 3) present places of points at rest: registration truth is the difference."""
        points = np.atleast_2d(np.asarray(rest_mm, float))
        if medium in self.bones:
            return np.asarray(points @ self.bones[medium][:3, :3].T + self.bones[medium][:3, 3])
        if self.first:
            points = self.first.present(points, medium)
        return self._found(points, points + self._displaced(self.forward, points, medium), medium)

    def rest(self, present_mm: npt.ArrayLike, medium: str = "body") -> Array:
        """(n, 3) places at rest of present points."""
        points = np.atleast_2d(np.asarray(present_mm, float))
        if medium in self.bones:
            back = np.linalg.inv(self.bones[medium])
            return np.asarray(points @ back[:3, :3].T + back[:3, 3])
        before: Array = points + self._displaced(self.inverse, points, medium)
        return self.first.rest(before, medium) if self.first else before

    def volume_ratio(self, medium: str = "lung") -> Array:
        """(nz - 1, ny - 1, nx - 1) present volume over volume at rest, of the lattice's cells at rest."""
        return self._ratios(self._whole(medium))[0]

    @cached_property
    def least_jacobian(self) -> float:
        """Least determinant of the forward and inverse maps anywhere: positive, or something is folded.

        Of two motions: the product, which theirs together is not below.
        """
        own = min(self._ratios(field)[1] for pair in (self.forward, self.inverse) for field in pair)
        return own * min(self.first.least_jacobian, 1.0) if self.first else own

    def inverse_error_mm(self, points: npt.ArrayLike, medium: str = "body") -> Array:
        """(n,) distance by which rest(present(points)) misses points."""
        there = np.atleast_2d(np.asarray(points, float))
        return np.asarray(np.linalg.norm(self.rest(self.present(there, medium), medium) - there, axis=1))

    def save(self, path: str | Path, medium: str = "body", inverse: bool = False, overwrite: bool = False) -> None:
        """Write a displacement field as .mha (three channels, mm, LPS): what ITK calls a displacement field.

        Forward: at places at rest, where to; inverse: at present places, where from.
        """
        from physsim.body.motion_files import save_field

        field = self._whole(medium, inverse)
        save_field(Path(path), field, self.origin_mm, self.step_mm, overwrite)

    def after(self, first: Motion) -> Motion:
        """This motion after another one of the same body (a breath after the heart's): one after the other, exactly."""
        if first.body is not self.body:
            raise InvalidInput(message("motion", "the two are of different bodies", "Make both of one Body."))
        if self.first or first.first:
            raise InvalidInput(message("motion", "more than two after each other", "Put two together at most."))
        bones = {name: self.bones.get(name, np.eye(4)) @ first.bones.get(name, np.eye(4))
                 for name in {**self.bones, **first.bones}}  # fmt: skip
        return replace(self, bones=bones, lungs=self.lungs | first.lungs, name=f"{first.name}, {self.name}",
                       first=first)  # fmt: skip

    # --- for the voxeliser

    def applied(self, program: Program, space: SpaceMap | None = None) -> Program:
        """The program as this motion paints it: the lungs' trees where they are now, the lung about them refilled.

        `space`: the map of a person of another size, in whom masses are to be kept.
        """
        from physsim.body.motion_branches import carried

        return carried(program, self, space)

    def moves_anything(self, program: Program, structure: int) -> bool:
        """Whether a structure (by its number) moves by more than a trifle anywhere."""
        row = program.tables.structure_float[structure].astype(float)
        medium = LUNG if program.structures[structure].name in self.lungs else OUTSIDE
        return self._reach(medium, row[:3], row[3:6])[2] > _STILL_MM

    def moves(self, program: Program) -> Moves:
        """Its arrays for the painter."""
        bones = list(self.bones)
        boxes = self._boxes(program)
        medium, thins = [], []
        for n, structure in enumerate(program.structures):
            if n in program.carried:
                number = -1
            elif structure.name in self.bones:
                number = 2 + bones.index(structure.name)
            else:
                number = LUNG if structure.name in self.lungs else OUTSIDE
                number = number if self._reach(number, *boxes[n])[2] > _STILL_MM else -1
            medium.append(number)
            thins.append(int(number == LUNG and any(layer.material == "lung" for layer in structure.filled())))
        rigid = np.array([np.linalg.inv(self.bones[name])[:3] for name in bones]).reshape(-1, 3, 4)
        place = [*self.origin_mm, 1.0 / self.step_mm]
        first = self.first
        inner = first.inverse if first else np.zeros((0, 2, 2, 2, 3))
        inner_place = [*first.origin_mm, 1.0 / first.step_mm] if first else np.zeros(4)
        return Moves(np.array(medium, np.int32), np.array(thins, np.int32), as_float32(self.inverse), as_float32(place),
                     as_float32(rigid if len(rigid) else np.zeros((1, 3, 4))), as_float32(inner),
                     as_float32(inner_place))  # fmt: skip

    def moved_boxes(self, program: Program) -> npt.NDArray[np.float32]:
        """(structures, 6) boxes round the structures where they are now."""
        moved = np.empty((len(program.structures), 6))
        for n, ((low, high), structure) in enumerate(zip(self._boxes(program), program.structures, strict=True)):
            if n in program.carried:
                moved[n] = [*low, *high]
            elif structure.name in self.bones:
                corners = np.array([[(low, high)[s][c] for c, s in enumerate(signs)] for signs in np.ndindex(2, 2, 2)])
                there = self.present(corners, structure.name)
                moved[n] = [*(there.min(0) - _SLACK_MM), *(there.max(0) + _SLACK_MM)]
            else:
                low, high, _ = self._reach(LUNG if structure.name in self.lungs else OUTSIDE, low, high)
                moved[n] = [*(low - _SLACK_MM), *(high + _SLACK_MM)]
        return moved.astype(np.float32)

    def moved_corners(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Boxes (n, 3), (n, 3) of small things where they can be now, whatever their medium."""
        if self.first:
            low, high = self.first.moved_corners(low, high)
        places = (low, 0.5 * (low + high), high)
        shifts = [self._displaced(self.forward, where, medium) for medium in MEDIA for where in places]
        return low + np.min(shifts, 0) - _SLACK_MM, high + np.max(shifts, 0) + _SLACK_MM

    def _boxes(self, program: Program) -> list[tuple[Array, Array]]:
        numbers = program.tables.structure_float.astype(float)
        return [(row[:3], row[3:6]) for row in numbers]

    def _reach(self, medium: int, low: Array, high: Array) -> tuple[Array, Array, float]:
        """Box (3,), (3,) round where a box at rest is now, and the farthest (mm) that anything in it goes."""
        far = 0.0
        for motion in (self.first, self):
            if motion:
                least, most = motion._span(medium, low, high)
                low, high = low + least, high + most
                far += max(float(np.abs(least).max()), float(np.abs(most).max()))
        return low, high, far

    def _whole(self, medium: str, inverse: bool = False) -> Array:
        """Displacements (nz, ny, nx, 3) at this motion's nodes, of the first one as well."""
        field: Array = (self.inverse if inverse else self.forward)[self._number(medium)]
        if not self.first:
            return field
        moved = self.rest(self._nodes, medium) if inverse else self.present(self._nodes, medium)
        return np.asarray((moved - self._nodes).reshape(field.shape))

    def _span(self, medium: int, low: Array, high: Array) -> tuple[Array, Array]:
        """Least and largest displacement (3,), (3,) within a box at rest, zero beyond the lattice included."""
        shape = np.array(self._extremes.shape[2:5])[::-1]
        edge = _EDGE * self.step_mm
        first = np.clip(np.floor((low - self.origin_mm) / edge), 0, shape - 1).astype(int)
        last = np.clip(np.floor((high - self.origin_mm) / edge), 0, shape - 1).astype(int)
        own = tuple(slice(first[axis], last[axis] + 1) for axis in (2, 1, 0))
        least, most = self._extremes[0, medium][own], self._extremes[1, medium][own]
        return least.reshape(-1, 3).min(0), most.reshape(-1, 3).max(0)

    @cached_property
    def _extremes(self) -> Array:
        """(2, 2, z, y, x, 3) least and largest displacement by medium in blocks of _EDGE cells along each axis."""
        held = np.pad(self.forward, ((0, 0), *[(0, (1 - n) % _EDGE) for n in self.forward.shape[1:4]], (0, 0)), "edge")
        found = []
        for take in (np.minimum, np.maximum):
            part = held
            for axis in (1, 2, 3):
                starts = np.arange(0, part.shape[axis] - 1, _EDGE)
                ends = np.take(part, starts + _EDGE, axis)
                part = take(take.reduceat(part, starts, axis), ends)
            found.append(part)
        return np.stack(found)

    def _found(self, rest: Array, guess: Array, medium: str) -> Array:
        """Present places of points at rest, from guesses, to 1e-5 mm."""
        found = np.ascontiguousarray(guess)
        missed = inverted(self.inverse[self._number(medium)], self.origin_mm, self.step_mm, rest, found)
        if missed:
            raise InvalidInput(
                message(f"{self.name}: {missed} points", "the map folds there", "Take a smaller part of the motion.")
            )
        return found

    def _number(self, medium: str) -> int:
        if medium not in MEDIA:
            known = (*MEDIA, *self.bones)
            raise InvalidInput(message(f"medium {medium!r}", "no such medium", did_you_mean(medium, known)))
        return MEDIA.index(medium)

    def _displaced(self, fields: Array, points: Array, medium: str) -> Array:
        from physsim.body.motion_kernels import sampled

        out: Array = np.zeros((len(points), 3))
        sampled(fields[self._number(medium)], self.origin_mm, self.step_mm, np.ascontiguousarray(points), out)
        return out

    @property
    def _nodes(self) -> Array:
        nz, ny, nx = self.forward.shape[1:4]
        z, y, x = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
        return np.asarray(self.origin_mm + self.step_mm * np.stack([x, y, z], -1).reshape(-1, 3))

    def _ratios(self, field: Array) -> tuple[Array, float]:
        from physsim.body.motion_kernels import volume_ratios

        least = np.zeros(1)
        moved = self._nodes.reshape(*field.shape[:3], 3) + field
        return volume_ratios(moved, self.step_mm, least), float(least[0])


def inverted(field: Array, origin_mm: Array, step_mm: float, targets: Array, guesses: Array) -> int:
    """Places p with p + field(p) = target, in place of `guesses`; how many were not found to 1e-5 mm."""
    from physsim.body.motion_kernels import turned_back
    from physsim.phantom.compiled import in_threads

    size, missed = 1 << 15, []
    goals = np.ascontiguousarray(targets, np.float64)

    def job(part: int) -> None:
        own = slice(part * size, (part + 1) * size)
        missed.append(turned_back(field, origin_mm, step_mm, goals[own], guesses[own], _FOUND_MM, 40))

    in_threads(job, range(-(-len(guesses) // size)))
    return sum(missed)


def rigid_fit(rest: Array, present: Array) -> Array:
    """(4, 4) rotation and shift that bring points (n, 3) nearest to others: least squares.

    Reference: W. Kabsch, Acta Cryst. A32 (1976) 922.
    """
    a, b = rest.mean(0), present.mean(0)
    u, _, vt = np.linalg.svd((rest - a).T @ (present - b))
    turn = (u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt).T
    fitted = np.eye(4)
    fitted[:3, :3], fitted[:3, 3] = turn, b - turn @ a
    return fitted


def hinge_fit(rest: Array, present: Array, pivot: Array, axis: Array) -> Array:
    """(4, 4) turn about an axis through a pivot that brings points (n, 3) nearest to others: least squares."""
    a, b = (points - pivot - np.outer((points - pivot) @ axis, axis) for points in (rest, present))
    angle = np.arctan2(float((np.cross(a, b) @ axis).sum()), float((a * b).sum()))
    cross = np.cross(np.eye(3), axis)
    turn = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    fitted = np.eye(4)
    fitted[:3, :3], fitted[:3, 3] = turn, pivot - turn @ pivot
    return fitted


def is_bone(structure: Any) -> bool:
    """Whether a structure is made of bone."""
    return any("bone" in layer.material or layer.material == "spongiosa" for layer in structure.filled())
