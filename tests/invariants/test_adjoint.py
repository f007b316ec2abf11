"""The adjoint is the transpose of the forward projector: dot products, voxel by voxel in float64, equal bits."""

import numpy as np
import pytest
from adjoint_cases import CASES, FACES
from adjoint_reference import siddon_adjoint

import physsim as ps
from physsim import _engine
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.rays import voxel_rays

ISAS = _engine.instruction_sets()


def arguments(geometry: Geometry, grid: Grid, any_pose: bool = False):
    rays = voxel_rays(geometry, grid)
    along = [-1] * len(geometry) if any_pose else list(rays.along)
    return list(grid.spacing_mm), rays.start, rays.end, rays.start_row, rays.end_row, rays.flat, along


def project(volume, geometry, grid, any_pose=False):
    image = np.zeros(geometry.shape, np.float32)
    _engine.project(volume, *arguments(geometry, grid, any_pose), image, 2, "")
    return image


def backproject(image, geometry, grid, any_pose=False, threads=2, isa=""):
    volume = np.zeros(grid.shape, np.float32)
    _engine.backproject(image, *arguments(geometry, grid, any_pose), volume, threads, isa)
    return volume


def random_pair(geometry, grid, seed=5):
    generator = np.random.default_rng(seed)
    return generator.random(grid.shape, dtype=np.float32), generator.standard_normal(geometry.shape).astype(np.float32)


@pytest.mark.parametrize("any_pose", [False, True], ids=["as posed", "packets"])
@pytest.mark.parametrize("name", [*CASES, *FACES])
def test_dot_products_agree(name, any_pose):
    geometry, grid = (CASES | FACES)[name]
    volume, image = random_pair(geometry, grid)
    for pixels in (image, np.abs(image) + 1):
        forward, back = project(volume, geometry, grid, any_pose), backproject(pixels, geometry, grid, any_pose)
        left, right = np.vdot(forward.astype(float), pixels), np.vdot(back.astype(float), volume)
        assert abs(left - right) <= 1e-6 * np.linalg.norm(forward.astype(float)) * np.linalg.norm(pixels.astype(float))
        assert np.linalg.norm(back) > 0


@pytest.mark.parametrize("any_pose", [False, True], ids=["as posed", "packets"])
@pytest.mark.parametrize("name", CASES)
def test_every_voxel_agrees_with_float64(name, any_pose):
    geometry, grid = CASES[name]
    _, image = random_pair(geometry, grid)
    truth = np.zeros(grid.shape)
    for view in range(len(geometry)):
        starts, ends = geometry.rays_mm(view)
        truth += siddon_adjoint(
            image[view], grid.shape, grid.voxel_from_world, starts.reshape(-1, 3), ends.reshape(-1, 3)
        )
    error = np.abs(backproject(image, geometry, grid, any_pose) - truth)
    scale = np.sqrt(np.mean(truth**2))
    assert np.sqrt(np.mean(error**2)) <= 3e-5 * scale
    assert error.max() <= 3e-3 * scale


@pytest.mark.parametrize("any_pose", [False, True], ids=["as posed", "packets"])
@pytest.mark.parametrize("name", [*CASES, *FACES])
def test_bits_are_the_same_for_threads_and_instruction_sets(name, any_pose):
    geometry, grid = (CASES | FACES)[name]
    _, image = random_pair(geometry, grid)
    first = backproject(image, geometry, grid, any_pose, threads=1, isa=ISAS[0])
    for isa in ISAS:
        for threads in (1, 3):
            np.testing.assert_array_equal(
                backproject(image, geometry, grid, any_pose, threads, isa), first, err_msg=f"{isa}, {threads} threads"
            )


@pytest.mark.parametrize("name", ["cone", "oblique"])
def test_a_pixel_reaches_only_the_voxels_of_its_ray(name):
    geometry, grid = CASES[name]
    image = np.zeros(geometry.shape, np.float32)
    image[2, 31, 40] = 1.0
    back = ps.backproject(image, geometry, grid=grid)
    starts, ends = geometry.rays_mm(2)
    truth = siddon_adjoint(np.ones(1), grid.shape, grid.voxel_from_world, starts[31, 40], ends[31, 40])
    np.testing.assert_allclose(back, truth, atol=2e-5)
    assert (back[truth == 0] < 1e-5).all()
