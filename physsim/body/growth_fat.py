"""Girth: the skin's outlines moved outward or inward, and the fat under them thickened, by height along the body.

The outlines' own tables grow, not the distance to them: an equal offset would make a box of the trunk.
"""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

import numpy as np

from physsim.body.declare import Declared, EllipsoidShape, Field, LoftShape, Part, TubeShape
from physsim.body.growth_makers import with_makers
from physsim.errors import InvalidInput, message
from physsim.phantom.curves import monotone_cubic
from physsim.resources import phantoms_path

DEPTH = "fat_depth"  # the expression of the bodies' files that says how deep the muscle lies
_THINNEST_MM = 3.0  # skin and fat together, where fat is taken away
_DIGITS = 4


def stouter(declared: Declared, girth: float, fat: float) -> Declared:
    """The body with its skin moved out by `girth` and the fat thickened by `fat`, both in units of girth.toml's tables.

    1 is a man of body mass index 39, 0 as declared, below 0 leaner. Where `girth` exceeds `fat` the muscles gain. A
    share of what the abdomen gains in front is visceral. Raises InvalidInput for a body that has no such outlines.
    """
    if girth == 0 and fat == 0:
        return declared
    table = _table()
    if DEPTH not in declared.expressions or not any(field.name in table["skins"] for field in declared.field):
        why = f"it has no fields {table['skins']} and expression {DEPTH!r}"
        raise InvalidInput(message("girth of a body", why, "Take one of the whole or of the trunk."))

    def changed(field: Field) -> Field:
        if field.name in table["skins"] and girth:
            return field.replace(parts=tuple(_wider(part, girth) for part in field.parts))
        if field.name in table["cavities"] and fat > 0:
            return field.replace(parts=tuple(_visceral(part, fat) for part in field.parts))
        return field

    declared = with_makers(declared, changed, None)
    expressions = dict(declared.expressions)
    expressions[DEPTH] = f"max(({expressions[DEPTH]}) + {fat!r} * girth_depth, {_THINNEST_MM})" if fat else (
        expressions[DEPTH]
    )  # fmt: skip
    tables = {**declared.tables, **{f"girth_{name}": _rows(name) for name in table["tables"]}}
    expressions["girth_depth"] = _depth(table["where"])
    return declared.replace(expressions=expressions, tables=tables)


def _depth(where: dict[str, float]) -> str:
    """Thickness (mm) at girth 1: blended by direction on the trunk, the limbs' own beyond it."""
    u, w = "(x / 170) ** 2", "(y / 115) ** 2"
    trunk = (
        f"(table(z, 'girth_side') * {u} + (table(z, 'girth_front') + (table(z, 'girth_back') - "
        f"table(z, 'girth_front')) * s(y / 12)) * {w}) / ({u} + {w} + 0.01)"
    )
    legs = f"s(({where['leg_below_z']!r} - z) / 20)"
    arms = f"s((abs(x) - {where['arm_beyond_x'] + 60.0!r}) / 8)"
    body = f"(({trunk}) + (table(z, 'girth_leg') - ({trunk})) * {legs})"
    return f"{body} + (table(z, 'girth_arm') - {body}) * {arms}"


def _wider(part: Part, girth: float) -> Part:
    """A part of the skin moved outward."""
    if part.op != "add":
        return part
    if part.loft is not None:
        return part.replace(loft=_wider_loft(part.loft, girth))
    if part.tube is not None:
        return part.replace(tube=_wider_tube(part.tube, girth))
    if part.ellipsoid is not None:
        own: EllipsoidShape = part.ellipsoid
        more = girth * _thickness(own.centre)
        semi = tuple(_plus(one, more) for one in own.semi)
        return part.replace(ellipsoid=own.replace(semi=semi))
    return part


def _wider_loft(loft: LoftShape, girth: float) -> LoftShape:
    rows = []
    for z, half, front, back, nf, nb in loft.sections:
        level = _number(z)
        rows.append((
            z, _plus(half, girth * _at("side", level)), _plus(front, -girth * _at("front", level)),
            _plus(back, girth * _at("back", level)), nf, nb,
        ))  # fmt: skip
    return loft.replace(sections=tuple(rows))


def _wider_tube(tube: TubeShape, girth: float) -> TubeShape:
    more = [girth * _thickness(point) for point in tube.points]
    if tube.radii is not None:
        own = tube.radii * len(more) if len(tube.radii) == 1 else tube.radii
        radii = tuple((_plus(a, m), _plus(b, m)) for (a, b), m in zip(own, more, strict=True))
        return tube.replace(radii=radii)
    radius = tube.radius if isinstance(tube.radius, tuple) else (tube.radius,) * len(more)
    return tube.replace(radius=tuple(_plus(r, m) for r, m in zip(radius, more, strict=True) if r is not None))


def _visceral(part: Part, fat: float) -> Part:
    """The abdominal cavity's front pushed out."""
    if part.loft is None:
        return part
    table = _table()
    low, high = table["visceral_z"]
    rows = []
    for z, half, front, *rest in part.loft.sections:
        level = _number(z)
        share = table["visceral_share"] * float(np.clip((high - level) / (high - low), 0.0, 1.0))
        share *= float(np.clip((level + 130.0) / 90.0, 0.0, 1.0))
        rows.append((z, half, _plus(front, -fat * share * _at("front", level)), *rest))
    return part.replace(loft=part.loft.replace(sections=tuple(rows)))


def _thickness(point: tuple[float | str, float | str, float | str]) -> float:
    """mm at girth 1 of a round part of the skin about a point."""
    x, _, z = (_number(one) for one in point)
    where = _table()["where"]
    if abs(x) > where["arm_beyond_x"]:
        return _at("arm", z)
    return _at("leg" if z < where["leg_below_z"] else "round", z)


def _number(value: float | str) -> float:
    """A number, or the first one in an expression of the body's numbers: good enough to look up a thickness."""
    if isinstance(value, (int, float)):
        return float(value)
    head = value.replace("+", " ").replace("(", " ").split()[0]
    try:
        return float(head)
    except ValueError:
        raise InvalidInput(
            message(f"place {value!r} of a skin", "it does not begin with a number", "Write the number first.")
        ) from None


def _plus(value: float | str, more: float) -> float | str:
    more = round(more, _DIGITS)
    return round(value + more, _DIGITS) if isinstance(value, (int, float)) else f"({value}) + {more!r}"


def _at(name: str, z: float) -> float:
    rows = np.array(_table()["tables"][name], float)
    return float(monotone_cubic(rows[:, 0], rows[:, 1:], [min(max(z, rows[0, 0]), rows[-1, 0])])[0, 0])


def _rows(name: str) -> tuple[tuple[float, float], ...]:
    return tuple((float(z), float(mm)) for z, mm in _table()["tables"][name])


@cache
def _table() -> dict[str, Any]:
    path = phantoms_path() / "anatomy" / "growth" / "girth.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))
