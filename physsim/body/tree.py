"""Maker of trees: bronchi and vessels grown into declared fields, as branches of the body's own grammar.

One maker grows one tree a root, all by the same splitting of territories, and draws one or more kinds of vessels along
it: bronchi, and the arteries beside them. A branch that serves n end points has the radius
end_radius_mm n^(1/exponent), so that at each node r^exponent of the parent is the sum of those of the daughters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pydantic

from physsim.body.space import Space
from physsim.body.tree_growth import Branches, Habit, grow, kept_apart, without
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.randomness import Stream
from physsim.spec.base import Spec

Floats = npt.NDArray[np.float64]
_DECIMALS = 3
_LOOKS = (0.2, 0.4, 0.6, 0.8)  # parts of the way at which a branch must lie in its field
_MAY_BE_LOST = 50  # end points of a branch that is left out rather than led astray
_FINEST_PIECE_MM = 3.0  # of a bent branch


class Root(Spec):
    """Where a tree begins, which way it runs, and the field that it fills; `label` stands for {label} in its organs."""

    field: str
    label: str = ""
    point: tuple[float, float, float]
    direction: tuple[float, float, float]


class Wall(Spec):
    """A wall round a vessel's lumen: a share of its radius, not less than `least_mm`."""

    name: str
    material: str
    order: float
    share: float = pydantic.Field(gt=0)
    least_mm: float = pydantic.Field(0.0, ge=0)
    organ: str | None = None


class Vessel(Spec):
    """One kind of vessel along the tree: r = end_radius_mm n^(1/exponent) where n end points are served.

    `least_radius_mm`: thinner ones are not drawn. `beside`: runs along an earlier vessel of the tree, with `gap_mm`
    between them, on the `sides` at first, one a root. `starts`: where it begins, one point a root, unless at the roots.
    `organ`: its name in the truth, where {label} is that of the root.
    """

    name: str
    material: str
    order: float
    exponent: float = pydantic.Field(gt=1)
    end_radius_mm: float = pydantic.Field(gt=0)
    least_radius_mm: float = pydantic.Field(0.0, ge=0)
    beside: str | None = None
    gap_mm: float = 0.5
    starts: tuple[tuple[float, float, float], ...] = ()
    sides: tuple[tuple[float, float, float], ...] = ()
    organ: str | None = None
    wall: Wall | None = None


class Tree(Spec):
    """The maker's table. `ends_per_ml`: end points in a ml of the fields; `margin_mm`: their least depth in these.

    `avoid`: structures of earlier trees that this one keeps out of.
    """

    name: str
    ends_per_ml: float = pydantic.Field(gt=0)
    margin_mm: float = 1.5
    reach: float = pydantic.Field(0.28, gt=0, lt=1)
    turn_deg: float = pydantic.Field(60.0, gt=0, lt=90)
    split: float = pydantic.Field(0.25, gt=0, lt=0.5)
    wander: float = pydantic.Field(0.05, ge=0, lt=1)
    inside: tuple[str, ...] = ()
    avoid: tuple[str, ...] = ()
    roots: tuple[Root, ...] = pydantic.Field(min_length=1)
    vessels: tuple[Vessel, ...] = pydantic.Field(min_length=1)

    @pydantic.model_validator(mode="after")
    def _one_start_a_root(self) -> Tree:
        for number, vessel in enumerate(self.vessels):
            for what, given in (("starts", vessel.starts), ("sides", vessel.sides)):
                if given and len(given) != len(self.roots):
                    why = f"{len(given)} {what} for {len(self.roots)} roots"
                    raise ValueError(f"{vessel.name}: {why}. Give one a root.")
            earlier = [other.name for other in self.vessels[:number]]
            if vessel.beside is not None and vessel.beside not in earlier:
                raise InvalidInput(
                    message(f"{vessel.name}: beside={vessel.beside!r}", "no earlier vessel of the tree has that name",
                            did_you_mean(vessel.beside, earlier))
                )  # fmt: skip
        return self


