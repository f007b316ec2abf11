"""Phantom as a value: mass under lesions, overlays and crops; truth; what bad arrays are told."""

import math

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.phantom.overlay import boxes_overlap, covered_fraction
from physsim.phantom.shapes import Sphere

GRID = ps.Grid(shape=(20, 24, 30), spacing_mm=(1.0, 1.5, 2.0), origin_mm=(5.0, -3.0, 10.0))
WATER, BONE, AIR = (ps.material(name) for name in ("water", "bone", "air"))
BALL = 4 / 3 * math.pi * 4**3


def block(**changes):
    fields = {"grid": GRID, "labels": np.zeros(GRID.shape, np.uint8), "materials": (WATER,), **changes}
    return ps.Phantom(**fields)


def lesion(**changes):
    fields = {"name": "nodule", "material": "bone", "radius_mm": 4.0, "centre_mm": (19.0, 14.0, 29.0), **changes}
    return Sphere(**fields)


def test_mass_and_no_copies():
    labels = np.zeros(GRID.shape, np.uint8)
    density = np.full(GRID.shape, 0.5, np.float16)
    phantom = block(labels=labels, density=density)
    assert phantom.mass_g() == pytest.approx(20 * 24 * 30 * 3e-3 * 0.5)
    assert np.shares_memory(phantom.labels, labels)
    assert np.shares_memory(phantom.density, density)
    with pytest.raises(ValueError, match="read-only"):
        phantom.labels[0, 0, 0] = 1


def test_inserting_a_lesion_changes_the_mass_by_its_own():
    before = block()
    after = before.insert(lesion())
    gained = BALL * 1e-3 * (BONE.density_g_cm3 - 1)
    assert after.mass_g() - before.mass_g() == pytest.approx(gained, rel=2e-3)
    row = after.truth.lesion("nodule")
    assert row.volume_mm3 == pytest.approx(BALL, rel=2e-3)
    assert row.diameter_mm == pytest.approx(8.0, rel=1e-3)
    np.testing.assert_allclose(row.centre_mm, (19.0, 14.0, 29.0), atol=0.02)
    assert before.truth.lesions == ()  # the first phantom is as it was
    assert before.labels.max() == 0


def test_a_lesion_in_an_overlay_has_the_same_mass():
    before = block()
    after = before.insert(lesion(), overlay_spacing_mm=0.25)
    assert after.mass_g() - before.mass_g() == pytest.approx(BALL * 1e-3 * (BONE.density_g_cm3 - 1), rel=1e-3)
    (overlay,) = after.overlays
    assert overlay.grid.spacing_mm == (0.25, 0.25, 0.25)
    assert after.labels.max() == 0
    with pytest.raises(InvalidInput, match="overlay 'nodule'"):
        after.insert(lesion(name="second"))


def test_a_lesion_stays_within_the_organs_it_may_replace():
    scene = ps.Scene(name="two", background="air", box_mm=((-20, -20, -20), (20, 20, 20)), shapes=(
        {"kind": "half_space", "name": "organ", "material": "water", "normal": (1, 0, 0)},))
    phantom = ps.voxelise(scene, spacing_mm=1.0).insert(lesion(centre_mm=(0, 0, 0), over=("organ",)))
    row = phantom.truth.lesion("nodule")
    assert row.volume_mm3 == pytest.approx(BALL / 2, rel=5e-3)
    assert phantom.truth.organ("organ").volume_mm3 == pytest.approx(32_000 - BALL / 2, rel=1e-4)
    assert not (phantom.truth.mask("nodule") & (np.arange(40) > 19)).any()
    with pytest.raises(InvalidInput, match="covers nothing"):
        phantom.insert(lesion(name="other", centre_mm=(10, 0, 0), over=("organ",)))


def test_crop_keeps_the_world_and_its_organs():
    phantom = ps.voxelise(ps.scene("ct_numbers"), spacing_mm=4.0)
    part = phantom.crop((-40, -40, -10), (40, 40, 10))
    assert part.grid.shape == (5, 21, 21)  # centres at 0, +-4 .. +-40 mm
    k, j, i = 2, 3, 4
    world = part.grid.world_from_voxel @ [i, j, k, 1]
    whole = np.rint(phantom.grid.voxel_from_world @ world).astype(int)
    assert part.labels[k, j, i] == phantom.labels[whole[2], whole[1], whole[0]]
    assert sum(part.organ_masses_g().values()) == pytest.approx(part.mass_g(), rel=1e-6)
    with pytest.raises(InvalidInput, match="holds no voxel"):
        phantom.crop((500, 0, 0), (600, 10, 10))


