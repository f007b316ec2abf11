"""Pose gradients against finite differences of an independent float64 projector."""

import dataclasses

import numpy as np
import pytest
from adjoint_cases import OBLIQUE, circle
from joseph_reference import joseph_line_integrals

from physsim import _engine
from physsim.errors import InvalidInput
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.pose_gradient import pose_gradient
from physsim.transport.rays import voxel_rays

GRID = Grid(shape=(30, 34, 38), spacing_mm=(1.1, 0.9, 1.3))
CASES = {
    "cone": circle(rows=12, columns=15, pixel_mm=4.1, views=3),
    "oblique": circle(rows=12, columns=15, pixel_mm=4.1, views=3).moved(OBLIQUE, (1.3, -2.1, 0.7)),
    "curved": circle(rows=12, columns=15, pixel_mm=4.1, views=3, curved=True).moved(OBLIQUE),
    "curved, v flipped": dataclasses.replace(
        circle(rows=12, columns=15, pixel_mm=4.1, views=1, curved=True), v=[0, 0, -1]
    ),
    "parallel": Geometry.parallel(views=3, rows=12, columns=15, pixel_mm=2.7, start_deg=7.3).moved(OBLIQUE),
    "source inside": circle(rows=12, columns=15, pixel_mm=9.1, views=3, source=9.0, detector=70.0).moved(OBLIQUE),
    "detector inside": circle(rows=12, columns=15, pixel_mm=1.1, views=3, source=90.0, detector=93.0).moved(OBLIQUE),
    "two rows": circle(rows=2, columns=15, pixel_mm=4.1, views=3),
}
NAMES = ("source_mm", "centre_mm", "u", "v")


def smooth_volume(grid: Grid) -> np.ndarray:
    """Two blobs, wider than the voxels, off the centre and cut by the volume's faces."""
    index = np.stack(np.meshgrid(*[np.arange(n) / n for n in grid.shape], indexing="ij"))
    blobs = [
        np.exp(-((index - np.array(c)[:, None, None, None]) ** 2).sum(0) / 0.06)
        for c in ((0.4, 0.55, 0.45), (0.7, 0.3, 0.8))
    ]
    return (blobs[0] + 0.7 * blobs[1]).astype(np.float32)


def rays_mm(geometry: Geometry, pose: dict[str, np.ndarray], view: int):
    """Geometry.rays_mm of any vectors u and v."""
    source, centre, u, v = (pose[name][view] for name in NAMES)
    across = (np.arange(geometry.columns) - 0.5 * (geometry.columns - 1)) * geometry.pixel_mm[0]
    along = (np.arange(geometry.rows) - 0.5 * (geometry.rows - 1)) * geometry.pixel_mm[1]
    row = across[:, None] * u
    if geometry.radius_mm is not None:
        normal = np.cross(u, v) * np.sign(np.cross(geometry.u[view], geometry.v[view]) @ geometry.normal[view])
        angle = across[:, None] / geometry.radius_mm
        row = geometry.radius_mm * ((np.cos(angle) - 1) * normal + np.sin(angle) * u)
    ends = (centre + row + along[:, None, None] * v).reshape(-1, 3)
    return (ends - (centre - source) if geometry.beam == "parallel" else np.broadcast_to(source, ends.shape)), ends


def loss(volume, cotangent, geometry, grid, pose, view) -> float:
    return float(
        cotangent[view].ravel().astype(float)
        @ joseph_line_integrals(volume, grid.voxel_from_world, *rays_mm(geometry, pose, view))
    )


@pytest.mark.parametrize("name", CASES)
def test_finite_differences_agree(name):
    geometry = CASES[name]
    volume = smooth_volume(GRID)
    cotangent = np.random.default_rng(2).random(geometry.shape).astype(np.float32)
    gradient = pose_gradient(volume, cotangent, geometry, grid=GRID)
    step = 1e-5
    for of in NAMES:
        found = getattr(gradient, of)
        assert found.shape == (len(geometry), 3)
        expected = np.empty_like(found)
        for view in range(len(geometry)):
            for axis in range(3):
                sides = []
                for sign in (-1, 1):
                    pose = {other: np.array(getattr(geometry, other)) for other in NAMES}
                    pose[of][view, axis] += sign * step
                    sides.append(loss(volume, cotangent, geometry, GRID, pose, view))
                expected[view, axis] = (sides[1] - sides[0]) / (2 * step)
        assert np.abs(found - expected).max() <= 1e-3 * np.abs(expected).max(), (of, found, expected)


@pytest.mark.parametrize("start_deg", [0.0, 45.0, 90.0])
@pytest.mark.parametrize("beam", ["cone", "parallel"])
def test_rays_along_axes_and_diagonals_have_finite_gradients(beam, start_deg):
    grid = Grid(shape=(16, 16, 16))
    geometry = dataclasses.replace(circle(rows=17, columns=17, pixel_mm=1.0, views=1), beam=beam)
    turn = np.deg2rad(start_deg - 7.3)
    c, s = np.cos(turn), np.sin(turn)
    geometry = geometry.moved(np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]))
    gradient = pose_gradient(smooth_volume(grid), np.ones(geometry.shape, np.float32), geometry, grid=grid)
    for of in NAMES:
        assert np.isfinite(getattr(gradient, of)).all()
    assert np.abs(gradient.centre_mm).max() > 0


def test_moving_everything_along_the_beam_changes_nothing():
    geometry = CASES["parallel"]
    gradient = pose_gradient(smooth_volume(GRID), np.ones(geometry.shape, np.float32), geometry, grid=GRID)
    moved = gradient.source_mm + gradient.centre_mm
    travel = geometry.centre_mm - geometry.source_mm
    along = (moved * travel).sum(1) / np.linalg.norm(travel, axis=1)
    assert np.abs(along).max() <= 1e-6 * np.abs(gradient.v).max()


def test_bits_are_the_same_for_threads_and_instruction_sets():
    geometry, volume = CASES["oblique"], smooth_volume(GRID)
    rays = voxel_rays(geometry, GRID)
    cotangent = np.random.default_rng(2).random(geometry.shape).astype(np.float32)
    results = [
        _engine.joseph_gradient(
            volume,
            list(GRID.spacing_mm),
            rays.start,
            rays.end,
            rays.start_row,
            rays.end_row,
            rays.flat,
            cotangent,
            threads,
            isa,
        )
        for isa in _engine.instruction_sets()
        for threads in (1, 3)
    ]
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_bad_input_is_refused():
    geometry, volume = CASES["cone"], smooth_volume(GRID)
    with pytest.raises(InvalidInput, match="cotangent of shape"):
        pose_gradient(volume, np.ones((1, 2, 3), np.float32), geometry, grid=GRID)
    with pytest.raises(InvalidInput, match="volume of shape"):
        pose_gradient(volume[1:], np.ones(geometry.shape, np.float32), geometry, grid=GRID)
    with pytest.raises(InvalidInput, match="volume of float64: the kernels read float32"):
        pose_gradient(volume.astype(np.float64), np.ones(geometry.shape, np.float32), geometry, grid=GRID)
    with pytest.raises(InvalidInput, match="NaN"):
        pose_gradient(np.full_like(volume, np.nan), np.ones(geometry.shape, np.float32), geometry, grid=GRID)
