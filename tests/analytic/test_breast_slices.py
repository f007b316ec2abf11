"""Slices of tomosynthesis: beads come back where they lie, in breasts of either side and view."""

import numpy as np
import pytest
from breast_cases import mammogram, tomosynthesis
from scipy import ndimage

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.exposure_files import check_exposure_output
from physsim.imaging.mammogram import _smooth

BEADS = [(4, 20, 8), (10, 8, 20), (15, 30, 14)]  # voxels (z, y, x) of 2 mm


def slab_with_beads():
    grid = ps.Grid(shape=(20, 40, 26), spacing_mm=(2.0, 2.0, 2.0), origin_mm=(1.0, -39.0, 1.0))
    labels = np.zeros(grid.shape, np.uint8)
    for bead in BEADS:
        labels[bead] = 1
    return ps.Phantom(grid=grid, labels=labels, materials=(ps.material("adipose"), ps.material("Al")))


@pytest.mark.parametrize(("side", "even"), [("L", True), ("R", False)])
def test_beads_come_back_where_they_lie(side, even):
    """Within two pixels (1.1 mm; a bead has 3.6) in the slice and two slices (2 mm)."""
    phantom = slab_with_beads()
    shot = ps.simulate(phantom, tomosynthesis(11, side=side, body_part="PHANTOM", mas=5.0, pixel_mm=0.56, columns=110,
                                              rows=200), noise=False)
    found = shot.slices(even=even)
    world_to_voxel = np.linalg.inv(found.world_from_voxel)
    for z, y, x in BEADS:
        place = phantom.grid.world_from_voxel @ (x, y, z, 1.0)
        column, row, level = np.round((world_to_voxel @ place)[:3]).astype(int)
        window = tuple(slice(max(0, middle - reach), middle + reach + 1)
                       for middle, reach in ((level, 8), (row, 8), (column, 8)))
        near = found.array[window]
        peak = np.array(np.unravel_index(near.argmax(), near.shape)) + [one.start for one in window]
        assert abs(peak[0] - level) <= 2
        assert np.abs(peak[1:] - (row, column)).max() <= 2


def test_what_has_no_slices_is_refused(tmp_path):
    shot = ps.simulate(slab_with_beads(), mammogram(body_part="PHANTOM", mas=5.0), noise=False)
    with pytest.raises(InvalidInput, match="they need views from several sides"):
        shot.slices()
    with pytest.raises(InvalidInput, match="names no format"):
        shot.save(tmp_path / "folder")
    with pytest.raises(InvalidInput, match="a folder"):
        check_exposure_output(tmp_path / "a.jpg", sweep=True)


def test_voxels_have_a_size():
    shot = ps.simulate(slab_with_beads(), tomosynthesis(3, body_part="PHANTOM", mas=5.0), noise=False)
    with pytest.raises(InvalidInput, match="slice_mm=0"):
        shot.slices(0.0)


@pytest.mark.parametrize("sigma", [3.0, 8.0, 10.7, 28.6])
def test_wide_smoothing_on_blocks_is_a_gaussian_s(sigma):
    """Two edges of height 1 across each other: within 0.5 % of it, away from where blocks are padded."""
    edges = np.zeros((300, 400))
    edges[:, 173:] = 1.0
    edges[97:] += 1.0
    wanted = ndimage.gaussian_filter(edges, sigma, mode="nearest")
    assert np.abs(_smooth(edges, sigma) - wanted)[:-40, :-40].max() < 5e-3
