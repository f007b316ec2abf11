"""MTF, noise power and DQE measured from images whose true ones are known."""

import numpy as np
import pytest
from scipy.special import erf

from physsim.errors import InvalidInput
from physsim.evaluate.noise_power import detective_quantum_efficiency, noise_power_spectrum
from physsim.evaluate.resolution import mtf_from_edge, mtf_from_wire

PIXEL, SIGMA = 0.2, 0.15  # mm


def edge(angle_deg, shape=(200, 160), upright=True):
    """An edge blurred by a Gaussian of SIGMA, sampled at pixel centres: MTF exp(-2 (pi f sigma)^2)."""
    y, x = np.meshgrid((np.arange(shape[0]) - 99.3) * PIXEL, (np.arange(shape[1]) - 80.2) * PIXEL, indexing="ij")
    turn = np.radians(angle_deg)
    image = 100.0 + 40.0 * erf((x * np.cos(turn) - y * np.sin(turn)) / (np.sqrt(2.0) * SIGMA))
    return image if upright else np.ascontiguousarray(image.T)


@pytest.mark.parametrize(("angle_deg", "upright"), [(3.0, True), (-5.0, True), (4.0, False), (10.0, True)])
def test_mtf_of_a_gaussian_edge(angle_deg, upright):
    """Within 0.02 of the law up to the Nyquist frequency and a half."""
    found = mtf_from_edge(edge(angle_deg, upright=upright), PIXEL)
    law = np.exp(-2.0 * (np.pi * found.frequency_mm * SIGMA) ** 2)
    use = found.frequency_mm < 1.5 * 0.5 / PIXEL
    assert np.abs(found.mtf - law)[use].max() < 0.02
    assert abs(found.angle_deg) == pytest.approx(abs(angle_deg), abs=0.05)
    half = np.sqrt(np.log(2.0) / 2.0) / (np.pi * SIGMA)
    assert found.frequency_of(0.5) == pytest.approx(half, rel=0.02)


def test_mtf_of_a_noisy_edge():
    """Noise of 1 % of the step: within 0.03 up to the Nyquist frequency (seed fixed)."""
    image = edge(3.0) + np.random.default_rng(2).normal(0.0, 0.8, (200, 160))
    found = mtf_from_edge(image, PIXEL)
    use = found.frequency_mm < 0.5 / PIXEL
    assert np.abs(found.mtf - np.exp(-2.0 * (np.pi * found.frequency_mm * SIGMA) ** 2))[use].max() < 0.03


def test_mtf_of_a_wire():
    y, x = np.meshgrid((np.arange(64) - 31.3) * 0.1, (np.arange(64) - 30.8) * 0.1, indexing="ij")
    image = 20.0 + 300.0 * np.exp(-(x**2 + y**2) / (2.0 * SIGMA**2))
    found = mtf_from_wire(image, 0.1)
    law = np.exp(-2.0 * (np.pi * found.frequency_mm * SIGMA) ** 2)
    assert np.abs(found.mtf - law).max() < 0.01


def test_power_of_white_and_of_smoothed_noise():
    """White noise: variance x pixel area at all frequencies. A filter multiplies by its transfer squared: within 2 % or
    4.5 standard errors (24 images of 256 x 256; the lowest bands, where trends are taken off, apart)."""
    rng = np.random.default_rng(5)
    white = rng.normal(50.0, 3.0, (24, 256, 256))
    found = noise_power_spectrum(white, PIXEL)
    apart = np.abs(found.radial_power - 9.0 * PIXEL**2)[3:]
    assert (apart < np.maximum(0.02 * 9.0 * PIXEL**2, 4.5 * found.radial_error[3:])).all()
    assert found.variance == pytest.approx(9.0, rel=0.01)
    assert found.mean == pytest.approx(50.0, rel=1e-3)
    assert 0.5 < np.sqrt(((apart / found.radial_error[3:]) ** 2).mean()) < 2.0  # errors tell what they should
    weights = np.array([0.25, 0.5, 0.25])
    smooth = sum(w * np.roll(white - 50.0, n - 1, axis=2) for n, w in enumerate(weights)) + 50.0
    found = noise_power_spectrum(smooth, (PIXEL, PIXEL), region=64)
    along_row = found.frequency_mm[0]
    law = 9.0 * PIXEL**2 * np.cos(np.pi * along_row * PIXEL) ** 4
    measured = found.power[np.abs(found.frequency_mm[1]) > 0.5].mean(axis=0)
    assert measured == pytest.approx(law, abs=0.03 * 9.0 * PIXEL**2)


def test_efficiency_of_an_ideal_detector_is_1():
    """Poisson counts without blur: DQE = 1 within 3 %."""
    quanta = 400.0
    counts = np.random.default_rng(7).poisson(quanta * PIXEL**2, (24, 256, 256)).astype(float)
    noise = noise_power_spectrum(counts, PIXEL)
    frequency = np.linspace(0.3, 2.3, 9)
    assert detective_quantum_efficiency(frequency, np.ones(9), noise, quanta) == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize(("work", "text"), [
    (lambda: mtf_from_edge(edge(0.0), PIXEL), "degrees off the pixels"),
    (lambda: mtf_from_edge(np.ones((40, 40)), PIXEL), "no edge"),
    (lambda: mtf_from_wire(np.ones((40, 40)), PIXEL), "no wire"),
    (lambda: noise_power_spectrum(np.ones((3, 40, 40)), PIXEL), "region=128"),
    (lambda: noise_power_spectrum(np.full((200, 200), np.nan), PIXEL), "NaN"),
    (lambda: noise_power_spectrum(np.ones((200, 200)), PIXEL, trend=5), "trend=5")])
def test_bad_input(work, text):
    with pytest.raises(InvalidInput) as found:
        work()
    assert text in str(found.value)
