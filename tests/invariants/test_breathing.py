"""Breathing: nothing folds, inverses are inverse, lungs keep their mass, bones their shape, organs their volume."""

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.breathing import (
    STEP_MM,
    _least_determinants,
    _unfolded,
    breathing,
    quiet_respiration,
    respiration_of_volume,
)
from physsim.body.breathing_field import neck_axis, recipe, rib_lines
from physsim.body.flow import nodes
from physsim.body.lesion import Lesion
from physsim.body.lesion_motion import site_medium, with_lesions
from physsim.body.patient import reference_patient
from physsim.body.voxelise import body_grid, voxelise_body
from physsim.errors import InvalidInput

SOFT = ("liver", "spleen", "myocardium", "blood of the right ventricle", "blood of the right atrium",
        "blood of the left ventricle", "stomach contents",
        "left renal cortex", "right renal cortex", "pancreas", "blood of the aorta", "left psoas")  # fmt: skip
_SPACING_MM = 3.0


@pytest.fixture(scope="module")
def body():
    return Body.load("adult_trunk")


@pytest.fixture(scope="module")
def out(body):
    """A quiet breath out."""
    return breathing(body, 0.0)


@pytest.fixture(scope="module")
def phantoms(body, out):
    """At full inspiration and after a quiet breath out, on one grid."""
    grid = body_grid(body, _SPACING_MM)
    return tuple(voxelise_body(body, grid=grid, motion=motion, vanishing="keep") for motion in (None, out))


@pytest.fixture(scope="module")
def truths(phantoms):
    return tuple(phantom.truth for phantom in phantoms)


def test_nothing_folds_and_the_inverse_is_inverse(out):
    assert out.least_jacobian > 0.05
    points = np.random.default_rng(0).uniform([-150, -110, 20], [150, 110, 460], (4000, 3))
    for medium in ("body", "lung", "left rib 6"):
        assert out.inverse_error_mm(points, medium).max() < 0.01
    nodes = out.origin_mm + out.step_mm * np.array([[40, 35, 60], [30, 50, 70]])
    field = out.forward[1][[60, 70], [35, 50], [40, 30]]
    assert np.abs(out.present(nodes, "lung") - nodes - field).max() < 1e-3  # the file's forward field says the same


def test_a_map_that_folds_is_smoothed_until_it_does_not():
    """Nodes that passed each other part again; nothing else moves."""
    points, shape = nodes(np.zeros(3), np.full(3, 24.0 * STEP_MM), STEP_MM)
    places = points + 4.0 * np.exp(-((points - 60.0) ** 2).sum(1) / 18.0)[:, None] * np.array([2.0, 0.0, 0.0])
    assert _least_determinants(places.reshape(*shape, 3)).min() < -0.2
    mended = _unfolded(points, places, shape)
    assert _least_determinants(mended.reshape(*shape, 3)).min() > 0.12
    far = np.linalg.norm(points - 60.0, axis=1) > 40.0
    assert np.abs(mended - places)[far].max() < 1e-6


def test_lungs_keep_their_mass_and_lose_the_air(truths):
    volume, mass = (
        [sum(getattr(organ, key) for organ in truth.organs if organ.name.endswith("lobe")) for truth in truths]
        for key in ("volume_mm3", "mass_g")
    )
    # at 4 mm the seams between lobes count: up to 0.0025
    assert mass[1] == pytest.approx(mass[0], rel=1e-3)
    assert volume[1] / volume[0] == pytest.approx(recipe()["lung"]["volume_ratio"], rel=0.04)


def test_vessels_of_the_lung_keep_their_blood_and_the_lungs_their_whole_mass(truths):
    kinds = ("lobe", "arteries of the left lung", "arteries of the right lung", "veins of the left lung",
             "veins of the right lung", "bronchial walls of the left lung",
             "bronchial walls of the right lung")  # fmt: skip
    whole = [sum(organ.mass_g for organ in truth.organs if organ.name.endswith(kinds)) for truth in truths]
    assert whole[1] == pytest.approx(whole[0], rel=1e-3)
    blood = [sum(organ.volume_mm3 for organ in truth.organs if organ.name.endswith(kinds[1:5])) for truth in truths]
    assert blood[1] == pytest.approx(blood[0], rel=0.01)
    lumens = [sum(organ.volume_mm3 for organ in truth.organs if "bronchial lumen" in organ.name) for truth in truths]
    assert lumens[1] / lumens[0] == pytest.approx(recipe()["lung"]["volume_ratio"], abs=0.06)  # they are of air


