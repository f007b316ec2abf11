"""Expressions of the body against Python's own arithmetic."""

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.expression import Names, number


@pytest.mark.parametrize("text", ["a < b", "a <= b", "a > b", "a >= b"])
@pytest.mark.parametrize("pair", [(1.0, 2.0), (2.0, 2.0), (2.0, 1.0)])
def test_comparisons_of_numbers(text, pair):
    a, b = pair
    assert number(text, Names(numbers={"a": a, "b": b})) == float(eval(text, {"a": a, "b": b}))


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
def test_comparisons_of_places(sign):
    """Equal numbers too: x is exactly 2 in one of the points."""
    body = Body.of({
        "field": [{"name": "step", "reach_mm": 1000, "parts": [{"distance": f"5 + 10 * (x {sign} 2)"}]}],
        "structure": [{"name": "ball", "order": 1, "material": "water",
                       "parts": [{"ellipsoid": {"centre": [0, 0, 0], "semi": [9, 9, 9]}}]}],
    })  # fmt: skip
    x = np.array([1.0, 2.0, 3.0])
    found = body.program.distance(np.c_[x, 0 * x, 0 * x], field=0)
    assert found.tolist() == [5.0 + 10.0 * eval(f"{one} {sign} 2") for one in x]
