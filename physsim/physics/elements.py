"""The chemical elements 1-92: symbol, atomic number, atomic weight, density."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from physsim.errors import InvalidInput, did_you_mean, message

_ELEMENTS_CSV = Path(__file__).parent / "data" / "elements.csv"


@dataclass(frozen=True, kw_only=True)
class Element:
    """One element; `density_g_cm3` is that of the pure element at room temperature."""

    atomic_number: int
    symbol: str
    atomic_weight: float
    density_g_cm3: float


@cache
def elements() -> dict[str, Element]:
    """Symbol -> Element, in the order of the atomic numbers 1-92."""
    with _ELEMENTS_CSV.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return {
            row["symbol"]: Element(
                atomic_number=int(row["atomic_number"]), symbol=row["symbol"],
                atomic_weight=float(row["atomic_weight"]), density_g_cm3=float(row["density_g_cm3"]))
            for row in rows
        }


def element(symbol: str) -> Element:
    """The element of that symbol.

    Raises InvalidInput for a symbol that is no element of atomic number 1-92.

    >>> element("Al").atomic_number
    13
    """
    known = elements()
    if symbol not in known:
        by_case = {name.lower(): name for name in known}
        mend = (f"Did you mean {by_case[symbol.lower()]!r}?" if symbol.lower() in by_case
                else did_you_mean(symbol, known))
        raise InvalidInput(message(f"element {symbol!r}", "no element of atomic number 1-92 has this symbol", mend))
    return known[symbol]
