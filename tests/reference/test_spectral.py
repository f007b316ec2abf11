"""Areal densities and signals against float64 paths and exact attenuation, over beams, poses, shapes and types."""

import numpy as np
import pytest
from spectral_cases import SPECTRUM, areal_densities, ellipsoids, materials, rotation, signals

import physsim as ps
from physsim.transport.spectral import project_materials, project_signal, project_spectral

CIRCLE = {"source_axis_mm": 200.0, "source_detector_mm": 300.0}
GEOMETRIES = {
    "columns": ps.Geometry.circular(views=3, rows=48, columns=56, pixel_mm=1.5, start_deg=17, **CIRCLE),
    "odd": ps.Geometry.circular(views=2, rows=37, columns=23, pixel_mm=(3.0, 1.9), start_deg=5, **CIRCLE),
    "coarse": ps.Geometry.circular(views=2, rows=20, columns=18, pixel_mm=6.0, start_deg=40, **CIRCLE),
    "steep": ps.Geometry.circular(
        views=2, source_axis_mm=60.0, source_detector_mm=110.0, rows=64, columns=40, pixel_mm=4.0, start_deg=11
    ),
    "curved": ps.Geometry.circular(views=2, rows=33, columns=40, pixel_mm=2.0, curved=True, start_deg=70, **CIRCLE),
    "parallel": ps.Geometry.parallel(views=3, rows=40, columns=50, pixel_mm=1.3, start_deg=13),
    "oblique": ps.Geometry.circular(views=3, rows=30, columns=35, pixel_mm=2.2, start_deg=3, **CIRCLE).moved(
        rotation(0.4, 0.3), (3, -2, 1)
    ),
    "fan": ps.Geometry.circular(views=3, rows=1, columns=61, pixel_mm=1.7, start_deg=29, **CIRCLE),
    "two rows": ps.Geometry.circular(views=2, rows=2, columns=45, pixel_mm=2.0, start_deg=50, curved=True, **CIRCLE),
}


def rms(wrong, right):
    return np.sqrt(((wrong - right) ** 2).mean() / (right**2).mean())


@pytest.mark.parametrize("name", GEOMETRIES)
def test_any_beam_and_pose(name):
    rho, table = materials(20)
    shape = (45, 51, 60)
    labels = ellipsoids(shape, 20)
    density = np.random.default_rng(1).uniform(0.8, 1.2, shape).astype(np.float32)
    grid = ps.Grid(shape=shape, spacing_mm=(1.1, 0.9, 1.3))
    geometry = GEOMETRIES[name]
    truth = areal_densities(labels, density, rho, grid, geometry)
    areal = project_materials(labels, density, rho, grid, geometry)
    assert areal.shape == truth.shape
    assert areal.dtype == np.float32
    assert rms(areal, truth) <= 2e-6
    assert rms(areal.sum(1), truth.sum(1)) <= 2e-6
    signal = project_signal(labels, density, rho, table, SPECTRUM, grid, geometry)
    exact = signals(truth, table, SPECTRUM)
    error = signal / exact - 1
    assert np.sqrt((error**2).mean()) <= 2e-6
    assert np.abs(error).max() <= 1e-5  # of every pixel


@pytest.mark.parametrize(("count", "dtype"), [(3, np.uint8), (33, np.uint8), (200, np.uint8), (400, np.uint16)])
@pytest.mark.parametrize("kind", [None, np.float16, np.float32])
def test_labels_and_density_types(count, dtype, kind):
    rho, table = materials(count)
    shape = (30, 33, 28)
    labels = ellipsoids(shape, count, blobs=150, dtype=dtype)
    density = None if kind is None else np.random.default_rng(2).uniform(0.5, 1.5, shape).astype(kind)
    grid = ps.Grid(shape=shape)
    for name in ("columns", "oblique"):
        truth = areal_densities(labels, density, rho, grid, GEOMETRIES[name])
        both = project_spectral(labels, density, rho, table, SPECTRUM, grid, GEOMETRIES[name])
        assert rms(both.areal_density_g_cm2, truth) <= 2e-6
        exact = signals(truth, table, SPECTRUM)
        signal = project_signal(labels, density, rho, table, SPECTRUM, grid, GEOMETRIES[name])
        assert rms(both.signal[:, 0], exact) <= 2e-6
        assert rms(signal, exact) <= 2e-6


