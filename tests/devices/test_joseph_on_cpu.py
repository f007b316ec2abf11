"""Joseph's projector, transpose and gradients for CUDA, run thread by thread on the CPU, against float64 and CPU."""

import numpy as np
import pytest
from adjoint_cases import CASES, DIAGONAL, FACES
from joseph_reference import joseph_error, joseph_line_integrals

import physsim as ps
from physsim.errors import InvalidInput
from physsim.transport import pose_gradient_cuda
from physsim.transport.cuda import backproject_cuda, project_cuda, slabs
from physsim.transport.pose_gradient import pose_gradient
from physsim.transport.rays import voxel_rays

ALL = CASES | FACES | DIAGONAL


def volume_of(grid, dtype=np.float32):
    return (np.random.default_rng(5).random(grid.shape) * 200).astype(dtype)


def in_float64(volume, geometry, grid):
    truth = np.empty(geometry.shape)
    for view in range(len(geometry)):
        start, end = geometry.rays_mm(view)
        start = np.broadcast_to(start, end.shape).reshape(-1, 3)
        truth[view] = joseph_line_integrals(volume, grid.voxel_from_world, start, end.reshape(-1, 3)).reshape(
            truth.shape[1:])
    return truth


def rms(wrong, right):
    return np.sqrt(((wrong - right) ** 2).mean() / (right**2).mean())


@pytest.mark.parametrize("name", ALL)
def test_line_integrals(kernels, name):
    geometry, grid = ALL[name]
    volume = volume_of(grid)
    image = project_cuda(kernels, volume, grid.spacing_mm, voxel_rays(geometry, grid), "joseph")
    error, truth = joseph_error(image, volume, geometry, grid)
    assert truth.any()
    assert np.isfinite(image).all()
    assert np.sqrt(np.mean(error**2)) <= 2e-6 * np.sqrt(np.mean(truth**2))


@pytest.mark.parametrize("dtype", ["float16", "uint8", "uint16", "int16"])
def test_voxel_types_slabs_and_strides(kernels, dtype):
    geometry, grid = next(iter(CASES.values()))
    room = np.full([n + 4 for n in grid.shape], 99).astype(dtype)
    volume = room[2:-2, 2:-2, 2:-2]
    volume[:] = volume_of(grid, dtype)
    rays = voxel_rays(geometry, grid)
    image = project_cuda(kernels, volume, grid.spacing_mm, rays, "joseph")
    assert rms(image, in_float64(volume.astype(float), geometry, grid)) < 1e-5
    kernels.free, count = 3 * 2 * 2 * grid.shape[1] * grid.shape[2], 0
    try:
        count = len(list(slabs(kernels, grid.shape, volume.itemsize)))
        parts = project_cuda(kernels, volume, grid.spacing_mm, rays, "joseph")
    finally:
        kernels.free = 1 << 40
    assert count > 2
    assert rms(parts, image) < 2e-6


def test_by_name(one_gpu, cupy):
    geometry, grid = next(iter(CASES.values()))
    volume = volume_of(grid)
    here = ps.project(volume, geometry, grid=grid, method="joseph", device="cpu")
    assert not one_gpu.launched
    there = ps.project(volume, geometry, grid=grid, method="joseph", device="cuda")
    assert one_gpu.launched == ["project_joseph_float32"]
    assert rms(there, here) < 1e-5
    back = ps.backproject(there, geometry, grid=grid, method="joseph", device="cuda")
    assert "backproject_joseph" in one_gpu.launched
    assert rms(back, ps.backproject(there, geometry, grid=grid, method="joseph", device="cpu")) < 1e-5


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("several tiles", "fine pixels")])
def test_transpose(kernels, name):
    geometry, grid = ALL[name]
    volume, rays = volume_of(grid), voxel_rays(geometry, grid)
    image = project_cuda(kernels, volume, grid.spacing_mm, rays, "joseph")
    values = np.random.default_rng(2).random(image.shape, np.float32)
    back = backproject_cuda(kernels, values, grid.shape, grid.spacing_mm, rays, method="joseph")
    forward, backward = np.vdot(image.astype(float), values), np.vdot(volume.astype(float), back)
    assert forward > 0
    assert abs(forward / backward - 1) < 1e-6


@pytest.mark.parametrize("name", ["anisotropic, oblique", "source inside", "curved, oblique"])
def test_transpose_equals_that_of_the_cpu_and_adds_up_over_slabs(kernels, name):
    geometry, grid = CASES[name]
    rays, values = voxel_rays(geometry, grid), np.random.default_rng(2).standard_normal(geometry.shape, np.float32)
    back = backproject_cuda(kernels, values, grid.shape, grid.spacing_mm, rays, method="joseph")
    here = ps.backproject(values, geometry, grid=grid, method="joseph", device="cpu")
    assert rms(back, here) < 1e-5
    kernels.free = 40 * grid.shape[1] * grid.shape[2]
    try:
        assert len(list(slabs(kernels, grid.shape, 8))) > 4
        parts = backproject_cuda(kernels, values, grid.shape, grid.spacing_mm, rays, method="joseph")
    finally:
        kernels.free = 1 << 40
    assert rms(parts, back) < 1e-6


