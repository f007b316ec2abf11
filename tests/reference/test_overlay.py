"""Overlays against the composite evaluated exactly in float64, and against a body of the overlay's own resolution."""

import numpy as np
import pytest
from overlay_cases import GEOMETRIES, GRID, PATCHES, SHAPE, STRAIGHT, turned
from siddon_reference import siddon_label_integrals, siddon_line_integrals
from spectral_cases import SPECTRUM, ellipsoids, materials, signals

import physsim as ps
from physsim.errors import InvalidInput
from physsim.phantom.overlay import Overlay
from physsim.transport.overlay import VolumePatch, project_with_patches
from physsim.transport.spectral import project_materials, project_signal, project_spectral


def clipped(geometry, view, grid):
    """Starts and ends (n, 3) of the rays of a view inside a grid's box; of length 0 where they miss it."""
    start, end = (points.reshape(-1, 3).astype(float) for points in geometry.rays_mm(view))
    matrix = grid.voxel_from_world
    a, b = (points @ matrix[:3, :3].T + matrix[:3, 3] + 0.5 for points in (start, end))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = (0 - a) / (b - a), (np.array(grid.shape[::-1]) - a) / (b - a)
    entry = np.fmin(low, high).max(1).clip(0, 1)
    leave = np.maximum(np.fmax(low, high).min(1).clip(0, 1), entry)
    return start + entry[:, None] * (end - start), start + leave[:, None] * (end - start)


def composite(of_body, of_patch, geometry):
    """Exact integrals of body - body in the boxes + patches: (views, rows, columns, ...)."""
    out = []
    for view in range(len(geometry)):
        start, end = (points.reshape(-1, 3) for points in geometry.rays_mm(view))
        total = of_body(start, end)
        for number, grid in enumerate(PATCHES):
            inside = clipped(geometry, view, grid)
            total = total - of_body(*inside) + of_patch(number, start, end)
        out.append(total.reshape(*geometry.shape[1:], *total.shape[1:]))
    return np.stack(out)


@pytest.mark.parametrize("name", GEOMETRIES)
@pytest.mark.parametrize("kind", [None, np.float16, np.float32])
def test_labels(name, kind):
    rho, table = materials(20)
    rng = np.random.default_rng(8)
    labels = ellipsoids(SHAPE, 15)
    finer = [
        rng.integers(0, 20, grid.shape).astype(dtype)
        for grid, dtype in zip(PATCHES, (np.uint8, np.uint16), strict=True)
    ]
    density = [
        None if kind is None else rng.uniform(0.8, 1.2, shape).astype(kind)
        for shape in (SHAPE, *(g.shape for g in PATCHES))
    ]
    overlays = [
        Overlay(grid, names, relative) for grid, names, relative in zip(PATCHES, finer, density[1:], strict=True)
    ]
    geometry = GEOMETRIES[name]
    paths = composite(
        lambda a, b: siddon_label_integrals(labels, 20, GRID.voxel_from_world, a, b, density[0]),
        lambda n, a, b: siddon_label_integrals(finer[n], 20, PATCHES[n].voxel_from_world, a, b, density[n + 1]),
        geometry,
    )
    truth = (0.1 * rho * paths).transpose(0, 3, 1, 2)
    areal = project_materials(labels, density[0], rho, GRID, geometry, overlays=overlays)
    assert np.sqrt(((areal - truth) ** 2).mean() / (truth**2).mean()) <= 2e-6
    exact = signals(truth, table, SPECTRUM)
    signal = project_signal(labels, density[0], rho, table, SPECTRUM, GRID, geometry, overlays=overlays)
    assert np.sqrt(((signal / exact - 1) ** 2).mean()) <= 2e-6
    assert np.abs(signal / exact - 1).max() <= 1e-5
    both = project_spectral(labels, density[0], rho, table, SPECTRUM, GRID, geometry, overlays=overlays)
    np.testing.assert_array_equal(both.areal_density_g_cm2, areal)
    without = project_signal(labels, density[0], rho, table, SPECTRUM, GRID, geometry)
    assert np.abs(without / exact - 1).max() > 1e-2  # the overlays are seen


