"""Scatter images: equal bits on every instruction set and number of threads.

What lies behind the detector is not seen.
"""

import dataclasses

import numpy as np
import pytest
from scatter_cases import VIEW, phantom

import physsim as ps
from physsim import _engine
from physsim.transport import scatter_image


def images(monkeypatch, isa, threads, view=VIEW):
    monkeypatch.setattr(scatter_image, "instruction_set", lambda: isa)
    spectrum = ps.Spectrum(kvp=100, filters=[("Al", 3.0)])
    return ps.single_scatter(phantom(), view, spectrum, points=32, replicates=8, seed=6, threads=threads).replicates


@pytest.mark.parametrize("isa", _engine.instruction_sets())
def test_instruction_sets_and_threads_give_equal_bits(monkeypatch, isa):
    expected = images(monkeypatch, "portable", 1)
    assert expected.min() > 0
    np.testing.assert_array_equal(images(monkeypatch, isa, 1), expected)
    np.testing.assert_array_equal(images(monkeypatch, isa, 3), expected)


def test_one_lane_at_a_time_gives_the_same_images(monkeypatch):
    """Sums by material are rounded where any lane changes material, so that the last bits differ."""
    np.testing.assert_allclose(images(monkeypatch, "scalar", 1), images(monkeypatch, "portable", 1), rtol=2e-6)


def test_the_detector_may_stand_in_the_box(monkeypatch):
    """What lies behind the detector's plane neither scatters into it nor attenuates."""
    isa = _engine.instruction_sets()[0]
    inside = dataclasses.replace(VIEW, centre_mm=[(5, 10, 0)], pixel_mm=(3, 3))
    body = phantom()
    cut = np.array(body.density)
    cut[:, 8:] = 0  # voxels whose near face lies at y = 10 or beyond
    monkeypatch.setattr(scatter_image, "instruction_set", lambda: isa)
    whole, front = (
        ps.single_scatter(one, inside, 60.0, points=512, replicates=16, seed=6, threads=1)
        for one in (body, body.replace(density=cut))
    )
    difference, error = whole.mean()[0] - front.mean()[0], np.hypot(whole.mean()[1], front.mean()[1])
    assert abs(difference) < 4.5 * error
    assert error < 0.05 * front.mean()[0]
