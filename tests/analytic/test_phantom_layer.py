"""A layer against a side of a phantom: areal densities along rays, masses, places and names."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.phantom.table import SIDES
from physsim.spec.grid import Grid

TURN = ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0))


def body(direction=TURN):
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, (6, 5, 4)).astype(np.uint8)
    grid = Grid(shape=labels.shape, spacing_mm=(10, 12, 8), origin_mm=(3, 4, 5), direction=direction)
    materials = (ps.material("water"), ps.material("bone_cortical_icru44"))
    return ps.Phantom(grid=grid, labels=labels, materials=materials)


@pytest.mark.parametrize("side", SIDES)
def test_only_the_layer_is_new(side):
    before = body()
    after = ps.with_layer(before, "pmma", 15.0, side, gap_mm=2 * before.grid.spacing_mm["xyz".index(side[0])])
    axis, step = 2 - "xyz".index(side[0]), before.grid.spacing_mm["xyz".index(side[0])]
    thick = int(np.ceil(15.0 / step))
    assert after.grid.shape[axis] == before.grid.shape[axis] + 2 + thick
    old = [slice(None)] * 3
    old[axis] = slice(0, before.grid.shape[axis]) if side[1] == "+" else slice(2 + thick, None)
    np.testing.assert_array_equal(after.labels[tuple(old)], before.labels)
    first = np.array([s.start or 0 for s in old])[::-1]
    np.testing.assert_allclose(
        after.grid.world_from_voxel @ np.append(first, 1.0), before.grid.world_from_voxel @ np.array([0, 0, 0, 1.0])
    )
    face = np.prod(before.grid.size_mm) / before.grid.size_mm["xyz".index(side[0])]
    air, pmma = (ps.material(one).density_g_cm3 for one in ("air_dry", "pmma"))
    assert after.mass_g() - before.mass_g() == pytest.approx(face * 1e-3 * (2 * step * air + 15.0 * pmma), rel=1e-6)


def test_a_ray_meets_the_layers_thickness():
    before = body(direction=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)))
    after = ps.with_layer(before, "pmma", 15.0, "y+", gap_mm=24.0)
    seen = ps.Geometry(source_mm=[(18, -900, 20)], centre_mm=[(18, 300, 20)], u=[(1, 0, 0)], v=[(0, 0, 1)], rows=1,
                       columns=1, pixel_mm=1.0)
    depth = []
    for one in (before, after):
        table = np.stack([ps.mass_attenuation_cm2_g(m, np.array([60.0])) for m in one.materials])
        own = np.array([m.density_g_cm3 for m in one.materials])
        signal = ps.project_signal(one.labels, one.density, own, table, np.ones((1, 1)), one.grid, seen, tolerance=None)
        depth.append(-np.log(float(np.ravel(signal)[0])))
    expected = 15.0 * float(ps.linear_attenuation_per_mm(ps.material("pmma"), 60.0))
    expected += 24.0 * float(ps.linear_attenuation_per_mm(ps.material("air_dry"), 60.0))
    assert depth[1] - depth[0] == pytest.approx(expected, rel=1e-4)


def test_its_dose_is_counted_apart():
    lying = ps.with_layer(ps.voxelise(ps.scene("water_20cm"), spacing_mm=20), "pmma", 20.0, "y+", name="couch")
    source = ps.PhotonSource(spectrum=60, position_mm=(0, -800, 0),
                             field=ps.ConeField(toward_mm=(0, 0, 0), half_angle_deg=5))
    result = ps.transport_photons(lying, source, ps.MonteCarlo(histories=5000), seed=1, threads=1)
    assert result.region("couch").value > 0.0
    couch = lying.truth.organs[-1]
    assert result.regions.mass_g[result.regions.names.index("couch")] == pytest.approx(couch.mass_g, rel=1e-5)


def test_bad_layers_are_refused():
    for fields, text in (
        ({"side": "up"}, "six sides"), ({"thickness_mm": 0.0}, "thicker than 0"), ({"gap_mm": 5.0}, "whole voxels"),
        ({"substance": "unobtainium"}, "unobtainium"),
    ):
        with pytest.raises(InvalidInput, match=text):
            ps.with_layer(body(), **{"substance": "pmma", "thickness_mm": 10.0, "side": "y+", **fields})
