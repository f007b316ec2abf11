"""What a network sees of a view, against a slab of water whose lengths, heights and beam are known; drawn cases."""

import types

import numpy as np
import pytest

import physsim as ps
from physsim.imaging.body import body_box_mm
from physsim.imaging.heights import heights_mm
from physsim.imaging.pixel_beam import pixel_beam
from physsim.imaging.scatter_cases import DRAWN, ScatterCases
from physsim.imaging.scatter_draws import stretched
from physsim.imaging.scatter_maps import CHANNELS, CONDITIONS, open_field, scatter_maps, scatter_maps_of_views
from physsim.spec.training import HELD_OUT
from physsim.surrogate.ensemble import shipped_specs
from physsim.transport.scatter import scatter_scene

RUN = ps.MonteCarlo(histories=1)


@pytest.fixture(scope="module")
def slab():
    """120 mm of water over more than the field, 40 mm before the detector."""
    labels = np.ones((30, 6, 30), np.uint8)
    return ps.Phantom(grid=ps.Grid(shape=labels.shape, spacing_mm=20), labels=labels,
                      materials=(ps.material("air"), ps.material("water")))


@pytest.fixture(scope="module")
def protocol():
    return ps.protocols.chest_pa(mas=1.0)


@pytest.fixture(scope="module")
def seen(slab, protocol):
    view = protocol.geometry(body_box_mm(slab), slab.grid).in_pixels(16, 16)
    opened = open_field(protocol, view)
    return view, opened, scatter_maps(scatter_scene(slab, protocol.spectrum, RUN, 8.0, 2), protocol, view, opened, 2)


def test_attenuation_is_that_of_the_water_on_each_ray(seen):
    view, opened, found = seen
    centre = view.centre_mm[0] - view.source_mm[0]
    across, along = ((np.arange(16) - 7.5) * pitch for pitch in view.pixel_mm)
    slant = np.sqrt(1.0 + (across[None] ** 2 + along[:, None] ** 2) / (centre @ centre))
    for channel, sign in ((0, -1.0), (1, 1.0)):
        kev = opened.kev[0] + sign * opened.kev[1]
        mu = ps.linear_attenuation_per_mm(ps.material("water"), np.array([kev]))[0]
        np.testing.assert_allclose(found.maps[channel] * 4.0, 120.0 * mu * slant, rtol=4e-3)


def test_heights_and_depths_are_those_of_the_slab(seen):
    """Mean height 40 + 60 mm; deviation 120 / sqrt(12), both less by the little that stands against thin matter."""
    _, _, found = seen
    names = dict(zip(CHANNELS, found.maps, strict=True))
    np.testing.assert_allclose(names["height"] * 500.0, 100.0, rtol=0.02)
    np.testing.assert_allclose(names["depth"] * 100.0, 120.0 / np.sqrt(12.0), rtol=0.08)
    assert found.conditions[CONDITIONS.index("height of the matter")] * 500.0 == pytest.approx(100.0, rel=0.02)


def test_open_field_is_that_of_the_radiograph(slab, protocol, seen):
    """Against the beam at every pixel, which goes another way: within 2e-4."""
    view, opened, found = seen
    beam = pixel_beam(protocol, view, ("photons", "signal"))
    photons, signal = beam.open_field()
    area = view.pixel_mm[0] * view.pixel_mm[1] / 100.0
    np.testing.assert_allclose(opened.signal, signal / (area * photons.sum()), rtol=2e-4)
    assert found.open_per_history == pytest.approx(float(opened.signal.mean()))
    assert 0.55 < opened.grid_transmission < 0.7
    assert open_field(protocol.replace(anti_scatter_grid=None), view).grid_transmission == 1.0