@pytest.mark.parametrize("name", GEOMETRIES)
def test_one_volume(name):
    rng = np.random.default_rng(9)
    volume = rng.random(SHAPE, np.float32)
    values = [rng.random(grid.shape, np.float32) * 3 for grid in PATCHES]
    geometry = GEOMETRIES[name]
    truth = composite(
        lambda a, b: siddon_line_integrals(volume, GRID.voxel_from_world, a, b),
        lambda n, a, b: siddon_line_integrals(values[n], PATCHES[n].voxel_from_world, a, b),
        geometry,
    )
    patches = [VolumePatch(grid, array) for grid, array in zip(PATCHES, values, strict=True)]
    image = project_with_patches(volume, patches, geometry, grid=GRID)
    assert np.sqrt(((image - truth) ** 2).mean() / (truth**2).mean()) < 2e-6
    np.testing.assert_array_equal(image, project_with_patches(volume, patches, geometry, grid=GRID, threads=1))


def test_aligned_overlay_equals_a_finer_body():
    """A body of doubled resolution, coarse outside the overlay's box: the same image."""
    rho, table = materials(6)
    labels = ellipsoids((20, 22, 24), 6)
    coarse = ps.Grid(shape=labels.shape, spacing_mm=(2.0, 2.0, 2.0))
    fine = ps.Grid(shape=(40, 44, 48))
    doubled = labels.repeat(2, 0).repeat(2, 1).repeat(2, 2)
    window = (slice(12, 22), slice(16, 30), slice(20, 34))
    doubled[window] = np.random.default_rng(10).integers(0, 6, (10, 14, 14))
    corner = fine.world_from_voxel @ [20, 16, 12, 1]
    overlay = Overlay(ps.Grid(shape=(10, 14, 14), origin_mm=tuple(corner[:3])), doubled[window].copy())
    for geometry in GEOMETRIES.values():
        found = project_signal(labels, None, rho, table, SPECTRUM, coarse, geometry, overlays=[overlay])
        np.testing.assert_allclose(
            found, project_signal(doubled, None, rho, table, SPECTRUM, fine, geometry), rtol=2e-5
        )


def test_supersampled_bodies_converge_to_the_overlay():
    """A turned patch painted into bodies of finer and finer voxels: the error of its edges goes to zero."""
    body = ps.Grid(shape=(16, 16, 16), spacing_mm=(2.0, 2.0, 2.0))
    grid = turned((40, 40, 40), (0.2, 0.2, 0.2), (1.0, -2.0, 0.5), 0.4, 0.6)
    patch = VolumePatch(grid, np.full(grid.shape, 4.0, np.float32))
    found = project_with_patches(np.ones(body.shape, np.float32), [patch], STRAIGHT, grid=body)
    errors = []
    for spacing in (1.0, 0.5, 0.25):
        count = int(32 / spacing)
        fine = ps.Grid(shape=(count,) * 3, spacing_mm=(spacing,) * 3)
        k, j, i = np.meshgrid(*(np.arange(count, dtype=float),) * 3, indexing="ij")
        place = np.stack([i, j, k, np.ones_like(i)], -1) @ (grid.voxel_from_world @ fine.world_from_voxel).T
        painted = np.where(((place[..., :3] >= -0.5) & (place[..., :3] < 39.5)).all(-1), 4.0, 1.0).astype(np.float32)
        errors.append(np.sqrt(((ps.project(painted, STRAIGHT, grid=fine) - found) ** 2).mean()))
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.6 * errors[1]
    assert errors[2] < 0.02 * 3 * 8  # mm: contrast x edge of the patch


def test_refused():
    volume = np.ones(SHAPE, np.float32)
    patch = VolumePatch(PATCHES[0], np.ones(PATCHES[0].shape, np.float32), "implant")
    with pytest.raises(InvalidInput, match="overlap"):
        project_with_patches(volume, [patch, patch], STRAIGHT, grid=GRID)
    far = VolumePatch(turned((9, 9, 9), (1.0, 1.0, 1.0), (30.0, 0, 0), 0, 0), np.ones((9, 9, 9), np.float32))
    with pytest.raises(InvalidInput, match="reaches out"):
        project_with_patches(volume, [far], STRAIGHT, grid=GRID)
    with pytest.raises(InvalidInput, match="label 7"):
        project_materials(
            np.zeros(SHAPE, np.uint8),
            None,
            [1.0],
            GRID,
            STRAIGHT,
            overlays=[Overlay(PATCHES[1], np.full(PATCHES[1].shape, 7, np.uint8))],
        )
    with pytest.raises(InvalidInput, match="NaN"):
        VolumePatch(PATCHES[1], np.full(PATCHES[1].shape, np.nan, np.float32))
    with pytest.raises(InvalidInput, match="shape"):
        VolumePatch(PATCHES[1], np.ones((2, 2, 2), np.float32))
