"""Single scatter guessed from a projection, against the cross-section of water and Monte Carlo of a slab of it."""

import numpy as np
import pytest

from physsim.imaging.single_scatter_guess import _SLOPES, electron_section, gaussian_weights, water_section


@pytest.mark.parametrize("kev", [20, 60, 80, 110])
def test_gaussians_are_the_cross_section_of_water(kev):
    """Within 5 % from straight on to 45 degrees."""
    slopes = np.linspace(0.0, 1.0, 41)
    spreads = np.array(_SLOPES)
    made = np.exp(-0.5 * (slopes[:, None] / spreads) ** 2) / (2.0 * np.pi * spreads**2) @ gaussian_weights(kev)
    cosine, every = 1.0 / np.sqrt(1.0 + slopes**2), np.linspace(-1.0, 1.0, 20001)
    whole = 2.0 * np.pi * np.trapezoid(water_section(every, kev)[0], every)
    np.testing.assert_allclose(made, water_section(cosine, kev)[1] / whole * cosine**3, rtol=0.05)


@pytest.mark.parametrize("kev", [10.0, 60.0, 150.0])
def test_the_section_of_an_electron_is_the_integral_of_its_law(kev):
    from physsim.physics.scattering_law import ELECTRON_RADIUS_SQUARED_MOL, klein_nishina

    half = np.linspace(0.0, 1.0, 20001)
    whole = 4.0 * np.pi * np.trapezoid(klein_nishina(np.asarray(kev), half), half)
    assert electron_section(kev) == pytest.approx(whole / (8.0 * np.pi / 3.0 * ELECTRON_RADIUS_SQUARED_MOL), rel=1e-6)
