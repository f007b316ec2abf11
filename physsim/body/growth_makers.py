"""Changes of fields and structures that stand inside a maker's table: arms, which a maker turns about the shoulder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from physsim.body.declare import Declared, Field, Maker, Structure

_HOLDERS = ("posed",)  # kinds of makers whose tables hold fields and structures as files have them


def with_makers(
    declared: Declared, field: Callable[[Field], Field] | None, structure: Callable[[Structure], Structure] | None
) -> Declared:
    """The declarations with each field and structure changed, those in makers' tables too."""
    fields = declared.field if field is None else tuple(field(one) for one in declared.field)
    structures = declared.structure if structure is None else tuple(structure(one) for one in declared.structure)
    makers = tuple(_remade(one, field, structure) if one.kind in _HOLDERS else one for one in declared.maker)
    return declared.replace(field=fields, structure=structures, maker=makers)


def _remade(
    maker: Maker, field: Callable[[Field], Field] | None, structure: Callable[[Structure], Structure] | None
) -> Maker:
    table: dict[str, Any] = dict(maker.model_extra or {})
    if field is not None:
        table["field"] = [_plain(field(Field(**one))) for one in table.get("field", ())]
    if structure is not None:
        table["structure"] = [_plain(structure(Structure(**one))) for one in table.get("structure", ())]
    return Maker(kind=maker.kind, when=maker.when, **table)


def _plain(solid: Field | Structure) -> dict[str, Any]:
    return solid.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
