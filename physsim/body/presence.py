"""`when`: which makers, fields, structures and parts this body has, by expressions of its numbers."""

from __future__ import annotations

from typing import Any

from physsim.body.declare import Declared, Maker, Part, Solid
from physsim.body.expression import Names, number
from physsim.errors import InvalidInput, message


def present(declared: Declared, names: Names, where: str) -> Declared:
    """The declarations without those whose `when` is 0 with these numbers; InvalidInput names the wrong `when`."""
    changes: dict[str, Any] = {
        "maker": tuple(one for one in declared.maker if holds(one, names, f"{where}: maker {one.kind!r}"))
    }
    for kind in ("field", "structure"):
        solids = ((one, f"{where}: {kind} {one.name!r}") for one in getattr(declared, kind))
        changes[kind] = tuple(_with_parts(one, names, who) for one, who in solids if holds(one, names, who))
    return declared.replace(**changes)


def holds(one: Maker | Solid | Part, names: Names, who: str) -> bool:
    """Whether the `when` of one declaration is not 0."""
    if not isinstance(one.when, str):
        return one.when != 0
    try:
        return number(one.when, names) != 0
    except InvalidInput as error:
        raise InvalidInput(f"{who}: when: {error}") from None


def _with_parts(solid: Solid, names: Names, who: str) -> Solid:
    kept = tuple(part for part in solid.parts if holds(part, names, who))
    if len(kept) == len(solid.parts):
        return solid
    if not kept:
        raise InvalidInput(message(who, "the `when` of each of its parts is 0", "Give the structure itself a when."))
    try:
        return solid.replace(parts=kept)
    except InvalidInput as error:
        raise InvalidInput(f"{who}: {error}") from None
