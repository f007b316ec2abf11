"""Growth: the map of a body is one to one, as tall as the patient, and a patient rebuilds the same bits."""

import hashlib

import numpy as np
import pytest

import physsim as ps
from physsim.body.anatomy import PatientBody, canonical_declared, own_numbers
from physsim.body.body import Body
from physsim.body.finer import finer_grid
from physsim.body.growth import growth_map
from physsim.body.reference_masses import reference_size
from physsim.body.space_map import tabulated, world_box
from physsim.body.voxelise import voxelise_body
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid

RAISED_LOW, RAISED_HIGH = (-400.0, -270.0, -1100.0), (400.0, 210.0, 1240.0)  # canonical mm: bodies with raised arms
BODIES = [(sex, age) for sex in "MF" for age in (0, 1, 5, 10, 15, 35)]


def points(count=4000):
    random = np.random.default_rng(3)
    return random.uniform((-320, -200, -1015), (320, 220, 745), (count, 3))


@pytest.mark.parametrize(("sex", "age"), BODIES)
def test_map_and_inverse(sex, age):
    space = growth_map(sex, age, reference_size(sex, age)[0])
    world = space.world_from_canonical(points())
    assert np.abs(space.canonical_from_world(world) - points()).max() < 1e-4
    assert space.determinant(world).min() > 0.5
    assert space.world_height(745) - space.world_height(-1015) == pytest.approx(10 * reference_size(sex, age)[0], 1e-9)


@pytest.mark.parametrize("build", [0.8, 1.25])
@pytest.mark.parametrize(("sex", "age", "height_cm"), [("M", 35, 195), ("F", 54, 145), ("F", 5, 109), ("M", 0, 51)])
def test_the_map_is_one_to_one_where_raised_arms_and_a_stout_belly_reach(sex, age, height_cm, build):
    """Hands above the table's end, a body of BMI 45 before and beside it; points and lattice of the painter."""
    space = growth_map(sex, age, height_cm, build)
    there = np.random.default_rng(5).uniform(RAISED_LOW, RAISED_HIGH, (20_000, 3))
    world = space.world_from_canonical(there)
    assert np.abs(space.canonical_from_world(world) - there).max() < 1e-6
    assert space.determinant(world).min() > 0.5
    low, high = world_box(space, *np.array([RAISED_LOW, RAISED_HIGH]))
    assert high[2] > space.height[-1]  # hands are above the table
    shape = tuple(int(n) for n in np.ceil((high - low)[::-1] / 8.0) + 1)
    tabulated(space, Grid(shape=shape, spacing_mm=8.0, origin_mm=tuple(low)))  # raises where it folds


def test_heights_go_on_beyond_the_table_at_the_scale_of_its_ends():
    space = growth_map("F", 5, 109)
    x, y = np.zeros(4), np.full(4, space.shear_y)
    up = space.world_from_canonical(np.stack([x, y, space.level[-1] + [-1.0, 0.0, 1.0, 50.0]], axis=1))[:, 2]
    np.testing.assert_allclose(up[2:] - up[1], (up[1] - up[0]) * np.array([1.0, 50.0]), rtol=1e-12)
    down = space.world_from_canonical(np.stack([x, y, space.level[0] - [-1.0, 0.0, 1.0, 50.0]], axis=1))[:, 2]
    np.testing.assert_allclose(down[2:] - down[1], (down[1] - down[0]) * np.array([1.0, 50.0]), rtol=1e-9)


def test_a_woman_with_raised_arms_has_a_chest():
    """Painted in her own space, which was refused as folding before; at BMI 45 she reaches 254 mm forward of L5/S1."""
    patient = ps.anatomy(sex="F", age=54, height_cm=166, weight_kg=68, arms="up", build=1.0)
    body = Body.of(canonical_declared(), own_numbers(patient), patient.seed, "adult_body.toml")
    assert (body.program.box_low > RAISED_LOW).all()
    assert (body.program.box_high < RAISED_HIGH).all()
    made = PatientBody(body, growth_map("F", 54, 166, 1.0))
    whole, chest = made.grid(8.0), made.grid(8.0, "chest")
    assert whole.origin_mm[2] + 8.0 * whole.shape[0] > made.growth.world_height(1200.0) > made.growth.height[-1]
    phantom = voxelise_body(body, grid=chest, canonical_from_world=made.growth, vanishing="keep")
    names = np.array(phantom.truth.names())[np.unique(phantom.truth.organ_labels)]
    assert {"myocardium", "body of the sternum", "left humerus", "right humerus"} <= set(names), names


def test_the_reference_man_is_the_canonical_body():
    assert growth_map("M", 35, 176).is_identity


