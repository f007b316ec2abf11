"""The larynx: its mass as in ICRP 89, the angle of the thyroid cartilage as in textbooks, an airway through it."""

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.voxelise import voxelise_body
from physsim.spec.grid import Grid

GRID = Grid(shape=(100, 84, 92), spacing_mm=1.0, origin_mm=(-45.5, -70.0, 470.0))


@pytest.fixture(scope="module")
def larynges():
    """Of a man and of a woman of his size, without the trees of vessels, which grow elsewhere."""
    whole = Body.load("adult_head_trunk").declared
    makers = tuple(maker for maker in whole.maker if maker.kind not in ("tree", "surface vessels"))
    bodies = [Body.of(whole.replace(maker=makers), {"female": sex}) for sex in (0.0, 1.0)]
    return [voxelise_body(body, grid=GRID, vanishing="keep") for body in bodies]


def test_mass_of_a_mans_larynx(larynges):
    own = ("thyroid cartilage", "cricoid cartilage", "left arytenoid cartilage", "right arytenoid cartilage",
           "epiglottis", "larynx", "vocal folds")  # fmt: skip
    assert sum(larynges[0].truth.organ(name).mass_g for name in own) == pytest.approx(28.0, rel=0.01)  # ICRP 89


def test_angle_of_the_thyroid_cartilage(larynges):
    """About 90 degrees in men, 120 in women (Gray's Anatomy, 1918)."""
    for phantom, expected in zip(larynges, (93.0, 120.0), strict=True):
        plane = phantom.truth.mask("thyroid cartilage")[50]  # z = 520, at the height of the vocal folds
        rows, columns = np.nonzero(plane)
        x = columns + GRID.origin_mm[0]
        left = (x > 3.0) & (x < 12.0)
        slope = np.polyfit(x[left], rows[left], 1)[0]
        assert 2.0 * np.degrees(np.arctan(1.0 / slope)) == pytest.approx(expected, abs=8.0)


def test_the_airway_is_narrow_at_the_vocal_folds_alone(larynges):
    air = [name for name in larynges[0].truth.names() if name in ("pharyngeal airway", "airway lumen")]
    mask = sum(larynges[0].truth.mask(name) for name in air)
    area = mask[:, :, 25:66].sum((1, 2))  # mm2 from the trachea (z = 470) up
    glottis = int(np.argmin(area[30:65])) + 30
    assert abs(GRID.origin_mm[2] + glottis - 518.0) < 3.0
    assert 40.0 < area[glottis] < 130.0  # quiet breathing
    assert area[:40].min() > 200.0
