"""Histories that follow what a place is worth: whatever the worth, the image is the same; only its error changes."""

import numpy as np
import pytest
from scatter_cases import VIEW, phantom

import physsim as ps
from physsim.transport import scatter_importance

BEAM = ps.Spectrum(kvp=100, filters=[("Al", 3.0)])
WRONG = {
    "flat": {"LEAST": 1e6, "FIELD_LEAST": 1e6},
    "steep": {"DEPTH_SHARE": 2.0, "FIELD_LEAST": 0.05},
    "few events": {"EVENTS": 4.0},
    "many events": {"EVENTS": 0.1},
}


def multiple(histories=8192, seed=3):
    run = ps.MonteCarlo(histories=histories)
    return ps.scatter_image(phantom(), VIEW, BEAM, run, seed=seed, threads=2, cell_mm=12)


@pytest.fixture(scope="module")
def usual():
    return multiple(262_144, seed=8)


@pytest.mark.parametrize("name", WRONG)
def test_any_worth_leaves_the_mean(monkeypatch, usual, name):
    """Means within 4 sigma (1 in 16,000 each by chance); sigma is 1 to 3 %."""
    for constant, value in WRONG[name].items():
        monkeypatch.setattr(scatter_importance, constant, value)
    found, expected = multiple(131072).mean(process="multiple"), usual.mean(process="multiple")
    error = np.hypot(found[1], expected[1])
    assert error < 0.035 * expected[0]
    assert abs(found[0] - expected[0]) < 4.0 * error


def test_photons_that_keep_less_worth_send_more_events(monkeypatch):
    """A fifth of the worth makes three to five times the events (no photon splits in more than 8), and less error."""
    usual = multiple(8192)
    monkeypatch.setattr(scatter_importance, "EVENTS", 0.2 * scatter_importance.EVENTS)
    many = multiple(8192)
    assert 3.0 < many.multiple.events / usual.multiple.events < 5.2
    assert many.mean(process="multiple")[1] < 0.8 * usual.mean(process="multiple")[1]


def test_a_body_between_the_rays_that_look_at_the_field():
    """They miss a wire of 0.5 mm: its photons keep the worth of their first collision and stay few."""
    labels = np.zeros((1, 3, 9), np.uint8)
    labels[0, 1] = 1
    grid = ps.Grid(shape=labels.shape, spacing_mm=(20.0, 0.5, 0.5), origin_mm=(-80.0, -0.5, 3.37))
    wire = ps.Phantom(grid=grid, labels=labels, materials=(ps.material("air_dry"), ps.material("bone_cortical_icru44")))
    view = ps.Geometry(
        source_mm=[(0, -500, 0)], centre_mm=[(0, 200, 0)], u=[(1, 0, 0)], v=[(0, 0, 1)],
        rows=4, columns=4, pixel_mm=(80, 80),
    )  # fmt: skip
    found = ps.scatter_image(wire, view, 60.0, ps.MonteCarlo(histories=16384), seed=2, threads=2, cell_mm=None)
    mean, error = found.mean(process="multiple")
    assert 0.0 < mean < 0.1 * found.mean(process="compton")[0]
    assert error < mean
    assert 0 < found.multiple.events < 10 * found.multiple.histories
