"""A file of the body declared in a frame of its own, moved to its place in the canonical frame as it is read.

Points are shifted; in expressions x, y, z become coordinates of the file's own frame. Neglects: turns.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from physsim.errors import InvalidInput, message

Shift = tuple[float, float, float]
_COORDINATES = ("x", "y", "z")


def placed(fields: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Plain data of a file without its `place_mm`, everything moved by that; raises InvalidInput for makers."""
    moved = dict(fields)
    place = moved.pop("place_mm", None)
    if place is None:
        return moved
    right = isinstance(place, (list, tuple)) and len(place) == 3
    if not right or not all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in place):
        raise InvalidInput(message(f"{where}: place_mm={place!r}", "a place is three numbers (mm)", "Give [x, y, z]."))
    if moved.get("maker"):
        raise InvalidInput(
            message(f"{where}: place_mm", "makers work in the canonical frame", "Put them into a file without it.")
        )
    by = (float(place[0]), float(place[1]), float(place[2]))
    if by[0] and any(solid.get("pair") or solid.get("mirror") for key in ("field", "structure")
                     for solid in moved.get(key, ()) if isinstance(solid, dict)):  # fmt: skip
        raise InvalidInput(
            message(f"{where}: place_mm={place!r}", "pairs are mirrored at x = 0", "Give [0, y, z], or no pairs.")
        )
    text = _in_own_frame(by)
    moved["expressions"] = {name: text(of) for name, of in moved.get("expressions", {}).items()}
    for kind, keys in (("warp", ("x", "y", "z")), ("texture", ("factor",))):
        if kind in moved:
            moved[kind] = [{k: text(v) if k in keys else v for k, v in row.items()} for row in moved[kind]]
    for kind in ("field", "structure"):
        if kind in moved:
            moved[kind] = [_solid(solid, by, text) for solid in moved[kind]]
    return moved


def _in_own_frame(by: Shift) -> Callable[[Any], Any]:
    """Expressions of the own frame as expressions of the canonical one."""

    class Mover(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            if node.id not in _COORDINATES or by[_COORDINATES.index(node.id)] == 0:
                return node
            return ast.BinOp(node, ast.Sub(), ast.Constant(by[_COORDINATES.index(node.id)]))

    def text(value: Any) -> Any:
        if not isinstance(value, str) or value == "cortex":
            return value
        try:
            tree = ast.parse(value.strip(), mode="eval")
        except SyntaxError:
            return value  # the reader of expressions says what is wrong with it
        return ast.unparse(ast.fix_missing_locations(Mover().visit(tree)))

    return text


def _sum(value: Any, by: float) -> Any:
    if isinstance(value, str):
        return f"({value}) + {by!r}" if by else value
    return value + by


def _point(point: Any, by: Shift) -> list[Any]:
    return [_sum(value, b) for value, b in zip(point, by, strict=True)]


def _solid(solid: dict[str, Any], by: Shift, text: Callable[[Any], Any]) -> dict[str, Any]:
    solid = {k: text(v) if k in ("density", "cortex_mm") else v for k, v in solid.items()}
    if "anchor" in solid:
        solid["anchor"] = _point(solid["anchor"], by)
    if "layers" in solid:
        solid["layers"] = [_layer(layer, text) for layer in solid["layers"]]
    if "parts" in solid:
        solid["parts"] = [_part(part, by, text) for part in solid["parts"]]
    return solid


def _layer(layer: dict[str, Any], text: Callable[[Any], Any]) -> dict[str, Any]:
    layer = {k: text(v) if k in ("density", "depth_mm") else v for k, v in layer.items()}
    if "mix" in layer:
        layer["mix"] = {k: text(v) if k == "fraction" else v for k, v in layer["mix"].items()}
    return layer


def _part(part: dict[str, Any], by: Shift, text: Callable[[Any], Any]) -> dict[str, Any]:
    part = {k: text(v) if k in ("grow_mm", "cortex_mm", "implicit", "distance", "height") else v
            for k, v in part.items()}  # fmt: skip
    if "height" in part:
        part["height"] = _sum(part["height"], by[2])
    if "bounds" in part:
        part["bounds"] = [_point(corner, by) for corner in part["bounds"]]
    if "branches" in part:
        part["branches"] = [[*_point(r[:3], by), r[3], *_point(r[4:7], by), r[7]] for r in part["branches"]]
    for kind, key in (("ellipsoid", "centre"), ("plane", "point")):
        if kind in part:
            part[kind] = {**part[kind], key: _point(part[kind][key], by)}
    for kind, key in (("tube", "points"), ("plate", "polygon")):
        if kind in part:
            part[kind] = {**part[kind], key: [_point(p, by) for p in part[kind][key]]}
    if "surface" in part:
        rows = [[_point(p, by) for p in row] for row in part["surface"]["rows"]]
        part["surface"] = {**part["surface"], "rows": rows}
    if "loft" in part:
        loft = dict(part["loft"])
        loft["sections"] = [[_sum(z, by[2]), a, _sum(front, by[1]), _sum(back, by[1]), *rest]
                            for z, a, front, back, *rest in loft["sections"]]  # fmt: skip
        if "notch" in loft:
            loft["notch"] = [[_sum(z, by[2]), depth] for z, depth in loft["notch"]]
        loft["centre_x"] = _sum(loft.get("centre_x", 0.0), by[0])
        part["loft"] = loft
    return part
