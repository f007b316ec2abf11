"""What imaging tables say of a detector's noise against sums over the spectrum itself: angles, layers, few quanta."""

import numpy as np
import pytest
from exposure_cases import one_energy, slab, tilted_pose

import physsim as ps
from physsim.imaging.detected import detected
from physsim.imaging.detector.moments import signal_moments
from physsim.imaging.detector.table import bin_energies_kev, moments_at
from physsim.imaging.hardness import hardness
from physsim.physics.attenuation import mass_attenuation_cm2_g

PANEL = ps.detectors["csi_radiography"]
BEAM = ps.Spectrum(kvp=125, target="W", filters=[("Al", 2.5), ("Cu", 0.1)]).sample()


@pytest.mark.parametrize("name", ["csi_radiography", "hologic_selenia_dimensions"])
@pytest.mark.parametrize(("slant", "within"),
                         [(1.0, 1e-12), (1.05, 1.5e-3), (1.2, 1.5e-3), (1.5, 1.5e-3), (3.0, 0.025)])
def test_the_table_is_the_detectors_moments_at_any_angle(name, slant, within):
    energies, detector = bin_energies_kev()[10:250:19], ps.detectors[name]
    np.testing.assert_allclose(moments_at(detector, energies, slant).sum(axis=0),
                               signal_moments(detector, energies, slant).sum(axis=0), rtol=within)


@pytest.mark.parametrize("turn_deg", [5.0, 26.0, 45.0])
def test_a_field_across_many_angles_can_be_described(turn_deg):
    """Kinks in the table would be refused by the field's nodes, which are held to 1e-7."""
    layer = ps.Scintillator(material="csi", thickness_mm=0.1, packing=0.8)
    protocol = one_energy(50.0, absorber=layer, positioning=None, poses=(tilted_pose(turn_deg),))
    assert ps.simulate(slab(60.0), protocol, noise=False).primary.min() > 0.0


def behind(material, g_cm2):
    """Expected sums (layers, 3) behind a layer of a material, and as images of one pixel signal and square."""
    beam = BEAM.fluence * np.exp(-mass_attenuation_cm2_g(material, BEAM.energies_kev) * g_cm2)
    sums = (moments_at(PANEL, BEAM.energies_kev, 1.0) * beam).sum(axis=2)
    return sums, *(np.full((1, 1, 1), sums[:, order].sum(), np.float32) for order in (0, 1))


@pytest.mark.parametrize(("material", "g_cm2"), [("water", 17.0), ("bone", 4.0), ("adipose", 19.0), ("Al", 4.0)])
def test_cumulants_of_each_layer_follow_from_signal_and_square(material, g_cm2):
    """Bone and aluminium harden a beam otherwise than the table's water: within 1.5 % of each layer's cumulants."""
    sums, signal, square = behind(material, g_cm2)
    law = hardness(PANEL, BEAM.energies_kev, BEAM.fluence)
    found = law.cumulants(signal, square)[..., 0, 0, 0]
    np.testing.assert_allclose(found, sums, rtol=0.015)
    np.testing.assert_allclose(found[:, :2].sum(axis=0), sums[:, :2].sum(axis=0), rtol=1e-6)


def test_classes_of_few_quanta_have_the_same_moments():
    sums, signal, square = behind("water", 17.0)
    law = hardness(PANEL, BEAM.energies_kev, BEAM.fluence)
    ratio = float(square[0, 0, 0] / signal[0, 0, 0])
    for layer in range(len(sums)):
        counts = np.array([np.interp(ratio, law.ratio_kev, one) for one in law.counts_per_kev[:, layer].T])
        mean = counts * float(signal[0, 0, 0])
        assert (mean * law.deposits_kev).sum() == pytest.approx(sums[layer, 0], rel=5e-3)
        assert (mean * law.deposits_kev**2).sum() == pytest.approx(sums[layer, 1], rel=0.02)


@pytest.mark.parametrize("quanta", [3.0, 12.0, 400.0])
def test_drawn_quanta_have_the_mean_and_variance_of_the_law(quanta):
    """Behind three lengths of water at once, in 240,000 pixels each: by classes' counts below 30 quanta, by
    cumulants above. Of mean and variance each errs by 5 standard errors in 1 of 300,000 runs."""
    plain = PANEL.replace(rows=240, columns=1000, absorber=PANEL.absorber.replace(spread=None, depth_layers=1),
                          readout=ps.IntegratingReadout(crosstalk=0.0))
    law = hardness(plain, BEAM.energies_kev, BEAM.fluence)
    sums = [(behind("water", depth)[0]) for depth in (0.0, 5.0, 17.0)]
    one = np.array([[total[:, order].sum() for order in (0, 1)] for total in sums])
    one *= (quanta * one[:, 1] / one[:, 0] ** 2)[:, None]
    signal, square = (np.broadcast_to(one[:, order, None, None], (3, 240, 1000)).astype(np.float32) for order in (0, 1))
    expected, noise = detected(plain, law, signal, square, seed=5)
    variance = law.cumulants(signal, square)[:, 1].sum(axis=0, dtype=float)[:, 0, 0]
    np.testing.assert_allclose(expected, signal, rtol=2e-6)
    for view, wanted in enumerate(variance):
        assert abs(noise[view].mean(dtype=float)) < 5.0 * np.sqrt(wanted / 240_000)
        fourth = 2.0 + 4.0 / quanta  # of a compound Poisson sum of such quanta: kurtosis about 1.5 / quanta, bounded
        assert noise[view].var(dtype=float) == pytest.approx(wanted, rel=5.0 * np.sqrt(fourth / 240_000) + 0.005)
    halves = [detected(plain, law, signal[part], square[part], seed=5, first_view=part.start, threads=1)[1]
              for part in (slice(0, 1), slice(1, 3))]
    np.testing.assert_array_equal(np.concatenate(halves), noise)
