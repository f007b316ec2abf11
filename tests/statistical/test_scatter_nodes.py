"""Single scatter on nodes against the same photons scored on every pixel; cells that hold little of their matter."""

from dataclasses import replace

import numpy as np
import pytest
from scatter_cases import phantom

import physsim as ps
from physsim.transport.scatter import scatter_scene
from physsim.transport.scatter_optics import optics_of
from physsim.transport.scatter_sums import NODE_LEVELS, SINGLE_LEVELS, MultipleSums, SingleSums, ViewJob, single_levels

BEAM = ps.Spectrum(kvp=90, filters=[("Al", 4.0)])
RUN = ps.MonteCarlo(relative_error=0.02)


@pytest.fixture(scope="module")
def thorax():
    return ps.thorax(spacing_mm=8.0)


def view_of(body, columns=48, rows=40):
    centre = np.array(body.grid.origin_mm) + np.array(body.grid.size_mm) / 2
    return ps.Geometry(
        source_mm=[centre + np.array([0.0, 1600.0, 0.0])],
        centre_mm=[centre - np.array([0.0, 200.0, 0.0])],
        u=[(1, 0, 0)],
        v=[(0, 0, -1)],
        rows=rows,
        columns=columns,
        pixel_mm=(430 / columns, 430 / rows),
    )


def job_of(body, view, beam=BEAM):
    optics = optics_of(view, beam, None, (0.0, 0.0), None)
    scene = scatter_scene(body, optics.spectrum, RUN, 8.0, 2)
    return ViewJob(scene, view, optics.source_fields(view, scene), optics.target_fields(view, scene), RUN, 4, 2, 1.0)


@pytest.fixture(scope="module")
def sums(thorax):
    """The same 8 x 1024 points on each level of nodes and on all pixels."""
    job = job_of(thorax, view_of(thorax))
    found = {}
    for nodes in SINGLE_LEVELS:
        found[nodes] = SingleSums(job, nodes)
        found[nodes].grow_to(1024)
    return found


@pytest.mark.parametrize(("nodes", "limit"), [((16, 14), 0.012), ((24, 20), 0.009)])
def test_nodes_are_the_pixels_within_the_stated_error(sums, nodes, limit):
    """RMS over the mean of single scatter; part of it is noise finer than nodes, which the checks take off."""
    every, some = sums[None].images().mean(axis=0).sum(axis=0), sums[nodes].images().mean(axis=0).sum(axis=0)
    off = float(np.sqrt(((some - every) ** 2).mean()))
    assert off < limit * every.mean()
    assert some.mean() == pytest.approx(every.mean(), rel=0.003)
    stated, noise = sums[nodes].interpolation()
    assert stated < off + noise
    assert off < 2.0 * np.hypot(stated, noise)
    assert some.min() > 0.0


def test_the_spline_keeps_means_and_variances(sums):
    """Means agree as far as nodes, which reach the edges, can; errors of 2 x 2 pixels within a tenth."""
    some = sums[16, 14]
    assert some.mean_and_variance()[0] == pytest.approx(some.images().sum(axis=1).mean(), rel=0.05)
    parts = [one.images().sum(axis=1).reshape(8, 20, 2, 24, 2).mean(axis=(2, 4)) for one in (some, sums[None])]
    error = [np.sqrt(part.var(axis=0, ddof=1).mean()) for part in parts]
    assert error[0] == pytest.approx(error[1], rel=0.1)


def test_pixels_are_few_or_shadows_sharp():
    """A detector of few pixels has no nodes; a wall of lead before the detector refines them."""
    body = phantom()
    assert single_levels(None, view_of(body, 12, 10)) == [None]
    assert single_levels(None, view_of(body, 20, 18)) == [(16, 14), None]
    labels = np.zeros((24, 12, 24), np.uint8)
    labels[:, :8] = 1
    labels[:, 11, 12:] = 2  # its edge casts a sharp shadow upon a detector right behind
    wall = ps.Phantom(
        grid=ps.Grid(shape=labels.shape, spacing_mm=(10.0, 10.0, 10.0), origin_mm=(-115.0, -55.0, -115.0)),
        labels=labels,
        materials=(ps.material("air_dry"), ps.material("water"), ps.material("lead")),
    )
    view = ps.Geometry(
        source_mm=[(0, -900, 0)], centre_mm=[(0, 70, 0)], u=[(1, 0, 0)], v=[(0, 0, 1)],
        rows=40, columns=40, pixel_mm=(6, 6),
    )  # fmt: skip
    found = ps.scatter_image(wall, view, 60.0, ps.MonteCarlo(relative_error=0.03), seed=1, threads=2)
    assert found.single_nodes in ((24, 20), None)


def test_no_photon_weighs_as_much_as_all(thorax):
    """Variances of multiple scatter by 48 seeds: the greatest is below 2.5 times the median. Collisions in tissue that
    were drawn by the air of their step made it 4.8 times here, 200 times in voxels of 2 mm."""
    job = job_of(thorax, view_of(thorax))
    found = []
    for seed in range(48):
        sums = MultipleSums(replace(job, seed=seed, threads=1), NODE_LEVELS[0])
        sums.grow_to(24)
        found.append(sums.mean_and_variance()[1])
    assert max(found) < 2.5 * np.median(found)


def test_cells_know_how_uneven_they_are():
    """Root of the mean square over the mean: the root of 512 where one voxel of 8 x 8 x 8 is full, 1 where all are."""
    density = np.zeros((16, 16, 24), np.float32)
    density[:, :, 8:16] = 1.0
    density[3, 4, 21] = 1.0
    body = ps.Phantom(
        grid=ps.Grid(shape=density.shape, spacing_mm=(2.0, 2.0, 2.0)),
        labels=np.zeros(density.shape, np.uint8),
        materials=(ps.material("water"),),
        density=density,
    )
    spread = scatter_scene(body, BEAM, RUN, 16.0, 2).spread
    assert spread[1, 1, 1:4] == pytest.approx([1.0, 1.0, 512**0.5], rel=1e-3)
    assert spread[2, 2, 1:4] == pytest.approx([1.0, 1.0, 1.0], rel=1e-3)