def test_hu_of_water_and_air():
    values = block(labels=np.tile(np.array([0, 1], np.uint8), (20, 24, 15)), materials=(WATER, AIR)).hu(60.0)
    assert values[0, 0, 0] == pytest.approx(0, abs=1e-3)
    assert values[0, 0, 1] == pytest.approx(-999, abs=1)


def patch(origin, direction=((1, 0, 0), (0, 1, 0), (0, 0, 1)), name="patch"):
    grid = ps.Grid(shape=(8, 8, 8), spacing_mm=0.5, origin_mm=origin, direction=direction)
    return ps.Overlay(grid, np.zeros(grid.shape, np.uint8), None, name)


def test_overlays_lie_inside_and_apart():
    turned = ((0.8, 0.6, 0), (-0.6, 0.8, 0), (0, 0, 1))
    block(overlays=(patch((10, 5, 20)), patch((14, 5, 20), name="neighbour")))  # faces touch
    with pytest.raises(InvalidInput, match="overlap"):
        block(overlays=(patch((10, 5, 20)), patch((13.9, 5, 20), name="other")))
    with pytest.raises(InvalidInput, match="reaches out"):
        block(overlays=(patch((4, 5, 20)),))
    assert boxes_overlap(patch((10, 5, 20), turned).grid, patch((10, 8, 20)).grid)
    # the corners of their boxes along the axes cross, the turned boxes do not
    assert not boxes_overlap(patch((10, 5, 20), turned).grid, patch((13, 8.2, 20)).grid)


@pytest.mark.parametrize("angle", [0.0, 30.0])
def test_covered_fractions_add_up_to_the_patch(angle):
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    own = patch((14.3, 6.1, 21.2), ((c, s, 0), (-s, c, 0), (0, 0, 1))).grid
    _, fraction = covered_fraction(GRID, own)
    assert fraction.sum() * GRID.voxel_volume_mm3 == pytest.approx(64.0, rel=1e-9 if angle == 0 else 0.02)


@pytest.mark.parametrize(("changes", "words"), [
    ({"labels": np.full(GRID.shape, 3, np.uint8)}, r"label 3: there are 1 materials"),
    ({"labels": np.zeros((2, 2, 2), np.uint8)}, r"shape \(2, 2, 2\)"),
    ({"labels": np.zeros(GRID.shape, np.int32)}, "int32"),
    ({"density": np.full(GRID.shape, np.nan, np.float32)}, r"density\[0, 0, 0\]=nan"),
    ({"density": np.full(GRID.shape, np.inf, np.float16)}, "=inf"),
    ({"density": np.full(GRID.shape, -1, np.float32)}, "=-1.0"),
    ({"density": np.ones(GRID.shape)}, "float64"),
    ({"materials": ()}, "labels need materials"),
    ({"density": np.ones(GRID.shape, np.float32),
      "density_grid": GRID.replace(direction=((-1, 0, 0), (0, -1, 0), (0, 0, 1)))}, "labels and density: grids differ"),
    ({"density": np.ones(GRID.shape, np.float32), "density_grid": GRID.replace(spacing_mm=(1.0, 1.5, 2.1))},
     "differ by up to"),
])
def test_bad_arrays_are_refused(changes, words):
    with pytest.raises(InvalidInput, match=words):
        block(**changes)


def test_bad_scenes_are_refused():
    water = {"name": "a", "material": "water"}
    for shape, words in (
        ({"kind": "spere", **water, "radius_mm": 1}, "Did you mean 'sphere'"),
        ({"kind": "sphere", **water, "radius": 1}, "Did you mean 'radius_mm'"),
        ({"kind": "sphere", **water, "radius_mm": -1}, "greater than 0"),
        ({"kind": "sphere", "name": "a", "material": "watr", "radius_mm": 1}, "Did you mean"),
        ({"kind": "sphere", **water, "radius_mm": 1, "over": ("lung",)}, "no shape of this scene"),
        ({"kind": "half_space", **water, "normal": (1, 0, 0)}, "box_mm"),
        ({"kind": "prism", **water, "length_mm": 1, "polygon_mm": ((0, 0), (4, 0), (1, 1), (0, 4))}, "not convex"),
        ({"kind": "tube", **water, "points_mm": ((0, 0, 0), (0, 0, 0)), "radius_mm": 1}, "coincide"),
        ({"kind": "sphere", **water, "radius_mm": 1, "repeat": {"count": 3}}, "coincide"),
    ):
        with pytest.raises(InvalidInput, match=words):
            ps.Scene(name="bad", shapes=(shape,))
    with pytest.raises(InvalidInput, match="Did you mean 'water_20cm'"):
        ps.scene("water_20")