def test_guesses_are_what_the_light_sends_spread_out(seen):
    """In the middle of a wide even field a Gaussian changes little; the wide one loses more at the edges."""
    _, _, found = seen
    light, hard = found.maps[2].astype(float), found.maps[1].astype(float) * 4.0
    sent = ((1.0 + found.maps[7]) * light * hard)[7:9, 7:9].mean()
    narrow, wide = found.maps[3], found.maps[4]
    assert narrow[7:9, 7:9].mean() == pytest.approx(sent, rel=0.02)
    assert wide[0, 0] < narrow[0, 0]


def test_what_is_sent_does_not_hang_on_how_coarse_the_pixels_are():
    """Of a body that ends within coarse pixels: its mean is that of pixels four times as fine within 3 %. From the mean
    light and the mean attenuation of a pixel (weights of version 1) it was 1.4 times as much."""
    protocol = ps.protocols.chest_pa(mas=1.0, anti_scatter_grid=None)
    body = ps.voxelise(ps.scene("water_20cm"), spacing_mm=4)
    scene = scatter_scene(body, protocol.spectrum, RUN, 4.0, 2)
    views = [protocol.geometry(body_box_mm(body), body.grid).in_pixels(side, side) for side in (16, 64)]
    coarse, fine, first = (
        scatter_maps(scene, protocol, view, open_field(protocol, view), 2, version).conditions[6]
        for view, version in ((views[0], 2), (views[1], 2), (views[0], 1)))
    assert coarse == pytest.approx(fine, rel=0.03)
    assert first > 1.2 * fine


def test_heights_before_a_curved_detector_are_counted_along_the_fan():
    view = ps.Geometry.circular(views=1, source_axis_mm=500.0, source_detector_mm=1000.0, rows=4, columns=40,
                                pixel_mm=20.0, curved=True)
    grid = ps.Grid(shape=(1, 9, 9), spacing_mm=40.0)
    voxels = np.array(np.meshgrid(range(9), range(9), [0], indexing="ij")).reshape(3, -1)
    points = grid.world_from_voxel[:3, :3] @ voxels
    away = points.T + grid.world_from_voxel[:3, 3] - view.source_mm[0]
    expected = 1000.0 - np.hypot(away[:, 0], away[:, 1])
    found = heights_mm(view, grid)[0].T.ravel()  # x first, as the points
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_maps_of_many_views_are_those_of_each_alone():
    """Of a turn before a curved detector: the same bits, beyond one go (_TOGETHER) too."""
    protocol = ps.protocols.abdomen_ct()
    body = ps.voxelise(ps.scene("water_20cm"), spacing_mm=16)
    scene = scatter_scene(body, protocol.spectrum, RUN, 16.0, 2)
    views = protocol.geometry(body_box_mm(body), body.grid)[:140:2].in_pixels(8, 16)
    opened = open_field(protocol, views[0])
    together = scatter_maps_of_views(scene, protocol, views, opened, 2)
    assert len(together) == 70
    for view in (0, 1, 63, 64, 69):
        alone = scatter_maps(scene, protocol, views[view], opened, 1)
        for name in ("maps", "conditions"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(together[view], name))


def test_cells_attenuate_as_the_voxels_in_them(slab):
    scene = scatter_scene(ps.thorax(spacing_mm=8.0), ps.Spectrum(kvp=120), RUN, 16.0, 2)
    body = ps.thorax(spacing_mm=8.0)
    mu = np.array([ps.linear_attenuation_per_mm(one, np.array([60.0]))[0] for one in body.materials])[body.labels]
    mu = mu if body.density is None else mu * body.density
    found = scene.attenuation_per_mm(60.0)
    assert found.sum() * np.prod(scene.cell_grid.spacing_mm) == pytest.approx(mu.sum() * 8.0**3, rel=1e-3)


def test_stretched_bodies_are_longer_about_the_worlds_origin(slab):
    longer = stretched(slab, (1.1, 0.9, 1.0))
    np.testing.assert_allclose(np.array(body_box_mm(longer)), np.array(body_box_mm(slab)) * (1.1, 0.9, 1.0), atol=1e-3)


