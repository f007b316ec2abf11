"""The CUDA kernels and their launches, run thread by thread on the CPU, against Siddon in float64."""

import itertools

import numpy as np
import pytest
from siddon_reference import siddon_crossings, siddon_line_integrals

from physsim.errors import InvalidInput
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.cuda import backproject_cuda, project_cuda, slabs
from physsim.transport.rays import voxel_rays

GRID = Grid(shape=(37, 22, 29), spacing_mm=(1.1, 0.7, 1.3))


def rotation(a, b):
    ca, sa, cb, sb = np.cos(a), np.sin(a), np.cos(b), np.sin(b)
    return np.array([[1, 0, 0], [0, ca, -sa], [0, sa, ca]]) @ np.array([[cb, 0, sb], [0, 1, 0], [-sb, 0, cb]])


ROUND = {"source_axis_mm": 90, "source_detector_mm": 150}
CIRCLE = Geometry.circular(views=5, **ROUND, rows=41, columns=27, pixel_mm=(2.1, 1.7), start_deg=11)
GEOMETRIES = {
    "columns along z": CIRCLE,
    "oblique": CIRCLE.moved(rotation(0.4, -0.3)),
    "columns along x": CIRCLE.moved([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
    "columns along y": CIRCLE.moved([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
    "curved helix": Geometry.circular(views=7, **ROUND, rows=9, columns=33, pixel_mm=2.0, curved=True, pitch_mm=20),
    "parallel": Geometry.parallel(views=3, rows=33, columns=17, pixel_mm=1.5, distance_mm=60, start_deg=7),
    "fan": Geometry.circular(views=4, **ROUND, rows=1, columns=70, pixel_mm=1.0),
    "steep": Geometry.circular(
        views=3, source_axis_mm=31, source_detector_mm=62, rows=64, columns=40, pixel_mm=3.0),
    "source inside": Geometry.circular(
        views=3, source_axis_mm=5, source_detector_mm=9, rows=40, columns=12, pixel_mm=1.0),
    "tomosynthesis": Geometry.tomosynthesis(
        views=4, arc_deg=40, source_detector_mm=200, pivot_mm=10, rows=20, columns=31, pixel_mm=1.4,
        centre_mm=(0, 0, -40)),
}


def reference(volume, grid, geometry):
    rays = [geometry.rays_mm(view) for view in range(len(geometry))]
    starts, ends = (np.concatenate([np.reshape(ray[i], (-1, 3)) for ray in rays]) for i in (0, 1))
    pixels = len(geometry), geometry.rows, geometry.columns
    return siddon_line_integrals(volume, grid.voxel_from_world, starts, ends).reshape(pixels)


def volume_of(grid, dtype=np.float32, seed=3):
    values = np.random.default_rng(seed).random(grid.shape) * 200
    return values.astype(dtype)


def rms(image, truth):
    return np.sqrt(((image - truth) ** 2).mean() / (truth**2).mean())


@pytest.mark.parametrize("name", GEOMETRIES)
def test_line_integrals(kernels, name):
    geometry, volume = GEOMETRIES[name], volume_of(GRID)
    kernels.launched.clear()
    image = project_cuda(kernels, volume, GRID.spacing_mm, voxel_rays(geometry, GRID))
    truth = reference(volume, GRID, geometry)
    assert truth.max() > 0
    assert image.dtype == np.float32
    assert rms(image, truth) < 1e-6
    assert np.abs(image - truth).max() < 2e-5 * truth.max()
    assert any("columns" in kernel for kernel in kernels.launched) == (name not in ("oblique", "fan"))


@pytest.mark.parametrize("tilt", [0.0, 1e-11, 1e-7])
@pytest.mark.parametrize(("pixel_mm", "columns"), [(1.0, 12), (0.5, 25)])
def test_rays_in_faces_and_through_edges(kernels, tilt, pixel_mm, columns):
    """Rays in faces and along edges, exactly or leaning out of them by less than float32 could tell.

    Not at 90, 180, 270 degrees: there the sine's rounding, 1e-16, decides on which side of a face a ray runs.
    """
    grid = Grid(shape=(8, 9, 10), spacing_mm=(1.0, 1.0, 2.0))
    turn = [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
    beam = Geometry.parallel(views=8, rows=19, columns=columns, pixel_mm=pixel_mm, distance_mm=60, arc_deg=360)
    beam, volume = beam.moved(turn)[[0, 1, 3, 5, 7]], volume_of(grid)
    image = project_cuda(kernels, volume, grid.spacing_mm, voxel_rays(beam, grid))
    assert rms(image, reference(volume, grid, beam)) < 2e-5


@pytest.mark.parametrize("dtype", ["float16", "uint8", "uint16", "int16"])
@pytest.mark.parametrize("name", ["columns along z", "oblique"])
def test_voxel_types_are_read_as_they_are(kernels, name, dtype):
    volume = volume_of(GRID) - 100 * (dtype == "int16")
    volume = volume.astype(dtype)
    image = project_cuda(kernels, volume, GRID.spacing_mm, voxel_rays(GEOMETRIES[name], GRID))
    truth = reference(volume.astype(np.float64), GRID, GEOMETRIES[name])
    size = reference(np.abs(volume.astype(np.float64)), GRID, GEOMETRIES[name]).max()
    assert np.sqrt(((image - truth) ** 2).mean()) < 1e-6 * size


@pytest.mark.parametrize("name", GEOMETRIES)
def test_no_voxel_outside_is_read(kernels, name):
    room = np.full([n + 4 for n in GRID.shape], np.nan, np.float32)
    inside = room[2:-2, 2:-2, 2:-2]
    inside[:] = volume_of(GRID)
    rays = voxel_rays(GEOMETRIES[name], GRID)
    for layout in itertools.permutations(range(3)):  # every stride order, none contiguous as a whole
        strided = np.ascontiguousarray(room.transpose(layout)).transpose(np.argsort(layout))[2:-2, 2:-2, 2:-2]
        image = project_cuda(kernels, strided, GRID.spacing_mm, rays)
        np.testing.assert_array_equal(image, project_cuda(kernels, inside.copy(), GRID.spacing_mm, rays))


def test_views_of_all_kinds_in_one_call(kernels):
    geometries = [GEOMETRIES[name] for name in ("columns along x", "columns along z", "oblique", "columns along y")]
    poses = {name: np.concatenate([getattr(geometry, name) for geometry in geometries])
             for name in ("source_mm", "centre_mm", "u", "v")}
    together = Geometry(**poses, rows=41, columns=27, pixel_mm=(2.1, 1.7))[np.random.default_rng(8).permutation(20)]
    rays = voxel_rays(together, GRID)
    assert set(rays.along) == {-1, 0, 1, 2}
    volume = volume_of(GRID)
    image = project_cuda(kernels, volume, GRID.spacing_mm, rays)
    assert rms(image, reference(volume, GRID, together)) < 1e-6
    values = np.random.default_rng(2).random(image.shape, np.float32)
    back = backproject_cuda(kernels, values, GRID.shape, GRID.spacing_mm, rays)
    assert abs(np.vdot(image.astype(float), values) / np.vdot(volume.astype(float), back) - 1) < 1e-6


def test_no_copy_where_the_columns_axis_is_contiguous(kernels):
    volume = volume_of(GRID)
    fastest_z = np.ascontiguousarray(volume.transpose(1, 2, 0)).transpose(2, 0, 1)
    kernels.launched.clear()
    project_cuda(kernels, fastest_z, GRID.spacing_mm, voxel_rays(CIRCLE, GRID))
    assert kernels.launched == ["project_columns_float32"]


@pytest.mark.parametrize("name", ["columns along z", "columns along x", "oblique"])
def test_slabs_add_up(kernels, name):
    volume, rays = volume_of(GRID), voxel_rays(GEOMETRIES[name], GRID)
    whole = project_cuda(kernels, volume, GRID.spacing_mm, rays)
    values = np.random.default_rng(1).random(whole.shape, np.float32)
    whole_back = backproject_cuda(kernels, values, GRID.shape, GRID.spacing_mm, rays)
    kernels.free = 12 * 4 * 22 * 29  # some layers at a time
    try:
        count = len(list(slabs(kernels, GRID.shape, 4)))
        parts = project_cuda(kernels, volume, GRID.spacing_mm, rays)
        parts_back = backproject_cuda(kernels, values, GRID.shape, GRID.spacing_mm, rays)
    finally:
        kernels.free = 1 << 40
    assert count > 3
    assert rms(parts, whole) < 1e-6
    assert rms(parts_back, whole_back) < 1e-6


def test_a_layer_too_large_is_an_error(kernels):
    kernels.free = 1000
    try:
        with pytest.raises(InvalidInput, match="29 x 22 voxels"):
            project_cuda(kernels, volume_of(GRID), GRID.spacing_mm, voxel_rays(CIRCLE, GRID))
    finally:
        kernels.free = 1 << 40
    with pytest.raises(InvalidInput, match="float64"):
        project_cuda(kernels, np.zeros((2, 2, 2)), (1, 1, 1), voxel_rays(CIRCLE, GRID))


@pytest.mark.parametrize("name", GEOMETRIES)
def test_transpose_by_dot_product(kernels, name):
    rays, volume = voxel_rays(GEOMETRIES[name], GRID), volume_of(GRID)
    image = project_cuda(kernels, volume, GRID.spacing_mm, rays)
    values = np.random.default_rng(2).random(image.shape, np.float32)
    back = backproject_cuda(kernels, values, GRID.shape, GRID.spacing_mm, rays)
    forward, backward = np.vdot(image.astype(float), values), np.vdot(volume.astype(float), back)
    assert abs(forward / backward - 1) < 1e-6


@pytest.mark.parametrize("name", ["columns along z", "oblique", "steep"])
def test_transpose_voxel_by_voxel(kernels, name):
    grid, geometry = Grid(shape=(11, 9, 13), spacing_mm=(3.0, 2.0, 3.5)), GEOMETRIES[name][:1]
    values = np.random.default_rng(5).standard_normal((1, geometry.rows, geometry.columns)).astype(np.float32)
    back = backproject_cuda(kernels, values, grid.shape, grid.spacing_mm, voxel_rays(geometry, grid))
    truth = np.zeros(grid.shape)
    starts, ends = (part.reshape(-1, 3) for part in geometry.rays_mm(0))
    for start, end, value in zip(starts, ends, values.ravel(), strict=True):
        voxels, lengths = siddon_crossings(grid.shape, grid.voxel_from_world, start, end)
        np.add.at(truth, tuple(voxels.T), value * lengths)
    assert rms(back, truth) < 1e-5
    assert np.abs(back - truth).max() < 1e-4 * np.abs(truth).max()


def test_transpose_does_not_depend_on_the_order_of_views(kernels):
    geometry = GEOMETRIES["columns along z"]
    values = np.random.default_rng(6).standard_normal((5, geometry.rows, geometry.columns)).astype(np.float32)
    order = [3, 0, 4, 2, 1]
    one = backproject_cuda(kernels, values, GRID.shape, GRID.spacing_mm, voxel_rays(geometry, GRID))
    other = backproject_cuda(kernels, values[order], GRID.shape, GRID.spacing_mm, voxel_rays(geometry[order], GRID))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("size", [1e-30, 1e-6, 1e20])
def test_transpose_of_any_magnitude(kernels, size):
    rays = voxel_rays(CIRCLE, GRID)
    values = np.random.default_rng(7).random((5, 41, 27)).astype(np.float32)
    one = backproject_cuda(kernels, values, GRID.shape, GRID.spacing_mm, rays).astype(float)
    scaled = backproject_cuda(kernels, values * np.float32(size), GRID.shape, GRID.spacing_mm, rays, on_host=True)
    assert rms(scaled / size, one) < 1e-6


def test_transpose_of_nothing_and_of_nan(kernels):
    rays, values = voxel_rays(CIRCLE, GRID), np.zeros((5, 41, 27), np.float32)
    assert not backproject_cuda(kernels, values, GRID.shape, GRID.spacing_mm, rays).any()
    values[2, 3, 4] = np.nan
    with pytest.raises(InvalidInput, match="NaN"):
        backproject_cuda(kernels, values, GRID.shape, GRID.spacing_mm, rays)


def test_the_stand_in_sees_threads_that_disagree_about_a_barrier(kernels):
    assert kernels.disagreement() == 2
