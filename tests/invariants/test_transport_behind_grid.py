"""Photon transport with an anti-scatter grid: the same photons as without, each with the grid's share of its energy."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid
from physsim.transport.montecarlo_grid import GRID

BUCKY = ps.AntiScatterGrid(
    ratio=8, lines_per_cm=40, strip_mm=0.05, cover_mm=0.3, focal_distance_mm=1000.0, gap_mm=3.0, angle_deg=20.0
)
FIELDS = {"histories": 20000}


def body():
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:5, 3:6, 1:4] = 1
    grid = Grid(shape=labels.shape, spacing_mm=(25, 25, 25), origin_mm=(-87.5, -87.5, -87.5))
    return ps.Phantom(grid=grid, labels=labels, materials=(ps.material("water"), ps.material("bone_cortical_icru44")))


def view(**fields):
    along = BUCKY.focal_distance_mm + BUCKY.gap_mm + 0.5 * BUCKY.height_mm
    return ps.Geometry(
        source_mm=[(0, -700, 0)], centre_mm=[(0, along - 700, 0)], u=[(1, 0, 0)], v=[(0, 0, 1)],
        rows=8, columns=6, pixel_mm=(40.0, 30.0), **fields,
    )


def run(grid, histories=20000, geometry=None, spectrum=None, **options):
    geometry = view() if geometry is None else geometry
    source = ps.PhotonSource.of_view(geometry, spectrum or ps.Spectrum(kvp=90, filters=[("Al", 3)]))
    options = {"anti_scatter_grid": grid, "geometry": geometry, "seed": 6, "threads": 1, **options}
    return ps.transport_photons(body(), source, ps.MonteCarlo(histories=histories), **options)


@pytest.fixture(scope="module")
def both():
    return run(BUCKY), run(None)


def test_what_the_grid_takes_and_leaves_is_what_came(both):
    behind, without = both
    kept = behind.region_counts[:, behind.regions.names.index(GRID)]
    came = without.image_counts.sum(axis=(1, 2, 3, 4))
    np.testing.assert_array_equal(behind.image_counts.sum(axis=(1, 2, 3, 4)) + kept, came)
    assert GRID not in without.regions.names
    assert behind.regions.names[-1] == without.regions.names[-1] == "ambient"
    for name in without.regions.names:
        assert behind.region(name).value == without.region(name).value
    assert behind.balance["deposited"] == behind.region_counts.sum()
    assert (behind.image() <= without.image()).all()


def test_each_photon_has_the_share_of_its_own_way():
    """Tracks with and without the grid: the detected energy against the formula in float64."""
    geometry = view()
    source = ps.PhotonSource.of_view(geometry, ps.Spectrum(kvp=90, filters=[("Al", 3)]))
    orders = []
    for number in range(150):
        common = {"geometry": geometry, "seed": 6, "threads": 1}
        track = ps.replay_photon(body(), source, ps.MonteCarlo(**FIELDS), number, anti_scatter_grid=BUCKY, **common)
        last = track.events[-1]
        if last.kind != "detected":
            continue
        came = last.energy_kev + last.deposited_kev
        axes = np.stack([geometry.u[0], geometry.v[0], geometry.normal[0]])
        place = axes[:2] @ (np.array(last.position_mm) - geometry.centre_mm[0])
        share = float(BUCKY.transmission(came, axes @ np.array(last.direction), place))
        assert last.energy_kev == pytest.approx(share * came, abs=2e-3 * came)
        assert last.region == GRID
        assert track.deposited_kev + track.detected_kev == pytest.approx(track.born_kev, abs=1e-9)
        orders.append(last.order)
    assert {"primary"} < set(orders)


@pytest.mark.parametrize("angle_deg", [0.0, 90.0])
def test_each_photon_has_its_share_on_an_arc(angle_deg):
    """Tracks to a curved detector: the detected energy against the bent grid's formula where the photon arrives."""
    grid = BUCKY.replace(angle_deg=angle_deg, focal_distance_mm=None if angle_deg == 0.0 else 1000.0)
    geometry = view(radius_mm=600.0)
    source = ps.PhotonSource.of_view(geometry, 60.0)
    seen = 0
    for number in range(300):
        common = {"geometry": geometry, "seed": 6, "threads": 1}
        track = ps.replay_photon(body(), source, ps.MonteCarlo(**FIELDS), number, anti_scatter_grid=grid, **common)
        last = track.events[-1]
        if last.kind != "detected":
            continue
        axes = np.stack([geometry.u[0], geometry.v[0], geometry.normal[0]])
        u, v, ahead = axes @ (np.array(last.position_mm) - geometry.centre_mm[0])
        angle = np.arctan2(u, ahead + 600.0)
        turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
        came = last.energy_kev + last.deposited_kev
        share = float(grid.bent(600.0).transmission(came, turn @ axes @ np.array(last.direction), (0.0, v)))
        assert last.energy_kev == pytest.approx(share * came, abs=2e-3 * came)
        seen += 1
    assert seen > 3


