"""The unscattered beam of the photon transport in vacuum: photons per pixel against solid angles and the ray tracer.

Chi-square over all pixels; seeds are fixed, and a p-value below 1e-4 or above 1 - 1e-4 fails: 1 in 5,000 by chance.
"""

import numpy as np
import pytest
from scipy.stats import chi2

import physsim as ps
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid

ODDS = 1e-4


def bead(centre_mm=(0.0, 0.0, 5000.0)):
    """A phantom out of the beam's way."""
    labels = np.zeros((2, 2, 2), np.uint8)
    grid = Grid(shape=labels.shape, spacing_mm=(1, 1, 1), origin_mm=centre_mm)
    return ps.Phantom(grid=grid, labels=labels, materials=(ps.material("water"),))


def curved(radius_mm=1000.0, distance_mm=1000.0, pixels=(8, 40), pixel_mm=(20.0, 12.0)):
    return ps.Geometry(
        source_mm=[(0, -600, 0)],
        centre_mm=[(0, distance_mm - 600, 30)],
        u=[(1, 0, 0)],
        v=[(0, 0, 1)],
        rows=pixels[0],
        columns=pixels[1],
        pixel_mm=pixel_mm,
        radius_mm=radius_mm,
    )


def solid_angles(geometry, parts=24):
    """(rows, columns) sr of the pixels seen from the source, by the midpoint rule."""
    rows, columns = geometry.shape[1:]
    across, along = (
        ((np.arange(n * parts) + 0.5) / parts - 0.5 * n) * pitch
        for n, pitch in ((columns, geometry.pixel_mm[0]), (rows, geometry.pixel_mm[1]))
    )
    points = geometry.surface_mm(0, across[None, :], along[:, None])
    normal = np.broadcast_to(geometry.normal[0], points.shape)
    if geometry.radius_mm is not None:
        angle = across / geometry.radius_mm
        normal = (np.cos(angle)[:, None] * geometry.normal[0] + np.sin(angle)[:, None] * geometry.u[0])[None]
    way = points - geometry.source_mm[0]
    area = geometry.pixel_mm[0] * geometry.pixel_mm[1] / parts**2
    each = (way * normal).sum(-1) / (way * way).sum(-1) ** 1.5 * area
    return each.reshape(rows, parts, columns, parts).sum(axis=(1, 3))


def field_solid_angle(source):
    field = source.field
    way = np.array(field.centre_mm) - source.position_mm
    distance = abs(way @ np.cross(field.across, field.along))

    def corner(x, y):
        return np.arctan(x * y / (distance * np.sqrt(distance**2 + x * x + y * y)))

    (x0, x1), (y0, y1) = (
        (way @ axis - 0.5 * size, way @ axis + 0.5 * size)
        for axis, size in zip((field.across, field.along), field.size_mm, strict=True)
    )
    return corner(x1, y1) - corner(x0, y1) - corner(x1, y0) + corner(x0, y0)


def assert_chance(counts, expected, total=None):
    """Counts of Poisson or multinomial photons; the rest of `total` photons is one more cell."""
    counts, expected = counts.ravel(), expected.ravel()
    if total is not None:
        counts, expected = np.append(counts, total - counts.sum()), np.append(expected, total - expected.sum())
    few = expected < 20
    assert few.mean() < 0.1
    statistic = ((counts - expected)[~few] ** 2 / expected[~few]).sum()
    p_value = chi2.sf(statistic, (~few).sum() - (total is not None))
    assert ODDS < p_value < 1 - ODDS, (statistic, (~few).sum(), p_value)


def photons(source, geometry, histories, seed=5, **options):
    """(rows, columns) photons that met each pixel, all of one energy."""
    result = ps.transport_photons(
        bead(), source, ps.MonteCarlo(histories=histories), geometry=geometry, seed=seed, threads=1, **options
    )
    energy = source.spectrum.energy_kev
    return result.image("primary") * result.histories / (1000 * energy)


def test_a_cylinder_about_the_focus_has_pixels_of_equal_angle():
    geometry = curved()
    found = solid_angles(geometry)
    edges = (np.arange(9) - 4) * 12.0 + 30.0
    sines = edges / np.hypot(edges, 1000.0)
    np.testing.assert_allclose(found, np.broadcast_to(0.02 * np.diff(sines)[:, None], found.shape), rtol=1e-6)
    source = ps.PhotonSource.of_view(geometry, 60)
    count = 1_000_000
    assert_chance(photons(source, geometry, count), count * found / field_solid_angle(source), count)


