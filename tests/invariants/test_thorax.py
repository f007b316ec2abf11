"""The demonstration thorax: gates of chest radiography, and a pure function of its spec."""

import numpy as np
import pytest

import physsim as ps
from physsim.phantom.compiled import areal_density_g_cm2, organs_at, path_lengths_mm
from physsim.phantom.thorax import default_lesion, thorax_scene


@pytest.fixture(scope="module")
def chest():
    return ps.thorax(spacing_mm=4.0)


def widths(chest, organ, axis):
    index = np.flatnonzero(chest.truth.mask(organ).any(axis=tuple({0, 1, 2} - {axis})))
    return index.min(), index.max()


def world(chest, index):
    return (chest.grid.world_from_voxel @ [*index, 1.0])[:3]


def test_sides(chest):
    """+x is the patient's left, +y posterior, +z head."""
    centre = {organ: world(chest, np.argwhere(chest.truth.mask(organ)).mean(0)[::-1])
              for organ in ("heart", "liver", "stomach gas", "spleen", "right lung", "left lung", "spine", "sternum")}
    assert centre["heart"][0] > 8
    assert centre["liver"][0] < -20
    assert centre["stomach gas"][0] > 30
    assert centre["spleen"][0] > 60
    assert centre["right lung"][0] < -50 < 50 < centre["left lung"][0]
    assert centre["spine"][1] > 30 > -50 > centre["sternum"][1]
    assert centre["liver"][2] < centre["heart"][2] < centre["left lung"][2] + 20


def test_cardiothoracic_ratio(chest):
    """0.42 to 0.50 at full inspiration (a radiologist's rule)."""
    heart = widths(chest, "heart", 2)
    right, left = widths(chest, "right lung", 2), widths(chest, "left lung", 2)
    assert 0.42 < (heart[1] - heart[0] + 1) / (left[1] - right[0] + 1) < 0.50


def test_volumes(chest):
    """Lungs 5.5 to 6.5 l with 0.52 +- 0.02 on the right; heart, liver and spleen near an adult's."""
    litres = {row.name: row.volume_mm3 * 1e-6 for row in chest.truth.organs}
    lungs = litres["right lung"] + litres["left lung"] + litres["pulmonary vessels"]
    assert 5.5 < lungs < 6.5
    assert 0.49 < litres["right lung"] / (litres["right lung"] + litres["left lung"]) < 0.55
    assert 0.5 < litres["heart"] < 0.85
    assert 1.4 < litres["liver"] < 2.0
    assert 0.1 < litres["spleen"] < 0.25


def test_domes_and_apex(chest):
    """Right dome 10 to 20 mm above the left; apices 25 to 50 mm above the clavicles' medial ends (z 421)."""
    z = {}
    for side in (-70.0, 70.0):
        points = np.c_[np.full(600, side), np.full(600, -6.0), np.linspace(100, 400, 600)]
        organs = organs_at(thorax_scene(), points)
        lung = np.flatnonzero(np.char.endswith(organs, "lung"))
        z[side] = points[lung[0], 2]
    assert 227 < z[-70.0] < 247
    assert 8 < z[-70.0] - z[70.0] < 22
    top = world(chest, (0, 0, max(widths(chest, "right lung", 0)[1], widths(chest, "left lung", 0)[1])))[2]
    assert 440 < top < 471


def test_the_chest_has_its_bones_and_airways(chest):
    """Twelve ribs a side, the trachea in front of the spine, parted below the carina."""
    names = {shape.name for shape in thorax_scene().shapes}
    assert {f"rib {n} cortex" for n in range(1, 13)} <= names
    assert {f"T{n} body" for n in range(1, 13)} <= names
    above = organs_at(thorax_scene(), np.c_[np.linspace(-40, 40, 801), np.full(801, 18.0), np.full(801, 410.0)])
    below = organs_at(thorax_scene(), np.c_[np.linspace(-40, 40, 801), np.full(801, 30.0), np.full(801, 345.0)])
    runs = [np.count_nonzero(np.diff((line == "airways").astype(int)) == 1) for line in (above, below)]
    assert runs == [1, 2]


def test_aerated_lung_is_darker_than_heart_than_spine():
    """Areal density along PA rays, the source 1.8 m behind the back."""
    scene = thorax_scene()
    targets = np.array([[-100.0, -200, 300], [45, -200, 255], [0, -200, 330], [-60, -200, 150]])
    total = sum(areal_density_g_cm2(scene, np.tile([0.0, 1800, 300], (4, 1)), targets).values())
    lung, heart, spine, liver = total
    assert lung < 0.55 * heart
    assert heart < spine < 30
    assert liver > 1.5 * lung


def test_lesion_and_its_truth(chest):
    row = chest.truth.lesion("nodule")
    assert row.diameter_mm == pytest.approx(12, rel=0.03)  # vessels it replaced included
    np.testing.assert_allclose(row.centre_mm, default_lesion().centre_mm, atol=1.5)
    healthy = ps.thorax(spacing_mm=8.0, lesion=None)
    assert healthy.truth.lesions == ()
    spiculated = ps.Scene(name="s", shapes=(default_lesion(spicules=24).replace(over=()),))
    along = path_lengths_mm(spiculated, [[-97, -230, 294]], [[-97, 170, 294]])["nodule"][0]
    assert along >= 12


def test_a_pure_function_of_its_spec():
    first = thorax_scene(7)
    thorax_scene.cache_clear()
    assert thorax_scene(7) == first
    assert thorax_scene(8) != first
