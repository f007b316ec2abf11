"""Compositions as mass fractions of elements: chemical formulas, mixtures by mass and by volume.

Plain numbers in and out; `physsim.spec.material.Material` is the frozen spec built on them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

from physsim.errors import InvalidInput, message
from physsim.physics.elements import element, elements

SUM_TOLERANCE = 1e-3


@runtime_checkable
class HasComposition(Protocol):
    """Anything with mass fractions, such as a Material."""

    @property
    def mass_fractions(self) -> Mapping[str, float]:
        """Element symbol -> mass fraction."""


def normalised_mass_fractions(fractions: Mapping[str, float]) -> dict[str, float]:
    """Mass fractions in the order of the atomic numbers, scaled to sum to 1; zeros are dropped.

    Raises InvalidInput for an unknown element, a negative or non-finite fraction, or a sum further than 1e-3 from 1.
    """
    for symbol, fraction in fractions.items():
        element(symbol)
        if not (math.isfinite(fraction) and fraction >= 0.0):
            raise InvalidInput(message(
                f"mass fraction of {symbol}={fraction!r}", "fractions are finite and not negative",
                "Give a value from 0 to 1."))
    total = math.fsum(fractions.values())
    if abs(total - 1.0) > SUM_TOLERANCE:
        percent = " They look like percent: divide by 100." if abs(total - 100.0) <= 100.0 * SUM_TOLERANCE else ""
        raise InvalidInput(message(
            f"mass fractions sum to {total:.6g}", f"they must sum to 1 within {SUM_TOLERANCE:g}",
            f"Complete or normalise them.{percent}"))
    return {symbol: fractions[symbol] / total for symbol in elements() if fractions.get(symbol, 0.0) > 0.0}


def mass_fractions_from_formula(formula: str) -> dict[str, float]:
    """Mass fractions of a chemical formula such as "H2O", "Gd2O2S", "Ca10(PO4)6(OH)2", "Cd0.9Zn0.1Te".

    Atomic weights are those of the shipped element table. Raises InvalidInput for what is no formula.
    """
    counts = _counts(formula)
    masses = {symbol: count * element(symbol).atomic_weight for symbol, count in counts.items()}
    total = math.fsum(masses.values())
    return normalised_mass_fractions({symbol: mass / total for symbol, mass in masses.items()})


def mixed_mass_fractions(parts: Iterable[tuple[Mapping[str, float], float]]) -> dict[str, float]:
    """Mass fractions of a mixture of (mass fractions, weight by mass) parts; weights need not sum to 1."""
    listed = [(normalised_mass_fractions(fractions), _weight(weight)) for fractions, weight in parts]
    total = math.fsum(weight for _, weight in listed)
    if total <= 0.0:
        raise InvalidInput(message("mixture", "its weights sum to 0", "Give at least one part a weight larger than 0."))
    mixed = {symbol: math.fsum(weight * fractions.get(symbol, 0.0) for fractions, weight in listed) / total
             for symbol in elements()}
    return normalised_mass_fractions(mixed)


def _weight(weight: float) -> float:
    if not (math.isfinite(weight) and weight >= 0.0):
        raise InvalidInput(message(
            f"weight={weight!r}", "weights are finite and not negative", "Give a weight of 0 or more."))
    return weight


_TOKEN = re.compile(r"(?P<symbol>[A-Z][a-z]?)(?P<count>\d*\.?\d*)|(?P<open>[(\[])|(?P<close>[)\]])(?P<times>\d*\.?\d*)")


def _counts(formula: str) -> dict[str, float]:
    """Atoms of each element in a formula, brackets multiplied out."""
    text = formula.replace(" ", "")
    stack: list[dict[str, float]] = [{}]
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise _no_formula(formula, f"{text[place:]!r} is no element symbol")
        if token["symbol"]:
            symbol = element(token["symbol"]).symbol
            stack[-1][symbol] = stack[-1].get(symbol, 0.0) + _count(formula, token["count"])
        elif token["open"]:
            stack.append({})
        else:
            if len(stack) == 1:
                raise _no_formula(formula, "a bracket closes that was not opened")
            for symbol, count in stack.pop().items():
                stack[-1][symbol] = stack[-1].get(symbol, 0.0) + count * _count(formula, token["times"])
        place = token.end()
    if len(stack) > 1 or not stack[0]:
        raise _no_formula(formula, "a bracket is not closed" if len(stack) > 1 else "it names no element")
    return stack[0]


def _count(formula: str, digits: str) -> float:
    count = 1.0 if digits == "" else float(digits) if digits != "." else 0.0
    if count <= 0.0:
        raise _no_formula(formula, f"the count {digits!r} is not larger than 0")
    return count


def _no_formula(formula: str, why: str) -> InvalidInput:
    return InvalidInput(message(f"formula {formula!r}", why, "Write it like 'Gd2O2S' or 'Ca10(PO4)6(OH)2'."))
