"""A GPU against the CPU and against float64; skipped, saying why, where there is none."""

import numpy as np
import pytest
from exposure_cases import slab
from joseph_reference import joseph_error
from overlay_cases import PATCHES
from siddon_reference import siddon_label_integrals, siddon_line_integrals

import physsim as ps
from physsim import _engine
from physsim.device import arrays, resolve
from physsim.device.cuda import cuda_kernels
from physsim.errors import DeviceUnavailable, InvalidInput
from physsim.phantom.overlay import Overlay
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.cuda import backproject_cuda, project_cuda
from physsim.transport.overlay import VolumePatch, project_with_patches
from physsim.transport.pose_gradient import pose_gradient
from physsim.transport.rays import voxel_rays
from physsim.transport.spectral_cuda import project_spectral_cuda

try:
    DEVICE = resolve("cuda")
except DeviceUnavailable as absent:
    pytest.skip(f"no GPU: {absent}", allow_module_level=True)

GRID = Grid(shape=(129, 100, 117), spacing_mm=(1.1, 0.7, 1.3))
TILT = np.array([[1, 0, 0], [0, np.cos(0.4), -np.sin(0.4)], [0, np.sin(0.4), np.cos(0.4)]]) \
    @ np.array([[np.cos(0.3), 0, -np.sin(0.3)], [0, 1, 0], [np.sin(0.3), 0, np.cos(0.3)]])
CIRCLE = Geometry.circular(
    views=9, source_axis_mm=300, source_detector_mm=500, rows=131, columns=97, pixel_mm=(2.1, 1.7))