def lungs(truth):
    """Masses (g) of lobes, and of their vessels and bronchial walls."""
    parts = ("arteries", "veins", "bronchial walls")
    trees = tuple(f"{part} of the {side} lung" for part in parts for side in ("left", "right"))
    return [sum(organ.mass_g for organ in truth.organs if organ.name.endswith(own)) for own in ("lobe", trees)]


def test_lungs_keep_their_mass_on_the_way_out(body):
    """At other voxels than those that their density is found with; vessels and walls within 0.5 %."""
    full, part = (lungs(voxelise_body(body, 1.8, motion=motion, vanishing="keep").truth)
                  for motion in (None, breathing(body, 0.55)))  # fmt: skip
    assert sum(part) == pytest.approx(sum(full), rel=1e-3)
    assert part[0] == pytest.approx(full[0], rel=1e-3)
    assert part[1] == pytest.approx(full[1], rel=5e-3)


def test_a_newborns_lungs_keep_their_mass():
    """Of another size, whose heart and thymus cover more of the lungs: density by the map alone loses 0.27 %."""
    newborn = reference_patient("M", 0.0)
    full, out = (lungs(newborn.replace(respiration=depth).phantom(2.0, region="chest").truth) for depth in (1.0, 0.0))
    assert sum(out) == pytest.approx(sum(full), rel=1e-3)
    assert out[0] == pytest.approx(full[0], rel=1e-3)


def test_organs_keep_their_volumes(truths):
    rest, now = truths
    for name in SOFT:
        assert now.organ(name).volume_mm3 == pytest.approx(rest.organ(name).volume_mm3, rel=0.02), name


def test_bones_are_rigid(out):
    assert len([name for name in out.bones if " rib " in name]) == 24
    for name, turn in out.bones.items():
        assert np.abs(turn[:3, :3] @ turn[:3, :3].T - np.eye(3)).max() < 1e-12, name
        assert np.linalg.det(turn) == pytest.approx(1.0)


def test_both_sides_breathe_unlike(out):
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    for number in range(1, 11):  # in radians, entries of the rotations
        right, left = (out.bones[f"{side} rib {number}"] for side in ("right", "left"))
        assert np.abs(mirror @ right @ mirror - left)[:3, :3].max() > 2e-3, number


def test_domes_ribs_and_sternum_go_as_far_as_published(body, out):
    tops = np.array([[-72.0, -6.0, 232.0], [70.0, -6.0, 214.0]])
    rise = (out.present(tops) - tops)[:, 2]
    assert rise == pytest.approx(recipe()["excursion"]["dome_mm"], abs=3.0)
    lines = rib_lines(body)
    for number in (4, 6, 8):  # pump and bucket handle together: sqrt 2 x 7 to 13 degrees at most
        turn = out.bones[f"left rib {number}"]
        angle = np.degrees(np.arccos((np.trace(turn[:3, :3]) - 1) / 2))
        assert 7.0 < angle < 18.5
        head = lines[number, "left"][0]
        joints = np.stack([head, head + 30.0 * neck_axis(lines[number, "left"])])
        assert np.linalg.norm(out.present(joints, f"left rib {number}") - joints, axis=1).max() < 1e-6
        along = lines[number, "left"]  # and parts from its muscles by a few mm at most
        assert np.linalg.norm(out.present(along, f"left rib {number}") - out.present(along), axis=1).max() < 6.5
    front = np.array([[0.0, -104.0, 292.0]])
    assert 8.0 < (out.present(front, "sternum") - front)[0, 1] < 25.0
    spine = np.array([[0.0, 56.0, 298.0], [0.0, 5.0, 95.0]])
    assert np.linalg.norm(out.present(spine) - spine, axis=1).max() < 1.5


def test_the_lung_slides_on_a_pleura_that_both_sides_share(body, out):
    """Points on the wall: the two media differ along the pleura, not across it."""
    rest = np.array([[140.0, 0.0, 250.0], [-140.0, 10.0, 260.0], [60.0, 92.0, 280.0], [-60.0, 93.0, 290.0]])
    field = body.field_number("cavity", "test")
    wall = []
    for point in rest:  # onto the surface
        normal = np.array([body.program.distance(point + e, field=field)[0] for e in np.eye(3)])
        normal -= body.program.distance(point, field=field)[0]
        wall.append(point - body.program.distance(point, field=field)[0] * normal / (normal @ normal))
    wall = np.array(wall)
    outside, lung = out.present(wall), out.present(wall, "lung")
    assert (np.linalg.norm(outside - lung, axis=1) > [12.0, 12.0, 2.0, 2.0]).all()
    back = out.rest(lung)  # where tissue of the wall was that now touches these points of the lung
    assert np.abs(body.program.distance(back, field=field)).max() < 0.6


