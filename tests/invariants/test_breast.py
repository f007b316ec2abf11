"""The breast is a pure function of its spec: equal bits however it is built, the same breast at every spacing."""

import dataclasses
import hashlib

import numpy as np
import pytest

import physsim as ps
from physsim import _engine
from physsim.body.breast import breast_slabs, calibrated, coarse, outline, views
from physsim.body.breast.levels import (
    AIR_LABEL,
    AIR_LEVELS,
    BLOOD_LABEL,
    BLOOD_LEVELS,
    EDGE_LABEL,
    FAT_LABEL,
    GLAND_LEVELS,
    LABELS,
    MUSCLE_LABEL,
    MUSCLE_LEVELS,
    ORGANS,
    SKIN_LABEL,
    SKIN_LEVELS,
)
from physsim.physics.attenuation import linear_attenuation_per_mm


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


@pytest.mark.parametrize("isa", [*_engine.instruction_sets(), "one thread"])
def test_equal_bits_on_one_thread_and_in_every_instruction_set(isa, monkeypatch, seen_obliquely):
    """Form, fields, cells and voxels; oblique and with organs, coarse voxels of many samples and fine ones of one."""
    for_one = isa == "one thread"
    monkeypatch.setenv("PHYSSIM_THREADS" if for_one else "PHYSSIM_ISA", "1" if for_one else isa)
    assert oblique_digest() == seen_obliquely


@pytest.fixture(scope="module")
def seen_obliquely():
    return oblique_digest()


def oblique_digest():
    """Of a small oblique breast, all of which is made anew."""
    for kept in (views._form, outline.mlo_outline, outline.cc_outline, coarse._noises):
        kept.cache_clear()
    drawn = ps.Breast.draw("C", "MLO", side="R", seed=3, length_mm=50.0, half_width_mm=45.0).replace(threshold=-0.7)
    found = hashlib.sha256()
    for spacing_mm in (0.9, 0.25):
        made = ps.breast(drawn, spacing_mm=spacing_mm)
        found.update(made.labels.tobytes() + made.truth.organ_labels.tobytes())
        found.update(repr(made.truth.organs).encode())
    return found.hexdigest()


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


@pytest.mark.parametrize("isa", _engine.instruction_sets())
def test_columns_keep_what_rounding_leaves_over(isa):
    """The levels of a column of voxels add up to its fractions, to half a level of one voxel."""
    gland = np.random.default_rng(4).uniform(0.02, 0.98, 500).astype(np.float32)
    fractions = np.zeros((500, 5), np.float32)
    fractions[:, 0], fractions[:, 4] = 1.0, gland
    labels, _ = _engine.breast_column(fractions, 0.0, isa)
    assert ((labels >= FAT_LABEL) & (labels <= FAT_LABEL + GLAND_LEVELS)).all()
    total = (labels - FAT_LABEL).sum() / GLAND_LEVELS
    assert total == pytest.approx(gland.sum(dtype=float), abs=0.5 / GLAND_LEVELS + 1e-3)


@pytest.mark.parametrize(("fractions", "first", "levels", "part"), [
    ((1, 0, 0, 0, 0.5), FAT_LABEL, GLAND_LEVELS, 0.5), ((1, 0.75, 0, 0, 0), SKIN_LABEL, SKIN_LEVELS, 0.75),
    ((0.5, 0.5, 0, 0, 0), EDGE_LABEL, AIR_LEVELS, 0.5), ((1, 0, 0.25, 0, 0), MUSCLE_LABEL, MUSCLE_LEVELS, 0.25),
    ((1, 0, 0, 0.5, 0), BLOOD_LABEL, BLOOD_LEVELS, 0.5), ((1, 0, 0, 0, 0), FAT_LABEL, 1, 0.0),
    ((0.03, 0.03, 0, 0, 0), AIR_LABEL, 1, 0.0)])
def test_labels_mean_the_materials_of_their_number(fractions, first, levels, part):
    """The kernels' labels are those of `breast_materials`: an even part of a tissue is that level of it."""
    labels, _ = _engine.breast_column(np.array([fractions], np.float32), 0.0, "portable")
    assert labels[0] == first + part * levels


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
