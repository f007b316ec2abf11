"""Spectra with answers known in closed form: one energy, the inverse square, directions, conserved sums."""

import math

import numpy as np
import pytest

import physsim as ps
from physsim.physics.energy_absorption import mass_energy_absorption_cm2_g
from physsim.physics.spectra import tube

KEV_PER_G_IN_UGY = 1.602176634e-16 * 1e3 * 1e6  # J/keV (SI 2019), g/kg, uGy/Gy


@pytest.mark.parametrize("energy_kev", [15.0, 30.0, 60.0, 100.0, 150.0])
def test_one_energy(energy_kev):
    beam = ps.Spectrum.monoenergetic(energy_kev, output_factor=2e6).sample()
    mu = float(ps.linear_attenuation_per_mm(ps.material("Al"), energy_kev))
    assert beam.hvl1_mm() == pytest.approx(math.log(2) / mu, rel=1e-12)
    assert beam.homogeneity() == pytest.approx(1.0, rel=1e-9)
    assert beam.mean_energy_kev == energy_kev
    if energy_kev < 150.0:
        assert beam.effective_energy_kev() == pytest.approx(energy_kev, rel=1e-9)
    absorption = float(mass_energy_absorption_cm2_g("air", energy_kev))
    assert beam.kerma_nist_ugy_per_mas == pytest.approx(2e6 * energy_kev * absorption * KEV_PER_G_IN_UGY, rel=1e-12)


def test_layers_of_a_mixture_of_two_energies():
    table = {"energies_kev": (30.0, 80.0), "fluence": (3.0, 1.0), "absolute": True}
    beam = ps.Spectrum(table=table).sample()
    for fraction in (0.9, 0.5, 0.25, 1e-3):
        behind = beam.filtered("Cu", beam.layer_mm(fraction, "Cu"))
        assert behind.kerma_ugy_per_mas / beam.kerma_ugy_per_mas == pytest.approx(fraction, rel=1e-10)


def test_inverse_square_scaling_and_air():
    beam = ps.Spectrum(kvp=80, filters=[("Al", 3.0)]).sample()
    far = beam.at_distance(2000.0)
    assert far.kerma_ugy_per_mas == pytest.approx(beam.kerma_ugy_per_mas / 4, rel=1e-12)
    np.testing.assert_allclose(far.at_distance(1000.0).fluence, beam.fluence, rtol=1e-14)
    mu = ps.linear_attenuation_per_mm(ps.material("air"), beam.energies_kev)
    np.testing.assert_allclose(far.filtered("air", 2000.0).fluence, far.fluence * np.exp(-2000.0 * mu), rtol=1e-12)


def test_output_of_the_users_own_tube():
    beam = ps.Spectrum(kvp=70, filters=[("Al", 2.5)], bowtie=None).scaled_to_kerma(23.4, distance_mm=1500.0)
    assert beam.sample().at_distance(1500.0).kerma_ugy_per_mas == pytest.approx(23.4, rel=1e-12)
    relative = ps.Spectrum(table={"energies_kev": (30.0, 31.0), "fluence": (0.1, 7.0)}).scaled_to_kerma(5.0)
    assert relative.absolute
    assert relative.sample().kerma_ugy_per_mas == pytest.approx(5.0, rel=1e-12)


