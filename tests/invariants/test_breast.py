"""The breast is a pure function of its spec: equal bits however it is built, the same breast at every spacing."""

import dataclasses
import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

import physsim as ps
from physsim.body.breast import breast_slabs, calibrated
from physsim.body.breast.kernel import LABELS, ORGANS, level_of
from physsim.physics.attenuation import linear_attenuation_per_mm

PROGRAM = """
import hashlib
import physsim as ps
drawn = ps.Breast.draw("C", "MLO", seed=3, length_mm=50.0, half_width_mm=45.0).replace(threshold=-0.7)
made = ps.breast(drawn, spacing_mm=0.5)
print(hashlib.sha256(made.labels.tobytes() + made.truth.organ_labels.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def drawn():
    """A small dense breast, its threshold already found."""
    return calibrated(ps.Breast.draw("D", "CC", seed=5, length_mm=45.0, half_width_mm=50.0))


@pytest.fixture(scope="module")
def made(drawn):
    return ps.breast(drawn, spacing_mm=0.5)


def test_saved_parameters_rebuild_the_same_bits(drawn, made):
    again = ps.breast(ps.Breast.from_toml(drawn.to_toml()), spacing_mm=0.5)
    assert (again.labels == made.labels).all()
    assert again.truth.organs == made.truth.organs


def test_drawing_finds_the_saved_threshold(drawn):
    assert calibrated(drawn.replace(threshold=None)) == drawn


def test_slabs_are_the_whole(drawn, made):
    slabs = list(breast_slabs(drawn, 0.5, slices=8))
    assert len(slabs) > 5
    for grid, first, labels in slabs:
        assert grid == made.grid
        assert (made.labels[first:first + len(labels)] == labels).all()


@pytest.mark.skipif(sys.platform != "linux", reason="instruction sets are named for x86-64 Linux")
def test_equal_bits_on_one_thread_and_for_the_plainest_processor(tmp_path):
    digests = {}
    for cpu in ("x86-64", ""):
        chosen = {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""} if cpu else {}
        program = PROGRAM if cpu else "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n" + PROGRAM
        run = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=False,
                             env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / (cpu or "native")), **chosen})
        assert run.returncode == 0, run.stderr
        digests[cpu] = run.stdout
    assert digests["x86-64"] == digests[""]


def attenuation(phantom):
    """Attenuation of the voxels (1/mm) at 20 keV."""
    own = np.array([float(linear_attenuation_per_mm(one, 20.0)) for one in phantom.materials], np.float32)
    return own[phantom.labels]


def test_every_spacing_gives_the_same_breast(drawn, made):
    """Voxels of 1 mm are the means of those of 0.5 mm: gland is where it was, and as much of it."""
    coarse = ps.breast(drawn, spacing_mm=1.0)
    nz, _, nx = (n // 2 for n in made.labels.shape)
    first = round((coarse.grid.origin_mm[0] - 0.25 - made.grid.origin_mm[0]) / 0.5)
    assert first in (-1, 0)
    fine, whole = attenuation(made)[:, -first:], attenuation(coarse)[:, -first:]
    ny = min(fine.shape[1] // 2, whole.shape[1])
    means = fine[:2 * nz, :2 * ny, :2 * nx].reshape(nz, 2, ny, 2, nx, 2).mean(axis=(1, 3, 5))
    given = whole[:nz, :ny, :nx]
    inside = (means > 0.04) & (given > 0.04)
    assert np.corrcoef(means[inside], given[inside])[0, 1] > 0.97
    for organ, other in zip(made.truth.organs[1:4], coarse.truth.organs[1:4], strict=True):
        assert other.mass_g == pytest.approx(organ.mass_g, rel=0.01)


def test_the_right_breast_is_the_mirror_of_the_left(drawn, made):
    right = ps.breast(drawn.replace(side="R"), spacing_mm=0.5)
    assert (right.labels == made.labels[:, ::-1]).all()
    corners = np.array([[0, 0, 0, 1], [10, 20, 30, 1]])
    mirrored = corners.copy()
    mirrored[:, 1] = made.grid.shape[1] - 1 - corners[:, 1]
    left_world = (made.grid.world_from_voxel @ corners.T)[:3]
    right_world = (right.grid.world_from_voxel @ mirrored.T)[:3]
    assert right_world == pytest.approx(left_world * np.array([[-1], [1], [1]]))
    assert np.linalg.det(np.array(right.grid.direction)) == pytest.approx(1)


def test_masses_of_voxels_are_those_of_the_geometry(made):
    """Rounding to levels, carried along the beam, keeps the mass: within 0.3 % of the truth's sum."""
    of_air = made.labels == 0
    mass = float(made.density_g_cm3()[~of_air].sum()) * made.grid.voxel_volume_mm3 / 1000
    assert mass == pytest.approx(sum(row.mass_g for row in made.truth.organs), rel=3e-3)


def test_columns_keep_what_rounding_leaves_over():
    """The levels of a column of voxels add up to its fractions, to half a level of one voxel."""
    fractions = np.random.default_rng(4).uniform(0.02, 0.98, 500)
    left, total = np.float32(0), 0.0
    for f in fractions:
        row = np.zeros(10, np.float32)
        row[0], row[4] = 1.0, f
        label, left = level_of(row, left)
        total += (label - 1) / 32
        assert 1 <= label <= 33
    assert total == pytest.approx(fractions.sum(), abs=0.5 / 32 + 1e-3)


def test_organs_and_labels_are_all_there(made):
    assert tuple(row.name for row in made.truth.organs) == ORGANS
    assert len(made.materials) == LABELS
    volumes = {row.name: row.volume_mm3 for row in made.truth.organs}
    for name in ("skin", "adipose tissue", "fibroglandular tissue", "nipple", "ducts", "vessels"):
        assert volumes[name] > 0
        assert made.truth.mask(name).any() or name in ("ducts", "vessels")  # thinner than most voxels
    counted = np.bincount(made.truth.organ_labels.ravel(), minlength=len(ORGANS)) * made.grid.voxel_volume_mm3
    both = volumes["adipose tissue"] + volumes["fibroglandular tissue"]
    assert counted[2] + counted[3] == pytest.approx(both, rel=0.03)


def test_another_seed_is_another_breast(drawn, made):
    other = ps.breast(drawn.replace(seed=6), spacing_mm=0.5)
    assert other.labels.shape != made.labels.shape or (other.labels != made.labels).mean() > 0.2


def test_a_breast_is_frozen(drawn):
    with pytest.raises((dataclasses.FrozenInstanceError, ValueError)):
        drawn.seed = 8
    assert hashlib.sha256(drawn.to_json().encode()).hexdigest() == hashlib.sha256(
        ps.Breast.from_json(drawn.to_json()).to_json().encode()).hexdigest()
