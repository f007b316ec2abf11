"""Joseph's projector for CUDA, run thread by thread on the CPU, against float64 and against the CPU's own."""

import numpy as np
import pytest
from adjoint_cases import CASES, DIAGONAL, FACES
from joseph_reference import joseph_error, joseph_line_integrals

import physsim as ps
from physsim.errors import InvalidInput
from physsim.transport.cuda import project_cuda, slabs
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


def test_by_name(one_gpu):
    geometry, grid = next(iter(CASES.values()))
    volume = volume_of(grid)
    here = ps.project(volume, geometry, grid=grid, method="joseph")
    assert not one_gpu.launched
    there = ps.project(volume, geometry, grid=grid, method="joseph", device="cuda")
    assert one_gpu.launched == ["project_joseph_float32"]
    assert rms(there, here) < 1e-5
    with pytest.raises(InvalidInput, match="method='joseph' on cuda:0: the GPU projects by it"):
        ps.backproject(there, geometry, grid=grid, method="joseph", device="cuda")


def test_a_gradient_that_the_gpu_lacks_is_told_before_the_projection(one_gpu):
    torch = pytest.importorskip("torch")
    geometry, grid = next(iter(CASES.values()))
    model, volume = ps.ForwardModel(geometry, grid, method="joseph", device="cuda"), torch.from_numpy(volume_of(grid))
    assert rms(model(volume).numpy(), in_float64(volume.numpy(), geometry, grid)) < 1e-5
    one_gpu.launched.clear()
    with pytest.raises(InvalidInput, match="transpose and gradients of the exact projector only"):
        model(volume.requires_grad_())
    assert not one_gpu.launched
