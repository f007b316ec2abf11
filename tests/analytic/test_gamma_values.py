"""The light or charge of equal deposits in three values: Gauss's rule for gamma variates, and what it mends."""

import numpy as np
import pytest
from scipy.special import roots_genlaguerre

import physsim as ps
from physsim.imaging.detector.moments import deposit_classes, gamma_values, signal_moments


@pytest.mark.parametrize("swank", [0.31, 0.59, 0.88, 0.97])
def test_they_are_the_rule_of_gauss_and_laguerre(swank):
    """Nodes and weights as scipy's, to 1e-12; none negative, however wide the distribution."""
    variance = 1.0 / swank - 1.0
    values, chances = gamma_values(variance)
    nodes, weights = roots_genlaguerre(3, 1.0 / variance - 1.0)
    np.testing.assert_allclose(values, nodes * variance, rtol=1e-12)
    np.testing.assert_allclose(chances, weights / weights.sum(), rtol=1e-11)
    assert (values > 0.0).all()


def test_without_spread_all_deposits_are_alike():
    values, chances = gamma_values(0.0)
    assert (values * chances).sum() == 1.0
    assert gamma_values(1e-6)[0] == pytest.approx(np.ones(3), abs=2e-3)


@pytest.mark.parametrize("name", ["hologic_selenia_dimensions", "csi_radiography", "ge_senographe_2000d", "gos_ct"])
def test_classes_of_deposits_have_the_moments_of_the_signal(name):
    """The mean, which three values at 1 +- sqrt(3 v), cut at 0, overstate by 7 % for selenium, to 1e-9; the second
    moment to step^2 / 4 a photon."""
    detector = ps.detectors[name]
    energies = np.array([18.25, 22.75, 30.25]) if "sen" in name or "sele" in name else np.array([40.25, 70.25, 100.25])
    deposits, chances = deposit_classes(detector, energies)
    moments = signal_moments(detector, energies)
    np.testing.assert_allclose((chances * deposits).sum(axis=2), moments[:, 0], rtol=1e-9)
    step = deposits[0]
    apart = (chances * deposits**2).sum(axis=2) - moments[:, 1]
    assert (apart > -1e-9 * moments[:, 1]).all()
    assert (apart <= 0.25 * step**2).all()
