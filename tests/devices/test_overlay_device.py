"""`device=` of overlays: the kernels of a GPU, run on the CPU, against the CPU's own."""

import numpy as np
import pytest
from overlay_cases import GEOMETRIES, GRID, PATCHES, SHAPE
from spectral_cases import SPECTRUM, ellipsoids, materials

import physsim as ps
from physsim.errors import InvalidInput
from physsim.phantom.overlay import Overlay
from physsim.transport.overlay import VolumePatch, project_with_patches
from physsim.transport.spectral import project_materials, project_signal, project_spectral

TYPES = [(np.uint8, None), (np.uint8, np.float32), (np.uint16, np.float16)]


def rms(wrong, right):
    return np.sqrt(((wrong.astype(float) - right) ** 2).mean() / (right.astype(float) ** 2).mean())


def body(label_type, density_type):
    """Labels, density and materials of a body, and its overlays, which have materials that the body has not."""
    rho, table = materials(20)
    rng = np.random.default_rng(8)
    relative = [None if density_type is None else rng.uniform(0.8, 1.2, shape).astype(density_type)
                for shape in (SHAPE, *(grid.shape for grid in PATCHES))]
    finer = [rng.integers(0, 20, grid.shape).astype(kind)
             for grid, kind in zip(PATCHES, (np.uint8, np.uint16), strict=True)]
    overlays = [Overlay(*one) for one in zip(PATCHES, finer, relative[1:], strict=True)]
    return (ellipsoids(SHAPE, 15).astype(label_type), relative[0], rho), table, overlays


@pytest.mark.parametrize("types", TYPES)
@pytest.mark.parametrize("name", GEOMETRIES)
def test_labels(one_gpu, name, types):
    voxels, _, overlays = body(*types)
    there, here, bare = (project_materials(*voxels, GRID, GEOMETRIES[name], overlays=some, device=device)
                         for some, device in ((overlays, "cuda"), (overlays, "cpu"), ((), "cpu")))
    assert rms(there, here) < 2e-6
    assert rms(bare, here) > 1e-2  # the overlays are seen
    assert there[:, 15:].max() > 0


@pytest.mark.parametrize("tolerance", [1e-5, None])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_signals(one_gpu, name, tolerance):
    voxels, table, overlays = body(np.uint8, np.float32)
    geometry, rng = GEOMETRIES[name], np.random.default_rng(3)
    weights = SPECTRUM * rng.uniform(0.5, 1.0, (2, 3, len(SPECTRUM)))
    options = {"position": rng.uniform(0, 2, geometry.shape), "tolerance": tolerance, "overlays": overlays}
    there, here = (project_signal(*voxels, table, weights, GRID, geometry, device=device, **options)
                   for device in ("cuda", "cpu"))
    assert rms(there, here) < 2e-6
    assert one_gpu.launched[-1] == "spectral_images"


@pytest.mark.parametrize("name", ["columns", "oblique"])
def test_slabs_of_body_and_patches(one_gpu, name):
    voxels, table, overlays = body(np.uint8, np.float32)
    arguments, options = (*voxels, table, SPECTRUM, GRID, GEOMETRIES[name]), {"overlays": overlays, "device": "cuda"}
    whole = project_spectral(*arguments, **options)
    one_gpu.launched.clear()
    one_gpu.free = 10 * 44 * 48 * 10
    try:
        parts = project_spectral(*arguments, **options)
    finally:
        one_gpu.free = 1 << 40
    covered = [kernel for kernel in one_gpu.launched if kernel.startswith("spectral_covered")]
    assert len(covered) > 2 * len(overlays)
    assert one_gpu.launched.count("spectral_images") == 1
    assert rms(parts.signal, whole.signal) < 1e-6
    assert rms(parts.areal_density_g_cm2, whole.areal_density_g_cm2) < 1e-6


@pytest.mark.parametrize("kind", ["float32", "float16", "uint8", "uint16", "int16"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_one_volume(one_gpu, name, kind):
    rng = np.random.default_rng(9)
    volume = (rng.random(SHAPE) * 100).astype(kind)
    patches = [VolumePatch(grid, (rng.random(grid.shape) * 250).astype(kind)) for grid in PATCHES]
    there, here = (project_with_patches(volume, patches, GEOMETRIES[name], grid=GRID, device=device)
                   for device in ("cuda", "cpu"))
    assert there.dtype == np.float32
    assert rms(there, here) < 2e-6
    assert one_gpu.launched.count(f"project_covered_{kind}") == 2 * len(patches)
    assert rms(ps.project(volume, GEOMETRIES[name], grid=GRID, device="cpu"), here) > 1e-2


@pytest.mark.parametrize("name", ["columns", "oblique"])
def test_one_volume_in_slabs_with_strides(one_gpu, name):
    rng = np.random.default_rng(10)
    volume = np.ascontiguousarray(rng.random(SHAPE, np.float32).transpose(1, 2, 0)).transpose(2, 0, 1)
    patches = [VolumePatch(grid, rng.random(grid.shape, np.float32) * 3) for grid in PATCHES]
    arguments = volume, patches, GEOMETRIES[name]
    one_gpu.free = 10 * 44 * 48 * 8
    try:
        parts = project_with_patches(*arguments, grid=GRID, device="cuda")
    finally:
        one_gpu.free = 1 << 40
    assert one_gpu.launched.count("project_covered_float32") > 4
    assert rms(parts, project_with_patches(*arguments, grid=GRID, device="cpu")) < 2e-6


def test_arrays_on_the_gpu_stay_there(cupy):
    (labels, density, rho), table, overlays = body(np.uint8, np.float32)
    given = cupy.asarray(labels), cupy.asarray(density), rho
    there = project_signal(*given, table, SPECTRUM, GRID, GEOMETRIES["columns"], overlays=overlays)
    assert isinstance(there, cupy.ndarray)
    here = project_signal(labels, density, rho, table, SPECTRUM, GRID, GEOMETRIES["columns"], overlays=overlays,
                          device="cpu")
    assert rms(np.asarray(there), here) < 2e-6
    volume, patch = cupy.asarray(density), VolumePatch(PATCHES[0], np.ones(PATCHES[0].shape, np.float32))
    image = project_with_patches(volume, [patch], GEOMETRIES["fan"], grid=GRID)
    assert isinstance(image, cupy.ndarray)
    with pytest.raises(InvalidInput, match="overlap"):
        project_with_patches(volume, [patch, patch], GEOMETRIES["fan"], grid=GRID)
