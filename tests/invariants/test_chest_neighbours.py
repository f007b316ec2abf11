"""Organs of the chest that touch and do not overlap: vena cava beside the aorta, the heart on the diaphragm."""

import numpy as np
import pytest

from physsim.body.body import Body

STEP_MM = 2.5


@pytest.fixture(scope="module")
def distances():
    """Of points of a box round the heart and the great vessels (n, 3): distance to each field (mm, negative inside)."""
    axes = (np.arange(-60.0, 80.0, STEP_MM), np.arange(-95.0, 30.0, STEP_MM), np.arange(200.0, 400.0, STEP_MM))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    program, body = (made := Body.load("adult_trunk")).program, made

    def of(name):
        return program.distance(points, field=body.field_number(name, "test"))

    return points, {name: of(name) for name in ("aorta", "systemic veins", "heart", "diaphragm")}


def test_vena_cava_and_aorta_lie_side_by_side(distances):
    points, of = distances
    above = points[:, 2] > 315.0  # where both are great vessels, and the brachiocephalic vein has not crossed yet
    both = np.maximum(of["aorta"], of["systemic veins"])[above & (points[:, 2] < 385.0)]
    assert both.min() > -0.7  # less than an aortic wall


def test_the_heart_lies_on_the_diaphragm(distances):
    """Nothing of the heart reaches into the sheet (2 mm to each side of its middle), and it rests on it."""
    _, of = distances
    within = of["diaphragm"][of["heart"] < -0.5]
    assert within.min() > 2.0
    assert within.min() < 6.0
