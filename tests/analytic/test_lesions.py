"""Lesions: volumes, CT numbers, growth, places and truth against what was asked for."""

import numpy as np
import pytest

import physsim as ps
from physsim.body.lesion import Lesion, LesionPart, lesion_type, lesion_types
from physsim.errors import InvalidInput
from physsim.phantom.scene import Scene
from physsim.phantom.shapes import Box, Sphere
from physsim.spec.grid import Grid


@pytest.fixture(scope="module")
def body():
    """A box of muscle with a ball of liver (radius 45 mm) and a small ball of spleen (radius 4 mm)."""
    scene = Scene(
        name="body",
        background="air",
        shapes=(
            Box(name="trunk", material="muscle", centre_mm=(0, 0, 0), size_mm=(150, 130, 130)),
            Sphere(name="liver", material="liver_icru46", centre_mm=(-20, 5, 0), radius_mm=45),
            Sphere(name="spleen", material="spleen_icru46", centre_mm=(55, 0, 0), radius_mm=4),
        ),
        box_mm=((-80, -70, -70), (80, 70, 70)),
    )
    return {spacing: ps.voxelise(scene, spacing_mm=spacing) for spacing in (2.0, 3.0)}


@pytest.mark.parametrize("margin", ["smooth", "lobulated"])
@pytest.mark.parametrize("seed", [0, 7])
def test_the_body_has_the_volume_of_a_ball_of_its_diameter(margin, seed):
    part = LesionPart("lesion", "water", 1.0, (0.3, 0.1, -0.2), 10.0, margin, 0.0, seed)
    grid = Grid(shape=(44, 44, 44), spacing_mm=0.4, origin_mm=(-8.6, -8.6, -8.6))
    coverage = part.coverage(grid)
    assert float(coverage.sum(dtype=float)) * 0.064 == pytest.approx(np.pi / 6 * 1000, rel=1e-3)
    assert coverage[0].max() == coverage[:, 0].max() == coverage[:, :, 0].max() == 0


