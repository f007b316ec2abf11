"""What an audit draws: patients that no training has, the same for the same seed, and a zoo that is what it says."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.imaging.audit_cases import AuditCases
from physsim.imaging.audit_zoo import GROUP, KINDS, kind_of, kinds_of, other_region, zoo_sha256, zoo_view
from physsim.imaging.body import body_box_mm
from physsim.imaging.drawn_cases import Draw
from physsim.imaging.scatter_draws import DrawnPatient, drawn_person
from physsim.spec.training import AUDITED, HELD_OUT, ZOO
from physsim.surrogate.ensemble import shipped_specs

KINDS_OF = {"chest": len(KINDS), "abdomen": len(KINDS), "mammography": 21, "ct": len(KINDS) - 2, "cbct": len(KINDS) - 1}
SPEC = ps.ScatterTraining.from_toml(shipped_specs()["chest"]).replace(pixels=(16, 16))
BREAST = ps.ScatterTraining.from_toml(shipped_specs()["mammography"])


def cases(seed=0, count=100, members=100, spec=SPEC):
    return AuditCases(spec, ps.Hybrid(), seed, count, members)


@pytest.fixture(scope="module")
def thorax():
    return DrawnPatient(None, ps.thorax(spacing_mm=12.0), 0)


def test_training_never_sees_the_audits_patients():
    """Numbers of the largest training there can be, held-out ones too, end before an audit's begin; and an audit's
    draws come from another seed than any of 1,000 trainings'."""
    largest = ps.ScatterTraining(family="chest", techniques=SPEC.techniques, patients=HELD_OUT,
                                 held_out=AUDITED - HELD_OUT)
    assert largest.patients - 1 < HELD_OUT
    assert HELD_OUT + largest.held_out - 1 < AUDITED < min(cases(count=10**6).numbers) + 1
    with pytest.raises(InvalidInput):
        SPEC.replace(held_out=AUDITED - HELD_OUT + 1)
    assert max(cases(count=10**6, members=1).numbers[:-1]) < ZOO
    seeds = {cases(seed).own_seed for seed in range(1000)}
    assert len(seeds) == 1000
    assert not seeds & set(range(1000))


def test_patients_follow_from_the_seed_alone():
    who = [drawn_person(SPEC, Draw(cases(seed).own_seed, AUDITED))[0] for seed in (0, 0, 1)]
    trained = drawn_person(SPEC, Draw(SPEC.seed, 0))[0]
    assert who[0] == who[1]
    assert who[0] != who[2]
    assert who[0] != trained


def test_every_view_is_made_once():
    made = cases(count=33, members=GROUP + 1)
    assert made.numbers == (AUDITED, AUDITED + 1, AUDITED + 2, ZOO, ZOO + 1)


@pytest.mark.parametrize("family", KINDS_OF)
def test_the_zoo_has_every_kind_that_applies(family):
    spec = ps.ScatterTraining.from_toml(shipped_specs()[family])
    names = [one.name for one in kinds_of(spec)]
    assert len(set(names)) == len(names) == KINDS_OF[family]
    assert {kind_of(spec, n).name for n in range(len(names))} == set(names)
    assert {"small body", "metal rods", "off-centre", "air gap", "kVp too low", "kVp too high", "empty field",
            "collimated", "other detector"} <= set(names)


@pytest.mark.parametrize(("family", "other"), [("chest", "abdomen"), ("abdomen", "chest"), ("ct", "pelvis"),
                                               ("cbct", "chest")])
def test_another_part_of_the_body_is_one_that_no_training_has_seen(family, other):
    assert other_region(ps.ScatterTraining.from_toml(shipped_specs()[family])) == other


@pytest.mark.parametrize("family", ["ct", "cbct"])
def test_the_zoo_of_scans_is_of_single_views(thorax, family):
    """Tables lie behind the back, simple objects are within the field at the axis, and each member is one view."""
    spec = ps.ScatterTraining.from_toml(shipped_specs()[family]).replace(pixels=(16, 16))
    names = [one.name for one in kinds_of(spec)]
    base = ps.protocols[spec.techniques[0].protocol]
    made = {name: zoo_view(spec, 3, names.index(name), thorax, lambda: ps.thorax(spacing_mm=16.0), 1)
            for name in ("table", "simple object", "off-centre")}
    assert {len(one.geometry) for one in made.values()} == {1}
    table = made["table"].phantom
    pmma = [one.name for one in table.materials].index("pmma")
    behind = np.flatnonzero((table.labels == pmma).any(axis=(0, 2)))
    assert behind[-1] == table.labels.shape[1] - 1  # +y is the back
    assert behind[0] > 0.8 * table.labels.shape[1]
    width = base.detector.columns * base.detector.pixel_mm[0] * base.rotation.source_axis_mm \
        / base.rotation.source_detector_mm
    low, high = (np.array(corner) for corner in body_box_mm(made["simple object"].phantom))
    assert (high - low).max() < 0.75 * width


