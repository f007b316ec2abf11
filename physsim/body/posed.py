"""The maker "posed": fields and structures declared in one pose, turned about a joint and moved with it.

p becomes at + R (p - pivot), R by `turn_deg` about x, then y, then z. Neglects: what soft tissue does at the joint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.body.expression import Names, number
from physsim.errors import InvalidInput, message
from physsim.phantom.pieces import rotation_xyz

Array = npt.NDArray[np.float64]
_POINTS = {"tube": "points", "plate": "polygon", "surface": "rows", "ellipsoid": "centre", "plane": "point"}
_LEVEL = ("loft", "height", "implicit", "distance")


class _Pose:
    def __init__(self, table: Mapping[str, Any], names: Names) -> None:
        self.names = names
        self.pivot = self.values(table["pivot"])
        self.at = self.values(table.get("at", table["pivot"]))
        turn = self.values(table.get("turn_deg", (0, 0, 0)))
        self.turn = rotation_xyz((float(turn[0]), float(turn[1]), float(turn[2])))

    def values(self, of: Any) -> Array:
        """Numbers of nested lists of values."""
        if isinstance(of, (int, float, str)):
            return np.array(float(number(of, self.names)))
        return np.array([self.values(one) for one in of])

    def points(self, of: Any) -> list[Any]:
        """Points of any nesting, moved."""
        moved: list[Any] = np.round(self.at + (self.values(of) - self.pivot) @ self.turn.T, 6).tolist()
        return moved

    def directions(self, of: Any) -> list[Any]:
        """Directions, turned."""
        turned: list[Any] = np.round(self.values(of) @ self.turn.T, 9).tolist()
        return turned


def posed(table: Mapping[str, Any], numbers: Mapping[str, float]) -> dict[str, Any]:
    """`pivot` (mm), `at` (where it goes; default: stays), `turn_deg`; `field` and `structure` as in a file.

    Shapes that are level by nature (lofts, expressions) cannot be turned: InvalidInput.
    """
    pose = _Pose(table, Names(numbers))
    return {kind: [_solid(solid, pose) for solid in table.get(kind, ())] for kind in ("field", "structure")}


def _solid(solid: Mapping[str, Any], pose: _Pose) -> dict[str, Any]:
    moved = {**solid, "parts": [_part(part, pose, str(solid.get("name"))) for part in solid.get("parts", ())]}
    if "anchor" in solid:
        moved["anchor"] = pose.points(solid["anchor"])
    return moved


def _part(part: Mapping[str, Any], pose: _Pose, name: str) -> dict[str, Any]:
    moved = dict(part)
    for kind in _LEVEL:
        if kind in part:
            raise InvalidInput(message(f"{name}: {kind}", "it cannot be turned", "Use tubes, ellipsoids or surfaces."))
    for kind, key in _POINTS.items():
        if kind in part:
            moved[kind] = {**part[kind], key: pose.points(part[kind][key])}
    for kind in ("tube", "plane"):
        if kind in part and "normal" in part[kind]:
            moved[kind]["normal"] = pose.directions(part[kind]["normal"])
    if "ellipsoid" in part:
        own = pose.values(part["ellipsoid"].get("turn_deg", (0, 0, 0)))
        moved["ellipsoid"]["turn_deg"] = angles_deg(pose.turn @ rotation_xyz((own[0], own[1], own[2])))
    if "branches" in part:
        moved["branches"] = [
            (*pose.points(row[:3]), row[3], *pose.points(row[4:7]), row[7]) for row in part["branches"]
        ]
    if "bounds" in part:
        low, high = pose.values(part["bounds"])
        corners = np.array([[(low, high)[i][0], (low, high)[j][1], (low, high)[k][2]]
                            for i in (0, 1) for j in (0, 1) for k in (0, 1)])  # fmt: skip
        turned = np.array(pose.points(corners.tolist()))
        moved["bounds"] = [turned.min(0).tolist(), turned.max(0).tolist()]
    return moved


def angles_deg(turn: Array) -> list[float]:
    """Angles about x, y and z whose `rotation_xyz` is a rotation matrix."""
    # R = Rz Ry Rx: its third row is (-sin y, cos y sin x, cos y cos x), its first column (cos y cos z, cos y sin z, ..)
    y = np.arcsin(np.clip(-turn[2, 0], -1, 1))
    if abs(turn[2, 0]) > 1 - 1e-12:  # straight up: only the sum of the other two counts
        x, z = np.arctan2(-turn[1, 2], turn[1, 1]), 0.0
    else:
        x, z = np.arctan2(turn[2, 1], turn[2, 2]), np.arctan2(turn[1, 0], turn[0, 0])
    return [round(float(np.degrees(angle)), 9) for angle in (x, y, z)]
