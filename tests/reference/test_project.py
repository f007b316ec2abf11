"""Line integrals against an independent float64 Siddon: any pose, any detector, and rays where tracers go wrong."""

import numpy as np
import pytest
from tests_support import rotation, siddon_truth

import physsim as ps
from physsim import _engine
from physsim.transport.rays import voxel_rays

CIRCLE = dict(source_axis_mm=300, source_detector_mm=500)
TURN = rotation(0.3, 0) @ rotation(0.7, 1) @ rotation(0.2, 2)


def circular(**changes):
    return ps.Geometry.circular(**{**CIRCLE, "views": 5, "rows": 45, "columns": 37, "pixel_mm": 3.1, **changes})


ORDINARY = {
    "cone": circular(),
    "coarse pixels": circular(pixel_mm=8.3),
    "fine pixels": circular(rows=70, columns=50, pixel_mm=0.21),
    "steep cone": circular(source_axis_mm=80, source_detector_mm=200, rows=145, columns=60, pixel_mm=(3.3, 2.1)),
    "few rows": circular(rows=3, columns=61),
    "fan": circular(rows=1, columns=200, pixel_mm=1.0),
    "one column": circular(columns=1),
    "curved": circular(curved=True),
    "curved, tilted": circular(curved=True).moved(TURN),
    "offset detector": circular(offset_mm=(31.0, -7.0)),
    "helix": circular(pitch_mm=40.0, arc_deg=720.0, views=9, rows=16),
    "parallel": ps.Geometry.parallel(views=5, rows=45, columns=37, pixel_mm=2.3, start_deg=7.0),
    "tilted": circular().moved(TURN),
    "tilted parallel": ps.Geometry.parallel(views=5, rows=45, columns=37, pixel_mm=2.3).moved(TURN),
    "rows descending": ps.Geometry.radiograph(
        source_detector_mm=500, detector_object_mm=100, rows=60, columns=50, pixel_mm=1.7
    ),
    "lateral": ps.Geometry.radiograph(
        source_detector_mm=500, detector_object_mm=100, rows=60, columns=50, pixel_mm=1.7, view="LAT"
    ),
    "tomosynthesis": ps.Geometry.tomosynthesis(
        views=5,
        arc_deg=50,
        source_detector_mm=400,
        pivot_mm=30,
        rows=60,
        columns=70,
        pixel_mm=1.1,
        centre_mm=(0, 0, -60),
    ),
    "source inside": circular(source_axis_mm=11.3, source_detector_mm=200),
    "source inside, tilted": circular(source_axis_mm=11.3, source_detector_mm=200).moved(TURN),
    "detector inside": circular(source_axis_mm=300, source_detector_mm=309),
}
GRIDS = {
    "odd sizes": ps.Grid(shape=(61, 47, 83)),
    "anisotropic": ps.Grid(shape=(30, 61, 47), spacing_mm=(1.3, 0.7, 2.9), origin_mm=(-27.0, -25.0, -40.0)),
    "turned axes": ps.Grid(
        shape=(33, 64, 40), spacing_mm=1.1, direction=((0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0))
    ),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
@pytest.mark.parametrize("geometry", ORDINARY.values(), ids=ORDINARY.keys())
def test_ordinary_rays_within_2e_6_rms_of_float64(geometry, grid):
    volume = np.random.default_rng(1).random(grid.shape, dtype=np.float32)
    truth = siddon_truth(volume, grid, geometry)
    image = ps.project(volume, geometry, grid=grid, device="cpu")
    assert image.shape == geometry.shape
    assert image.dtype == np.float32
    assert truth.max() > 0
    assert np.sqrt(np.mean((image - truth) ** 2) / np.mean(truth**2)) <= 2e-6


SIZES = [(1, 1, 1), (1, 2, 1), (2, 2, 2), (2, 3, 5), (5, 1, 4), (16, 16, 16), (64, 64, 64), (65, 1, 129)]


@pytest.mark.parametrize("size", SIZES)
def test_small_and_block_sized_volumes_within_float64(size):
    volume = np.random.default_rng(2).random(size, dtype=np.float32) + 0.5
    geometry = circular(pixel_mm=max(size) / 20)
    for pose in (geometry, geometry.moved(TURN)):
        truth = siddon_truth(volume, ps.Grid(shape=size), pose)
        image = ps.project(volume, pose, device="cpu")
        assert np.sqrt(np.mean((image - truth) ** 2) / np.mean(truth**2)) <= 2e-6


def axis_aligned(axis, offset, rows=12):
    """Parallel rays along a world axis whose pixels lie 1 mm apart from `offset`: in faces for whole numbers."""
    travel = np.roll([1.0, 0.0, 0.0], axis)
    u, v = np.roll([0.0, 1.0, 0.0], axis), np.roll([0.0, 0.0, 1.0], axis)
    shift = (offset + 0.5) * (u + v)
    return ps.Geometry(
        source_mm=-64 * travel + shift,
        centre_mm=64 * travel + shift,
        u=u,
        v=v,
        rows=rows,
        columns=12,
        pixel_mm=(1.0, 1.0),
        beam="parallel",
    )


def point_source(place, through, rows=9, columns=9, pixel=1.0, u=(0, 1, 0), v=(0, 0, 1)):
    place, through = np.array(place, float), np.array(through, float)
    return ps.Geometry(
        source_mm=place, centre_mm=through, u=u, v=v, rows=rows, columns=columns, pixel_mm=(pixel, pixel)
    )


DEGENERATE = {
    **{
        f"along axis {axis}, {place}": axis_aligned(axis, offset)
        for axis in range(3)
        for place, offset in (("in faces", 0.0), ("through centres", 0.5), ("near faces", 1e-4))
    },
    **{f"along axis {axis}, in faces, few rows": axis_aligned(axis, 0.0, rows=3) for axis in range(3)},
    "45 degrees through edges": point_source((-64, -64, 0), (64, 64, 0), u=(-(0.5**0.5), 0.5**0.5, 0), rows=9),
    "along the diagonal through corners": ps.Geometry(
        source_mm=(-64, -64, -64),
        centre_mm=(64, 64, 64),
        u=(0.5**0.5, -(0.5**0.5), 0),
        v=(1 / 6**0.5, 1 / 6**0.5, -2 / 6**0.5),
        rows=9,
        columns=9,
        pixel_mm=(2.0, 2.0),
        beam="parallel",
    ),
    "central ray in a face": point_source((-100, 0, 0), (100, 0, 0)),
    "source inside, on a corner": point_source((0, 0, 0), (100, 0, 0), pixel=9.0),
    "source inside, in a voxel": point_source((0.3, -0.2, 0.4), (100, 0, 0), pixel=9.0),
    "source in the volume's face": point_source((-8, 0, 0), (100, 0, 0), pixel=9.0),
    "grazing the outside": axis_aligned(0, 8.0),
    "grazing the other outside": axis_aligned(0, -8.0),
    "grazing an edge": point_source((-100, 8, 8), (100, 8, 8), pixel=0.5),
    "slightly off axis": point_source((-100, 0.5, 0.5), (100, 0.5 + 1e-3, 0.5 - 1e-3), pixel=1.0),
    "far away": point_source((-1e5, 0.25, 0.3), (100, 0, 0)),
}


@pytest.mark.parametrize("geometry", DEGENERATE.values(), ids=DEGENERATE.keys())
@pytest.mark.parametrize("shape", [(16, 16, 16), (16, 14, 18)])
def test_degenerate_rays_within_1e_3_of_float64(geometry, shape):
    volume = np.random.default_rng(3).random(shape, dtype=np.float32)
    truth = siddon_truth(volume, ps.Grid(shape=shape), geometry)
    image = ps.project(volume, geometry, device="cpu")
    assert np.isfinite(image).all()
    assert np.abs(image - truth).max() <= 1e-3 * truth.max()
    rays = voxel_rays(geometry, ps.Grid(shape=shape))
    for isa in _engine.instruction_sets():  # the packets, which other views would take
        general = np.zeros(geometry.shape, np.float32)
        _engine.project(
            volume,
            [1.0] * 3,
            rays.start,
            rays.end,
            rays.start_row,
            rays.end_row,
            rays.flat,
            [-1] * len(geometry),
            general,
            1,
            isa,
        )
        assert np.abs(general - truth).max() <= 1e-3 * truth.max(), isa


def test_a_million_random_rays_are_never_nan():
    volume = np.random.default_rng(4).random((40, 50, 60), dtype=np.float32)
    rng = np.random.default_rng(5)
    for _ in range(20):
        turn = (
            rotation(*rng.uniform(0, 6.3, 1), 0)
            @ rotation(*rng.uniform(0, 6.3, 1), 1)
            @ rotation(*rng.uniform(0, 6.3, 1), 2)
        )
        geometry = circular(
            source_axis_mm=rng.uniform(5, 200), source_detector_mm=400, rows=100, columns=100, views=5
        ).moved(turn)
        assert np.isfinite(ps.project(volume, geometry, device="cpu")).all()


def test_same_bits_for_threads_views_and_subsets():
    volume = np.random.default_rng(6).random((61, 47, 83), dtype=np.float32)
    for geometry in (circular(), circular().moved(TURN), circular(rows=2)):
        image = ps.project(volume, geometry, threads=1, device="cpu")
        for threads in (2, 3, 5):
            np.testing.assert_array_equal(ps.project(volume, geometry, threads=threads, device="cpu"), image)
        np.testing.assert_array_equal(ps.project(volume, geometry[1::2], threads=2, device="cpu"), image[1::2])
        np.testing.assert_array_equal(ps.project(volume, geometry[3], threads=2, device="cpu"), image[3:4])


def test_mixed_poses_in_one_geometry_equal_the_poses_alone():
    straight, tilted = circular(views=2), circular(views=2).moved(TURN)
    both = ps.Geometry(
        **{
            name: np.concatenate([getattr(straight, name), getattr(tilted, name)])
            for name in ("source_mm", "centre_mm", "u", "v")
        },
        rows=45,
        columns=37,
        pixel_mm=3.1,
    )
    volume = np.random.default_rng(7).random((31, 47, 53), dtype=np.float32)
    np.testing.assert_array_equal(
        ps.project(volume, both), np.concatenate([ps.project(volume, straight), ps.project(volume, tilted)])
    )


@pytest.mark.parametrize("tilt", [0.0, 1e-11, 1e-9, 1e-7, 1e-5, 1e-3])
def test_rays_leaning_out_of_faces_keep_their_side(tilt):
    """Parallel rays whose rows lie in faces of the voxels, tilted by `tilt` (rad) about x."""
    grid = ps.Grid(shape=(8, 9, 10), spacing_mm=(1, 1, 2))
    volume = np.random.default_rng(8).random(grid.shape, dtype=np.float32)
    geometry = ps.Geometry.parallel(
        views=8, rows=19, columns=12, pixel_mm=1.0, distance_mm=60, arc_deg=360, start_deg=5
    ).moved(rotation(tilt, 0))
    truth = siddon_truth(volume, grid, geometry)
    assert np.abs(ps.project(volume, geometry, grid=grid, device="cpu") - truth).max() <= 1e-4 * truth.max()