GEOMETRIES = {
    "columns along z": CIRCLE,
    "oblique": CIRCLE.moved(TILT),
    "columns along x": CIRCLE.moved([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
    "curved helix": Geometry.circular(views=20, source_axis_mm=300, source_detector_mm=500, rows=9, columns=133,
                                      pixel_mm=2.0, curved=True, pitch_mm=40, start_deg=5),
    "parallel": Geometry.parallel(views=5, rows=133, columns=70, pixel_mm=1.5),
}


@pytest.fixture(scope="module")
def kernels():
    return cuda_kernels(DEVICE)


def volume_of(dtype=np.float32):
    return (np.random.default_rng(3).random(GRID.shape) * 200).astype(dtype)


def smooth_volume():
    """A blob: between the cells of noise, derivatives would jump by what rounding moves a ray."""
    z, y, x = (np.linspace(-2, 2, n) for n in GRID.shape)
    blob = np.exp(-((z[:, None, None] - 0.3) ** 2 + (y[:, None] + 0.2) ** 2 + (x - 0.1) ** 2))
    return (200 * blob).astype(np.float32)


def on_cpu(volume, geometry):
    rays, image = voxel_rays(geometry, GRID), np.zeros(geometry.shape, np.float32)
    _engine.project(volume, GRID.spacing_mm, rays.start, rays.end, rays.start_row, rays.end_row, rays.flat,
                    list(rays.along), image, 2, "")
    return image


def in_float64(volume, geometry):
    rays = [geometry.rays_mm(view) for view in range(len(geometry))]
    starts, ends = (np.concatenate([np.reshape(ray[i], (-1, 3)) for ray in rays]) for i in (0, 1))
    return siddon_line_integrals(volume, GRID.voxel_from_world, starts, ends).reshape(geometry.shape)


def rms(image, truth):
    return np.sqrt(((image - truth) ** 2).mean() / (truth**2).mean())


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8", "uint16", "int16"])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_line_integrals(kernels, name, dtype):
    volume, geometry = volume_of(dtype), GEOMETRIES[name]
    image = arrays.to_numpy(project_cuda(kernels, volume, GRID.spacing_mm, voxel_rays(geometry, GRID)))
    assert rms(image, in_float64(volume, geometry)) < 2e-6
    assert rms(image, on_cpu(volume, geometry)) < 3e-6


@pytest.mark.parametrize("name", GEOMETRIES)
def test_joseph(kernels, name):
    volume, geometry = volume_of(), GEOMETRIES[name]
    for device in ("cuda", "cpu"):
        image = ps.project(volume, geometry, grid=GRID, method="joseph", device=device)
        error, truth = joseph_error(image, volume, geometry, GRID)
        assert np.sqrt(np.mean(error**2)) <= 2e-6 * np.sqrt(np.mean(truth**2)), device


@pytest.mark.parametrize("name", GEOMETRIES)
def test_transpose_and_gradients_of_joseph(kernels, name):
    geometry, volume = GEOMETRIES[name], smooth_volume()
    values = np.random.default_rng(4).random(geometry.shape, np.float32)
    given = kernels.xp.asarray(volume), kernels.xp.asarray(values)
    image = ps.project(given[0], geometry, grid=GRID, method="joseph")
    back = ps.backproject(given[1], geometry, grid=GRID, method="joseph")
    assert isinstance(back, kernels.xp.ndarray)
    inside, outside = (float((a * b).sum(dtype="f8")) for a, b in ((given[0], back), (given[1], image)))
    assert abs(inside / outside - 1) < 1e-6
    here = ps.backproject(values, geometry, grid=GRID, method="joseph", device="cpu")
    assert rms(arrays.to_numpy(back), here) < 1e-5
    there, again = (pose_gradient(*given, geometry, grid=GRID) for _ in range(2))
    slopes = pose_gradient(volume, values, geometry, grid=GRID, device="cpu")
    for part in ("source_mm", "centre_mm", "u", "v"):
        right = getattr(slopes, part)
        assert np.abs(getattr(there, part) - right).max() < 1e-4 * np.abs(right).max(), part
        np.testing.assert_array_equal(getattr(there, part), getattr(again, part))


def test_gradients_of_the_torch_module(kernels):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch here has no CUDA")
    found = []
    for device in ("cpu", "cuda"):
        model = ps.ForwardModel(CIRCLE, GRID, method="joseph")
        volume = torch.from_numpy(smooth_volume()).to(device).requires_grad_()
        shift = torch.zeros(3, dtype=torch.float64, device=device, requires_grad=True)
        pose = model.rotated(torch.eye(3, dtype=torch.float64, device=device), shift)
        (model(volume, **pose) ** 2).sum().backward()
        assert volume.grad.device == shift.grad.device == volume.device
        found.append([volume.grad.cpu().numpy(), shift.grad.cpu().numpy()])
    for here, there in zip(*found, strict=True):
        assert np.abs(there - here).max() < 1e-4 * np.abs(here).max()


@pytest.mark.parametrize("name", GEOMETRIES)
def test_transpose(kernels, name):
    rays, volume = voxel_rays(GEOMETRIES[name], GRID), volume_of()
    image = arrays.to_numpy(project_cuda(kernels, volume, GRID.spacing_mm, rays))
    values = np.random.default_rng(4).random(image.shape, np.float32)
    back = backproject_cuda(kernels, kernels.xp.asarray(values), GRID.shape, GRID.spacing_mm, rays, on_host=True)
    assert abs(np.vdot(image.astype(float), values) / np.vdot(volume.astype(float), back) - 1) < 1e-6
    again = backproject_cuda(kernels, kernels.xp.asarray(values), GRID.shape, GRID.spacing_mm, rays)
    np.testing.assert_array_equal(arrays.to_numpy(again), back)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_areal_densities(kernels, name):
    geometry, rng = GEOMETRIES[name], np.random.default_rng(6)
    labels = np.kron(rng.integers(0, 8, (33, 25, 30)), np.ones((4, 4, 4), int))[:129, :100, :117].astype(np.uint8)
    density = rng.uniform(0.5, 1.5, GRID.shape).astype(np.float32)
    every = np.arange(8, dtype=np.int32)
    signal, areal = project_spectral_cuda(
        kernels, labels, density, GRID.spacing_mm, voxel_rays(geometry, GRID), number=every, coefficients=None,
        attenuation=np.full((1, 8), 0.01, np.float32), weights=np.ones((1, 1, 1, 1), np.float32), materials=8,
        table=every, scale_g_cm2=np.ones(8, np.float32))
    starts, ends = (np.concatenate([np.broadcast_to(part, (geometry.rows, geometry.columns, 3)).reshape(-1, 3)
                                    for part in parts]) for parts in zip(*map(geometry.rays_mm, range(len(geometry))),
                                                                         strict=True))
    truth = siddon_label_integrals(labels, 8, GRID.voxel_from_world, starts, ends, density)
    truth = truth.reshape(len(geometry), -1, 8).swapaxes(1, 2).reshape(len(geometry), 8, *geometry.shape[1:])
    assert rms(arrays.to_numpy(areal), truth) < 2e-6
    np.testing.assert_allclose(arrays.to_numpy(signal)[:, 0], 2.0 ** (-0.01 * truth.sum(1)), rtol=1e-5)


@pytest.mark.parametrize("name", GEOMETRIES)
def test_overlays(kernels, name):
    geometry, rng = GEOMETRIES[name], np.random.default_rng(16)
    labels = rng.integers(0, 8, GRID.shape).astype(np.uint8)
    overlays = [Overlay(grid, rng.integers(0, 8, grid.shape).astype(np.uint8)) for grid in PATCHES]
    there, here = (ps.project_materials(labels, None, np.linspace(0.5, 2.0, 8), GRID, geometry, overlays=overlays,
                                        device=device) for device in ("cuda", "cpu"))
    assert rms(there, here) < 4e-6
    patches = [VolumePatch(grid, (rng.random(grid.shape) * 500).astype(np.float32)) for grid in PATCHES]
    there, here = (project_with_patches(volume_of(), patches, geometry, grid=GRID, device=device)
                   for device in ("cuda", "cpu"))
    assert rms(there, here) < 4e-6


@pytest.mark.parametrize("library", ["cupy", "torch"])
def test_spectral_arrays_stay_on_the_gpu(kernels, library):
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 8, GRID.shape).astype(np.uint8)
    density, rho = rng.uniform(0.5, 1.5, GRID.shape).astype(np.float32), np.linspace(0.5, 2.0, 8)
    if library == "cupy":
        kind, given = kernels.xp.ndarray, (kernels.xp.asarray(labels), kernels.xp.asarray(density))
    else:
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("torch here has no CUDA")
        kind, given = torch.Tensor, (torch.from_numpy(labels).cuda(), torch.from_numpy(density).cuda())
    images = ps.project_materials(*given, rho, GRID, CIRCLE)
    assert isinstance(images, kind)
    assert arrays.device_of(images) == DEVICE
    here = ps.project_materials(labels, density, rho, GRID, CIRCLE, device="cpu")
    assert rms(arrays.to_numpy(images), here) < 1e-5
    density[3, 4, 5] = np.nan
    with pytest.raises(InvalidInput, match="density: holds NaN"):
        ps.project_materials(given[0], arrays.like(density, given[0]), rho, GRID, CIRCLE)


def test_an_exposure(kernels):
    there, here = (ps.simulate(slab(density=1.1), ps.protocols.chest_pa(pixel_mm=8), device=device, areal_density=True)
                   for device in ("cuda", "cpu"))
    assert there.provenance.device == "cuda"
    for name, layer in here.layers.items():
        np.testing.assert_allclose(there.layers[name].array, layer.array, rtol=2e-5, err_msg=name)


@pytest.mark.parametrize("overlaid", [False, True])
@pytest.mark.parametrize("types", [(np.uint8, None), (np.uint8, np.float16), (np.uint16, np.float32)])
def test_photons_have_the_bits_of_the_cpu(kernels, types, overlaid):
    rng, materials = np.random.default_rng(2), tuple(map(ps.material, ("water", "bone_cortical", "lung", "iodine")))
    grid = Grid(shape=(40, 30, 50), spacing_mm=(5.0, 6.0, 7.0))
    labels = rng.integers(0, 4, grid.shape).astype(types[0])
    labels[:, :, :25] = 0
    density = None if types[1] is None else rng.uniform(0.5, 1.3, grid.shape).astype(types[1])
    patches = [Overlay(one, rng.integers(0, 4, one.shape).astype(types[0])) for one in PATCHES] if overlaid else []
    phantom = ps.Phantom(grid=grid, labels=labels, materials=materials, density=density, overlays=tuple(patches))
    field = ps.RectangularField(centre_mm=(0, 0, 0), across=(1, 0, 0), along=(0, 0, 1), size_mm=(200, 200))
    beam = ps.PhotonSource(spectrum=ps.Spectrum(kvp=110), position_mm=(0, -900, 0), field=field,
                           focal_spot_mm=(1.0, 0.6))
    view = Geometry.circular(views=1, source_axis_mm=900, source_detector_mm=1200, rows=48, columns=40, pixel_mm=8.0)
    there, here = (ps.transport_photons(
        phantom, beam, ps.MonteCarlo(histories=2_000_000), geometry=view, seed=5, voxel_dose=True, ambient="air",
        energy_edges_kev=np.arange(10.0, 121.0, 10.0), device=device) for device in ("cuda", "cpu"))
    assert there.balance == here.balance
    for name in ("image_counts", "region_counts"):
        np.testing.assert_array_equal(getattr(there, name), getattr(here, name), err_msg=name)
    np.testing.assert_array_equal(there.voxels.total, here.voxels.total)
    assert here.image_counts.any()


def test_same_bits_every_run(kernels):
    volume, rays = volume_of(), voxel_rays(CIRCLE, GRID)
    first = arrays.to_numpy(project_cuda(kernels, volume, GRID.spacing_mm, rays))
    for _ in range(3):
        np.testing.assert_array_equal(arrays.to_numpy(project_cuda(kernels, volume, GRID.spacing_mm, rays)), first)


@pytest.mark.parametrize("name", ["columns along z", "oblique"])
def test_volumes_larger_than_the_memory(kernels, name, monkeypatch):
    volume, rays = volume_of(), voxel_rays(GEOMETRIES[name], GRID)
    whole = arrays.to_numpy(project_cuda(kernels, volume, GRID.spacing_mm, rays))
    monkeypatch.setattr(type(kernels), "free_bytes", lambda self: 4_000_000)
    parts = arrays.to_numpy(project_cuda(kernels, volume, GRID.spacing_mm, rays))
    assert not np.array_equal(parts, whole)
    assert rms(parts, whole) < 1e-6


def test_arrays_on_the_gpu(kernels):
    cupy, volume, rays = kernels.xp, volume_of(), voxel_rays(CIRCLE, GRID)
    image = project_cuda(kernels, volume, GRID.spacing_mm, rays)
    assert isinstance(image, cupy.ndarray)
    fastest_z = cupy.asarray(np.ascontiguousarray(volume.transpose(1, 2, 0))).transpose(2, 0, 1)
    cupy.testing.assert_array_equal(project_cuda(kernels, fastest_z, GRID.spacing_mm, rays), image)
    assert arrays.device_of(image) == DEVICE
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("torch here has no CUDA")
    tensor = torch.from_numpy(volume).to("cuda")
    there = arrays.to_cupy(tensor, DEVICE)
    assert there.data.ptr == tensor.data_ptr()  # no copy
    back = arrays.like(project_cuda(kernels, there, GRID.spacing_mm, rays), tensor)
    assert isinstance(back, torch.Tensor)
    assert back.device == tensor.device
    np.testing.assert_array_equal(back.cpu().numpy(), arrays.to_numpy(image))
