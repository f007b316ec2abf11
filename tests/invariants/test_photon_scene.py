"""Passes over the voxels against numpy: numbers of pairs, voxels and mass by region, cells of one medium."""

import numpy as np
import pytest

import physsim as ps
from physsim import _engine
from physsim.transport.montecarlo_job import Problem, pack_job

SHAPE, CELL = (13, 9, 21), (4, 4, 4)


@pytest.mark.parametrize("regions_type", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize("labels_type", [np.uint8, np.uint16])
def test_pairs_of_label_and_region_are_numbered_as_they_rise(labels_type, regions_type):
    rng = np.random.default_rng(3)
    labels = rng.choice([0, 1, 2, 5, 6], SHAPE).astype(labels_type)
    regions = rng.integers(0, 11, SHAPE).astype(regions_type)
    joined, pairs = _engine.join_labels(labels, regions, 7, 11, 3)
    joint = labels.astype(np.int64) * 11 + regions
    expected, numbers = np.unique(joint, return_inverse=True)
    np.testing.assert_array_equal(pairs @ [11, 1], expected)
    np.testing.assert_array_equal(joined.ravel(), numbers.ravel())


@pytest.mark.parametrize("density_type", [None, np.float16, np.float32])
def test_a_scene_is_what_its_voxels_say(density_type):
    rng = np.random.default_rng(4)
    labels, regions = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.int64)
    labels[6:, 3:], regions[:, :, 10:] = 1, 1
    labels[2, 2, 2] = 2
    density = np.ones(SHAPE, np.float32) * 0.5
    density[9:] = rng.uniform(0.3, 2.0, density[9:].shape)
    density = None if density_type is None else density.astype(density_type)
    grid = ps.Grid(shape=SHAPE, spacing_mm=(2, 3, 4))
    materials = tuple(ps.material(name) for name in ("water", "adipose_icru44", "bone_cortical_icru44"))
    body = ps.Phantom(grid=grid, labels=labels, density=density, materials=materials)
    toward = ps.ConeField(toward_mm=(20, 12, 26), half_angle_deg=5)
    source = ps.PhotonSource(spectrum=60.0, position_mm=(20, 12, -500), field=toward)
    problem = Problem(body, source, ps.MonteCarlo(histories=1), regions=regions)
    one, three = pack_job(problem, 1), pack_job(problem, 3)
    assert one.mark == three.mark
    relative = np.ones(SHAPE) if density is None else density.astype(np.float64)
    own = np.array([material.density_g_cm3 for material in materials], np.float32).astype(np.float64)
    for n in range(2):
        inside = regions == n
        assert one.scene.regions.volume_mm3[n] == inside.sum() * 24.0
        mass = (relative * own[labels])[inside].sum() * 24e-3
        assert one.scene.regions.mass_g[n] == pytest.approx(mass, rel=1e-12)
    fields = dict(one.scene.fields, cell_voxels=CELL)
    found_label, found_density = _engine.label_cells(fields, 2)
    for z, y, x in np.ndindex(found_label.shape):
        cell = tuple(slice(4 * n, 4 * n + 4) for n in (z, y, x))
        same = len(np.unique(fields["labels"][cell])) == 1 == len(np.unique(relative[cell]))
        assert (found_label[z, y, x] >= 0) == same
        if same:
            assert found_label[z, y, x] == fields["labels"][cell].flat[0]
            assert found_density[z, y, x] == np.float32(relative[cell].flat[0])
    assert (found_label >= 0).sum() > 5
    assert (found_label < 0).sum() > 5
