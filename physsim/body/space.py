"""Where a body's declared fields are, for makers that grow things into them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.arrays import FAR_MM
from physsim.body.body import SIDES, Body
from physsim.body.declare import Declared, Field, declared_from
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.randomness import Stream

_FIELD_CALL = re.compile(r"""field\(\s*["']([^"']+)["']""")
_MARGIN_MM = 10.0
_BLOCK = 8  # cells of the lattice of points, along each axis, that are left out together
_TOO_FAR = 1.3  # slope of distances, at most, outside
Floats = npt.NDArray[np.float64]
_MARK = {"structure": [{"name": "mark", "order": 0, "material": "air",
                        "parts": [{"ellipsoid": {"centre": [0, 0, 0], "semi": [1, 1, 1]}}]}]}  # fmt: skip


class Space:
    """The fields of a body whose growing makers have not run, and the body's seed.

    `fields`: names of those that will be asked for; they and what they need are compiled, nothing else.
    """

    def __init__(
        self, declared: Declared, numbers: Mapping[str, float], seed: int, where: str, fields: Iterable[str] = ()
    ) -> None:
        mark = declared_from(_MARK, where).structure
        kept = _needed(declared, fields)
        used = {field.warp for field in kept}
        self._declared = declared.replace(
            field=tuple(_nameless(field) for field in kept), structure=mark, numbers=dict(numbers), background="air",
            warp=tuple(warp for warp in declared.warp if warp.name in used),
        )  # fmt: skip
        self.seed, self.where = seed, where
        self._branches: dict[str, Floats] = {}

    def keep_branches(self, made: Declared) -> None:
        """Let makers that run later see the branches of these structures."""
        for structure in made.structure:
            rows = [row for part in structure.parts if part.branches is not None for row in part.branches]
            if rows:
                self._branches[structure.name] = np.array(rows)

    def branches(self, structure: str) -> Floats:
        """Rows (n, 8) of a structure that an earlier maker has made: x, y, z, r at both ends (mm)."""
        if structure not in self._branches:
            raise InvalidInput(
                message(f"{self.where}: structure {structure!r}", "no maker before has made branches of that name",
                        did_you_mean(structure, self._branches))
            )  # fmt: skip
        return self._branches[structure]

    def fingerprint(self, fields: Iterable[str]) -> str:
        """A text that is the same where these fields, all that they need, and the seed are the same."""
        declared = self._declared
        kept = [field.model_dump_json(exclude_defaults=True) for field in _needed(declared, fields)]
        warps = [warp.model_dump_json() for warp in declared.warp]
        noises = [noise.model_dump_json() for noise in declared.noise]
        values = {**declared.numbers, **declared.expressions, **declared.tables}
        used: dict[str, str] = {}
        texts = [*kept, *warps]
        while texts:
            words = set(re.findall(r"\w+", texts.pop())) - used.keys()
            for word in sorted(words & values.keys()):
                used[word] = repr(values[word])
                texts.append(used[word])
        return repr((self.seed, kept, warps, noises, sorted(used.items())))

    @cached_property
    def _body(self) -> Body:
        return Body.of(self._declared, seed=self.seed, where=self.where)

    def distance(self, field: str, points_mm: npt.ArrayLike, margin_mm: float = _MARGIN_MM) -> Floats:
        """(n,) mm from the surface of a field, negative inside, at points (n, 3); right up to `margin_mm` from it."""
        body = self._body
        return body.program.distance(points_mm, field=body.field_number(field, "maker"), margin_mm=margin_mm)

    def box(self, field: str) -> tuple[Floats, Floats]:
        """Low and high corner (mm) of a box that holds the field. Raises InvalidInput where it has no bounds."""
        body = self._body
        low, high = body.program.field_box[body.field_number(field, "maker")]
        if max(np.abs(low).max(), np.abs(high).max()) > FAR_MM / 2:
            raise InvalidInput(
                message(f"{self.where}: field {field!r}", "it has no bounds, to grow a tree into",
                        "Clip it by a field that has (inside), or give bounds to its parts.")
            )  # fmt: skip
        return low, high

    def points(self, field: str, per_ml: float, margin_mm: float, name: str) -> Floats:
        """Points (n, 3) that fill a field evenly, deeper than `margin_mm`: one somewhere in each cell of a lattice."""
        low, high = self.box(field)
        step = round(float(np.cbrt(1000.0 / per_ml)), 6)
        first = np.floor(low / (_BLOCK * step)).astype(int)
        blocks = _lattice(first, np.ceil(high / (_BLOCK * step)).astype(int))
        # a block whose middle is far outside holds no point of the field: distances are never much too large
        reach = _TOO_FAR * 0.5 * np.sqrt(3.0) * _BLOCK * step
        far = self.distance(field, (blocks + 0.5) * _BLOCK * step, FAR_MM) > reach
        index = (_BLOCK * blocks[~far, None] + _lattice(np.zeros(3, int), np.full(3, _BLOCK))).reshape(-1, 3)
        number = ((index[:, 0] + 512) * 1024 + index[:, 1] + 512) * 1024 + index[:, 2] + 512
        draws = Stream(self.seed, name).uniform64(number[:, None], [0, 1]).reshape(-1, 4)[:, :3]
        points = np.round((index + draws) * step, 3)
        return points[self.distance(field, points) < -margin_mm]

    def slope(self, field: str, points_mm: Floats) -> Floats:
        """(n, 3) unit vectors along which the distance from the field grows."""
        around = [points_mm + 0.5 * np.eye(3)[axis] * sign for axis in range(3) for sign in (1, -1)]
        values = self.distance(field, np.concatenate(around)).reshape(3, 2, -1)
        slope = (values[:, 0] - values[:, 1]).T
        unit: Floats = slope / np.maximum(np.sqrt((slope**2).sum(1, keepdims=True)), 1e-3)
        return unit

    def onto(self, field: str, points_mm: Floats, above_mm: float, steps: int = 5) -> Floats:
        """The points moved to where the distance from the field is `above_mm`."""
        moved = points_mm.copy()
        for _ in range(steps):
            off = np.clip(self.distance(field, moved) - above_mm, -12.0, 12.0)[:, None]
            moved = np.round(moved - off * self.slope(field, moved), 4)
        return moved

    def inward(self, field: str, points_mm: Floats, depth_mm: float, steps: int = 6) -> tuple[Floats, Floats]:
        """The points, those less deep in the field than `depth_mm` moved along its gradient; and how deep all are."""
        moved = points_mm.copy()
        depth = -self.distance(field, moved)
        for _ in range(steps):
            shallow = depth < depth_mm
            if not shallow.any():
                break
            at = moved[shallow]
            step = np.clip(depth_mm - depth[shallow] + 0.2, 0.0, 15.0)[:, None]
            moved[shallow] = np.round(at - step * self.slope(field, at), 4)
            depth[shallow] = -self.distance(field, moved[shallow])
        return moved, depth


def _lattice(first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Whole numbers (n, 3) from first to below last."""
    axes = [np.arange(a, b) for a, b in zip(first, last, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def _nameless(field: Field) -> Field:
    """Without the names of organs, which belong to structures."""
    return field.replace(parts=tuple(part.replace(organ=None) for part in field.parts))


def _needed(declared: Declared, names: Iterable[str]) -> list[Field]:
    """The named fields and all that they need, in the order declared."""
    written = " ".join(map(str, (*declared.expressions.values(), *(_texts(warp) for warp in declared.warp))))
    wanted = [*names, *_FIELD_CALL.findall(written)]
    known = [(number, name) for number, field in enumerate(declared.field) for name in _names(field)]
    kept: set[int] = set()
    while wanted:
        name = wanted.pop()
        for number in {number for number, own in known if own == name} - kept:
            kept.add(number)
            field = declared.field[number]
            wanted += [part.field for part in field.parts if part.field is not None]
            wanted += _FIELD_CALL.findall(_texts(field))
            clips = [clip.strip() for clip in (*field.inside, *field.outside)]
            wanted += [own for _, own in known if any(clip.startswith(own) for clip in clips)]
    return [field for number, field in enumerate(declared.field) if number in kept]


def _names(field: Field) -> list[str]:
    """What a field is called: a pair has two names, and in its own texts goes by that with {side} in it."""
    if not field.pair:
        return [field.name]
    if "{side}" in field.name:
        return [field.name, *(field.name.replace("{side}", side) for side in SIDES)]
    return [f"{{side}} {field.name}", *(f"{side} {field.name}" for side in SIDES)]


def _texts(spec: Any) -> str:
    return str(spec.model_dump(exclude_defaults=True)).replace("\\", "")