def test_margins_look_as_they_are_called():
    """Radii spread more from smooth to lobulated; spicules reach out to 1.28 radii, smooth bodies do not."""
    margins = ("smooth", "lobulated", "spiculated")
    parts = {m: LesionPart("l", "water", 1.0, (0, 0, 0), 10.0, m, 0.0, 3) for m in margins}
    direction = np.random.default_rng(1).normal(size=(4000, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    spread = {m: float(np.std(p._radius(direction)) / 5) for m, p in parts.items()}
    assert 0.02 < spread["smooth"] < 0.09
    assert 0.10 < spread["lobulated"] < 0.30
    far = 6.4 * direction
    assert (parts["smooth"].distance_mm(far) < 0).sum() == 0
    assert (parts["spiculated"].distance_mm(far) < 0).sum() > 5


def test_fractions_are_the_same_person_at_every_spacing():
    part = LesionPart("l", "water", 1.0, (0, 0, 0), 12.0, "lobulated", 1.0, 5)
    fine = Grid(shape=(60, 60, 60), spacing_mm=0.4, origin_mm=(-11.8, -11.8, -11.8))
    coarse = Grid(shape=(20, 20, 20), spacing_mm=1.2, origin_mm=(-11.4, -11.4, -11.4))
    blocks = part.coverage(fine).reshape(20, 3, 20, 3, 20, 3).mean(axis=(1, 3, 5))
    assert np.abs(blocks - part.coverage(coarse)).max() < 0.02


@pytest.mark.parametrize(("kind", "hu"), [("solid_nodule", 30), ("ground_glass_nodule", -620), ("haemorrhage", 68)])
def test_ct_numbers_are_those_asked_for(kind, hu):
    """At 70 keV within 1 HU, from composition and density; a given number overrides the type's."""
    for asked in (None, hu - 25.0):
        lesion = Lesion(type=kind, site="liver", diameter_mm=12, hu=asked)
        part = lesion.components((0, 0, 0))[0]
        grid = Grid(shape=(1, 1, 1), spacing_mm=1)
        voxel = ps.Phantom(grid=grid, labels=np.zeros((1, 1, 1), np.uint8), materials=(ps.material(part.material),),
                           density=np.full((1, 1, 1), part.density, np.float32))  # fmt: skip
        assert voxel.hu(70.0)[0, 0, 0] == pytest.approx(hu if asked is None else asked, abs=1)


def test_growth_doubles_the_volume_in_the_doubling_time():
    lesion = Lesion(site="right lung", diameter_mm=8)
    assert lesion.grown(267).diameter_mm**3 == pytest.approx(2 * 8**3)
    assert lesion.grown(-267).grown(267).diameter_mm == pytest.approx(8)
    assert lesion.grown(100).seed == lesion.seed


def test_a_lesion_lies_whole_in_its_site_with_its_row_of_truth(body):
    lesion = Lesion(type="liver_metastasis", site="liver", diameter_mm=24, seed=3, name="metastasis")
    phantom = body[2.0].insert(lesion)
    row = phantom.truth.lesion("metastasis")
    assert (row.type, row.site, row.seed) == ("liver_metastasis", "liver", 3)
    assert row.volume_mm3 == pytest.approx(np.pi / 6 * 24**3, rel=0.01)
    assert row.density_g_cm3 == pytest.approx(row.mass_g / row.volume_mm3 * 1000)
    before, after = (p.truth.organ("liver").volume_mm3 for p in (body[2.0], phantom))
    assert before - after == pytest.approx(row.volume_mm3, rel=0.01)
    away = np.linalg.norm(np.array(row.centre_mm) - (-20, 5, 0))
    assert away + 12 < 45 + 3
    mask = phantom.truth.mask("metastasis")
    assert mask.sum() * 8 == pytest.approx(row.volume_mm3, rel=0.03)


def test_the_place_hardly_depends_on_the_spacing(body):
    lesion = Lesion(type="liver_metastasis", site="liver", diameter_mm=20, seed=12)
    places = [phantom.insert(lesion).truth.lesions[0].centre_mm for phantom in body.values()]
    assert np.allclose(*places, atol=0.5)


def test_saved_parameters_rebuild_it_bit_for_bit(body):
    lesion = Lesion(type="liver_metastasis", site="liver", diameter_mm=20, seed=12)
    again = Lesion.from_toml(lesion.to_toml())
    one, other = body[3.0].insert(lesion), body[3.0].insert(again)
    assert (one.labels == other.labels).all()
    assert (one.density == other.density).all()


def test_a_small_lesion_lives_in_an_overlay(body):
    lesion = Lesion(type="calcification", site="liver", diameter_mm=1.5, seed=1)
    phantom = body[2.0].insert(lesion, overlay_spacing_mm=0.25)
    assert len(phantom.overlays) == 1
    assert phantom.truth.lesions[0].volume_mm3 == pytest.approx(np.pi / 6 * 1.5**3, rel=0.02)


def test_a_part_solid_nodule_has_its_core(body):
    phantom = body[2.0].insert(Lesion(type="part_solid_nodule", site="liver", diameter_mm=24, core_share=0.4))
    outer, core = phantom.truth.lesions
    assert core.diameter_mm == pytest.approx(0.4 * 24, rel=0.02)
    assert outer.density_g_cm3 < 0.5 < core.density_g_cm3


@pytest.mark.parametrize("kind", lesion_types())
def test_all_types_can_be_made(kind):
    smallest = lesion_type(kind)["diameters_mm"][0]
    part = Lesion(type=kind, site="liver", diameter_mm=smallest).components((0, 0, 0))[0]
    assert 0.2 < ps.material(part.material).density_g_cm3 * part.density < 2.5


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda b: Lesion(type="nodul", site="liver", diameter_mm=5), ["'nodul'", "nodule"]),
        (lambda b: Lesion(site="liver", diameter_mm=90), ["diameter_mm=90", "3 to 40 mm"]),
        (lambda b: Lesion(type="kidney_stone", site="liver", diameter_mm=5, margin="spiculated"), ["Known"]),
        (lambda b: Lesion(site="liver", diameter_mm=5, hu=3, density=1.0), ["hu=3", "Give one"]),
        (lambda b: Lesion(site="liver", diameter_mm=5, core_share=0.5), ["core_share=0.5", "part_solid_nodule"]),
        (lambda b: Lesion(type="consolidation", site="liver", diameter_mm=20).grown(10), ["doubling time"]),
        (lambda b: b.insert(Lesion(site="lever", diameter_mm=5)), ["'lever'", "Did you mean 'liver'"]),
        (lambda b: b.insert(Lesion(type="haemorrhage", site="spleen", diameter_mm=15)), ["spleen holds a ball of"]),
        (lambda b: b.insert(Lesion(site="liver", diameter_mm=9, seed=1)).insert(
            Lesion(site="liver", diameter_mm=9, seed=1, name="second",
                   centre_mm=b.insert(Lesion(site="liver", diameter_mm=9, seed=1)).truth.lesions[0].centre_mm)),
         ["overlaps 'lesion'", "Move it"]),
        (lambda b: b.insert(Lesion(site="liver", diameter_mm=9)).insert(Lesion(site="liver", diameter_mm=9, seed=2)),
         ["'lesion'", "another name"]),
        (lambda b: b.insert(Lesion(type="consolidation", site="spleen", diameter_mm=80, centre_mm=(0, 0, 0))),
         ["of 80 mm", "spleen has the volume of a ball of"]),
        (lambda b: b.replace(made_from={"patient": {"sex": "F"}}).insert(Lesion(site="prostate", diameter_mm=5)),
         ["'prostate'", "a woman or girl and has none"]),
        (lambda b: b.replace(made_from={"patient": {"sex": "M"}}).insert(Lesion(site="uterus", diameter_mm=5)),
         ["'uterus'", "a man or boy and has none"]),
    ],
)  # fmt: skip
def test_impossible_lesions_are_refused_in_words(body, make, words):
    with pytest.raises(InvalidInput) as caught:
        make(body[3.0])
    for word in words:
        assert word in str(caught.value)
