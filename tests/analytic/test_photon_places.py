"""Photon transport in awkward places: sources inside, rays along faces and edges, tables, gaps, fields that miss."""

import numpy as np
import pytest

import physsim as ps
from physsim.spec.grid import Grid

SIGMAS = 4.5  # fixed seeds; one in 150,000 fails by chance
MU = float(ps.linear_attenuation_per_mm(ps.material("water"), 60.0))


def block(shape=(20, 20, 20), spacing=10.0, labels=None, direction=None, names=("water",)):
    """Voxels from (0, 0, 0) on."""
    labels = np.zeros(shape, np.uint8) if labels is None else labels
    fields = {} if direction is None else {"direction": direction}
    grid = Grid(shape=labels.shape, spacing_mm=(spacing,) * 3, origin_mm=(0.5 * spacing,) * 3, **fields)
    return ps.Phantom(grid=grid, labels=labels, materials=tuple(ps.material(name) for name in names))


def plane(centre, normal, source, size=4000.0):
    normal = np.array(normal, float) / np.linalg.norm(normal)
    u = np.cross(normal, np.eye(3)[np.abs(normal).argmin()])
    u /= np.linalg.norm(u)
    return ps.Geometry(source_mm=[source], centre_mm=[centre], u=[u], v=[np.cross(normal, u)], rows=1, columns=1,
                       pixel_mm=(size, size))


def primary(body, position, toward, centre, histories=20000, half_angle_deg=1e-4, **options):
    field = ps.ConeField(toward_mm=tuple(toward), half_angle_deg=half_angle_deg)
    source = ps.PhotonSource(spectrum=60, position_mm=tuple(position), field=field)
    way = np.subtract(toward, position)
    result = ps.transport_photons(body, source, ps.MonteCarlo(histories=histories), seed=12, threads=1,
                                  geometry=plane(centre, way, position), **options)
    return result.total("primary")


def assert_water(found, length_mm):
    expected = 60000 * np.exp(-MU * length_mm)
    assert abs(found.value - expected) < SIGMAS * found.error + 1e-4 * expected


@pytest.mark.parametrize("depth", [0.0, 10.0, 40.0, 97.3, 160.0, 200.0])
def test_a_source_inside_sees_what_lies_before_it(depth):
    """On faces of voxels and of coarse cells too."""
    assert_water(primary(block(), (100.0, 100.0, depth), (100.0, 100.0, 1000.0), (100, 100, 400)), 200.0 - depth)


@pytest.mark.parametrize("place", [0.001, 40.0, 80.0, 80.000001, 79.999999, 199.99])
def test_rays_along_faces_and_edges_end(place):
    """Axis-parallel in a face or an edge of voxels and cells: the whole way through water, nobody lost or caught."""
    for other in (place, 103.0):
        assert_water(primary(block(), (place, other, -50.0), (place, other, 1000.0), (place, other, 300)), 200.0)


@pytest.mark.parametrize("way", [(1, 1, 1), (1, 1, 0), (-1, 1, 1), (1, 0, -1), (-1, -1, -1)])
def test_rays_through_corners_end(way):
    """Diagonals meet two or three faces at once at every step."""
    way = np.array(way, float)
    start, end = 100 - 150 * way, 100 + 150 * way
    length = 200.0 * np.linalg.norm(way)
    assert_water(primary(block(), start, end, end, histories=60000, half_angle_deg=1e-5), length)


def test_a_turned_grid_is_as_good_for_them():
    turn = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    body = block(direction=tuple(map(tuple, turn)))
    for axis in np.eye(3):
        start, end = 40.0 + axis * -90.0, 40.0 + axis * 460.0
        assert_water(primary(body, start, end, end), 200.0)


def test_checkerboards_of_vacuum_and_lead_are_crossed():
    """Neighbours of the largest contrast at every face: along a row half the way is lead, photons between rows pass."""
    labels = (np.indices((16, 16, 16)).sum(axis=0) % 2).astype(np.uint8)
    body = block(labels=labels, spacing=1.0, names=("air_dry", "Pb"))
    found = primary(body, (8.5, 8.5, -5.0), (8.5, 8.5, 100.0), (8.5, 8.5, 60))
    assert found.value < 60000 * np.exp(-8 * 5.0)
    assert found.value == 0.0
    field = ps.ConeField(toward_mm=(8, 8, 9), half_angle_deg=89)
    source = ps.PhotonSource(spectrum=140, position_mm=(8, 8, 8), field=field)
    result = ps.transport_photons(body, source, ps.MonteCarlo(histories=5000), seed=3, threads=1)
    assert result.balance["born"] == result.balance["deposited"] + result.balance["escaped"]
    assert result.balance["deposited"] > 0.9 * result.balance["born"]


def test_a_table_under_the_patient_attenuates():
    """A table is part of the phantom's scene or voxels: water, a gap of air, then 20 mm of PMMA."""
    labels = np.full((12, 20, 20), 1, np.uint8)
    labels[:, 4:14], labels[:, 16:18] = 0, 2
    body = block(labels=labels, names=("water", "air_dry", "pmma"))
    found = primary(body, (100.0, -200.0, 60.0), (100.0, 1000.0, 60.0), (100, 400, 60))
    depth = 100.0 * MU + 20.0 * float(ps.linear_attenuation_per_mm(ps.material("pmma"), 60.0))
    depth += 80.0 * float(ps.linear_attenuation_per_mm(ps.material("air_dry"), 60.0))
    assert abs(found.value - 60000 * np.exp(-depth)) < SIGMAS * found.error + 1e-4 * found.value


def test_an_air_gap_takes_scatter_out():
    field = ps.RectangularField(centre_mm=(100, 100, 200), across=(1, 0, 0), along=(0, 1, 0), size_mm=(150, 150))
    source = ps.PhotonSource(spectrum=60, position_mm=(100, 100, -800), field=field)
    ratio = []
    for gap in (0.0, 150.0, 300.0):
        scale = (1000 + gap) / 1000
        seen = plane((100, 100, 200 + gap), (0, 0, 1), (100, 100, -800), size=150.0 * scale)
        result = ps.transport_photons(block(), source, ps.MonteCarlo(histories=20000), seed=2, threads=1, geometry=seen,
                                      ambient="air_dry")
        ratio.append(result.total("scatter").value / result.total("primary").value)
    assert ratio[0] > 1.3 * ratio[1] > 1.3 * 1.2 * ratio[2]


def test_a_field_that_misses_the_phantom_warns_not_where_the_detector_sees_it():
    field = ps.ConeField(toward_mm=(900, 100, 1000), half_angle_deg=1.0)
    source = ps.PhotonSource(spectrum=60, position_mm=(900, 100, -300), field=field)
    with pytest.warns(UserWarning, match="none of 1000 photons met"):
        result = ps.transport_photons(block(), source, ps.MonteCarlo(histories=1000), seed=2, threads=1)
    assert result.balance["escaped"] == result.balance["born"]
    seen = plane((900, 100, 400), (0, 0, 1), (900, 100, -300))
    caught = ps.transport_photons(block(), source, ps.MonteCarlo(histories=1000), seed=2, threads=1, geometry=seen)
    assert caught.total("primary").value == pytest.approx(60000)
