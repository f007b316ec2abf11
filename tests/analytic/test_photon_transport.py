"""Photon transport where the answer is a formula: attenuation, solid angle, single scattering, spectra, majorants."""

import numpy as np
import pytest
from scipy.integrate import dblquad

import physsim as ps
from physsim.spec.grid import Grid
from physsim.transport.montecarlo_source import alias_table, field_quantiles

# Statistical tests here have fixed seeds; a bound of 4.5 sigma fails 1 in 150,000 by chance.
SIGMAS = 4.5
ACROSS, ALONG = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


def slab(thickness_mm, material="water", voxels=4, density=None, wide_mm=400.0):
    """Voxels of a slab whose faces lie at z = 0 and z = thickness."""
    shape = (voxels, 3, 3)
    grid = Grid(
        shape=shape,
        spacing_mm=(wide_mm / 3, wide_mm / 3, thickness_mm / voxels),
        origin_mm=(-wide_mm / 3, -wide_mm / 3, 0.5 * thickness_mm / voxels),
    )
    return ps.Phantom(grid=grid, labels=np.zeros(shape, np.uint8), materials=(ps.material(material),), density=density)


def detector(distance_mm, size_mm, pixels=1):
    return ps.Geometry(
        source_mm=[(0, 0, -500)],
        centre_mm=[(0, 0, distance_mm)],
        u=[ACROSS],
        v=[ALONG],
        rows=pixels,
        columns=pixels,
        pixel_mm=(size_mm / pixels, size_mm / pixels),
    )


def pencil(energy=60.0, half_angle_deg=0.05, **fields):
    return ps.PhotonSource(
        spectrum=energy,
        position_mm=(0, 0, -500),
        field=ps.ConeField(toward_mm=(0, 0, 0), half_angle_deg=half_angle_deg),
        **fields,
    )


@pytest.mark.parametrize(
    ("material", "energy", "thickness"),
    [("water", 60.0, 100.0), ("Al", 30.0, 5.0), ("Pb", 87.9, 0.3), ("Pb", 88.1, 0.3), ("iodine_contrast", 33.3, 5.0)],
)
def test_primary_follows_beer_and_lambert(material, energy, thickness):
    if material == "iodine_contrast":
        material = "I"
        thickness = 0.2
    result = ps.transport_photons(
        slab(thickness, material),
        pencil(energy),
        ps.MonteCarlo(histories=40000),
        seed=3,
        geometry=detector(200, 400),
        threads=1,
    )
    found = result.total("primary")
    expected = 1000 * energy * np.exp(-thickness * float(ps.linear_attenuation_per_mm(ps.material(material), energy)))
    assert abs(found.value - expected) < SIGMAS * found.error
    assert found.error < 0.05 * expected


def test_density_by_voxel_and_local_majorants_leave_the_attenuation():
    """A metre of foam, one dense layer in it: most candidates are virtual in one cell and none elsewhere."""
    voxels = 64
    density = np.full((voxels, 3, 3), 0.01, np.float32)
    density[40] = 9.0
    body = slab(640.0, "water", voxels, density)
    result = ps.transport_photons(
        body, pencil(60.0), ps.MonteCarlo(histories=40000), seed=5, geometry=detector(800, 2000), threads=1
    )
    depth = 10.0 * float(density[:, 0, 0].sum()) * float(ps.linear_attenuation_per_mm(ps.material("water"), 60.0))
    found = result.total("primary")
    assert abs(found.value - 60000 * np.exp(-depth)) < SIGMAS * found.error


def test_ambient_air_attenuates_from_source_to_detector():
    result = ps.transport_photons(
        slab(10.0, "air"),
        pencil(20.0),
        ps.MonteCarlo(histories=40000),
        seed=4,
        geometry=detector(1500, 3000),
        ambient="air",
        threads=1,
    )
    found = result.total("primary")
    expected = 20000 * np.exp(-2000 * float(ps.linear_attenuation_per_mm(ps.material("air"), 20.0)))
    assert abs(found.value - expected) < SIGMAS * found.error


