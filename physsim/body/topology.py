"""Topology of organs as voxels: pieces, holes through them and cavities in them, beside what is declared.

Voxels are closed cubes, so that voxels of one organ which touch at a corner are one piece. Of such a set
b0 = pieces, b2 = closed cavities, b1 = b0 + b2 - chi tunnels, with the Euler characteristic
chi = corners - edges + faces - cubes.

An organ is judged with what runs through it and with what it holds. Vessels, airways and nerves (`conduits` of
phantoms/anatomy/topology.toml) first give their voxels back to the organs round them: a muscle that an artery pierces
has one piece and no hole, one that is cut by a bone has two; only of an organ `as_painted` (the diaphragm, thinner than
the vein it lets through) such openings count. Then what an organ holds (`filled_with`: urine in a bladder) is taken as
part of it.
Reference: T. Y. Kong, A. Rosenfeld, Comput. Vis. Graph. Image Process. 48 (1989) 357 (26- and 6-connectedness).
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.phantom.phantom import Phantom
from physsim.resources import phantoms_path

Betti = tuple[int, int, int]
_OUTSIDE, _WAITS = 1 << 20, 1 << 21  # labels of no organ: beyond the grid, and added to those still to be given back


@dataclass(frozen=True)
class OrganTopology:
    """An organ (with what runs through it and what it holds), its Betti numbers, and those declared.

    `declared` is None for what has no shape of its own, or is finer than the spacing can show (`coarsest_mm`); a number
    below 0 in it stands for any.
    """

    name: str
    found: Betti
    declared: Betti | None
    voxels: int

    @property
    def right(self) -> bool:
        """Whether it is as declared, or not to be judged at this spacing."""
        return self.declared is None or all(b < 0 or a == b for a, b in zip(self.found, self.declared, strict=True))


def betti_numbers(mask: npt.ArrayLike) -> Betti:
    """(pieces, tunnels, cavities) of a mask ((nz, ny, nx) bool).

    >>> ring = np.ones((1, 3, 3), bool); ring[0, 1, 1] = False
    >>> betti_numbers(ring)
    (1, 1, 0)
    """
    from scipy.ndimage import label

    inside = np.asarray(mask, bool)
    if inside.ndim != 3:
        raise InvalidInput(message(f"mask of shape {inside.shape}", "topology is of volumes", "Give (z, y, x)."))
    if not inside.any():
        return (0, 0, 0)
    used = [np.flatnonzero(inside.any(tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    inside = np.pad(inside[tuple(slice(int(one[0]), int(one[-1]) + 1) for one in used)], 1)
    pieces = int(label(inside, np.ones((3, 3, 3)))[1])
    cavities = int(label(~inside)[1]) - 1  # the outside is one
    return pieces, pieces + cavities - _euler_characteristic(inside), cavities


def organ_topology(phantom: Phantom) -> list[OrganTopology]:
    """Betti numbers of each organ that has a voxel, beside phantoms/anatomy/topology.toml, in the truth's order."""
    labels = phantom.truth.organ_labels
    if labels is None:
        raise InvalidInput(message("topology", "this phantom carries no organ labels", "Voxelise it with truth."))
    from scipy.ndimage import find_objects

    names, coarsest = phantom.truth.names(), max(phantom.grid.spacing_mm)
    own_boxes = [None, *find_objects(labels)]
    conduits = [n for n, name in enumerate(names) if n and is_conduit(name)]
    whole = given_back(labels, conduits)
    boxes = [None, *find_objects(whole, len(own_boxes) - 1)]
    rows = []
    for number, name in enumerate(names[: len(own_boxes)]):
        if own_boxes[number] is None or number == 0:
            continue
        rule, judged, room = declared_topology(name), whole, boxes
        if number in conduits or boxes[number] is None or rule["as_painted"]:
            judged, room = labels, own_boxes
        filled = [n for n, other in enumerate(names[: len(room)])
                  if n and n != number and room[n] is not None and is_held(other, rule)]  # fmt: skip
        part = judged[_union([room[n] for n in (number, *filled)])]
        own = part == number
        mask = _touching(own | np.isin(part, filled), own) if filled else own
        shown = rule["betti"] and coarsest <= rule["coarsest_mm"]
        declared = tuple(rule["betti"]) if shown else None
        voxels = int((labels[own_boxes[number]] == number).sum())
        rows.append(OrganTopology(name, betti_numbers(mask), declared, voxels))
    return rows


