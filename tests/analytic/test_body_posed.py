"""A limb that is turned about its joint is the limb at rest, looked up where its points came from."""

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.posed import angles_deg
from physsim.errors import InvalidInput
from physsim.phantom.pieces import rotation_xyz

LIMB = [
    {"tube": {"points": [[10, 0, 0], [60, 8, 4], [90, 0, -6]], "radii": [[6, 9]], "normal": [0, 1, 0]}},
    {"ellipsoid": {"centre": ["30 + reach", 5, 5], "semi": [12, 7, 5], "turn_deg": [20, -30, 40]}},
    {"plate": {"polygon": [[50, -20, 0], [80, -20, 0], [80, -40, 10], [50, -40, 10]], "thickness": 6}},
    {"surface": {"rows": [[[90, 0, 0], [100, 20, 0]], [[90, 0, 30], [100, 20, 40]]], "thickness": 5}},
    {"op": "keep", "plane": {"point": [20, 0, 0], "normal": [-1, 0.5, 0]}},
]  # fmt: skip


def test_a_turned_limb_is_the_limb_at_rest():
    pivot, at, turn = np.array([10.0, -5.0, 3.0]), np.array([-40.0, 12.0, 30.0]), (25.0, -70.0, 110.0)
    numbers = {"reach": 5, "raised": 1, "bent": "-70 * raised"}
    pose = {"kind": "posed", "pivot": pivot.tolist(), "at": at.tolist(), "turn_deg": [25, "bent", 110]}
    still = Body.of({"numbers": numbers, "field": [{"name": "limb", "parts": LIMB, "reach_mm": 200}],
                     "structure": [SOME]})  # fmt: skip
    moved = Body.of({"numbers": numbers, "structure": [SOME],
                     "maker": [{**pose, "field": [{"name": "limb", "parts": LIMB, "reach_mm": 200}]}]})  # fmt: skip
    points = np.random.default_rng(4).uniform(-30, 110, (4000, 3))
    there = at + (points - pivot) @ rotation_xyz(turn).T
    expected = still.program.distance(points, field=0)
    got = moved.program.distance(there, field=0)
    near = np.abs(expected) < 15
    assert near.sum() > 400
    assert np.abs(got - expected)[near].max() < 0.3  # curves are resampled, float32
    assert np.abs(got - expected)[near].mean() < 2e-3


SOME = {"name": "thing", "order": 1, "material": "water",
        "parts": [{"ellipsoid": {"centre": [0, 0, 0], "semi": [9, 9, 9]}}]}  # fmt: skip


def test_angles_of_a_rotation():
    for angles in ((10, 20, 30), (-170, 80, 5), (33, 90, -60), (0, -90, 45)):
        turn = rotation_xyz(angles)
        assert rotation_xyz(tuple(angles_deg(turn))) == pytest.approx(turn, abs=1e-7)


def test_what_is_level_cannot_be_turned():
    part = {"distance": "z - 3", "bounds": [[-9, -9, -9], [9, 9, 9]]}
    with pytest.raises(InvalidInput, match="blade: distance: it cannot be turned"):
        Body.of({"maker": [{"kind": "posed", "pivot": [0, 0, 0], "field": [{"name": "blade", "parts": [part]}]}]})
    with pytest.raises(InvalidInput, match="pivot"):
        Body.of({"maker": [{"kind": "posed", "field": []}]})