def test_single_compton_and_rayleigh_follow_the_integral():
    """Along a pencil beam in a thin disc of water: one collision at depth z, then straight to the detector.

    Expected energy on the detector by order: the integral over depth and angle of cross section x attenuation x energy.
    """
    from physsim.physics.attenuation import mass_attenuation_cm2_g

    thickness, energy, half = 20.0, 40.0, 60.0
    body = slab(thickness, wide_mm=4000.0)
    result = ps.transport_photons(
        body,
        pencil(energy, 0.001),
        ps.MonteCarlo(histories=300000),
        seed=8,
        geometry=detector(100, 2 * half),
        disc_mm=half,
        threads=1,
    )
    mu = float(ps.linear_attenuation_per_mm(ps.material("water"), energy))
    share = {name: float(mass_attenuation_cm2_g("water", energy, name)) * 0.1 for name in ("compton", "rayleigh")}
    from physsim.physics.photon_tables import build

    laws = angular_laws(build(["water"]), energy)
    for order in ("compton", "rayleigh"):
        cosines, density, out_kev = laws[order]
        depth = (np.arange(400) + 0.5) / 400 * thickness
        meets = cosines[None, :] > ((100 - depth) / np.hypot(100 - depth, half))[:, None]
        out_mu = np.array([float(ps.linear_attenuation_per_mm(ps.material("water"), float(e))) for e in out_kev])
        way = np.exp(
            -mu * depth[:, None] - out_mu[None, :] * (thickness - depth)[:, None] / np.maximum(cosines, 1e-9)[None, :]
        )
        step = cosines[1] - cosines[0]
        expected = (
            1000 * share[order] * float((meets * way * (density * out_kev)[None, :]).sum()) * step * thickness / 400
        )
        found = result.total(order)
        assert abs(found.value - expected) < SIGMAS * found.error + 0.003 * expected, order
        assert found.error < 0.03 * expected