def test_the_primary_falls_by_the_primary_transmission():
    """One energy, a focused grid: every primary photon has the same share but for the slant."""
    behind, without = (run(one, 4000, spectrum=60) for one in (BUCKY, None))
    place = view().pixel_centres_mm(0) - view().source_mm[0]
    way = np.stack([place @ axis for axis in (view().u[0], view().v[0], view().normal[0])], axis=-1)
    at = (view().pixel_centres_mm(0) - view().centre_mm[0]) @ np.stack([view().u[0], view().v[0]]).T
    expected = BUCKY.transmission(60.0, way, at)
    lit = without.image("primary") > 0
    ratio = behind.image("primary")[lit] / without.image("primary")[lit]
    np.testing.assert_allclose(ratio, expected[lit], rtol=3e-3)  # pixels are 30 x 40 mm: their slants vary


def test_performance_of_a_grid(both):
    """Figures of a run: the grid takes scatter out, and their errors know that the photons are the same."""
    found = ps.grid_performance(*both)
    assert 0.55 < found.primary.value < 0.75
    assert found.scatter.value < 0.5 * found.primary.value
    assert found.selectivity.value == pytest.approx(found.primary.value / found.scatter.value)
    assert found.bucky_factor.value == pytest.approx(1 / found.total.value)
    assert found.contrast_improvement.value == pytest.approx(found.primary.value / found.total.value)
    assert found.primary.error < 0.3 * both[1].total("primary").relative_error * found.primary.value
    assert 0.0 < found.scatter.error < 0.1 * found.scatter.value
    with pytest.raises(InvalidInput, match="same photons"):
        ps.grid_performance(both[0], run(None, 10000))
    with pytest.raises(InvalidInput, match="same photons"):  # as many, of another beam
        ps.grid_performance(both[0], run(None, spectrum=60))
    with pytest.raises(InvalidInput, match="first run has no grid"):
        ps.grid_performance(*both[::-1])


def test_a_grid_needs_a_detector_that_it_suits():
    source = ps.PhotonSource.of_view(view(), 60)
    with pytest.raises(InvalidInput, match="none"):
        ps.transport_photons(body(), source, ps.MonteCarlo(histories=100), anti_scatter_grid=BUCKY)
    curved = view(radius_mm=1000.0)
    with pytest.raises(InvalidInput, match="along the arc"):
        run(BUCKY, geometry=curved)
    with pytest.raises(InvalidInput, match="Leave focal_distance_mm out"):
        run(BUCKY.replace(angle_deg=0.0), geometry=curved)
    with pytest.raises(InvalidInput, match="Leave offset_mm out"):
        run(BUCKY.replace(angle_deg=0.0, focal_distance_mm=None, offset_mm=2.0), geometry=curved)
    with pytest.raises(InvalidInput, match="reaches the axis"):
        BUCKY.replace(angle_deg=0.0, focal_distance_mm=None, gap_mm=999.0).bent(1000.0)


def test_a_runs_spec_holds_the_grid_the_curve_and_the_cathode():
    from physsim.spec.transport_run import TransportRun

    plane = {"centre_mm": (0, 300, 0), "u": (1, 0, 0), "v": (0, 0, 1), "rows": 4, "columns": 4, "pixel_mm": (60, 75)}
    source = {"spectrum": {"kvp": 90}, "position_mm": (0, -800, 0), "cathode": "v+"}
    common = {"phantom": {"scene": "water_20cm"}, "source": source, "montecarlo": {"histories": 1000}}
    flat = TransportRun(**common, detector={**plane, "anti_scatter_grid": BUCKY})
    assert TransportRun.from_toml(flat.to_toml()).detector.anti_scatter_grid == BUCKY
    assert flat.source.cathode == "v+"
    assert flat.source.field.size_mm == (240.0, 300.0)
    bent = TransportRun(**common, detector={**plane, "radius_mm": 1100.0})
    assert bent.geometry.radius_mm == 1100.0
    across, along = bent.source.field.size_mm
    assert across == pytest.approx(2 * 1100.0 * np.tan(120.0 / 1100.0))
    assert along == pytest.approx(300.0 / np.cos(120.0 / 1100.0))