def tree(table: dict[str, Any], space: Space) -> dict[str, Any]:
    """Structures of the vessels (and their walls) that the table declares."""
    own = Tree(**table)
    branches = grown(own, space)
    structures = []
    for vessel in own.vessels:
        starts, ends = vessel_line(own, vessel, branches)
        radius = radii(vessel, branches)
        drawn = radius >= vessel.least_radius_mm
        kinds: list[tuple[Vessel | Wall, Floats]] = [(vessel, radius)]
        if vessel.wall is not None:
            kinds.append((vessel.wall, radius + wall_mm(vessel, radius)))
        for kind, wide in kinds:
            by_organ: dict[str | None, list[list[float]]] = {}
            for label in dict.fromkeys(root.label for root in own.roots):
                mine = np.array([root.label == label for root in own.roots])[branches.root]
                rows = _capsules(starts, ends, wide, branches.parent, drawn & mine)
                organ = kind.organ.replace("{label}", label) if kind.organ else None
                by_organ[organ] = by_organ.get(organ, []) + rows
            around = vessel.name if kind is vessel.wall else None
            structures.append({**_structure(own, kind, by_organ), "around": around})
    return {"structure": structures}


def grown(own: Tree, space: Space) -> Branches:
    """The branches, their nodes moved into the fields that they serve, those that leave them left out."""
    points = [space.points(root.field, own.ends_per_ml, own.margin_mm, f"tree {own.name} {root.field}")
              for root in own.roots]  # fmt: skip
    for root, found in zip(own.roots, points, strict=True):
        if not len(found):
            raise InvalidInput(
                message(f"{space.where}: tree {own.name!r}: field {root.field!r}",
                        f"holds no end point at {own.ends_per_ml:g} a ml, {own.margin_mm:g} mm under its surface",
                        "Give more ends_per_ml, or less margin_mm.")
            )  # fmt: skip
    habit = Habit(own.reach, own.turn_deg, own.split, own.wander)
    made = grow(
        np.array([root.point for root in own.roots]), np.array([root.direction for root in own.roots]), points, habit,
        Stream(space.seed, f"tree {own.name}"),
    )  # fmt: skip
    if own.avoid:
        obstacles = np.concatenate([space.branches(name) for name in own.avoid])
        made = kept_apart(made, radii(own.vessels[0], made), obstacles)
    end, astray = made.end.copy(), np.zeros(len(made.end), bool)
    for number, root in enumerate(own.roots):
        mine = np.flatnonzero(made.root == number)
        end[mine], depth = space.inward(root.field, end[mine], own.margin_mm)
        astray[mine] = _astray(space, root, made, mine, end, depth)
    start = np.where((made.parent >= 0)[:, None], end[made.parent], made.start)
    return without(Branches(start, end, made.parent, made.served, made.root, made.normal), astray)


def _astray(
    space: Space, root: Root, made: Branches, mine: npt.NDArray[np.int64], end: Floats, depth: Floats
) -> npt.NDArray[np.bool_]:
    """Which small branches leave their field on the way, round a bend of its surface."""
    deep = np.zeros(len(made.parent))
    deep[mine] = depth
    parent = made.parent[mine]
    way = end[mine] - end[parent]
    # d changes by a millimetre a millimetre at most: deep ones need no look
    near = (parent >= 0) & (deep[parent] + depth < np.sqrt((way**2).sum(1)))
    points = np.concatenate([end[parent[near]] + f * way[near] for f in _LOOKS])
    out = np.zeros(len(mine), bool)
    if len(points):
        out[near] = (space.distance(root.field, points).reshape(len(_LOOKS), -1) > 0).any(0)
    return (out | (depth < 0)) & (parent >= 0) & (made.served[mine] <= _MAY_BE_LOST)


def radii(vessel: Vessel, branches: Branches) -> Floats:
    """(n,) mm, rounded."""
    return np.round(vessel.end_radius_mm * branches.served.astype(float) ** (1.0 / vessel.exponent), 4)


def wall_mm(vessel: Vessel, radius: Floats) -> Floats:
    """(n,) thickness of the wall, 0 without one."""
    if vessel.wall is None:
        return np.zeros_like(radius)
    return np.maximum(vessel.wall.share * radius, vessel.wall.least_mm)