def given_back(labels: npt.NDArray[Any], conduits: Sequence[int]) -> npt.NDArray[Any]:
    """Labels without `conduits`, whose voxels go, layer by layer from outside, to the neighbour with most faces.

    Of neighbours with equally many the lowest number has it. Voxels that nothing else reaches keep their label.
    """
    shape = tuple(n + 2 for n in labels.shape)
    grown = np.full(shape, _OUTSIDE, np.int32)
    grown[1:-1, 1:-1, 1:-1] = labels
    flat = grown.reshape(-1)
    steps = np.array([shape[1] * shape[2], shape[2], 1])
    steps = np.concatenate([-steps, steps])
    waiting = np.flatnonzero(np.isin(flat, list(conduits)))
    flat[waiting] += _WAITS
    while len(waiting):
        near = flat[waiting[:, None] + steps]
        near[near >= _OUTSIDE] = _OUTSIDE
        votes = (near[:, :, None] == near[:, None, :]).sum(2) * (near < _OUTSIDE)
        best = votes.max(1)
        reached = best > 0
        if not reached.any():
            break
        winner = np.where(votes == best[:, None], near, _OUTSIDE).min(1)
        flat[waiting[reached]] = winner[reached]
        waiting = waiting[~reached]
    flat[waiting] -= _WAITS
    return np.ascontiguousarray(grown[1:-1, 1:-1, 1:-1]).astype(labels.dtype)


def declared_topology(name: str) -> dict[str, Any]:
    """`betti`, `coarsest_mm`, `filled_with`, `as_painted` of an organ: of the first row that fits, or the default."""
    table = _table()
    for row in table.get("organ", ()):
        if _fits(name, row["names"]):
            return {**table["default"], **row}
    default: dict[str, Any] = table["default"]
    return default


def is_conduit(name: str) -> bool:
    """Whether an organ runs through others, which count as whole all the same."""
    return _fits(name, _table()["conduits"])


def is_held(name: str, rule: dict[str, Any]) -> bool:
    """Whether an organ counts as part of the one with this rule (`declared_topology`)."""
    return _fits(name, rule["filled_with"])


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _union(boxes: list[Any]) -> tuple[slice, ...]:
    """The smallest box round some."""
    return tuple(slice(min(box[a].start for box in boxes), max(box[a].stop for box in boxes)) for a in range(3))


def _touching(mask: npt.NDArray[np.bool_], own: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The pieces of a mask in which there is something of the organ itself."""
    from scipy.ndimage import label

    pieces, count = label(mask, np.ones((3, 3, 3)))
    kept = np.zeros(count + 1, bool)
    kept[np.unique(pieces[own])] = True
    kept[0] = False
    return np.asarray(kept[pieces])


def _euler_characteristic(padded: npt.NDArray[np.bool_]) -> int:
    """Corners - edges + faces - cubes of the closed cubes; `padded` by one empty voxel."""
    total = 0
    for along in range(8):  # bits: axes along which a cell has an extent
        cell = padded
        for axis in range(3):
            if not along >> axis & 1:  # a cell without extent lies between two voxels
                low, high = [slice(None)] * 3, [slice(None)] * 3
                low[axis], high[axis] = slice(None, -1), slice(1, None)
                cell = cell[tuple(low)] | cell[tuple(high)]
        total += int(cell.sum()) * (-1) ** along.bit_count()
    return total


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads((phantoms_path() / "anatomy" / "topology.toml").read_text(encoding="utf-8"))
