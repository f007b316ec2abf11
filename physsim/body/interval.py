"""Bounds of an expression over a box, by interval arithmetic: never too narrow, often too wide."""

from __future__ import annotations

import math
from collections.abc import Mapping

from physsim.body.expression import Node

Interval = tuple[float, float]
EVERYTHING: Interval = (-math.inf, math.inf)


def interval(node: Node, box: Mapping[str, Interval], noises: Mapping[str, float]) -> Interval:
    """(low, high) of an expression; `box`: of x, y, z; `noises`: largest size of each noise. Fields are unbounded."""
    op = node.op
    if op == "const":
        return float(node.value), float(node.value)
    if op in ("x", "y", "z"):
        return box[op]
    if op == "noise":
        return -noises[node.value], noises[node.value]
    if op == "table":
        values = [row[1] for row in node.value]
        return min(values), max(values)
    bounds = [interval(a, box, noises) for a in node.args]
    if op == "add":
        return bounds[0][0] + bounds[1][0], bounds[0][1] + bounds[1][1]
    if op == "sub":
        return bounds[0][0] - bounds[1][1], bounds[0][1] - bounds[1][0]
    if op == "mul":
        if node.args[0] == node.args[1]:
            low, high = _of_abs(bounds[0])
            return low * low, high * high
        products = [_product(a, b) for a in bounds[0] for b in bounds[1]]
        return min(products), max(products)
    if op == "div" and (bounds[1][0] > 0 or bounds[1][1] < 0):
        products = [_product(a, 1 / b if math.isfinite(b) else 0.0) for a in bounds[0] for b in bounds[1]]
        return min(products), max(products)
    if op in ("min", "max"):
        choose = min if op == "min" else max
        return choose(bounds[0][0], bounds[1][0]), choose(bounds[0][1], bounds[1][1])
    if op == "neg":
        return -bounds[0][1], -bounds[0][0]
    if op == "abs":
        return _of_abs(bounds[0])
    if op == "sqrt":
        return math.sqrt(max(bounds[0][0], 0.0)), math.sqrt(max(bounds[0][1], 0.0))
    if op == "exp":
        return _exp(bounds[0][0]), _exp(bounds[0][1])
    if op in ("lt", "s"):
        return 0.0, 1.0
    if op in ("sin", "cos"):
        return -1.0, 1.0
    return EVERYTHING


def _of_abs(of: Interval) -> Interval:
    low = 0.0 if of[0] <= 0 <= of[1] else min(abs(of[0]), abs(of[1]))
    return low, max(abs(of[0]), abs(of[1]))


def _product(a: float, b: float) -> float:
    return 0.0 if a == 0.0 or b == 0.0 else a * b


def _exp(a: float) -> float:
    return math.exp(a) if a < 700 else math.inf
