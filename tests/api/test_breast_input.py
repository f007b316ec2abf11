"""What `ps.breast` refuses, and says about it."""

import re

import pytest

import physsim as ps
from physsim.body.breast import form_of
from physsim.body.breast.deformation import volumes
from physsim.errors import InvalidInput
from physsim.imaging.mammogram import mammogram_levels


@pytest.mark.parametrize(("arguments", "words"), [
    ({"density": "E"}, "density='E': no such density class. Known: A, B, C, D."),
    ({"density": "b"}, "Did you mean 'B'?"),
    ({"view": "cc"}, "view='cc': a breast has view CC, MLO or uncompressed. Did you mean 'CC'?"),
    ({"side": "left"}, "side='left': a breast has side L or R"),
    ({"thickness_mm": 5.0}, "thickness_mm=5: compressed breasts are 20 to 110 mm thick"),
    ({"thickness_mm": 0.0}, "thickness_mm=0: compressed breasts are 20 to 110 mm thick"),
    ({"length_mm": 20.0}, "length_mm=20: a breast 55 mm thick between the plates reaches 44 to 250 mm"),
    ({"spacing_mm": 3.0}, "spacing_mm=3.0: a breast is made of voxels of 0.02 to 1.5 mm: coarser ones lose the skin"),
    ({"spacing_mm": 0}, "spacing_mm=0"),
    ({"seed": -1}, "seed=-1"),
    ({"view": "MLO", "angle_deg": 5.0}, "angle_deg=5: a beam of MLO lies at 30 to 90 degrees"),
    ({"view": "uncompressed", "angle_deg": 5.0}, "angle_deg=5: a beam of uncompressed lies at 0 to 0 degrees"),
])
def test_bad_input_is_named(arguments, words):
    with pytest.raises(InvalidInput, match=re.escape(words)):
        ps.breast(**arguments)


def test_a_drawn_breast_takes_nothing_beside_it():
    with pytest.raises(InvalidInput, match=r"side beside a Breast: the drawn breast holds it already"):
        ps.breast(ps.Breast.draw("B"), side="R", spacing_mm=1.0)


def test_a_thickness_alone_keeps_the_volume():
    usual, thin = (form_of(ps.Breast.draw("B", thickness_mm=thickness)) for thickness in (None, 44.0))
    inside = [volumes(one.outline, one.half_mm, one.skin_mm) for one in (usual, thin)]
    assert inside[0] == pytest.approx(inside[1], rel=1e-5)
    assert thin.outline.nipple_x > 1.05 * usual.outline.nipple_x


def test_levels_of_an_empty_image():
    import numpy as np

    with pytest.raises(InvalidInput, match="attenuates"):
        mammogram_levels(np.zeros((50, 50)), 0.5)
    with pytest.raises(InvalidInput, match="chest_wall='up'"):
        mammogram_levels(np.ones((50, 50)), 0.5, chest_wall="up")