def test_zoos_are_fixed():
    """By kinds, groups, spec and seed; a change of any of them is a change of the zoo, and must be said."""
    assert zoo_sha256(SPEC, 0, 1000) != zoo_sha256(SPEC, 1, 1000)
    assert zoo_sha256(SPEC, 0, 1000) != zoo_sha256(SPEC.replace(stretch=(0.9, 1.1)), 0, 1000)
    spec = ps.ScatterTraining.from_toml(shipped_specs()["chest"])
    assert zoo_sha256(spec, 0, 1000) == zoo_sha256(spec, 0, 1000)


@pytest.mark.parametrize("name", [one.name for one in KINDS])
def test_members_are_outside_of_what_was_trained_on(thorax, name):
    """Each kind against the family's ranges: what it changes lies outside of them, or is not in any patient."""
    number = next(n for n in range(len(KINDS)) if KINDS[n].name == name)
    made = zoo_view(SPEC, 3, number, thorax, lambda: ps.thorax(spacing_mm=16.0), 1)
    again = zoo_view(SPEC, 3, number, thorax, lambda: ps.thorax(spacing_mm=16.0), 1)
    assert (made.phantom.labels == again.phantom.labels).all()
    assert made.protocol == again.protocol
    technique = SPEC.techniques[0]
    low, high = (np.array(corner) for corner in body_box_mm(made.phantom))
    body = np.array(body_box_mm(thorax.voxels)[1]) - np.array(body_box_mm(thorax.voxels)[0])
    far, kvp = float(made.geometry.distance_mm[0]), made.protocol.spectrum.kvp
    aside = abs((made.geometry.centre_mm[0] - 0.5 * (low + high)) @ made.geometry.u[0]), \
        abs((made.geometry.centre_mm[0] - 0.5 * (low + high)) @ made.geometry.v[0])
    stuff = {one.name for one in made.phantom.materials} - {one.name for one in thorax.voxels.materials}
    trained = {one.name for one in thorax.voxels.materials}
    grid = made.protocol.anti_scatter_grid
    checks = {
        "small body": lambda: ((high - low) < 0.75 * body).all(),
        "large body": lambda: ((high - low)[:2] > 1.1 * body[:2]).all(),
        "turned body": lambda: not np.allclose(made.phantom.grid.direction, np.eye(3), atol=0.3),
        "other part of the body": lambda: made.phantom.grid.shape != thorax.voxels.grid.shape,
        "metal rods": lambda: bool(stuff & {"titanium", "stainless_steel_316l", "cocrmo"}),
        "metal plate": lambda: bool(stuff & {"titanium", "stainless_steel_316l", "cocrmo"}),
        "contrast agent": lambda: any("io" in one for one in stuff),
        "cavity": lambda: not np.array_equal(made.phantom.labels, thorax.voxels.labels),
        "fluid": lambda: not np.array_equal(made.phantom.labels, thorax.voxels.labels),
        "white lungs": lambda: made.phantom.mass_g() > 1.02 * thorax.voxels.mass_g() * np.prod(
            made.phantom.grid.spacing_mm) / np.prod(thorax.voxels.grid.spacing_mm),
        "table": lambda: "pmma" in stuff and made.phantom.labels.size > thorax.voxels.labels.size,
        "kVp too low": lambda: kvp < technique.kvp[0],
        "kVp too high": lambda: kvp > technique.kvp[1],
        "thick filter": lambda: sum(one.thickness_mm for one in made.protocol.spectrum.filters
                                    if one.material == "Cu") > technique.copper_mm[1],
        "off-centre": lambda: max(aside) > technique.aim_mm[0],
        "empty field": lambda: max(aside) > 100.0,
        "air gap": lambda: far > 1.1 * technique.source_detector_mm[0],
        "source too near": lambda: far < 0.85 * technique.source_detector_mm[1],
        "collimated": lambda: made.geometry.columns * made.geometry.pixel_mm[0] < 0.45 * 430.0,
        "other detector": lambda: made.protocol.detector.absorber != ps.protocols.chest_pa().detector.absorber,
        "other grid": lambda: grid is not None and grid.ratio in (4.0, 20.0),
        "grid out of focus": lambda: grid is not None and grid.focal_distance_mm < 0.8 * far,
    }
    assert checks.get(name, lambda: not stuff & trained and len(made.phantom.materials) <= 3)()