def smooth_volume(grid, dtype):
    """A blob: between the cells of noise, derivatives would jump by what rounding moves a ray."""
    z, y, x = (np.linspace(-2, 2, n) for n in grid.shape)
    blob = np.exp(-((z[:, None, None] - 0.3) ** 2 + (y[:, None] + 0.2) ** 2 + (x - 0.1) ** 2))
    return ((20000 if dtype in ("int16", "uint16") else 200) * blob).astype(dtype)


POSE = ("source_mm", "centre_mm", "u", "v")


@pytest.mark.parametrize(("name", "dtype"), [
    ("coarse pixels", "float16"), ("columns along y", "int16"), ("very coarse pixels", "uint8"),
    ("anisotropic, oblique", "float32"), ("source inside", "float32"), ("curved, oblique", "float32"),
    ("parallel", "float32"), ("descending v", "uint16")])
def test_pose_gradient(one_gpu, cupy, name, dtype, monkeypatch):
    """No rays along voxel centres (a middle row, with odd sizes): there the slope jumps, and rounding takes a side."""
    geometry, grid = CASES[name]
    volume, values = smooth_volume(grid, dtype), np.random.default_rng(2).random(geometry.shape, np.float32)
    here = pose_gradient(volume, values, geometry, grid=grid, device="cpu")
    there = pose_gradient(volume, values, geometry, grid=grid, device="cuda")
    assert one_gpu.launched == [f"joseph_slopes_{dtype}", "joseph_column_gradient"]
    one_gpu.free = 20 * volume.itemsize * grid.shape[1] * grid.shape[2]
    monkeypatch.setattr(pose_gradient_cuda, "BATCH_BYTES", 2 * 28 * geometry.rows * geometry.columns)
    try:
        parts = pose_gradient(volume, values, geometry, grid=grid, device="cuda")
    finally:
        one_gpu.free = 1 << 40
    assert len(one_gpu.launched) > 2 + 2 * 2 * 2  # slabs x batches of two views
    for part in POSE:
        right = getattr(here, part)
        assert np.abs(right).max() > 0
        for found in (there, parts):
            assert np.abs(getattr(found, part) - right).max() < 1e-4 * np.abs(right).max(), part


def test_pose_gradient_of_infinity(cupy):
    geometry, grid = next(iter(CASES.values()))
    volume = volume_of(grid)
    volume[20, 25, 30] = np.inf
    with pytest.raises(InvalidInput, match="volume or cotangent: holds NaN or infinity"):
        pose_gradient(volume, np.ones(geometry.shape, np.float32), geometry, grid=grid, device="cuda")


def test_gradients_of_the_torch_module(one_gpu, cupy):
    torch = pytest.importorskip("torch")
    geometry, grid = CASES["very coarse pixels"]
    found = {}
    for device in ("cpu", "cuda"):
        model = ps.ForwardModel(geometry, grid, method="joseph", device=device)
        volume = torch.from_numpy(smooth_volume(grid, np.float32)).requires_grad_()
        pose = {name: torch.from_numpy(np.array(getattr(geometry, name))).requires_grad_() for name in POSE}
        (model(volume, **pose) ** 2).sum().backward()
        found[device] = [volume.grad.numpy(), *(pose[name].grad.numpy() for name in POSE)]
    assert {"project_joseph_float32", "backproject_joseph", "joseph_column_gradient"} <= set(one_gpu.launched)
    for there, here in zip(found["cuda"], found["cpu"], strict=True):
        assert np.abs(there - here).max() < 1e-4 * np.abs(here).max()


def test_cupy_in_cupy_out(cupy):
    geometry, grid = next(iter(CASES.values()))
    volume, values = volume_of(grid), np.random.default_rng(2).random(geometry.shape, np.float32)
    there = cupy.asarray(volume), cupy.asarray(values)
    image = ps.project(there[0], geometry, grid=grid, method="joseph")
    back = ps.backproject(there[1], geometry, grid=grid, method="joseph")
    gradient = pose_gradient(*there, geometry, grid=grid)
    assert isinstance(image, cupy.ndarray)
    assert isinstance(back, cupy.ndarray)
    assert cupy.ndarray.fetched == [(len(geometry), geometry.columns, 4, 3)]  # what the poses need
    np.testing.assert_array_equal(
        gradient.u, pose_gradient(volume, values, geometry, grid=grid, device="cuda").u)
