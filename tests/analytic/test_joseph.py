"""Joseph's projector against float64, against the integrals of a smooth ball, and against its own transpose."""

import numpy as np
import pytest
from adjoint_cases import CASES, DIAGONAL, FACES, circle
from joseph_reference import joseph_error

import physsim as ps
from physsim import _engine
from physsim.spec.grid import Grid
from physsim.transport.rays import voxel_rays

ISAS = _engine.instruction_sets()
ALL = CASES | FACES | DIAGONAL


def arguments(geometry, grid):
    rays = voxel_rays(geometry, grid)
    return list(grid.spacing_mm), rays.start, rays.end, rays.start_row, rays.end_row, rays.flat


def project(volume, geometry, grid, threads=2, isa=""):
    image = np.zeros(geometry.shape, np.float32)
    _engine.project_joseph(volume, *arguments(geometry, grid), image, threads, isa)
    return image


def backproject(image, geometry, grid, threads=2, isa=""):
    volume = np.zeros(grid.shape, np.float32)
    _engine.backproject_joseph(image, *arguments(geometry, grid), volume, threads, isa)
    return volume


def random_pair(geometry, grid, seed=5):
    generator = np.random.default_rng(seed)
    return generator.random(grid.shape, dtype=np.float32), generator.standard_normal(geometry.shape).astype(np.float32)


@pytest.mark.parametrize("name", ALL)
def test_every_pixel_agrees_with_float64(name):
    geometry, grid = ALL[name]
    volume, _ = random_pair(geometry, grid)
    image = project(volume, geometry, grid)
    error, truth = joseph_error(image, volume, geometry, grid)
    assert truth.any()
    assert np.isfinite(image).all()
    assert np.sqrt(np.mean(error**2)) <= 2e-6 * np.sqrt(np.mean(truth**2))


@pytest.mark.parametrize("name", ALL)
def test_the_transpose_is_exact(name):
    geometry, grid = ALL[name]
    volume, image = random_pair(geometry, grid)
    forward, back = project(volume, geometry, grid).astype(float), backproject(image, geometry, grid).astype(float)
    assert np.isfinite(back).all()
    assert np.linalg.norm(back) > 0
    gap = abs(np.vdot(forward, image) - np.vdot(back, volume))
    assert gap <= 1e-6 * np.linalg.norm(forward) * np.linalg.norm(image.astype(float))


@pytest.mark.parametrize("name", ["cone", "oblique", "source inside", "along the axes"])
def test_each_voxel_has_the_weight_of_the_forward_projection(name):
    geometry, grid = ALL[name]
    _, image = random_pair(geometry, grid)
    back = backproject(image, geometry, grid)
    generator = np.random.default_rng(3)
    for _ in range(12):
        voxel = tuple(generator.integers(0, n) for n in grid.shape)
        one = np.zeros(grid.shape, np.float32)
        one[voxel] = 1.0
        forward = project(one, geometry, grid).astype(float)
        assert abs(np.vdot(forward, image) - back[voxel]) <= 2e-5 * max(1.0, np.abs(forward * image).sum())


@pytest.mark.parametrize(
    "name", ["cone", "oblique, several blocks", "curved", "parallel", "source inside", "fan", "3 rows"]
)
def test_bits_are_the_same_for_threads_and_instruction_sets(name):
    geometry, grid = ALL[name]
    volume, image = random_pair(geometry, grid)
    forward, back = project(volume, geometry, grid, 1, ISAS[0]), backproject(image, geometry, grid, 1, ISAS[0])
    for isa in ISAS:
        for threads in (1, 3):
            np.testing.assert_array_equal(project(volume, geometry, grid, threads, isa), forward, err_msg=isa)
            np.testing.assert_array_equal(backproject(image, geometry, grid, threads, isa), back, err_msg=isa)


def test_a_smooth_ball_is_nearer_to_its_integral_than_by_constant_voxels():
    radius, grid = 24.0, Grid(shape=(64, 64, 64))
    z, y, x = np.meshgrid(*[np.arange(64) - 31.5] * 3, indexing="ij")
    ball = np.maximum(1 - (x**2 + y**2 + z**2) / radius**2, 0).astype(np.float32)
    geometry = circle(rows=96, columns=96, pixel_mm=1.0, source=1000.0, detector=1500.0)
    truth = np.empty(geometry.shape)
    for view in range(len(geometry)):
        starts, ends = geometry.rays_mm(view)
        along = (ends - starts) / np.linalg.norm(ends - starts, axis=-1, keepdims=True)
        squared = (starts**2).sum(-1) - (starts * along).sum(-1) ** 2  # distance of the ray from the centre
        truth[view] = 4 / 3 * np.maximum(radius**2 - squared, 0) ** 1.5 / radius**2
    error = {
        method: np.sqrt(np.mean((ps.project(ball, geometry, grid=grid, method=method, device="cpu") - truth) ** 2))
        for method in ("joseph", "siddon")
    }
    scale = np.sqrt(np.mean(truth**2))
    assert error["joseph"] <= 2.1e-3 * scale
    assert error["joseph"] <= 0.3 * error["siddon"]


@pytest.mark.parametrize("dtype", ["float16", "uint8", "uint16", "int16"])
def test_other_voxel_types_give_the_bits_of_float32(dtype):
    geometry, grid = CASES["oblique"]
    volume = np.random.default_rng(0).integers(0, 200, grid.shape).astype(dtype)
    np.testing.assert_array_equal(project(volume, geometry, grid), project(volume.astype(np.float32), geometry, grid))