@pytest.mark.parametrize("radius_mm", [700.0, 1500.0])
def test_any_cylinder_is_met_by_its_solid_angle(radius_mm):
    geometry = curved(radius_mm, pixel_mm=(24.0, 12.0)).moved(np.linalg.qr(np.random.default_rng(1).random((3, 3)))[0])
    source = ps.PhotonSource.of_view(geometry, 60)
    count = 1_000_000
    expected = count * solid_angles(geometry) / field_solid_angle(source)
    assert_chance(photons(source, geometry, count), expected, count)
    assert expected.max() > 1.05 * expected.min()


def test_a_curved_detector_scores_what_the_same_flat_pixels_score():
    """A curved detector of huge radius is flat: the same photons, scattered ones too, in the same pixels."""
    labels = np.zeros((6, 6, 6), np.uint8)
    grid = Grid(shape=labels.shape, spacing_mm=(40, 40, 40), origin_mm=(-100, -100, -100))
    body = ps.Phantom(grid=grid, labels=labels, materials=(ps.material("water"),))
    flat, nearly = (curved(radius, pixels=(6, 6), pixel_mm=(60.0, 50.0)) for radius in (None, 1e5))
    source = ps.PhotonSource.of_view(flat, 60)
    runs = [
        ps.transport_photons(body, source, ps.MonteCarlo(histories=20000), geometry=one, seed=2, threads=1)
        for one in (flat, nearly)
    ]
    counts = [run.image_counts.sum(axis=0) for run in runs]
    moved = np.abs(counts[0] - counts[1]).sum() / counts[0].sum()
    assert moved < 5e-3  # 0.2 mm of sagitta in pixels of 50 mm
    assert counts[0][1:].sum() > 0.2 * counts[0].sum()


def test_a_curved_detector_is_no_disc():
    with pytest.raises(InvalidInput, match="no disc"):
        photons(ps.PhotonSource.of_view(curved(), 60), curved(), 100, disc_mm=20.0)


def traced(source, geometry, histories, parts=4):
    """(rows, columns) photons and their mean keV: of `histories` photons those in a pixel of the open field."""
    rows, columns = geometry.shape[1:]
    pitch = tuple(size / parts for size in geometry.pixel_mm)
    pose = {name: tuple(getattr(geometry, name)[0].tolist()) for name in ("source_mm", "centre_mm", "u", "v")}
    protocol = ps.Protocol(
        spectrum=source.spectrum,
        mas=1.0,
        detector=ps.Detector(rows=parts * rows, columns=parts * columns, pixel_mm=pitch, absorber={"kind": "ideal"}),
        poses=[pose],
        cathode=source.cathode,
    )
    shot = ps.simulate(bead((0, -500, 0)), protocol)
    each, kev = (
        shot[name][0].astype(np.float64).reshape(rows, parts, columns, parts).sum(axis=(1, 3))
        for name in ("open_photons", "open_field")
    )
    return histories * each / each.sum(), kev / each


def counted(source, geometry, histories, seed):
    """(rows, columns) photons by pixel, from energies in bins of 1 keV."""
    edges = np.arange(10.0, 131.0)
    result = ps.transport_photons(
        bead(), source, ps.MonteCarlo(histories=histories), geometry=geometry, seed=seed, threads=1,
        energy_edges_kev=edges,
    )
    kev = result.image_counts.sum(axis=0)[0] * 2.0**-20
    return (kev / (0.5 * (edges[1:] + edges[:-1]))[:, None, None]).sum(axis=0), kev.sum(axis=0)


def flat_field(shift_mm=0.0):
    return ps.Geometry(
        source_mm=[(0, -1000, 0)], centre_mm=[(shift_mm, 0, 20)], u=[(1, 0, 0)], v=[(0, 0, 1)],
        rows=12, columns=16, pixel_mm=(25.0, 30.0),
    )


CT_BOWTIE = ps.Bowtie(material="Al", fan_angles_deg=(0, 4, 8, 14), thickness_mm=(1.0, 3.0, 12.0, 30.0))
WEDGE = ps.Bowtie(material="pmma", fan_angles_deg=(-14, 14), thickness_mm=(5.0, 60.0), symmetric=False)


