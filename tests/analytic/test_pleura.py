"""Fluid and air beside the lung: the asked volume, where gravity puts it, and the lung keeps its mass."""

import numpy as np
import pytest

import physsim as ps
from physsim.body.lesion_pleura import PleuralCollection
from physsim.errors import InvalidInput
from physsim.phantom.scene import Scene
from physsim.phantom.shapes import Box, Ellipsoid


@pytest.fixture(scope="module")
def chest():
    """Two lungs of 0.9 l in muscle."""
    scene = Scene(
        name="chest",
        background="air",
        shapes=(
            Box(name="muscle", material="muscle", centre_mm=(0, 0, 0), size_mm=(300, 200, 240)),
            *(Ellipsoid(name=f"{side} upper lobe", material="lung", centre_mm=(x, 0, 0), semi_axes_mm=(45, 60, 80))
              for side, x in (("left", 85), ("right", -85))),
        ),
        box_mm=((-160, -110, -130), (160, 110, 130)),
    )  # fmt: skip
    return ps.voxelise(scene, spacing_mm=4)


def lobe_mass(phantom, side):
    return phantom.truth.organ(f"{side} upper lobe").mass_g


@pytest.mark.parametrize("kind", ["effusion", "pneumothorax"])
@pytest.mark.parametrize("posture", ["standing", "supine"])
def test_volume_place_and_mass(chest, kind, posture):
    own = PleuralCollection(kind=kind, side="left", volume_ml=180.0, posture=posture)
    made = chest.insert(own)
    row = made.truth.lesion(f"left {kind}")
    assert row.volume_mm3 == pytest.approx(180e3, rel=1e-3)
    assert (row.type, row.site) == (kind, "left lung")
    assert row.centre_mm[0] > 40.0
    along = row.centre_mm[2] if posture == "standing" else -row.centre_mm[1]
    assert (along < -15.0) if kind == "effusion" else (along > 8.0)
    assert lobe_mass(made, "right") == lobe_mass(chest, "right")
    assert lobe_mass(made, "left") == pytest.approx(lobe_mass(chest, "left"), rel=2e-3)
    gained = made.mass_g() - chest.mass_g()  # the lung keeps its mass: nothing but the filling is added
    assert gained == pytest.approx(row.mass_g, abs=0.3)


def test_fluid_has_a_meniscus_and_its_number(chest):
    made = chest.insert(PleuralCollection(side="right", volume_ml=150.0))
    mask = made.truth.mask("right effusion")
    top = np.where(mask.any(0), mask.shape[0] - 1 - mask[::-1].argmax(0), -1)  # highest fluid of each column
    inside = chest.truth.mask("right upper lobe").any(0)
    centre = tuple(int(v) for v in np.argwhere(inside).mean(0))
    rim = top[inside].max()
    assert rim > top[centre] + 2  # 12 mm higher at the wall
    assert np.median(made.hu(70)[mask]) == pytest.approx(15.0, abs=2.0)


def test_a_chest_cut_by_its_grid(chest):
    cut = chest.crop((-90.0, -100.0, -100.0), (160.0, 100.0, 20.0))
    row = cut.insert(PleuralCollection(side="right", volume_ml=40.0)).truth.lesion("right effusion")
    assert row.volume_mm3 == pytest.approx(40e3, rel=1e-3)


def test_bad_input(chest):
    with pytest.raises(InvalidInput, match="may be displaced"):
        chest.insert(PleuralCollection(side="left", volume_ml=5000.0))
    with pytest.raises(InvalidInput, match="no voxels of a left lobe"):
        ps.voxelise(ps.scene("water_20cm"), spacing_mm=10).insert(PleuralCollection(side="left", volume_ml=10.0))
    with pytest.raises(InvalidInput, match="overlay"):
        chest.insert(PleuralCollection(side="left", volume_ml=10.0), overlay_spacing_mm=1.0)
