"""Organ labels are mended by few voxels, and nothing but labels: small faults go, larger ones stay to be seen."""

import numpy as np
import pytest

from physsim.body.anatomy import canonical_declared
from physsim.body.body import Body
from physsim.body.mend import CRUMB, TEAR, mend_organs
from physsim.body.topology import betti_numbers, declared_topology
from physsim.body.voxelise import voxelise_body

NAMES = ("background", "subcutaneous fat", "spleen", "pancreas", "portal vein")
FAT, SPLEEN, PANCREAS, VEIN = 1, 2, 3, 4


def box(shape=(24, 26, 28), spleen=(slice(6, 18), slice(6, 20), slice(6, 22))):
    labels = np.full(shape, FAT, np.uint8)
    labels[spleen] = SPLEEN
    return labels


def mended(labels, threads=1):
    own = labels.copy()
    rows = mend_organs(own, NAMES, 1.0, threads)
    return own, rows


def test_whole_organs_are_left_alone():
    labels = box()
    own, rows = mended(labels)
    assert len(rows) == 0
    assert (own == labels).all()


def test_crumbs_go_to_what_surrounds_them():
    whole = box()
    labels = whole.copy()
    labels[2, 2:4, 2:5] = SPLEEN
    labels[12, 12, 12:14] = PANCREAS  # a crumb within the spleen, of a pancreas that lies elsewhere
    labels[20:23, 21:25, 22:27] = whole[20:23, 21:25, 22:27] = PANCREAS
    own, rows = mended(labels)
    assert (own == whole).all()
    assert sorted(rows[:, 0]) == sorted(np.flatnonzero(labels != whole))
    large = box()
    large[1:4, 1:6, 1:6] = SPLEEN  # more than a crumb: another piece
    assert large[1:4, 1:6, 1:6].size > CRUMB
    assert (mended(large)[0] == large).all()


def test_what_the_grid_cuts_may_go_on():
    labels = box()
    labels[0, 3, 4:6] = SPLEEN
    assert (mended(labels)[0] == labels).all()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_small_holes_are_closed(width):
    """A sheet with a hole: one layer of voxels closes it; a hole of more than TEAR voxels stays."""
    labels = np.full((12, 40, 42), FAT, np.uint8)
    labels[5:7, 4:36, 4:38] = SPLEEN
    whole = labels.copy()
    labels[5:7, 18 : 18 + width, 18 : 18 + width] = FAT
    own, rows = mended(labels)
    assert betti_numbers(own == SPLEEN) == (1, 0, 0)
    assert len(rows) == width**2
    assert (own[labels == whole] == whole[labels == whole]).all()
    labels[5:7, 16:24, 16:24] = FAT
    assert TEAR < 64 - 12  # without its corners
    assert (mended(labels)[0] == labels).all()


def test_strands_round_a_large_hole_are_cut():
    labels = np.full((12, 30, 30), FAT, np.uint8)
    labels[4:8, 4:14, 4:26] = SPLEEN
    labels[5, 14:22, 6] = labels[5, 14:22, 22] = labels[5, 22, 6:23] = SPLEEN  # a loop of one voxel, 15 wide
    assert betti_numbers(labels == SPLEEN) == (1, 1, 0)
    own, rows = mended(labels)
    assert betti_numbers(own == SPLEEN) == (1, 0, 0)
    assert 0 < len(rows) <= TEAR


def test_conduits_neither_give_nor_take():
    labels = box()
    labels[:, 12, 12] = VEIN  # through the spleen: its hole is the vein's
    labels[3, 3, 3] = VEIN
    assert (mended(labels)[0] == labels).all()


def test_organs_do_not_pay_for_each_other():
    """The pancreas passes a ring of spleen: closing the ring would part it."""
    labels = np.full((20, 20, 20), FAT, np.uint8)
    labels[8:11, 4:16, 4:16] = SPLEEN
    labels[3:17, 9:11, 9:11] = PANCREAS
    own, _ = mended(labels)
    assert betti_numbers(own == PANCREAS) == (1, 0, 0)
    assert (own == labels).all()


def test_bits_depend_on_neither_threads_nor_type():
    labels = scattered(np.random.default_rng(3))
    own, rows = mended(labels)
    assert len(rows) > 20
    other, same = mended(labels, threads=3)
    wide = labels.astype(np.uint16)
    assert (mend_organs(wide, NAMES, 1.0, 2) == rows).all()
    assert (same == rows).all()
    assert (other == own).all()
    assert (wide == own).all()


def scattered(rng):
    """Two organs with ragged faces."""
    z, y, x = np.indices((30, 32, 34))
    ragged = 1.6 * rng.standard_normal((30, 32, 34))
    inside = (np.hypot(np.hypot(x - 16, y - 16), z - 15) + 0.6 * ragged) < 11
    labels = np.where(inside, np.where(x + ragged < 16, SPLEEN, PANCREAS), FAT).astype(np.uint8)
    labels[:3] = labels[-3:] = labels[:, :3] = labels[:, -3:] = labels[:, :, :3] = labels[:, :, -3:] = FAT
    return labels


@pytest.mark.parametrize("seed", range(4))
def test_nothing_gets_worse(seed):
    """Of ragged organs: pieces, tunnels and cavities beyond one piece grow fewer, and only listed voxels change."""
    labels = scattered(np.random.default_rng(seed))
    own, rows = mended(labels)
    assert set(np.flatnonzero(own != labels)) <= set(rows[:, 0])
    for organ in (SPLEEN, PANCREAS):
        before, after = betti_numbers(labels == organ), betti_numbers(own == organ)
        assert sum(after) < sum(before)


def test_finer_organs_are_not_held_to_a_coarse_grid():
    assert declared_topology("left deltoid")["coarsest_mm"] == 1.0
    labels = box()
    labels[12, 12, 6:22] = labels[1, 1, 1] = FAT
    labels[1, 1, 1] = SPLEEN
    names = ("background", "subcutaneous fat", "left deltoid", "pancreas", "portal vein")
    assert len(mend_organs(labels.copy(), names, 2.0, 1)) == 0
    assert len(mend_organs(labels.copy(), names, 1.0, 1)) > 0


def test_only_labels_of_few_voxels_change():
    """Materials, densities and the truth of volumes and masses are those of the stored shares."""
    disc = [{"ellipsoid": {"centre": [0, 0, 0], "semi": [26, 24, 0.9], "turn_deg": [25, 18, 0]}}]
    declared = {
        "structure": [
            {"name": "fat", "organ": "subcutaneous fat", "order": 1, "material": "adipose",
             "parts": [{"ellipsoid": {"centre": [0, 0, 0], "semi": [34, 34, 34]}}]},
            {"name": "spleen", "order": 2, "material": "muscle", "parts": disc},
        ]
    }  # fmt: skip
    one, other = (voxelise_body(Body.of({**declared, "whole_organs": whole}), 1.0) for whole in (True, False))
    own, same = one.truth.organ_labels, other.truth.organ_labels
    spleen = one.truth.names().index("spleen")
    assert betti_numbers(same == spleen) != betti_numbers(own == spleen) == (1, 0, 0)
    assert 0 < (own != same).sum() < 2e-4 * own.size
    assert (one.labels == other.labels).all()
    assert (one.density == other.density).all()
    assert one.truth.organs == other.truth.organs
    assert canonical_declared().whole_organs