def test_take_off_is_the_angle_to_the_target_surface():
    anode = math.radians(11.0)
    normal = np.array([math.cos(anode), 0.0, math.sin(anode)])  # x to the cathode, z along the central ray
    along, across = np.meshgrid([-15.0, -3.0, 0.0, 8.0], [-20.0, 0.0, 5.0])
    rays = np.stack([np.tan(np.deg2rad(along)), np.tan(np.deg2rad(across)), np.ones_like(along)], axis=-1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    np.testing.assert_allclose(tube.takeoff_sine(11.0, along, across), rays @ normal, atol=1e-15)
    np.testing.assert_allclose(tube.obliquity(along, across), 1 / rays[..., 2], rtol=1e-14)


def test_heel_falls_towards_the_anode_and_ends_at_its_surface():
    beam = ps.Spectrum(kvp=100, anode_angle_deg=10, filters=[("Al", 2.5)])
    kermas = [beam.at(angle).kerma_ugy_per_mas for angle in (-9.5, -8.0, -4.0, 0.0, 4.0, 8.0)]
    assert np.all(np.diff(kermas) > 0)
    means = [beam.at(angle).mean_energy_kev for angle in (-8.0, -4.0, 0.0, 4.0, 8.0)]
    assert np.all(np.diff(means) < 0)  # the anode side is hardened
    assert beam.at(-10.0 - 1e-9).total_fluence == 0.0
    assert beam.at(-12.0).total_fluence == 0.0


@pytest.mark.parametrize("nodes", [17, 33])
def test_heel_table_meets_the_spectra_between_its_nodes(nodes):
    beam = ps.Spectrum(kvp=120, anode_angle_deg=12, filters=[("Al", 2.5), ("Cu", 0.1)])
    table = beam.heel((-8.0, 8.0), 10.0, nodes=nodes)
    assert table.interpolation_error < (0.0025 if nodes == 17 else 7e-4)
    middle = beam.sample().energy_fluence_kev
    for along, across in ((-8, 0), (-7.7, 3), (-2.2, -10), (0, 0), (3.3, 7), (8, 10)):
        exact = beam.at(along, across)
        found = table.fluence_at(along, across)
        difference = float((found * table.energies_kev).sum()) - exact.energy_fluence_kev
        assert abs(difference) < 1.2 * table.interpolation_error * middle
    assert table.position([-8.0, 8.0], [10.0, 0.0]) == pytest.approx([0.0, nodes - 1.0], abs=1e-9)


@pytest.mark.parametrize(("fields", "bins", "limit"), [
    ({"kvp": 120, "filters": [("Al", 2.5)]}, 30, 1e-3), ({"kvp": 120, "filters": [("Al", 2.5)]}, 10, 0.01),
    ({"kvp": 28, "target": "Mo", "filters": [("Be", 1), ("Mo", 0.03)]}, 20, 0.01)])
def test_rebinning_conserves_photons_and_energy(fields, bins, limit):
    full = ps.Spectrum(**fields).sample()
    merged = full.rebinned(bins)
    assert merged.energies_kev.size == bins
    assert merged.total_fluence == pytest.approx(full.total_fluence, rel=1e-13)
    assert merged.energy_fluence_kev == pytest.approx(full.energy_fluence_kev, rel=1e-13)
    assert np.all((merged.edges_kev[:-1] <= merged.energies_kev) & (merged.energies_kev <= merged.edges_kev[1:]))
    assert 0 < full.rebinning_error(merged) < limit
    assert full.rebinned(10_000) is full


def test_spectrum_is_smooth_in_kvp_and_ends_at_it():
    edges = tube.bin_edges_kev(97.3)
    assert edges[-1] == 97.3
    assert edges[0] >= 1.0
    sine = float(tube.takeoff_sine(12.0))
    kvps = np.arange(60.0, 149.9, 0.7)
    for energy in (25.0, 45.0):
        bin_edges = np.array([energy - 0.25, energy + 0.25])
        values = np.array([tube.tube_continuum("W", kvp, sine, bin_edges)[0] for kvp in kvps])
        bend = np.abs(np.diff(values, 2)) / values[1:-1]
        assert bend.max() < 1e-3
    assert tube.tube_continuum("W", 97.3, sine, np.array([97.2, 97.4]))[0] == 0.0


def test_lines_appear_above_their_edges_only():
    sine = float(tube.takeoff_sine(12.0))
    assert all(energy < 15 for energy, _ in tube.line_fluences("W", 69.0, sine))
    potentials = (69.6, 70.5, 75, 90, 140)
    k_lines = [sum(n for energy, n in tube.line_fluences("W", kvp, sine) if energy > 55) for kvp in potentials]
    assert np.all(np.diff([0.0, *k_lines]) > 0)


def test_filters_take_any_order_and_oblique_paths():
    one = ps.Spectrum(kvp=90, filters=[("Al", 2.0), ("Cu", 0.2)]).sample()
    two = ps.Spectrum(kvp=90, filters=[("Cu", 0.2), ("Al", 0.5), ("Al", 1.5)]).sample()
    np.testing.assert_allclose(one.fluence, two.fluence, rtol=1e-12)
    bare, across = ps.Spectrum(energy_kev=60), 25.0
    mu = float(ps.linear_attenuation_per_mm(ps.material("Al"), 60.0))
    ratio = bare.replace(filters=[("Al", 3.0)]).at(0.0, across).total_fluence / bare.at(0.0, across).total_fluence
    assert ratio == pytest.approx(math.exp(-3.0 * mu / math.cos(math.radians(across))), rel=1e-12)


def test_bowtie_thickness_and_attenuation():
    table = ps.Bowtie(material="Al", fan_angles_deg=(0, 10, 25), thickness_mm=(1.0, 6.0, 30.0))
    np.testing.assert_allclose(table.path_mm([-10, 0, 5, 25], 0.0), [6.0, 1.0, 3.5, 30.0])
    assert float(table.path_mm(0.0, 60.0)) == pytest.approx(2.0)
    bent = ps.Bowtie(material="pmma", coefficients_mm=(2.0, 0.0, 0.05), max_angle_deg=20)
    assert float(bent.path_mm(-10.0)) == pytest.approx(7.0)
    slanted = ps.Bowtie(material="Al", fan_angles_deg=(-20, 20), thickness_mm=(0.0, 8.0), symmetric=False)
    np.testing.assert_allclose(slanted.path_mm([-20, 0, 20]), [0.0, 4.0, 8.0])
    beam = ps.Spectrum(energy_kev=70, bowtie=table)
    mu = float(ps.linear_attenuation_per_mm(ps.material("Al"), 70.0))
    assert beam.at(0.0, 25.0).total_fluence == pytest.approx(math.exp(-30.0 * mu), rel=1e-12)


def test_kept_bins_are_those_of_the_tube_and_cannot_be_written():
    beam = ps.Spectrum(kvp=83.0, anode_angle_deg=11.0)
    sine = float(tube.takeoff_sine(11.0))
    for _ in range(2):
        bins = beam.sample()
        np.testing.assert_array_equal(bins.edges_kev, tube.bin_edges_kev(83.0))
        np.testing.assert_array_equal(bins.fluence, tube.tube_fluence("W", 83.0, sine, bins.edges_kev))
        for array in (bins.edges_kev, bins.fluence):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1.0
