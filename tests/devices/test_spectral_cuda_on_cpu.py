"""The spectral CUDA kernels, run thread by thread on the CPU, against path lengths and signals in float64."""

import numpy as np
import pytest
from siddon_reference import siddon_label_integrals

from physsim.errors import InvalidInput
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.rays import voxel_rays
from physsim.transport.spectral_cuda import project_spectral_cuda

GRID = Grid(shape=(23, 18, 21), spacing_mm=(1.2, 0.8, 1.5))
CIRCLE = Geometry.circular(views=3, source_axis_mm=90, source_detector_mm=150, rows=35, columns=21, pixel_mm=(2.4, 1.9))
TILT = [[1, 0, 0], [0, np.cos(0.4), -np.sin(0.4)], [0, np.sin(0.4), np.cos(0.4)]]
GEOMETRIES = {"columns": CIRCLE, "oblique": CIRCLE.moved(TILT), "fan": Geometry.circular(
    views=3, source_axis_mm=90, source_detector_mm=150, rows=1, columns=50, pixel_mm=1.0)}
PRESENT = np.array([0, 1, 2, 5, 9])  # labels that occur
LABELS = 12


def body(label_type, density_type, seed=4):
    rng = np.random.default_rng(seed)
    coarse = PRESENT[rng.integers(0, 5, [(n + 2) // 3 for n in GRID.shape])]  # runs of some voxels, as in a body
    labels = np.kron(coarse, np.ones((3, 3, 3), int))[:23, :18, :21].astype(label_type)
    density = None if density_type is None else rng.uniform(0.5, 1.5, GRID.shape).astype(density_type)
    return labels, density


def paths(labels, density, geometry):
    """(views, PRESENT, rows, columns) float64 path x density (mm)."""
    found = []
    for view in range(len(geometry)):
        start, end = geometry.rays_mm(view)
        start = np.broadcast_to(start, end.shape).reshape(-1, 3)
        sums = siddon_label_integrals(labels, LABELS, GRID.voxel_from_world, start, end.reshape(-1, 3), density)
        found.append(sums[:, PRESENT].T.reshape(len(PRESENT), geometry.rows, geometry.columns))
    return np.stack(found)


def tables(channels, energies=60, outputs=2, columns=1, nodes=3):
    rng = np.random.default_rng(9)
    number = np.zeros(LABELS, np.int32)
    number[PRESENT] = np.arange(len(PRESENT))
    attenuation = (rng.uniform(0.002, 0.05, (energies, channels))).astype(np.float32)
    weights = rng.random((outputs, columns, nodes, energies)).astype(np.float32)
    return number, attenuation, weights


def expected_signal(channels, attenuation, weights, position, factor):
    t = np.einsum("ek,vkrc->verc", attenuation.astype(float), channels)
    transmission = 2.0**-t
    every = np.broadcast_to(weights, (len(weights), position.shape[2], *weights.shape[2:])).astype(float)
    at_nodes = np.einsum("ocne,verc->vonrc", every, transmission)
    low = np.clip(np.floor(position), 0, weights.shape[2] - 2).astype(int)
    between = position - low
    pick = [np.take_along_axis(at_nodes, np.broadcast_to(node[:, None, None], at_nodes[:, :, :1].shape), 2)[:, :, 0]
            for node in (low, low + 1)]
    return (pick[0] * (1 - between)[:, None] + pick[1] * between[:, None]) * factor[:, None]


@pytest.mark.parametrize("density_type", [None, "float32", "float16"])
@pytest.mark.parametrize("label_type", ["uint8", "uint16"])
@pytest.mark.parametrize("own", [False, True], ids=["nodes of all columns", "nodes of each column"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_areal_densities_and_signal(kernels, name, own, label_type, density_type):
    geometry, (labels, density) = GEOMETRIES[name], body(label_type, density_type)
    number, attenuation, weights = tables(len(PRESENT), columns=geometry.columns if own else 1)
    rng = np.random.default_rng(1)
    position = rng.uniform(0, 2, (3, geometry.rows, geometry.columns)).astype(np.float32)
    factor = rng.uniform(0.5, 1, (1, geometry.rows, geometry.columns)).astype(np.float32)
    table, scale = np.array([6, 0, 3, 1, 4], np.int32), rng.random(5).astype(np.float32)
    signal, areal = project_spectral_cuda(
        kernels, labels, density, GRID.spacing_mm, voxel_rays(geometry, GRID), number=number, coefficients=None,
        attenuation=attenuation, weights=weights, position=position, factor=factor, materials=7, table=table,
        scale_g_cm2=scale)
    truth = paths(labels, None if density is None else density.astype(np.float32), geometry)
    np.testing.assert_allclose(areal[:, table], truth * scale[:, None, None], atol=1e-6 * truth.max(), rtol=0)
    assert not areal[:, [2, 5]].any()
    expected = expected_signal(truth, attenuation, weights, position, factor)
    np.testing.assert_allclose(signal, expected, rtol=1e-5)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_basis_functions(kernels, name):
    geometry, (labels, density) = GEOMETRIES[name], body("uint8", "float32")
    number, attenuation, weights = tables(3, nodes=1)
    coefficients = np.zeros((3, 32), np.float32)
    coefficients[:, :5] = np.random.default_rng(2).uniform(-0.5, 1, (3, 5))
    signal, areal = project_spectral_cuda(
        kernels, labels, density, GRID.spacing_mm, voxel_rays(geometry, GRID), number=number, coefficients=coefficients,
        attenuation=attenuation, weights=weights)
    assert areal is None
    channels = np.einsum("km,vmrc->vkrc", coefficients[:, :5].astype(float), paths(labels, density, geometry))
    transmission = 2.0**-np.einsum("ek,vkrc->verc", attenuation, channels)
    expected = np.einsum("one,verc->vorc", weights[:, 0].astype(float), transmission)
    np.testing.assert_allclose(signal, expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["columns", "oblique"])
def test_slabs_and_strides(kernels, name):
    geometry, (labels, density) = GEOMETRIES[name], body("uint8", "float32")
    number, attenuation, weights = tables(5, nodes=1)
    arguments = {"number": number, "coefficients": None, "attenuation": attenuation, "weights": weights}
    rays = voxel_rays(geometry, GRID)
    whole, _ = project_spectral_cuda(kernels, labels, density, GRID.spacing_mm, rays, **arguments)
    fastest_z = np.ascontiguousarray(density.transpose(1, 2, 0)).transpose(2, 0, 1)
    same, _ = project_spectral_cuda(kernels, labels, fastest_z, GRID.spacing_mm, rays, **arguments)
    np.testing.assert_array_equal(same, whole)
    kernels.free, before = 10 * 18 * 21 * 8, len(kernels.launched)
    try:
        parts, _ = project_spectral_cuda(kernels, labels, density, GRID.spacing_mm, rays, **arguments)
    finally:
        kernels.free = 1 << 40
    assert sum("spectral" in kernel for kernel in kernels.launched[before:]) > 2
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


def test_many_materials_take_smaller_blocks(kernels):
    labels = np.random.default_rng(3).integers(0, 200, GRID.shape).astype(np.uint8)
    number, table = np.arange(200, dtype=np.int32), np.arange(200, dtype=np.int32)
    rays, one = voxel_rays(CIRCLE[:1], GRID), np.ones((1, 1, 1, 1), np.float32)
    _, areal = project_spectral_cuda(
        kernels, labels, None, GRID.spacing_mm, rays, number=number, coefficients=None, weights=one, signal=False,
        attenuation=np.zeros((1, 200), np.float32), materials=200, table=table, scale_g_cm2=np.ones(200, np.float32))
    start, end = CIRCLE.rays_mm(0)
    start = np.broadcast_to(start, end.shape).reshape(-1, 3)
    truth = siddon_label_integrals(labels, 200, GRID.voxel_from_world, start, end.reshape(-1, 3))
    np.testing.assert_allclose(areal[0].reshape(200, -1).T, truth, atol=1e-5)
    with pytest.raises(InvalidInput, match="400 channels"):
        project_spectral_cuda(kernels, labels, None, GRID.spacing_mm, rays, number=number, coefficients=None,
                              weights=one, attenuation=np.zeros((1, 400), np.float32))
