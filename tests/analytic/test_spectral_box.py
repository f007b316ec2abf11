"""Beer-Lambert through boxes and slabs, whose chords are known."""

import numpy as np
import pytest
from spectral_cases import ENERGIES_KEV, SPECTRUM, rotation

import physsim as ps
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.transport.spectral import project_materials, project_signal

WATER = mass_attenuation_cm2_g({"H": 0.111907, "O": 0.888093}, ENERGIES_KEV)
BONE = mass_attenuation_cm2_g({"O": 0.441, "Ca": 0.225, "P": 0.103, "C": 0.155, "H": 0.034, "N": 0.042}, ENERGIES_KEV)


def chords_mm(start, end, low, high):
    with np.errstate(divide="ignore"):
        a, b = (low - start) / (end - start), (high - start) / (end - start)
    entry, exit_ = np.minimum(a, b).max(-1).clip(0), np.maximum(a, b).min(-1).clip(max=1)
    return np.maximum(exit_ - entry, 0) * np.linalg.norm(end - start, axis=-1)


@pytest.mark.parametrize("turn", [None, (0.3, 0.2)])
@pytest.mark.parametrize("relative", [None, 1.25, 0.0])
def test_beer_lambert_through_a_box(turn, relative):
    shape = (40, 50, 60)
    labels = np.zeros(shape, np.uint8)
    density = None if relative is None else np.full(shape, relative, np.float32)
    geometry = ps.Geometry.circular(
        views=2, source_axis_mm=300, source_detector_mm=400, rows=47, columns=45, pixel_mm=2.0, start_deg=10.3
    )
    geometry = geometry if turn is None else geometry.moved(rotation(*turn))
    signal = project_signal(labels, density, [1.0], [WATER], SPECTRUM, ps.Grid(shape=shape), geometry)
    half = np.array([30.0, 25.0, 20.0])
    for view in range(2):
        start, end = geometry.rays_mm(view)
        cm = 0.1 * chords_mm(start, end, -half, half) * (1.0 if relative is None else relative)
        exact = (SPECTRUM * np.exp(-cm[..., None] * WATER)).sum(-1)
        inside = cm > 0.05
        assert np.abs(signal[view] / exact - 1)[inside].max(initial=0) < 2e-6
        np.testing.assert_allclose(signal[view], exact, rtol=2e-5)


def test_an_open_beam_gives_the_sum_of_the_weights():
    geometry = ps.Geometry.parallel(views=1, rows=9, columns=9, pixel_mm=1.0)
    labels = np.zeros((9, 9, 9), np.uint8)
    signal = project_signal(labels, None, [0.0], [WATER], SPECTRUM, ps.Grid(shape=labels.shape), geometry)
    np.testing.assert_allclose(signal, SPECTRUM.sum(), rtol=3e-7)


def test_air_around_a_body_is_not_dropped():
    geometry = ps.Geometry.parallel(views=1, rows=16, columns=16, pixel_mm=1.0, distance_mm=500)
    labels = np.zeros((200, 200, 200), np.uint8)
    air = mass_attenuation_cm2_g({"N": 0.755, "O": 0.232, "Ar": 0.013}, ENERGIES_KEV)
    areal = project_materials(labels, None, [0.0012], ps.Grid(shape=labels.shape), geometry)
    np.testing.assert_allclose(areal, 0.0012 * 20.0, rtol=1e-6)
    signal = project_signal(labels, None, [0.0012], [air], SPECTRUM, ps.Grid(shape=labels.shape), geometry)
    np.testing.assert_allclose(signal, (SPECTRUM * np.exp(-0.024 * air)).sum(), rtol=5e-7)


@pytest.mark.parametrize("tolerance", [None, 1e-5])
def test_two_slabs(tolerance):
    """Water 20 mm before bone 10 mm, rays at right angles; half a column of the detector sees half density."""
    labels = np.zeros((32, 30, 32), np.uint8)
    labels[:, 20:] = 1
    density = np.ones(labels.shape, np.float16)
    density[16:] = 0.5
    geometry = ps.Geometry.parallel(views=1, rows=32, columns=32, pixel_mm=1.0)
    grid = ps.Grid(shape=labels.shape)
    areal = project_materials(labels, density, [1.0, 1.92], grid, geometry)
    part = np.where(np.arange(32) < 16, 1.0, 0.5)[:, None]
    np.testing.assert_allclose(areal[0, 0], 2.0 * part * np.ones((32, 32)), rtol=1e-6)
    np.testing.assert_allclose(areal[0, 1], 1.92 * part * np.ones((32, 32)), rtol=1e-6)
    signal = project_signal(labels, density, [1.0, 1.92], [WATER, BONE], SPECTRUM, grid, geometry, tolerance=tolerance)
    exact = (SPECTRUM * np.exp(-part * (2.0 * WATER + 1.92 * BONE))).sum(-1)
    np.testing.assert_allclose(signal[0], exact[:, None] * np.ones(32), rtol=2e-6)