def test_taller_people_have_longer_legs_and_hardly_larger_heads():
    short, tall = growth_map("F", 30, 150), growth_map("F", 30, 180)
    head = [space.world_height(745) - space.world_height(640) for space in (short, tall)]
    legs = [space.world_height(-150) - space.world_height(-1015) for space in (short, tall)]
    assert head[1] / head[0] == pytest.approx((180 / 150) ** 0.153, abs=0.01)
    assert legs[1] / legs[0] > 180 / 150


def test_build_is_depth_over_width_at_one_cross_section():
    plain, deep = growth_map("M", 35, 176, 1.0), growth_map("M", 35, 176, 1.21)
    at = np.flatnonzero(plain.level == 300)
    assert deep.depth_scale[at] / deep.width_scale[at] == pytest.approx(1.21)
    assert deep.depth_scale[at] * deep.width_scale[at] == pytest.approx(1.0)
    assert deep.width_scale[plain.level == 640] == pytest.approx(1.0)


def digest(phantom):
    whole = hashlib.sha256()
    for array in (phantom.labels, phantom.density, phantom.truth.organ_labels):
        whole.update(np.ascontiguousarray(array).tobytes())
    return whole.hexdigest()


def test_a_saved_patient_rebuilds_the_same_bits():
    grid = Grid(shape=(24, 32, 48), spacing_mm=4.0, origin_mm=(-90.0, -60.0, 60.0))
    patient = ps.anatomy(sex="F", age=5, height_cm=109, weight_kg=19, seed=11)
    one = patient.phantom(grid=grid)
    again = ps.Patient.from_dict(one.made_from["patient"])
    assert again == patient
    assert digest(again.phantom(grid=grid)) == digest(one)


def test_regions():
    patient = ps.anatomy(sex="M", age=5, height_cm=109, weight_kg=19)
    head, chest = (patient.body().grid(4.0, region) for region in ("head", "chest"))
    assert head.origin_mm[2] > chest.origin_mm[2] > 0
    assert chest.origin_mm[2] + 4 * chest.shape[0] > head.origin_mm[2]
    with pytest.raises(InvalidInput, match="Did you mean"):
        patient.body().grid(4.0, "hed")


def test_a_region_holds_all_that_lies_there_and_the_trunk_leaves_arms_out():
    made = ps.reference_patient("F", 35).body()
    chest, trunk, whole = (made.grid(6.0, region) for region in ("chest", "trunk", "whole"))
    offset = (np.array(trunk.origin_mm) - np.array(whole.origin_mm)) / 6.0
    np.testing.assert_allclose(offset, offset.round(), atol=1e-9)  # voxels of the same lattice
    assert trunk.shape[1] < 0.8 * whole.shape[1]  # feet reach further forward
    assert trunk.shape[2] < 0.8 * chest.shape[2]
    space = None if made.growth.is_identity else made.growth

    def labels(grid):
        return voxelise_body(made.body, grid=grid, canonical_from_world=space, vanishing="keep").labels

    seen = labels(chest)
    for axis in (1, 2):  # nothing is cut in front, behind or beside
        assert not np.take(seen, [0, -1], axis=axis).any()
    seen = labels(trunk)
    shoulder = round((made.growth.world_height(415.0) - trunk.origin_mm[2]) / 6.0)
    assert not seen[:, [0, -1]].any()
    assert not seen[shoulder, :, [0, -1]].any()  # shoulders are whole
    assert seen[:shoulder, :, 0].any()  # of hanging arms a part is left out


def test_patient_to_image():
    child = ps.anatomy(sex="M", age=1, height_cm=76, weight_kg=10)
    child = child.insert(ps.Lesion(site="right lower lobe", diameter_mm=9, seed=2))
    shot = ps.simulate(child, ps.protocols.chest_pa(pixel_mm=4))
    assert shot.truth.mask("lesion").sum() > 2


def test_small_bodies_are_painted_finer_and_keep_what_they_have():
    newborn = ps.anatomy(sex="F", age=0, height_cm=51, weight_kg=3.5, build=1.0)
    grid = Grid(shape=(20, 30, 40), spacing_mm=2.0, origin_mm=(-40.0, -30.0, 30.0))
    coarse = newborn.phantom(grid=grid)
    fine = newborn.phantom(grid=finer_grid(grid, 2), density_dtype=np.float32)
    assert coarse.labels.shape == grid.shape
    assert coarse.organ_masses_g() == fine.organ_masses_g()
    assert coarse.mass_g() == pytest.approx(fine.mass_g(), rel=1e-3)
    mass = fine.density_g_cm3().reshape(20, 2, 30, 2, 40, 2).mean((1, 3, 5))
    assert np.abs(coarse.density_g_cm3() - mass).max() < 2e-3