@pytest.fixture
def quick(monkeypatch):
    """Patients that are one thorax in 8 mm voxels: what is drawn is under test, not bodies."""
    thorax = ps.thorax(spacing_mm=8.0)
    someone = types.SimpleNamespace(
        sex="F", age_years=50.0, height_cm=165.0, weight_kg=70.0,
        body=lambda: types.SimpleNamespace(grid=lambda spacing, region: thorax.grid),
        phantom=lambda spacing, region, beyond_mm, vanishing: thorax)
    monkeypatch.setattr("physsim.body.population.Population.patient", lambda self, number: someone)
    return ps.ScatterTraining(
        family="chest", bodies=2, views=2, stretch=(0.95, 1.05), histories=64, held_out_histories=1024, pixels=(16, 16),
        techniques=[{"protocol": "chest_pa", "kvp": (100, 140), "copper_mm": (0.0, 0.2), "aim_mm": (20, 20),
                     "source_detector_mm": (1500, 2000), "field": (0.8, 1.0), "grid_ratios": (0, 8, 12)}])


def test_cases_follow_from_the_spec_and_the_number_alone(quick):
    one, other = ScatterCases(quick, 1)(3), ScatterCases(quick, 2)(3)
    assert all((one[name] == other[name]).all() for name in one)
    another = ScatterCases(quick, 2)(4)
    assert (one["scatter"] != another["scatter"]).all()
    assert "batches" not in one


def test_what_is_drawn_stays_in_its_range_and_is_used(quick):
    drawn = np.concatenate([ScatterCases(quick, 2)(number)["drawn"] for number in range(2)])
    for name, low, high in (("kvp", 100, 140), ("copper_mm", 0, 0.2), ("source_detector_mm", 1500, 2000),
                            ("field", 344, 430)):
        values = drawn[:, DRAWN.index(name)]
        assert values.min() >= low - 1e-6
        assert values.max() <= high + 1e-6
        assert np.ptp(values) > 0.25 * (high - low)
    assert set(drawn[:, DRAWN.index("grid_ratio")]) <= {0.0, 8.0, 12.0}
    assert len(set(drawn[:, DRAWN.index("grid_ratio")])) > 1


def test_held_out_patients_bring_their_looks(quick):
    found = ScatterCases(quick, 2)(HELD_OUT)
    looks = found["batches"]
    assert looks.shape == (4, 3, 16, 4, 4)
    assert quick.looks == (256, 512, 1024)
    error = np.hypot(found["error"], looks[:, -1].std(axis=1, ddof=1) / 4.0)
    assert (np.abs(looks[:, -1].mean(axis=1) - found["scatter"]) < 5.0 * error).all()  # 64 places: 1 in 30,000
    assert (looks[:, -1].mean(axis=1) != found["scatter"]).all()  # other photons
    spread = looks.std(axis=2, ddof=1).mean(axis=(2, 3))
    assert (spread[:, 0] > spread[:, -1]).all()


@pytest.mark.parametrize("family", ["chest", "abdomen", "mammography", "ct", "cbct"])
def test_shipped_trainings_name_shipped_protocols(family):
    spec = ps.ScatterTraining.from_toml(shipped_specs()[family])
    assert spec.family == family
    assert {one.protocol for one in spec.techniques} <= set(ps.protocols)


def test_views_of_scans_are_drawn_all_round_the_body(quick):
    spec = ps.ScatterTraining.from_toml(shipped_specs()["ct"]).replace(bodies=1, views=3, histories=64)
    found = ScatterCases(spec, 2)(1)
    assert found["maps"].shape == (3, len(CHANNELS), 16, 96)
    assert found["scatter"].shape == (3, 4, 48)  # half as wide across the strips
    assert len({one.tobytes() for one in found["maps"]}) == 3
    assert (found["scatter"] >= 0.0).all()
