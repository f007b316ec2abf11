"""Sizes, thicknesses and volumes that adult heads of the literature have."""

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.voxelise import voxelise_body
from physsim.spec.grid import Grid

PLACE = np.array([0.0, -7.0, 625.0])  # of the head's frame: midway between the porions, Frankfurt plane
SPACING_MM = 1.0  # a cleft of half a millimetre takes more than its volume in larger voxels
VAULT = "cranial vault and base"


@pytest.fixture(scope="module")
def body():
    return Body.load("head")


@pytest.fixture(scope="module")
def head(body):
    return voxelise_body(body, SPACING_MM, vanishing="keep")


def volume_ml(head, *words):
    return sum(row.volume_mm3 for row in head.truth.organs if any(word in row.name for word in words)) / 1000


def brain_ml(head):
    words = ("grey matter", "white matter", "cortex of the cerebellum", "callosum", "pons", "peduncles", "midbrain",
             "medulla", "thalamus", "putamen", "pallidum", "caudate")  # fmt: skip
    return volume_ml(head, *words)


def bone_along(body, axis, start, length_mm=40.0, step_mm=0.25):
    """Thickness (mm) of the cranial bone along an axis, from a point in the head's frame."""
    shape, spacing = [1, 1, 1], [2.0, 2.0, 2.0]
    shape[2 - axis], spacing[axis] = round(length_mm / step_mm), step_mm
    origin = tuple(float(v) for v in PLACE + start)
    line = voxelise_body(body, grid=Grid(shape=tuple(shape), spacing_mm=tuple(spacing), origin_mm=origin),
                         vanishing="keep")  # fmt: skip
    return line.truth.mask(VAULT).sum() * step_mm


def extent_mm(mask, axis, spacing):
    """Length of a mask along an axis of the array."""
    where = np.flatnonzero(mask.any(axis=tuple(n for n in range(3) if n != axis)))
    return (where[-1] - where[0] + 1) * spacing


def test_length_and_breadth_of_the_skull(head):
    """Men: 175 to 190 by 138 to 150 mm."""
    vault = head.truth.mask(VAULT)
    vault[: int((PLACE[2] + 20 - head.grid.origin_mm[2]) / SPACING_MM)] = False
    assert 175 <= extent_mm(vault, 1, SPACING_MM) <= 190
    assert 138 <= extent_mm(vault, 2, SPACING_MM) <= 150


@pytest.mark.parametrize(
    ("where", "axis", "start", "low", "high"),
    [("frontal", 1, (25, -105, 62), 5.5, 8.5), ("parietal", 2, (24, 12, 90), 4.5, 7.0),
     ("temporal", 0, (50, -8, 22), 1.8, 3.6), ("occiput", 1, (18, 55, 45), 5.5, 8.5)],
)  # fmt: skip
def test_thickness_of_the_vault(body, where, axis, start, low, high):
    """Frontal 6-7, parietal 5-6, temporal 2-3, occiput 6-8 mm; along an axis, so up to a fifth more where oblique."""
    assert low <= bone_along(body, axis, np.array(start, float)) <= high


def test_a_larger_braincase_leaves_a_vault_round_it(body):
    """Its radius grows by the factor, at the vault's cost, of which 1.5 mm are left where it is thinnest."""
    larger = Body.load("head", {"braincase": 1.04})
    for where, axis, start in (("parietal", 2, (24, 12, 90)), ("temporal", 0, (50, -8, 22))):
        before, after = (bone_along(one, axis, np.array(start, float)) for one in (body, larger))
        assert 1.5 <= after <= before - 0.8, where


def test_cranial_capacity(head):
    """1400 to 1600 ml."""
    inside = brain_ml(head) + volume_ml(head, "cerebrospinal", "ventricle", "falx", "sinus", "pineal", "choroid")
    air = volume_ml(head, "frontal sinus", "maxillary sinus", "sphenoid sinus")
    assert 1400 <= inside - air <= 1620


def test_volumes_of_the_brain(head):
    """1450 g in ICRP 89, 1394 ml, within 5 %; cortex to white matter 1.1-1.4; cerebellum 130-150; ventricles 15-30."""
    assert brain_ml(head) == pytest.approx(1394, rel=0.05)
    grey, white = (volume_ml(head, f"{kind} matter of the cerebrum") for kind in ("grey", "white"))
    assert 1.1 <= grey / white <= 1.4
    assert 130 <= volume_ml(head, "of the cerebellum", "peduncles") <= 150
    assert 15 <= volume_ml(head, "ventricle") <= 30


def test_teeth(head):
    """28 of them, 14 to 20 ml."""
    assert sum("tooth" in row.name for row in head.truth.organs) == 28
    assert 14 <= volume_ml(head, "tooth") <= 20


def test_circumference(head):
    """550 to 590 mm above the brows, from the outline's farthest points in 5 degrees each, ears left out."""
    z = round((PLACE[2] + 45 - head.grid.origin_mm[2]) / SPACING_MM)
    y, x = np.nonzero(head.truth.organ_labels[z] > 0)
    x = x * SPACING_MM + head.grid.origin_mm[0]
    y = y * SPACING_MM + head.grid.origin_mm[1] - PLACE[1] - 10
    sector = np.floor((np.arctan2(y, x) + np.pi) / np.radians(5)).astype(int) % 72
    farthest = np.array([np.hypot(x, y)[sector == n].max() for n in range(72)])
    angle = np.radians(5) * np.arange(72)
    at = np.stack([farthest * np.cos(angle), farthest * np.sin(angle)], axis=1)
    assert 550 <= np.linalg.norm(at - np.roll(at, 1, axis=0), axis=1).sum() <= 592


@pytest.mark.parametrize("side", ["left", "right"])
def test_eyes_lie_in_their_orbits(head, side):
    """A globe has 6.5 to 8 ml; nothing of the eye is bone."""
    assert 6.5 <= volume_ml(head, f"{side} sclera", f"{side} vitreous", f"{side} lens") <= 8.0
    assert volume_ml(head, f"{side} maxillary sinus") == pytest.approx(15, abs=5)


@pytest.mark.parametrize("z", [515.0, 545.0, 575.0])
def test_the_neck_joins_the_trunk_without_a_skin_inside(z):
    """Across the neck of head and trunk together there is skin in the outer 8 mm of each side alone."""
    whole = Body.load("adult_head_trunk")
    grid = Grid(shape=(1, 1, 240), spacing_mm=(1.0, 1.0, 1.0), origin_mm=(-119.5, 5.0, z))
    line = voxelise_body(whole, grid=grid, vanishing="keep")
    body = np.flatnonzero(line.labels[0, 0] > 0)
    skins = [number for number, name in enumerate(line.truth.names()) if name.startswith("skin")]
    skin = np.flatnonzero(np.isin(line.truth.organ_labels[0, 0], skins))
    assert len(skin) >= 2
    assert np.minimum(skin - body[0], body[-1] - skin).max() <= 8
