"""Lying down against standing: less air, the same tissue, gas where it rises to."""

import numpy as np
import pytest

import physsim as ps
from physsim.body.breathing import depth_of_breath

SPACING_MM = 3.0


@pytest.fixture(scope="module")
def postures():
    """A woman's trunk standing and on her back, on one grid."""
    woman = ps.reference_patient("F", 35)
    grid = woman.body().grid(SPACING_MM, "trunk")
    return [woman.replace(posture=one).phantom(grid=grid) for one in ("standing", "supine")]


def in_the_lungs(phantom):
    names = ("lobe", "of the left lung", "of the right lung")
    own = [organ for organ in phantom.truth.organs if any(name in organ.name for name in names)]
    return sum(organ.volume_mm3 for organ in own), sum(organ.mass_g for organ in own)


def test_lungs_hold_less_air_and_as_much_tissue(postures):
    """By 9.8 % of their volume (Yamada et al. 2020: 10.9 % more in who stands), at any depth of breath."""
    (standing, before_g), (lying, after_g) = (in_the_lungs(one) for one in postures)
    assert lying / standing == pytest.approx(0.902, abs=0.01)
    assert after_g == pytest.approx(before_g, rel=0.002)
    assert depth_of_breath(0.3, supine=True) - 0.3 == pytest.approx(depth_of_breath(1.0, supine=True) - 1.0)
    assert depth_of_breath(0.3) == 0.3


def test_gas_of_the_stomach_lies_above_its_contents(postures):
    """Along z in who stands, along -y on the back; a level at most a voxel and its slope thick parts them."""
    for phantom, axis, up in zip(postures, (0, 1), (1, -1), strict=True):
        gas, fluid = (np.argwhere(phantom.truth.mask(f"stomach {what}"))[:, axis] * up for what in ("gas", "contents"))
        assert np.quantile(gas, 0.02) >= np.quantile(fluid, 0.98) - 2
    standing, lying = (one.truth.organ("stomach gas").volume_mm3 for one in postures)
    assert lying == pytest.approx(standing, rel=0.25)


def test_breasts_flatten(postures):
    """The nipples lie 10 to 25 mm further back, and the breasts keep their mass within 8 %."""
    fronts = [np.nonzero(one.truth.mask("left nipple"))[1].min() * SPACING_MM for one in postures]
    assert 10.0 <= fronts[1] - fronts[0] <= 25.0
    masses = [sum(organ.mass_g for organ in one.truth.organs if "mammary" in organ.name or "breast" in organ.name)
              for one in postures]  # fmt: skip
    assert masses[1] == pytest.approx(masses[0], rel=0.08)
