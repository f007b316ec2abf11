"""Single scatter guessed from a projection, against the cross-section of water and Monte Carlo of a slab of it."""

import numpy as np
import pytest

import physsim as ps
from physsim.imaging.single_scatter_guess import (
    _SLOPES,
    electron_section,
    gaussian_weights,
    single_guesses,
    water_section,
)
from physsim.transport.scatter_image import single_scatter
from physsim.transport.scatter_source import solid_angle

STRIPS = ps.AntiScatterGrid(ratio=12.0, lines_per_cm=40.0, strip_mm=0.05, interspace="air", focal_distance_mm=1000.0)


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


@pytest.mark.parametrize(("kev", "strips", "middle", "farthest"), [
    (60.0, None, 0.07, 0.2), (90.0, None, 0.07, 0.2), (60.0, STRIPS, 0.14, 0.29)])
def test_a_slab_of_water_scatters_as_guessed(kev, strips, middle, farthest):
    """20 mm of it, 200 mm before the detector, against Monte Carlo (1e-4 of noise): within 7 % in the middle and 20 %
    out to the last pixels but one, where ways on are longer than those along the rays. A grid passes less of what is
    aslant along its strips, too, which the guess neglects."""
    mu = ps.linear_attenuation_per_mm(ps.material("water"), np.array([kev - 1.0, kev + 1.0]))
    shape, pixel = (16, 16), (25.0, 25.0)
    labels = np.ones((40, 1, 40), np.uint8)
    slab = ps.Phantom(grid=ps.Grid(shape=labels.shape, spacing_mm=(10, 20, 10)), labels=labels,
                      materials=(ps.material("air"), ps.material("water")))
    view = ps.Geometry(source_mm=[(0, -800, 0)], centre_mm=[(0, 200, 0)], u=[(1, 0, 0)], v=[(0, 0, 1)], rows=16,
                       columns=16, pixel_mm=pixel)
    away = (np.arange(16) - 7.5) * 25.0
    long = np.sqrt(away[None, :] ** 2 + away[:, None] ** 2 + 1000.0**2)
    opened = kev * 1000.0 * 100.0 / (long**3 * solid_angle(np.full(2, -0.2), np.full(2, 0.2)))  # keV/cm2 a history
    if strips is not None:
        opened *= strips.transmission(kev, np.array([0.0, 0.0, 1.0]))
    depths = [np.broadcast_to((one * 20.0 * long / 1000.0)[:, None, :, None], (16, 2, 16, 2)) for one in mu]
    guess = opened.mean() * sum(single_guesses((depths[0], depths[1]), opened / opened.mean(), (kev, 1.0), 200.0, pixel,
                                               strips))
    truth = single_scatter(slab, view, kev, points=2048, replicates=8, seed=1, threads=2, anti_scatter_grid=strips)
    ratio = guess / (truth.image("compton") + truth.image("rayleigh"))
    assert ratio.shape == shape
    np.testing.assert_allclose(ratio[1:-1, 1:-1], 1.0, atol=farthest)
    np.testing.assert_allclose(ratio[6:10, 6:10], 1.0, atol=middle)
