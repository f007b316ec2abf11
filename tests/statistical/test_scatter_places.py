"""Scatter at places by independent batches, against scatter_image of the same phantom: few photons, and no bias."""

import numpy as np
import pytest

import physsim as ps
from physsim.transport.scatter import scatter_scene
from physsim.transport.scatter_optics import optics_of
from physsim.transport.scatter_places import BATCHES, ScatterPlaces

BEAM = ps.Spectrum(kvp=110, filters=[("Al", 4.0)])
GRID = ps.AntiScatterGrid(ratio=10, lines_per_cm=40, strip_mm=0.05, focal_distance_mm=1090.0)
RUN = ps.MonteCarlo(histories=1)
VIEW = ps.Geometry(source_mm=[(0.0, -900.0, 0.0)], centre_mm=[(0.0, 200.0, 0.0)], u=[(1, 0, 0)], v=[(0, 0, 1)],
                   rows=24, columns=24, pixel_mm=(12.5, 12.5))


@pytest.fixture(scope="module")
def body():
    """200 x 160 x 240 mm of water, a bone on one side, air around."""
    labels = np.zeros((30, 20, 30), np.uint8)
    labels[3:27, 2:18, 5:25] = 1
    labels[8:16, 4:8, 8:12] = 2
    return ps.Phantom(grid=ps.Grid(shape=labels.shape, spacing_mm=10), labels=labels,
                      materials=tuple(ps.material(name) for name in ("air", "water", "bone_cortical")))


@pytest.fixture(scope="module")
def scene(body):
    return scatter_scene(body, BEAM, RUN, None, 2)


def places_of(scene, grid=None, seed=1, threads=2, places=(6, 6)):
    return ScatterPlaces(scene, VIEW, optics_of(VIEW, BEAM, None, (0.0, 0.0), grid), RUN, places, seed, threads)


@pytest.mark.parametrize("grid", [None, GRID])
def test_places_hold_what_the_scatter_image_has_there(body, scene, grid):
    """36 places within 4.5 combined sigma (1 in 4,000 for all) and 1 % for the image's spline."""
    sums = places_of(scene, grid)
    sums.grow_to(2**14)
    found = sums.batches()
    run = ps.MonteCarlo(relative_error=0.01)
    image = ps.scatter_image(body, VIEW, BEAM, run, anti_scatter_grid=grid, cell_mm=None, seed=5)
    expected = image.image().reshape(6, 4, 6, 4).mean(axis=(1, 3))
    apart = image.deviations().reshape(-1, 6, 4, 6, 4).mean(axis=(2, 4))
    error = np.sqrt(found.var(axis=0, ddof=1) / BATCHES + (apart**2).sum(axis=0))
    assert (np.abs(found.mean(axis=0) - expected) < 4.5 * error + 0.01 * expected.mean()).all()


def test_few_photons_have_no_bias(scene):
    """Means of 80 runs of two photons a batch against many photons, 4 sigma (1 in 16,000). A spline of the logarithm of
    such places would be off by half of their relative variance: some 20 %."""
    few = []
    for seed in range(80):
        sums = places_of(scene, seed=100 + seed)
        sums.grow_to(2 * BATCHES)
        few.append(sums.batches().mean())
    many = places_of(scene, seed=3)
    many.grow_to(2**14)
    means = many.batches().mean(axis=(1, 2))
    error = np.hypot(np.std(few, ddof=1) / np.sqrt(len(few)), means.std(ddof=1) / np.sqrt(BATCHES))
    assert abs(np.mean(few) - means.mean()) < 4.0 * error
    assert error < 0.04 * means.mean()


def test_photons_are_added_in_any_steps_and_on_any_threads_to_the_same_bits(scene):
    at_once, in_steps = places_of(scene, GRID), places_of(scene, GRID, threads=1)
    at_once.grow_to(4096)
    for count in (64, 1000, 4096):
        in_steps.grow_to(count)
    assert at_once.histories == in_steps.histories == 4096
    np.testing.assert_allclose(at_once.batches(), in_steps.batches(), rtol=1e-6)  # sums in float32 within a step
    again = places_of(scene, GRID, threads=1)
    again.grow_to(4096)
    assert (again.batches() == at_once.batches()).all()