def test_uniform_density_of_many_digits_is_not_biased():
    """A density that does not fit beside the label is rounded up or down by chance: its mean stays right."""
    rho, _ = materials(200)
    labels = np.full((40, 40, 40), 5, np.uint8)
    labels[::2, ::2] = np.arange(200, dtype=np.uint8)[: 20 * 20 // 2].repeat(2).reshape(20, 20, 1)
    density = np.full(labels.shape, 1.0371234, np.float32)
    grid = ps.Grid(shape=labels.shape)
    truth = areal_densities(labels, density, rho, grid, GEOMETRIES["columns"]).sum(1)
    areal = project_materials(labels, density, rho, grid, GEOMETRIES["columns"]).sum(1, dtype=np.float64)
    body = truth > 0.5 * truth.max()
    assert abs((areal[body] / truth[body] - 1).mean()) < 2e-7


def test_nodes_outputs_and_factors():
    rho, table = materials(6)
    shape = (24, 30, 26)
    labels = ellipsoids(shape, 6)
    grid, geometry = ps.Grid(shape=shape), GEOMETRIES["odd"]
    rng = np.random.default_rng(3)
    weights = rng.uniform(0.1, 1.0, (3, 4, len(SPECTRUM)))
    position = rng.uniform(0, 3, geometry.shape[1:])
    position[0, :4] = [0, 1, 2, 3]
    factor = rng.uniform(0.5, 1.0, geometry.shape)
    signal = project_signal(labels, None, rho, table, weights, grid, geometry, position=position, factor=factor)
    areal = areal_densities(labels, None, rho, grid, geometry)
    node = np.stack([[signals(areal, table, weights[o, s]) for s in range(4)] for o in range(3)])
    low = np.minimum(position.astype(int), 2)
    part = position - low
    r, c = np.indices(position.shape)
    exact = node[:, low, :, r, c] * (1 - part)[..., None, None] + node[:, low + 1, :, r, c] * part[..., None, None]
    exact = exact.transpose(3, 2, 0, 1) * factor[:, None]
    assert signal.shape == (2, 3, *position.shape)
    assert np.abs(signal / exact - 1).max() < 2e-5


def test_rays_along_the_layers_meet_each_material_where_they_should():
    """Rays at 0.01-0.5 degrees to the layers of checkered materials: an error of height is multiplied by 1 / slope."""
    rho, table = materials(20, seed=4)
    shape = (24, 64, 64)
    labels = np.random.default_rng(5).integers(0, 20, shape).astype(np.uint8)
    grid = ps.Grid(shape=shape)
    geometry = ps.Geometry.circular(
        views=4, source_axis_mm=600.0, source_detector_mm=900.0, rows=12, columns=50, pixel_mm=1.1, start_deg=9
    )
    areal = areal_densities(labels, None, rho, grid, geometry)
    signal = project_signal(labels, None, rho, table, SPECTRUM, grid, geometry)
    assert np.abs(signal / signals(areal, table, SPECTRUM) - 1).max() <= 1e-5


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_slabs_of_one_material_and_what_lies_between(dtype):
    """Long ways through one material, edges along and across the columns of voxels, more than 255 materials."""
    count = 300 if dtype is np.uint16 else 40
    rho, _ = materials(count)
    shape = (41, 64, 64)
    labels = (np.arange(64) // 11 * (count // 7)).astype(dtype) + np.zeros(shape, dtype)
    labels[:, 40:, :] = count - 1
    labels[30:, 45:50, 20:40] = 2
    labels[:13, :20, :] = np.random.default_rng(8).integers(0, count, (13, 20, 64))
    density = np.random.default_rng(9).uniform(0.5, 1.5, shape).astype(np.float32)
    grid = ps.Grid(shape=shape)
    for name in ("columns", "parallel"):
        truth = areal_densities(labels, density, rho, grid, GEOMETRIES[name])
        areal = project_materials(labels, density, rho, grid, GEOMETRIES[name])
        assert rms(areal, truth) <= 2e-6
        np.testing.assert_allclose(areal, truth, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("count", [40, 127, 300])
@pytest.mark.parametrize("textured", ["nowhere", "a part", "everywhere else"])
def test_materials_at_their_own_density_beside_others(count, textured):
    """64 rows that stay between the volume's ends and rows that leave it; other densities in a block or beside it."""
    rho, _ = materials(count)
    shape = (96, 64, 64)
    labels = (np.arange(64) // 11 * (count // 7)).astype(np.uint16) + np.zeros(shape, np.uint16)
    labels[:, 40:, :] = count - 1
    labels[20:60, 45:50, 20:40] = 2
    density = np.ones(shape, np.float32)
    part = np.zeros(shape, bool)
    part[30:50, 10:20, 10:50] = True
    other = {"nowhere": np.zeros(shape, bool), "a part": part, "everywhere else": ~part}[textured]
    density[other] = np.random.default_rng(9).uniform(0.5, 1.5, shape)[other]
    grid = ps.Grid(shape=shape)
    within = ps.Geometry.circular(views=3, rows=64, columns=56, pixel_mm=1.5, start_deg=17, **CIRCLE)
    beyond = ps.Geometry.circular(views=2, rows=140, columns=23, pixel_mm=(3.0, 1.2), start_deg=5, **CIRCLE)
    for geometry in (within, beyond):
        truth = areal_densities(labels, density, rho, grid, geometry)
        areal = project_materials(labels, density, rho, grid, geometry)
        assert rms(areal, truth) <= 2e-6
        np.testing.assert_allclose(areal, truth, rtol=2e-5, atol=2e-5)