def test_a_nodule_goes_with_its_lung(body, out):
    nodule = Lesion(site="right lower lobe", diameter_mm=12, centre_mm=(-80.0, 20.0, 250.0))
    moved = nodule.moved(out)
    assert moved.centre_mm[2] > 270.0
    assert moved.diameter_mm == nodule.diameter_mm
    assert out.rest([moved.centre_mm], "lung")[0] == pytest.approx(nodule.centre_mm, abs=0.01)
    with pytest.raises(InvalidInput, match="centre_mm"):
        nodule.replace(centre_mm=None).moved(out)


def test_lesions_are_drawn_where_the_breath_brings_their_tissue(body, out, phantoms):
    rest, now = phantoms
    lesions = (
        Lesion(site="right lower lobe", diameter_mm=16, seed=3, name="nodule"),
        Lesion(site="left lower lobe", diameter_mm=14, margin="lobulated", seed=5, name="other"),
        Lesion(type="liver_metastasis", site="liver", diameter_mm=14, margin="smooth", seed=1, name="metastasis"),
    )
    still = with_lesions(rest, lesions, body)
    moved = with_lesions(now, lesions, body, motion=out, at_rest=lambda: rest)
    media = [site_medium(out, lesion.site, np.array([row.centre_mm]))
             for lesion, row in zip(lesions, still.truth.lesions, strict=True)]  # fmt: skip
    assert media == ["lung", "lung", "body"]
    assert site_medium(out, "left rib 6", np.array([[142.0, 29.0, 299.8]])) == "left rib 6"
    for lesion, medium, before, after in zip(lesions, media, still.truth.lesions, moved.truth.lesions, strict=True):
        assert (before.name, after.name) == (lesion.name, lesion.name)
        centre = before.centre_mm  # of its voxels; the shape goes as a whole
        assert np.linalg.norm(out.present([centre], medium)[0] - after.centre_mm) < 1.0, lesion.name
        assert after.volume_mm3 == pytest.approx(before.volume_mm3, rel=0.02), lesion.name
        assert after.mass_g == pytest.approx(before.mass_g, rel=0.02), lesion.name
        assert np.linalg.norm(np.subtract(after.centre_mm, before.centre_mm)) > 5.0, lesion.name
        mask = moved.truth.mask(lesion.name)
        places = np.argwhere(mask)[:, ::-1].mean(0) @ moved.grid.world_from_voxel[:3, :3].T
        assert np.linalg.norm(places + moved.grid.world_from_voxel[:3, 3] - after.centre_mm) < 1.5, lesion.name


def test_depth_of_breath_and_lung_volume():
    ratio = recipe()["lung"]["volume_ratio"]
    assert respiration_of_volume(1.0) == 1.0
    assert respiration_of_volume(ratio) == pytest.approx(0.0)
    assert quiet_respiration(0.0) == quiet_respiration(1.0) == 0.0
    assert max(quiet_respiration(t) for t in np.linspace(0, 1, 101)) == pytest.approx(recipe()["quiet"]["tidal_share"])


def test_fields_are_written_for_registration(out, tmp_path):
    path = tmp_path / "out.mha"
    out.save(path, "lung")
    header, data = path.read_bytes().split(b"ElementDataFile = LOCAL\n", 1)
    nz, ny, nx = out.forward.shape[1:4]
    assert f"DimSize = {nx} {ny} {nz}".encode() in header
    read = np.frombuffer(data, "<f4").reshape(nz, ny, nx, 3)
    assert np.array_equal(read, out.forward[1].astype(np.float32))
    with pytest.raises(InvalidInput, match=r"\.mha"):
        out.save(tmp_path / "out.nii", "lung")


def test_what_cannot_be_breathed(body, out):
    with pytest.raises(InvalidInput, match="quiet breath out"):
        breathing(body, 1.4)
    with pytest.raises(InvalidInput, match="share"):
        respiration_of_volume(0.1)
    half = [{"plane": {"point": [0, 0, 0], "normal": [0, 0, 1]}}]
    ball = {"name": "ball", "order": 1, "material": "water", "parts": half}
    with pytest.raises(InvalidInput, match="field"):
        breathing(Body.of({"structure": [ball]}), 0.5)
    with pytest.raises(InvalidInput, match="medium"):
        out.present([[0, 0, 0]], "lungs")