def vessel_line(own: Tree, vessel: Vessel, branches: Branches) -> tuple[Floats, Floats]:
    """Starts and ends (n, 3) of a vessel's branches: on the tree's own, or beside those of another vessel.

    The way to the side is across the plane of the two daughters, so that at a node nothing crosses, and on that side of
    it which is nearer to the parent's.
    """
    first = np.array(vessel.starts) if vessel.starts else np.array([root.point for root in own.roots])
    end = branches.end
    if vessel.beside is not None:
        other = next(one for one in own.vessels if one.name == vessel.beside)
        outer = radii(other, branches)
        away = radii(vessel, branches) + outer + wall_mm(other, outer) + vessel.gap_mm
        side = branches.normal.copy()
        before = np.array(vessel.sides) if vessel.sides else np.zeros((len(own.roots), 3))
        for generation in _by_generation(branches.parent):
            parent = branches.parent[generation]
            toward = np.where((parent >= 0)[:, None], side[parent], before[branches.root[generation]])
            flipped = (side[generation] * toward).sum(1) < 0
            side[generation[flipped]] *= -1
        end = end + away[:, None] * side
    start = np.where((branches.parent >= 0)[:, None], end[branches.parent], first[branches.root])
    return start, end


def _by_generation(parent: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    depth = generations(parent)
    return [np.flatnonzero(depth == n) for n in range(int(depth.max()) + 1)]


def generations(parent: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n,) how many branches lie between each and its root."""
    depth = np.zeros(len(parent), np.int64)
    while True:
        deeper = np.where(parent >= 0, depth[parent] + 1, 0)
        if (deeper == depth).all():
            return depth
        depth = deeper


def _capsules(
    start: Floats, end: Floats, radius: Floats, parent: npt.NDArray[np.int64], drawn: npt.NDArray[np.bool_]
) -> list[list[float]]:
    """Rows (x, y, z, r, x, y, z, r): thick branches bend from their parent's direction into their own."""
    step = end - start
    length = np.sqrt((step**2).sum(1))
    ahead = step / np.maximum(length, 1e-9)[:, None]
    before = np.where((parent >= 0)[:, None], ahead[parent], ahead)
    begin = ahead + before
    begin /= np.maximum(np.sqrt((begin**2).sum(1, keepdims=True)), 1e-9)
    pieces = np.where(radius > 0.8, np.clip(length / _FINEST_PIECE_MM, 1, 4), 1).astype(np.int64)
    pieces[~drawn | (length < 1e-3)] = 0
    rows = []
    for count in range(1, int(pieces.max(initial=0)) + 1):
        own = np.flatnonzero(pieces == count)
        t = np.linspace(0, 1, count + 1)[None, :, None]
        a, b = start[own, None], end[own, None]
        bend = (t - 2 * t**2 + t**3) * length[own, None, None] * begin[own, None]
        bend = bend + (t**3 - t**2) * length[own, None, None] * ahead[own, None]
        line = (1 - 3 * t**2 + 2 * t**3) * a + (3 * t**2 - 2 * t**3) * b + bend
        r = np.broadcast_to(radius[own, None, None], (len(own), count, 1))
        rows.append(np.concatenate([line[:, :-1], r, line[:, 1:], r], axis=2).reshape(-1, 8))
    table = np.round(np.concatenate(rows) if rows else np.zeros((0, 8)), _DECIMALS)
    keep = ((table[:, :3] - table[:, 4:7]) ** 2).sum(1) > 0
    return table[keep].tolist()  # type: ignore[no-any-return]


def _structure(own: Tree, kind: Vessel | Wall, by_organ: dict[str | None, list[list[float]]]) -> dict[str, Any]:
    parts = [
        {"branches": rows, **({} if organ is None else {"organ": organ})} for organ, rows in by_organ.items() if rows
    ]
    if not parts:
        raise InvalidInput(
            message(f"tree {own.name!r}: vessel {kind.name!r}", "no branch is thick enough to be drawn",
                    "Lessen least_radius_mm.")
        )  # fmt: skip
    return {"name": kind.name, "material": kind.material, "order": kind.order, "inside": own.inside, "parts": parts}
