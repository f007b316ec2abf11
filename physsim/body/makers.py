"""Makers: the few generators in Python that turn a declared table into fields and structures of the same grammar."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from physsim.body.declare import Declared, Maker, declared_from
from physsim.errors import InvalidInput, did_you_mean, message

# kind: where its function is. It takes the maker's table (plain data) and the body's numbers, and returns plain data:
# {"field": [...], "structure": [...], ...} as a TOML file would give.
MAKERS: dict[str, str] = {
    "spine": "physsim.body.skeleton:spine",
    "ribs": "physsim.body.skeleton:ribs",
}


def made(declared: Declared, numbers: Mapping[str, float], where: str) -> Declared:
    """The declarations with each maker replaced by what it makes."""
    whole = declared.replace(maker=())
    for maker in declared.maker:
        whole = whole.merged(_run(maker, numbers, where))
    return whole


def _run(maker: Maker, numbers: Mapping[str, float], where: str) -> Declared:
    if maker.kind not in MAKERS:
        raise InvalidInput(
            message(f"{where}: maker {maker.kind!r}", "no such maker", did_you_mean(maker.kind, MAKERS))
        )
    module, name = MAKERS[maker.kind].split(":")
    function = getattr(importlib.import_module(module), name)
    table: dict[str, Any] = maker.model_dump(exclude={"kind", "when"})
    try:
        return declared_from(function(table, numbers), f"{where}: maker {maker.kind!r}")
    except KeyError as error:
        raise InvalidInput(
            message(f"{where}: maker {maker.kind!r}: {error.args[0]}", "is missing", f"Give {error.args[0]}.")
        ) from None