def angular_laws(tables, energy):
    """Per order: cosines (n), their probability density, mean energy out (keV), from the tables' form factors."""
    cosines = np.linspace(0.0, 1.0, 4001)[:-1] + 0.5 / 4000
    x2 = (energy / 12.398419843) ** 2 * 0.5 * (1 - cosines)
    nodes = tables.scattering[0].astype(float)
    # nodes stand 64 an octave apart in x^2 + 2^-10 (kernels/physics/form_factors.h)
    place = np.exp2(np.arange(len(nodes)) // 64) * (1 + np.arange(len(nodes)) % 64 / 64) * 2.0**-10 - 2.0**-10
    coherent, incoherent = (np.interp(x2, place, nodes[:, n]) for n in (0, 1))
    full = np.linspace(-1.0, 1.0, 8001)[:-1] + 0.5 / 4000
    x2_full = (energy / 12.398419843) ** 2 * 0.5 * (1 - full)
    ratio, ratio_full = (1 / (1 + energy / 510.99895 * (1 - c)) for c in (cosines, full))
    rayleigh, rayleigh_full = (1 + cosines**2) * coherent, (1 + full**2) * np.interp(x2_full, place, nodes[:, 0])
    compton = ratio**2 * (ratio + 1 / ratio - 1 + cosines**2) * incoherent
    compton_full = ratio_full**2 * (ratio_full + 1 / ratio_full - 1 + full**2) * np.interp(x2_full, place, nodes[:, 1])
    step = full[1] - full[0]
    return {
        "rayleigh": (cosines, rayleigh / (rayleigh_full.sum() * step), np.full(cosines.shape, energy)),
        "compton": (cosines, compton / (compton_full.sum() * step), energy * ratio),
    }


def test_a_field_is_uniform_in_solid_angle():
    """Counts by pixel of an oblique rectangle against the solid angle of each pixel."""
    body = slab(1.0, "air", density=np.zeros((4, 3, 3), np.float32))  # vacuum
    geometry = ps.Geometry(
        source_mm=[(0, 0, 0)], centre_mm=[(150, -80, 200)], u=[ACROSS], v=[ALONG], rows=6, columns=5, pixel_mm=(60, 50)
    )
    source = ps.PhotonSource.of_view(geometry, 50.0)
    result = ps.transport_photons(body, source, ps.MonteCarlo(histories=400000), seed=9, geometry=geometry, threads=1)
    solid = np.array(
        [
            [dblquad(lambda y, x: 200.0 / (x * x + y * y + 200.0**2) ** 1.5, *x, *y)[0] for x in edges(150, 60, 5)]
            for y in edges(-80, 50, 6)
        ]
    )
    expected = solid / solid.sum() * 400000
    counts = result.image("primary") * result.histories / 50000
    assert counts.sum() == pytest.approx(400000, abs=200)  # photons on the outline may round to either side
    assert ((counts - expected) ** 2 / expected).sum() < 62  # chi-square of 29 degrees: fails 1 in 2,900 by chance


def edges(centre, pitch, count):
    low = centre - 0.5 * pitch * count
    return [(low + n * pitch, low + (n + 1) * pitch) for n in range(count)]


def test_a_cone_is_uniform_in_solid_angle():
    body = slab(1.0, "air", density=np.zeros((4, 3, 3), np.float32))
    result = ps.transport_photons(
        body,
        pencil(50.0, 40.0),
        ps.MonteCarlo(histories=100000),
        seed=2,
        threads=1,
        geometry=detector(500, 4000),
        disc_mm=1000 * np.tan(np.deg2rad(25.0)),
    )
    share = (1 - np.cos(np.deg2rad(25.0))) / (1 - np.cos(np.deg2rad(40.0)))
    assert abs(result.total().value - 50000 * share) < SIGMAS * result.total().error


def test_quantiles_of_a_field_are_exact():
    x = field_quantiles(-0.3, 1.2, 0.1, 0.6)
    mass, _ = dblquad(lambda y, x: (1 + x * x + y * y) ** -1.5, -0.3, 1.2, 0.1, 0.6)
    for node in (1, 100, 256, 400, 511):
        below, _ = dblquad(lambda y, x: (1 + x * x + y * y) ** -1.5, -0.3, float(x[node]), 0.1, 0.6)
        assert below / mass == pytest.approx(node / 512, abs=1e-7)


def test_alias_tables_keep_the_weights():
    weights = np.array([0.0, 3.0, 1.0, 0.25, 7.0, 1e-6])
    table = alias_table(weights, np.arange(6.0), np.ones(6))
    keep, other = table[:, 0].copy().view(np.float32).astype(float), table[:, 1]
    found = keep / 6
    np.add.at(found, other, (1 - keep) / 6)
    np.testing.assert_allclose(found, weights / weights.sum(), atol=1e-7)


def test_a_spectrum_is_drawn_as_it_is():
    spectrum = ps.Spectrum(kvp=100, filters=[("Al", 3.0)])
    source = ps.PhotonSource(
        spectrum=spectrum, position_mm=(0, 0, -500), field=ps.ConeField(toward_mm=(0, 0, 0), half_angle_deg=1)
    )
    body = slab(1.0, "air", density=np.zeros((4, 3, 3), np.float32))
    bins = np.arange(10.0, 101.0, 10.0)
    result = ps.transport_photons(
        body,
        source,
        ps.MonteCarlo(histories=200000),
        seed=1,
        geometry=detector(500, 400),
        energy_edges_kev=bins,
        threads=1,
    )
    sampled = spectrum.sample()
    for n in range(len(bins) - 1):
        inside = (sampled.energies_kev > bins[n]) & (sampled.energies_kev < bins[n + 1])
        expected = 1000 * float((sampled.fluence * sampled.energies_kev)[inside].sum()) / sampled.total_fluence
        values = result.batch_images("primary", n)[:, 0, 0]
        assert abs(values.mean() - expected) < SIGMAS * values.std(ddof=1) / 8 + 1e-9


def test_a_focal_spot_blurs_by_the_magnification():
    """Half plane of lead midway: the penumbra on the detector is as wide as the spot, and a ramp."""
    shape = (1, 1, 2)
    grid = Grid(shape=shape, spacing_mm=(100, 200, 1), origin_mm=(-50, 0, 0))
    body = ps.Phantom(
        grid=grid,
        labels=np.array([[[0, 1]]], np.uint8),
        materials=(ps.material("Pb"), ps.material("air")),
        density=np.array([[[1.0, 1.0]]], np.float32),
    )
    source = ps.PhotonSource(
        spectrum=30.0,
        position_mm=(0, 0, -500),
        focal_spot_mm=(8, 0),
        field=ps.RectangularField(centre_mm=(0, 0, 500), across=ACROSS, along=ALONG, size_mm=(40, 20)),
    )
    geometry = ps.Geometry(
        source_mm=[(0, 0, -500)], centre_mm=[(0, 0, 500)], u=[ACROSS], v=[ALONG], rows=1, columns=20, pixel_mm=(2, 20)
    )
    profile = ps.transport_photons(
        body, source, ps.MonteCarlo(histories=100000), seed=6, geometry=geometry, threads=1
    ).image("primary")[0]
    ramp = np.clip((np.arange(20) * 2 - 19 + 4) / 8, 0, 1)
    np.testing.assert_allclose(profile / profile[15:].mean(), ramp, atol=0.05)


def test_a_sweep_spreads_the_source_over_its_angles():
    """A quarter turn about z: the photons that leave a small absorber's side come from x > 0, y > 0 alone."""
    shape = (1, 2, 2)
    grid = Grid(shape=shape, spacing_mm=(5, 5, 50))
    body = ps.Phantom(
        grid=grid,
        labels=np.array([[[0, 1], [2, 3]]], np.uint8),
        materials=tuple(ps.material("Pb").replace(name=f"q{n}") for n in range(4)),
    )
    source = ps.PhotonSource(
        spectrum=30.0,
        position_mm=(300, 0, 0),
        sweep=ps.Sweep(first_deg=0, range_deg=90),
        field=ps.ConeField(toward_mm=(0, 0, 0), half_angle_deg=1.5),
    )
    result = ps.transport_photons(body, source, ps.MonteCarlo(histories=20000), seed=6, threads=1)
    low, x_high, y_high, both = (result.region(f"q{n}") for n in range(4))
    assert both.value > x_high.value > 20 * low.value
    assert abs(x_high.value - y_high.value) < 4 * (x_high.error + y_high.error)  # what one lacks the other may have
    assert x_high.error + y_high.error < 0.02 * both.value
