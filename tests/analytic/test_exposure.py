"""simulate() against closed forms: inverse square, obliquity, Beer-Lambert over the spectrum, absorption, air kerma."""

import math

import numpy as np
import pytest
from exposure_cases import one_energy, pixel_mm_and_rays, slab, tilted_pose

import physsim as ps
from physsim.imaging.detector.table import moments_at
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.physics.energy_absorption import mass_energy_absorption_cm2_g


@pytest.mark.parametrize("fields", [{}, {"positioning": None, "poses": (tilted_pose(),)}], ids=["PA", "tilted"])
def test_open_field_follows_inverse_square_and_obliquity(fields):
    shot = ps.simulate(slab(60.0), one_energy(**fields))
    _, length, cosine = pixel_mm_and_rays(shot.geometry)
    photons = 1e6 * 2.0 * (20.0 * 20.0 / 100.0) * (1000.0 / length) ** 2 * cosine
    np.testing.assert_allclose(shot["open_photons"][0], photons, rtol=1e-6)
    np.testing.assert_allclose(shot.open_field[0], 60.0 * photons, rtol=1e-6)


def test_slab_follows_beer_lambert_at_one_energy():
    shot = ps.simulate(slab(200.0), one_energy())
    _, _, cosine = pixel_mm_and_rays(shot.geometry)
    expected = np.exp(-ps.linear_attenuation_per_mm("water", 60.0) * 200.0 / cosine)
    np.testing.assert_allclose(shot.transmission[0], expected, rtol=1e-5)