@pytest.mark.parametrize(
    ("spectrum", "cathode"),
    [
        (ps.Spectrum(energy_kev=60.5, output_factor=1e6, bowtie=CT_BOWTIE), "v+"),
        (ps.Spectrum(energy_kev=40.5, output_factor=1e6, bowtie=WEDGE), "u-"),
        (ps.Spectrum(kvp=100, anode_angle_deg=10, filters=[("Al", 3)]), "v-"),
        (ps.Spectrum(kvp=100, anode_angle_deg=10, filters=[("Al", 3)]), "u+"),
        (ps.Spectrum(kvp=120, filters=[("Al", 3)], bowtie=CT_BOWTIE), "v+"),
    ],
)
def test_the_field_is_the_ray_tracers(spectrum, cathode):
    """Heel, filters and bowtie: photons by pixel on 192 pixels, chi-square against the ray tracer's open field."""
    geometry, count = flat_field(), 400_000
    source = ps.PhotonSource.of_view(geometry, spectrum, cathode=cathode)
    found, _ = counted(source, geometry, count, seed=9)
    expected, _ = traced(source, geometry, count)
    assert expected.max() > 1.3 * expected.min()
    assert abs(found.sum() - count) < 1e-3 * count
    assert_chance(found, expected)


def test_a_bowtie_hardens_towards_the_edge():
    geometry, count = flat_field(), 300_000
    spectrum = ps.Spectrum(kvp=120, filters=[("Al", 3)], bowtie=CT_BOWTIE)
    source = ps.PhotonSource.of_view(geometry, spectrum, cathode="v+")
    found, kev = counted(source, geometry, count, seed=10)
    expected, mean_kev = traced(source, geometry, count)
    for columns in (slice(0, 2), slice(7, 9), slice(14, 16)):
        mean = (expected * mean_kev)[:, columns].sum() / expected[:, columns].sum()
        bound = 4.5 * 20.0 / np.sqrt(expected[:, columns].sum())  # spectra of 120 kVp spread by less than 20 keV
        assert abs(kev[:, columns].sum() / found[:, columns].sum() - mean) < bound
    assert mean_kev[:, 0].mean() > mean_kev[:, 7].mean() + 5.0


def test_a_focal_spot_blurs_what_is_between_and_leaves_the_field():
    """A small detector half-way: its count is that of a point source; with the spot as large as its field too."""
    geometry = flat_field()
    source = ps.PhotonSource.of_view(geometry, 60, focal_spot_mm=(30.0, 20.0))
    count = 400_000
    assert_chance(photons(source, geometry, count), count * solid_angles(geometry) / field_solid_angle(source))
    half = ps.Geometry(
        source_mm=[(0, -1000, 0)], centre_mm=[(0, -500, 10)], u=[(1, 0, 0)], v=[(0, 0, 1)], rows=1, columns=120,
        pixel_mm=(2.0, 400.0),
    )
    seen = photons(source, half, count)[0]
    place = (np.arange(120) - 59.5) * 2.0
    # The field's edge at -+200 mm is seen at -+100 mm, blurred by half the spot: falls linearly over 15 mm.
    plateau = seen[np.abs(place) < 90].mean()
    ramp = np.clip((107.5 - np.abs(place)) / 15.0, 0.0, 1.0)
    assert np.abs(seen / plateau - ramp).max() < 0.08
    assert abs(seen.sum() - count) < 1


def test_a_bowtie_without_an_axis_is_refused():
    spectrum = ps.Spectrum(energy_kev=60, bowtie=CT_BOWTIE)
    with pytest.raises(InvalidInput, match="cathode='v\\+'"):
        ps.PhotonSource.of_view(flat_field(), spectrum)
    with pytest.raises(InvalidInput, match="no effect"):
        ps.PhotonSource.of_view(flat_field(), 60, cathode="v+")
    narrow = spectrum.replace(bowtie=ps.Bowtie(material="Al", fan_angles_deg=(0, 5), thickness_mm=(1, 2)))
    with pytest.raises(InvalidInput, match="bowtie is given for"):
        photons(ps.PhotonSource.of_view(flat_field(), narrow, cathode="v+"), flat_field(), 100)
