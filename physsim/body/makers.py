"""Makers: the few generators in Python that turn a declared table into fields and structures of the same grammar."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from physsim.body.declare import Declared, Maker, declared_from
from physsim.errors import InvalidInput, did_you_mean, message

if TYPE_CHECKING:
    from physsim.body.space import Space

# kind: where its function is. It takes the maker's table (plain data) and the body's numbers, and returns plain data:
# {"field": [...], "structure": [...], ...} as a TOML file would give.
MAKERS: dict[str, str] = {
    "spine": "physsim.body.skeleton:spine",
    "ribs": "physsim.body.skeleton:ribs",
    "colon": "physsim.body.colon:colon",
    "posed": "physsim.body.posed:posed",
}


# These grow into declared fields: they run last, and take a Space in place of the numbers.
GROWERS: dict[str, str] = {
    "tree": "physsim.body.tree:tree",
    "coil": "physsim.body.coil:coil",
    "surface vessels": "physsim.body.surface_vessels:surface_vessels",
}


_AVOIDS = "avoid"  # key of makers that look at what earlier ones have made
_KEPT = 12  # growths kept in memory: bodies that differ elsewhere have the same


def made(declared: Declared, numbers: Mapping[str, float], where: str, seed: int = 0) -> Declared:
    """The declarations with each maker replaced by what it makes."""
    whole = _without_growers(declared, numbers, where)
    for own in _growths(declared, numbers, where, seed, whole):
        whole = whole.merged(own)
    return whole


def with_growths(declared: Declared, like: Declared, numbers: Mapping[str, float], where: str, seed: int) -> Declared:
    """The declarations with each growing maker replaced by what it makes in the space of other ones, `like`."""
    others = tuple(maker for maker in declared.maker if maker.kind not in GROWERS)
    whole = declared.replace(maker=others)
    for own in _growths(like, numbers, where, seed, _without_growers(like, numbers, where)):
        whole = whole.merged(own)
    return whole


def _growths(
    declared: Declared, numbers: Mapping[str, float], where: str, seed: int, whole: Declared
) -> Iterator[Declared]:
    """What each growing maker makes; `whole`: the declarations with what the other makers made."""
    growers = [maker for maker in declared.maker if maker.kind in GROWERS]
    if not growers:
        return
    space = space_of(whole.replace(maker=tuple(growers)), numbers, seed, where)
    before = ""
    for maker in growers:
        key = f"{maker!r} {space.fingerprint(_fields_of(maker))}"
        # what keeps away from earlier growths hangs on them too
        own = _grown(_Request(key + before if _AVOIDS in maker.model_dump() else key, maker, space, where))
        before += key
        space.keep_branches(own)
        yield own


@dataclass(frozen=True)
class _Request:
    """What a grower is asked for; `key` says all that the answer hangs on."""

    key: str
    maker: Maker = field(compare=False)
    space: Space = field(compare=False)
    where: str = field(compare=False)


@lru_cache(maxsize=_KEPT)
def _grown(request: _Request) -> Declared:
    return _run(request.maker, GROWERS, request.space, request.where)


def space_of(declared: Declared, numbers: Mapping[str, float], seed: int, where: str) -> Space:
    """The fields that the growing makers of a declaration ask for, and what these need."""
    from physsim.body.space import Space

    names = [name for maker in declared.maker if maker.kind in GROWERS for name in _fields_of(maker)]
    return Space(_without_growers(declared, numbers, where), numbers, seed, where, names)


def _without_growers(declared: Declared, numbers: Mapping[str, float], where: str) -> Declared:
    whole = declared.replace(maker=())
    for maker in declared.maker:
        if maker.kind not in GROWERS:
            whole = whole.merged(_run(maker, MAKERS, numbers, where))
    return whole


def _run(maker: Maker, makers: Mapping[str, str], given: Any, where: str) -> Declared:
    if maker.kind not in makers:
        raise InvalidInput(
            message(
                f"{where}: maker {maker.kind!r}", "no such maker", did_you_mean(maker.kind, [*MAKERS, *GROWERS])
            )
        )
    module, name = makers[maker.kind].split(":")
    function = getattr(importlib.import_module(module), name)
    table: dict[str, Any] = maker.model_dump(exclude={"kind", "when"})
    try:
        return declared_from(function(table, given), f"{where}: maker {maker.kind!r}")
    except KeyError as error:
        raise InvalidInput(
            message(f"{where}: maker {maker.kind!r}: {error.args[0]}", "is missing", f"Give {error.args[0]}.")
        ) from None


def _fields_of(maker: Maker) -> list[str]:
    """The fields that a growing maker's table names: every value of a key `field`."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            found.extend([value["field"]] if isinstance(value.get("field"), str) else [])
            for one in value.values():
                look(one)
        elif isinstance(value, (list, tuple)):
            for one in value:
                look(one)

    look(maker.model_dump())
    return found
