"""Grow branching trees into clouds of end points by splitting territories: all branches of a level at once.

A branch runs part of the way from its root towards the middle of the points that it serves; there its points are parted
by a plane along the branch, across their widest spread, and each half is served by a daughter. Sums are whole numbers
and all else is + - * / and square roots, rounded to 1e-6 mm: the same tree on every machine.

Reference: territory splitting after H. Kitaoka, R. Takaki, B. Suki, "A three-dimensional model of the human airway
tree", J. Appl. Physiol. 87:2207 (1999), with its rules for angles and lengths simplified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.randomness import Stream

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
UNIT_MM = 1e-3  # end points are rounded to this, so that their sums are exact
_SHORTEST_MM = 0.5
# how a tree is kept out of another's way
_SLIM_MM, _SAMPLE_MM, _BETWEEN_MM = 0.35, 1.5, 0.3
_ALONG, _NEAREST, _PUSHES = (0.25, 0.5, 0.75, 1.0), 2, 6
_DEEPEST = 60  # generations; a split gives a daughter a fifth of the points at least


@dataclass(frozen=True)
class Habit:
    """How branches grow.

    `reach`: part of the way to the middle of the points served; `turn_deg`: largest angle between a branch and its
    parent; `split`: smallest share of the points that a daughter may take; `wander`: sideways displacement of a node
    over its branch's length.
    """

    reach: float = 0.44
    turn_deg: float = 65.0
    split: float = 0.3
    wander: float = 0.05


@dataclass(frozen=True, eq=False)
class Branches:
    """n branches, parents before daughters.

    start, end (n, 3) mm; parent (n,), -1 at a root; served (n,): end points under it; root (n,): which root's; normal
    (n, 3): unit vector across the plane of the two daughters.
    """

    start: Floats
    end: Floats
    parent: Ints
    served: Ints
    root: Ints
    normal: Floats

    @property
    def daughters(self) -> Ints:
        """(n,) how many daughters each has."""
        return np.bincount(self.parent[self.parent >= 0], minlength=len(self.parent))


def grow(roots: Floats, directions: Floats, points: list[Floats], habit: Habit, stream: Stream) -> Branches:
    """One tree a root: `roots`, `directions` (r, 3), `points` of each root (m, 3) mm."""
    from physsim.body.breast.trigonometry import cosine_and_sine

    cosine = float(cosine_and_sine(np.deg2rad(habit.turn_deg))[0])
    grid = np.rint(np.concatenate(points) / UNIT_MM).astype(np.int64)
    count = np.array([len(own) for own in points], np.int64)
    first = np.r_[0, np.cumsum(count)[:-1]]
    place, heading = np.round(np.asarray(roots, float), 6), _unit(np.asarray(directions, float))
    parent, root = np.full(len(count), -1, np.int64), np.arange(len(count))
    grown: list[tuple[npt.NDArray[Any], ...]] = []
    made = 0
    for level in range(_DEEPEST):
        if not len(count):
            break
        rows = np.repeat(np.arange(len(count)), count)
        middle = np.add.reduceat(grid, first, axis=0) / count[:, None] * UNIT_MM
        way = middle - place
        far = np.sqrt((way**2).sum(1))
        toward = _held(way / np.maximum(far, 1e-9)[:, None], heading, cosine)
        draws = stream.uniform64(made + np.arange(len(count))[:, None], [2 * level, 2 * level + 1]).reshape(-1, 4)
        last = count == 1
        length = np.maximum(np.where(last, (way * toward).sum(1), habit.reach * far), _SHORTEST_MM)
        side = (2 * draws[:, :3] - 1) * habit.wander
        end = np.round(place + length[:, None] * (toward + np.where(last, 0.0, 1.0)[:, None] * side), 6)
        toward = _unit(end - place)
        away = grid * UNIT_MM - middle[rows]
        axis = _widest(away, first, rows, toward)
        grown.append((place, end, parent, count, root, np.round(_cross(toward, axis), 6)))
        own = made + np.arange(len(count))
        made += len(count)
        # each half to a daughter
        along = np.rint((away * axis[rows]).sum(1) / UNIT_MM).astype(np.int64)
        order = np.lexsort((along, rows))
        share = habit.split + (1 - 2 * habit.split) * draws[:, 3]
        left = np.clip(np.rint(share * count).astype(np.int64), 1, np.maximum(count - 1, 1))
        goes_on = np.repeat(~last, count)
        grid = grid[order][goes_on]
        kept = ~last
        count = np.stack([left[kept], (count - left)[kept]], 1).ravel()
        first = np.r_[0, np.cumsum(count)[:-1]] if len(count) else count
        parent, root = np.repeat(own[kept], 2), np.repeat(root[kept], 2)
        place, heading = np.repeat(end[kept], 2, axis=0), np.repeat(toward[kept], 2, axis=0)
    start, ends, parents, served, roots_of, normals = (np.concatenate(column) for column in zip(*grown, strict=True))
    return Branches(start, ends, parents, served, roots_of, normals)


def _widest(away: Floats, first: Ints, rows: Ints, toward: Floats) -> Floats:
    """The direction (n, 3), across each branch, in which its points (away from their middle) are spread the widest."""
    e = _across(toward)
    f = _cross(toward, e)
    u, v = (away * e[rows]).sum(1), (away * f[rows]).sum(1)
    products = (np.rint(1e3 * product).astype(np.int64) for product in (u * u, u * v, v * v))
    uu, uv, vv = (np.add.reduceat(product, first).astype(float) for product in products)
    half = 0.5 * (uu - vv)
    root = np.sqrt(half**2 + uv**2)  # the larger eigenvalue less the mean one
    along_e = np.where(half >= 0, half + root, np.abs(uv))
    along_f = np.where(half >= 0, uv, np.where(uv < 0, -1.0, 1.0) * (root - half))
    size = np.sqrt(along_e**2 + along_f**2)
    some = size > 0
    size = np.where(some, size, 1.0)
    return np.where(some, along_e, 1.0)[:, None] / size[:, None] * e + (along_f / size)[:, None] * f


def without(branches: Branches, cut: npt.NDArray[np.bool_]) -> Branches:
    """The tree without the branches of a mask (n,), nor what grows from them or serves nothing without them."""
    gone = cut.copy()
    while True:
        more = gone | np.where(branches.parent >= 0, gone[branches.parent], False)
        if (more == gone).all():
            break
        gone = more
    served = np.where((branches.served == 1) & ~gone, 1, 0)
    for n in range(len(served) - 1, -1, -1):
        if branches.parent[n] >= 0:
            served[branches.parent[n]] += served[n]
    kept = served > 0
    number = np.cumsum(kept) - 1
    parent = np.where(branches.parent >= 0, number[branches.parent], -1)
    return Branches(
        branches.start[kept], branches.end[kept], parent[kept], served[kept], branches.root[kept], branches.normal[kept]
    )


def kept_apart(branches: Branches, radius: Floats, obstacles: Floats) -> Branches:
    """The tree with nodes moved until its branches (radius (n,) mm) run beside the obstacles, not through them.

    `obstacles` (m, 8): capsules x, y, z, r at both ends. Those thinner than 0.35 mm are left as they are, as are roots.
    """
    from scipy.spatial import cKDTree

    thick = obstacles[np.minimum(obstacles[:, 3], obstacles[:, 7]) >= _SLIM_MM]
    pieces = np.maximum(1, np.ceil(np.sqrt(((thick[:, 4:7] - thick[:, :3]) ** 2).sum(1)) / _SAMPLE_MM)).astype(np.int64)
    row = np.repeat(np.arange(len(thick)), pieces)
    t = (np.arange(len(row)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + 0.5) / pieces[row]
    middle = thick[row, :3] + t[:, None] * (thick[row, 4:7] - thick[row, :3])
    wide = np.maximum(thick[row, 3], thick[row, 7])
    tree = cKDTree(middle)
    own = np.flatnonzero((branches.parent >= 0) & (radius >= _SLIM_MM))
    parent, end = branches.parent[own], branches.end.copy()
    for _ in range(_PUSHES):
        push, weight = np.zeros_like(end), np.zeros(len(end))
        for part in _ALONG:
            place = end[parent] + part * (end[own] - end[parent])
            far, nearest = tree.query(place, k=_NEAREST)
            for one in range(_NEAREST):
                deep = radius[own] + wide[nearest[:, one]] + _BETWEEN_MM - far[:, one]
                hit = deep > 0
                away = _unit(place[hit] - middle[nearest[hit, one]]) * np.minimum(deep[hit], 2.0)[:, None]
                for nodes, share in ((own[hit], part), (parent[hit], 1.0 - part)):
                    push += _sums(nodes, share * away, len(end))
                    weight += share * np.bincount(nodes, minlength=len(end))
        fixed = branches.served == 1
        step = push / np.maximum(weight, 1.0)[:, None]
        end = np.where(fixed[:, None], end, np.round(end + step, 4))
    start = np.where((branches.parent >= 0)[:, None], end[branches.parent], branches.start)
    return Branches(start, end, branches.parent, branches.served, branches.root, branches.normal)


def _sums(index: Ints, vectors: Floats, count: int) -> Floats:
    """(count, 3) sums of vectors (n, 3) by index (n,), in their order."""
    return np.stack([np.bincount(index, one, count) for one in vectors.T], axis=1)


def _held(toward: Floats, heading: Floats, cosine: float) -> Floats:
    """Directions no further from the parents' than the angle of that cosine."""
    along = (toward * heading).sum(1)
    across = toward - along[:, None] * heading
    wide = np.sqrt((across**2).sum(1))
    bent = cosine * heading + np.sqrt(1 - cosine**2) * across / np.maximum(wide, 1e-9)[:, None]
    return _unit(np.where((along < cosine)[:, None], bent, toward))


def _across(direction: Floats) -> Floats:
    """A unit vector perpendicular to each, away from the axis that it is nearest to."""
    least = np.abs(direction).argmin(1)
    other = np.zeros_like(direction)
    other[np.arange(len(direction)), least] = 1.0
    return _unit(_cross(direction, other))


def _cross(a: Floats, b: Floats) -> Floats:
    return np.stack(
        [a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1], a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
         a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]], axis=1,
    )  # fmt: skip


def _unit(v: Floats) -> Floats:
    unit: Floats = v / np.maximum(np.sqrt((v**2).sum(1, keepdims=True)), 1e-12)
    return unit
