"""The tests' own float64 Siddon against chords of boxes and spheres, and on the degenerate rays."""

import numpy as np
import pytest
from siddon_reference import siddon_crossings, siddon_label_integrals, siddon_line_integrals

from physsim.spec.grid import Grid

GRID = Grid(
    shape=(9, 12, 7),
    spacing_mm=(1.5, 0.7, 2.0),
    origin_mm=(3.0, -4.0, 5.0),
    direction=((0.8, 0.6, 0.0), (-0.6, 0.8, 0.0), (0.0, 0.0, 1.0)),
)


def slab_chords(grid: Grid, starts, ends):
    """Lengths (n,) inside the grid's box, by the slab method in voxel coordinates."""
    matrix = grid.voxel_from_world
    a, b = starts @ matrix[:3, :3].T + matrix[:3, 3], ends @ matrix[:3, :3].T + matrix[:3, 3]
    t = (np.stack([np.full(3, -0.5), np.array(grid.shape[::-1]) - 0.5])[:, None] - a) / (b - a)
    enter, leave = np.maximum(t.min(0).max(1), 0), np.minimum(t.max(0).min(1), 1)
    return np.maximum(leave - enter, 0) * np.linalg.norm(ends - starts, axis=1)


def rays(n, seed, reach=40.0):
    rng = np.random.default_rng(seed)
    centre = GRID.world_from_voxel @ [3.0, 5.5, 4.0, 1.0]
    starts = centre[:3] + reach * rng.standard_normal((n, 3))
    return starts, 2 * centre[:3] - starts + 8 * rng.standard_normal((n, 3))


def test_uniform_volume_gives_box_chords():
    starts, ends = rays(5000, 1)
    got = siddon_line_integrals(np.ones(GRID.shape), GRID.voxel_from_world, starts, ends)
    assert (got > 0).mean() > 0.3
    np.testing.assert_allclose(got, slab_chords(GRID, starts, ends), atol=1e-11)


def test_segments_start_and_end_at_their_points():
    rng = np.random.default_rng(2)
    indices = rng.uniform([-0.5, -0.5, -0.5], [6.5, 11.5, 8.5], (2, 500, 3))
    starts, ends = indices @ GRID.world_from_voxel[:3, :3].T + GRID.world_from_voxel[:3, 3]
    got = siddon_line_integrals(np.full(GRID.shape, 2.0), GRID.voxel_from_world, starts, ends)
    np.testing.assert_allclose(got, 2 * np.linalg.norm(ends - starts, axis=1), atol=1e-12)


def test_reversal_and_splitting():
    starts, ends = rays(1000, 3)
    volume = np.random.default_rng(3).random(GRID.shape)
    whole = siddon_line_integrals(volume, GRID.voxel_from_world, starts, ends)
    middle = starts + 0.37 * (ends - starts)
    pieces = ((starts, middle), (middle, ends))
    parts = sum(siddon_line_integrals(volume, GRID.voxel_from_world, a, b) for a, b in pieces)
    np.testing.assert_allclose(siddon_line_integrals(volume, GRID.voxel_from_world, ends, starts), whole, atol=1e-11)
    np.testing.assert_allclose(parts, whole, atol=1e-11)


def test_dense_sampling_agrees_on_a_random_volume():
    starts, ends = rays(20, 4)
    volume = np.random.default_rng(4).random(GRID.shape)
    n = 200_000
    for start, end in zip(starts, ends, strict=True):
        points = start + ((np.arange(n) + 0.5) / n)[:, None] * (end - start)
        index = np.floor(points @ GRID.voxel_from_world[:3, :3].T + GRID.voxel_from_world[:3, 3] + 0.5).astype(int)
        kept = ((index >= 0) & (index < np.array(GRID.shape[::-1]))).all(1)
        i, j, k = index[kept].T
        length = np.linalg.norm(end - start)
        got = siddon_line_integrals(volume, GRID.voxel_from_world, start, end)[0]
        assert abs(got - volume[k, j, i].sum() * length / n) < 60 * length / n


def test_ray_in_a_face_belongs_to_the_higher_voxel():
    volume = np.arange(4.0).reshape(1, 4, 1) + np.zeros((1, 4, 5))
    identity = np.eye(4)
    for y, value in ((-0.5, 0.0), (0.5, 1.0), (1.5, 2.0), (2.5, 3.0)):
        got = siddon_line_integrals(volume, identity, [[-10, y, 0]], [[10, y, 0]])
        assert got == pytest.approx(5 * value, abs=1e-12)
    assert siddon_line_integrals(volume, identity, [[-10, 3.5, 0]], [[10, 3.5, 0]]) == 0  # last face


def test_through_edges_and_corners():
    volume = np.arange(27.0).reshape(3, 3, 3)
    got = siddon_line_integrals(volume, np.eye(4), [[-5, -5, -5]], [[7, 7, 7]])
    assert got == pytest.approx(np.sqrt(3) * (volume[0, 0, 0] + volume[1, 1, 1] + volume[2, 2, 2]), abs=1e-11)
    assert siddon_line_integrals(volume, np.eye(4), [[1, 1, 1]], [[1, 1, 1]]) == 0  # no length, no NaN


def test_labels_and_crossings_sum_to_the_line_integral():
    starts, ends = rays(300, 5)
    rng = np.random.default_rng(5)
    labels, density = rng.integers(0, 4, GRID.shape, np.uint8), rng.random(GRID.shape).astype(np.float32)
    lengths = siddon_label_integrals(labels, 4, GRID.voxel_from_world, starts, ends)
    for label in range(4):
        mask = (labels == label).astype(np.float32)
        np.testing.assert_allclose(
            lengths[:, label], siddon_line_integrals(mask, GRID.voxel_from_world, starts, ends), atol=1e-11
        )
    weighted = siddon_label_integrals(labels, 4, GRID.voxel_from_world, starts, ends, density)
    np.testing.assert_allclose(
        weighted.sum(1), siddon_line_integrals(density, GRID.voxel_from_world, starts, ends), atol=1e-11
    )
    voxels, pieces = siddon_crossings(GRID.shape, GRID.voxel_from_world, starts[0], ends[0])
    assert density[tuple(voxels.T)] @ pieces == pytest.approx(weighted[0].sum(), abs=1e-12)


def test_sphere_converges_to_its_chord():
    """Labels by voxel centre: the error of a chord falls with the voxel."""
    rng = np.random.default_rng(6)
    starts = np.c_[rng.uniform(-15, 15, (2000, 2)), np.full(2000, -60.0)]
    ends = np.c_[rng.uniform(-15, 15, (2000, 2)), np.full(2000, 60.0)]
    u = (ends - starts) / np.linalg.norm(ends - starts, axis=1)[:, None]
    b = (starts * u).sum(1)
    truth = 2 * np.sqrt(np.maximum(20.0**2 - (starts * starts).sum(1) + b * b, 0))
    rms = []
    for spacing in (2.0, 1.0, 0.5):
        n = round(48 / spacing)
        grid = Grid(shape=(n, n, n), spacing_mm=spacing)
        x = (np.arange(n) - 0.5 * (n - 1)) * spacing
        ball = (x[:, None, None] ** 2 + x[:, None] ** 2 + x**2 < 400).astype(np.uint8)
        got = siddon_line_integrals(ball, grid.voxel_from_world, starts, ends)
        rms.append(np.sqrt(np.mean((got - truth) ** 2)))
    assert rms[2] < 0.25
    assert rms[0] > 1.6 * rms[1] > 1.6 * 1.6 * rms[2]