@pytest.mark.parametrize(("material", "thickness_mm", "density"), [("water", 200.0, None), ("bone", 20.0, 1.25)])
def test_slab_follows_beer_lambert_over_the_spectrum(material, thickness_mm, density):
    protocol = ps.protocols.chest_pa(pixel_mm=43.0, mas=2.0, anti_scatter_grid=None)
    shot = ps.simulate(slab(thickness_mm, 700.0, material=material, density=density), protocol)
    rows, columns = shot.geometry.shape[1:]
    normal = np.cross(shot.geometry.u[0], shot.geometry.v[0])
    place, length, cosine = pixel_mm_and_rays(shot.geometry)
    for r, c in ((0, 0), (rows // 2, columns // 2), (rows - 1, 2), (1, columns - 1)):
        ray = place[r, c] - shot.geometry.source_mm[0]
        depth = abs(float(ray @ normal))
        along = math.degrees(math.atan(float(ray @ shot.geometry.v[0]) / depth))  # the cathode lies at v+
        across = math.degrees(math.atan(float(ray @ shot.geometry.u[0]) / depth))
        bins = protocol.spectrum.at(along, across).at_distance(length[r, c])
        mu = ps.linear_attenuation_per_mm(material, bins.energies_kev) * (density or 1.0)
        through = bins.fluence * np.exp(-mu * thickness_mm / cosine[r, c])
        adds = moments_at(protocol.detector, bins.energies_kev, 1.0 / cosine[r, c]).sum(axis=0)[0]
        area_cm2 = 43.0 * 43.0 / 100.0 * cosine[r, c]
        assert shot["photons"][0, r, c] == pytest.approx(protocol.mas * area_cm2 * through.sum(), rel=1e-5)
        signal = protocol.mas * area_cm2 * (through * adds).sum()
        assert shot.primary[0, r, c] == pytest.approx(signal, rel=1e-5)


def test_scintillator_absorbs_by_its_slant():
    """At 50 keV by the table of moments, lines of I and Cs that leave and all; at 30 keV, below their K edges, it lies
    between what stays if all that scatters and all L lines leave (NIST's mu_en) and if nothing does."""
    layer = ps.Scintillator(material="csi", thickness_mm=0.1, packing=0.8)
    for energy in (50.0, 30.0):
        protocol = one_energy(energy, absorber=layer, positioning=None, poses=(tilted_pose(40.0),))
        shot = ps.simulate(slab(60.0), protocol)
        _, _, cosine = pixel_mm_and_rays(shot.geometry)
        adds = [moments_at(protocol.detector, np.array([energy]), 1.0 / one)[0, 0, 0] for one in cosine.ravel()]
        expected = np.array(adds).reshape(cosine.shape)
        np.testing.assert_allclose(shot.open_field[0] / shot["open_photons"][0], expected, rtol=1e-6)
        assert expected.max() / expected.min() > 1.1  # the case is one where the slant matters
    stopped = 30.0 * (1 - np.exp(-float(ps.linear_attenuation_per_mm("csi", 30.0)) * 0.1 * 0.8 / cosine))
    kept = float(mass_energy_absorption_cm2_g("csi", 30.0) / mass_attenuation_cm2_g("csi", 30.0))
    assert ((expected < stopped) & (expected > kept * stopped)).all()
    assert kept > 0.89


def test_air_kerma_at_one_energy_is_fluence_times_absorption():
    shot = ps.simulate(slab(60.0), one_energy(60.0))
    _, length, _ = pixel_mm_and_rays(shot.geometry)
    fluence = 2e6 * (1000.0 / length) ** 2
    kerma = fluence * 60.0 * float(mass_energy_absorption_cm2_g("air", 60.0)) * 1.602176634e-16 * 1e3 * 1e6
    np.testing.assert_allclose(shot["open_air_kerma"][0], kerma, rtol=0.012)  # NIST's air is about 1 % above the tube's


def test_air_kerma_of_a_tube_is_that_of_its_spectrum():
    protocol = ps.protocols.chest_pa(pixel_mm=10.0, rows=43, columns=43, mas=2.0)
    shot = ps.simulate(slab(200.0), protocol)
    assert shot["open_air_kerma"][0, 21, 21] == pytest.approx(
        2.0 * protocol.spectrum.sample().at_distance(1800.0).kerma_ugy_per_mas, rel=2e-6)
    behind = protocol.spectrum.sample().at_distance(1800.0).filtered("water", 200.0)
    assert shot["air_kerma"][0, 21, 21] == pytest.approx(2.0 * behind.kerma_ugy_per_mas, rel=1e-5)
    assert shot.entrance_air_kerma_mgy() == pytest.approx(
        2e-3 * protocol.spectrum.sample().at_distance(1800.0 - 40.0 - 200.0).kerma_ugy_per_mas, rel=1e-5)


def test_heel_leaves_the_cathode_side_brightest():
    shot = ps.simulate(slab(60.0), ps.protocols.chest_pa(pixel_mm=43.0, cathode="u-"))
    row = shot["open_air_kerma"][0, 5]
    assert row[1] > 1.1 * row[-1]
    table = ps.protocols.chest_pa().spectrum
    angle = math.degrees(math.atan(4.5 * 43.0 / 1800.0))
    # pixel (5, 0) and (5, 9) mirror each other: only the heel tells them apart
    ratio = table.at(angle).kerma_ugy_per_mas / table.at(-angle).kerma_ugy_per_mas
    assert row[0] / row[-1] == pytest.approx(ratio, rel=2e-4)


def test_an_overlay_replaces_what_it_covers():
    shape = (12, 10, 12)
    labels = np.zeros(shape, np.uint8)
    labels[:, 5:, :] = 1
    density = (0.5 + np.random.default_rng(5).random(shape)).astype(np.float32)
    grid = ps.Grid(shape=shape, spacing_mm=4.0)
    body = ps.Phantom(grid=grid, labels=labels, materials=(ps.material("water"), ps.material("bone")), density=density)
    block = (slice(4, 8), slice(3, 7), slice(5, 9))
    fine = np.random.default_rng(6).integers(0, 2, (16, 16, 16)).astype(np.uint8)
    origin = grid.world_from_voxel @ np.array([5 - 0.375, 3 - 0.375, 4 - 0.375, 1.0])
    patch = ps.Overlay(ps.Grid(shape=fine.shape, spacing_mm=1.0, origin_mm=tuple(origin[:3])), fine, None, "patch")
    whole = {name: array.repeat(4, 0).repeat(4, 1).repeat(4, 2) for name, array in (("l", labels), ("d", density))}
    inside = tuple(slice(4 * part.start, 4 * part.stop) for part in block)
    whole["l"][inside], whole["d"][inside] = fine, 1.0
    all_fine = ps.Phantom(grid=ps.Grid(shape=tuple(4 * n for n in shape), spacing_mm=1.0), labels=whole["l"],
                          materials=body.materials, density=whole["d"])
    protocol = ps.protocols.chest_pa(pixel_mm=2.0, rows=40, columns=40, patient_detector_mm=0.0)
    one, other = (ps.simulate(phantom, protocol).primary for phantom in (body.replace(overlays=(patch,)), all_fine))
    np.testing.assert_allclose(one, other, rtol=1e-5)
    assert np.abs(ps.simulate(body, protocol).primary / other - 1).max() > 1e-2
