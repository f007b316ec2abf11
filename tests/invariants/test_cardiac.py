"""The heart's cycle: chambers follow the volume curve, the wall keeps its mass, nothing folds, the loop is closed."""

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.cardiac import cardiac, emptied, stroke_out
from physsim.body.cardiac_geometry import CHAMBERS, ejection_fraction, recipe
from physsim.body.flow import nodes
from physsim.body.motion import Motion
from physsim.body.voxelise import voxelise_body
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid

GRID = Grid(shape=(66, 66, 70), spacing_mm=3.0, origin_mm=(-95.0, -130.0, 175.0))
VALVES, APEX = np.array([[16.9, -3.5, 270.2]]), np.array([[75.7, -68.5, 231.6]])  # ends of the long axis
LV, RV, LA, RA = CHAMBERS


@pytest.fixture(scope="module")
def body():
    return Body.load("adult_trunk")


@pytest.fixture(scope="module")
def systole(body):
    """The end of systole."""
    return cardiac(body, 0.35)


@pytest.fixture(scope="module")
def phantoms(body, systole):
    """End of diastole, half emptied, end of systole."""
    return [voxelise_body(body, grid=GRID, motion=one, vanishing="keep") for one in (None, emptied(body, 0.5), systole)]


def volumes(phantom):
    return np.array([phantom.truth.organ(name).volume_mm3 / 1000.0 for name in CHAMBERS])


def test_painted_chambers_follow_the_volume_curve(phantoms):
    rest, half, end = (volumes(phantom) for phantom in phantoms)
    assert 1.0 - end[0] / rest[0] == pytest.approx(recipe()["chambers"]["ejection_fraction"]["men"], abs=0.015)
    assert half[0] == pytest.approx(0.5 * (rest[0] + end[0]), rel=0.025)
    assert rest[1] - end[1] == pytest.approx(rest[0] - end[0], rel=0.06)  # the same stroke volume
    growth = end[2:] / rest[2:]  # in counter phase, alike
    assert growth[1] == pytest.approx(growth[0], rel=0.02)
    assert 1.6 < growth[0] < 2.4
    assert half[2:] == pytest.approx(0.5 * (rest[2:] + end[2:]), rel=0.025)


def test_a_womans_heart_puts_out_more_of_its_volume():
    """58 and 61 % on average (Petersen 2017, abstract)."""
    half = [{"plane": {"point": [0, 0, 0], "normal": [0, 0, 1]}}]
    ball = {"name": "ball", "order": 1, "material": "water", "parts": half}
    shares = [ejection_fraction(Body.of({"structure": [ball], "numbers": {"female": one}})) for one in (0.0, 1.0)]
    assert shares == [0.58, 0.61]


def test_wall_and_lungs_keep_their_mass(phantoms):
    def masses(phantom):
        own = {"wall": ("myocardium",), "lungs": ("lobe", "of the left lung", "of the right lung"),
               "coronaries": ("descending artery", "circumflex artery", "right coronary artery")}  # fmt: skip
        return {key: sum(organ.mass_g for organ in phantom.truth.organs if organ.name.endswith(ends))
                for key, ends in own.items()}  # fmt: skip

    rest = masses(phantoms[0])
    for phantom in phantoms[1:]:
        now = masses(phantom)
        assert now["wall"] == pytest.approx(rest["wall"], rel=0.01)
        assert now["lungs"] == pytest.approx(rest["lungs"], rel=0.001)
        assert now["coronaries"] == pytest.approx(rest["coronaries"], rel=0.06)  # thinner than a voxel
    liver = [phantom.truth.organ("liver").mass_g for phantom in phantoms]
    assert liver[2] == pytest.approx(liver[0], rel=0.01)  # of it, what the window holds


def test_the_pericardium_holds_nearly_the_same_volume(body, systole):
    points, shape = nodes(systole.origin_mm + 0.5 * systole.step_mm, systole.origin_mm + systole.step_mm
                          * (np.array(systole.forward.shape[3:0:-1]) - 1.6), systole.step_mm)  # fmt: skip
    ratio = systole.volume_ratio("body")
    assert ratio.shape == shape
    inside = body.program.distance(points, field=body.field_number("heart", "test")) < 1.5
    assert 0.05 < 1.0 - ratio.ravel()[inside].mean() < 0.08
    assert 1.15 < np.percentile(ratio.ravel()[inside], 90) < 2.0  # though the atria swell


def test_nothing_folds_and_the_inverse_is_inverse(systole):
    assert systole.least_jacobian > 0.1
    points = np.random.default_rng(0).uniform([-70, -100, 200], [100, 50, 350], (4000, 3))
    for medium in ("body", "lung"):
        assert systole.inverse_error_mm(points, medium).max() < 1e-3
    assert np.array_equal(systole.forward[0], systole.forward[1])  # the lung goes with the heart's surface
    edges = [np.abs(np.moveaxis(systole.inverse, axis, 0)[[0, -1]]).max() for axis in (1, 2, 3)]
    assert max(edges) < 1e-6


def test_the_loop_is_closed_to_the_bit(body):
    first, last = cardiac(body, 0.0), cardiac(body, 1.0)
    assert not first.inverse.any()
    assert np.array_equal(first.inverse, last.inverse)
    assert np.array_equal(first.forward, last.forward)
    phases = np.linspace(0.0, 1.0, 401)
    out = np.array([stroke_out(phase) for phase in phases])
    assert out[0] == out[-1] == 0.0
    assert out.max() == 1.0
    assert phases[out.argmax()] == pytest.approx(0.35)
    assert np.abs(np.diff(out)).max() < 0.02  # no jumps
    assert (np.diff(out[phases >= 0.41]) <= 0.0).all()  # filling never turns back


def test_the_base_comes_down_to_a_still_apex_and_the_heart_twists(systole):
    own = recipe()
    axis = (APEX - VALVES)[0] / np.linalg.norm(APEX - VALVES)
    around = np.cross(axis, [0.0, 0.0, 1.0])
    around /= np.linalg.norm(around)
    sides = np.array([around, -around, np.cross(axis, around), -np.cross(axis, around)])

    def moved(level_mm, radius_mm):
        ring = VALVES + level_mm * axis + radius_mm * sides
        return systole.present(ring) - ring

    assert (moved(0.0, 15.0) @ axis).mean() == pytest.approx(own["plane"]["descent_mm"], abs=1.5)
    assert np.linalg.norm(systole.present(APEX) - APEX) < 3.0
    turned = []
    for level, radius in ((10.0, 20.0), (75.0, 14.0)):
        tangent = np.cross(axis, sides)
        shift = moved(level, radius)
        now = radius + (shift * sides).sum(1)
        turned.append(np.degrees(np.arctan2((shift * tangent).sum(1), now)).mean())
    assert turned[0] < 0.5  # base clockwise, apex counter-clockwise, seen from the apex
    assert 2.0 < turned[1] - turned[0] < own["twist"]["apex_deg"] - own["twist"]["base_deg"]


def test_vessels_follow_at_their_roots_only_and_bones_stay(systole):
    aorta = np.array([[6.0, -26.0, 304.0], [-4.0, -16.0, 388.0], [29.0, 46.0, 350.0]])
    root, arch, descending = np.linalg.norm(systole.present(aorta) - aorta, axis=1)
    assert 2.0 < root < 12.0
    assert arch < 0.1
    assert descending < 0.6
    assert "sternum" in systole.bones
    assert all(np.array_equal(turn, np.eye(4)) for turn in systole.bones.values())


def flattened(body, share):
    """A motion that presses everything flat in z about z = 260."""
    low, high = np.array([-150.0, -150.0, 120.0]), np.array([150.0, 130.0, 420.0])
    points, shape = nodes(low, high, 20.0)
    fields = []
    for factor in (share, 1.0 / share):
        field = np.zeros((*shape, 3))
        field[..., 2] = ((factor - 1.0) * (points[:, 2] - 260.0)).reshape(shape)
        fields.append(np.stack([field, field]))
    turn = np.eye(4)
    turn[2, 3] = 5.0
    return Motion(body, fields[0], fields[1], low, 20.0, {"sternum": turn}, frozenset(), "flattened")


def test_one_motion_after_another(body, systole, phantoms):
    flat = flattened(body, 0.8)
    both = flat.after(systole)
    points = np.random.default_rng(1).uniform([-60, -90, 210], [90, 40, 330], (500, 3))
    wanted = systole.present(points)
    wanted[:, 2] = 260.0 + 0.8 * (wanted[:, 2] - 260.0)
    assert np.abs(both.present(points) - wanted).max() < 1e-3
    assert both.inverse_error_mm(points).max() < 1e-3
    assert both.inverse_error_mm(points, "sternum").max() < 1e-9
    assert both.bones["sternum"][2, 3] == 5.0
    assert both.least_jacobian == pytest.approx(0.8 * systole.least_jacobian)
    assert both.lungs == systole.lungs
    now = voxelise_body(body, grid=GRID, motion=both, vanishing="keep")
    assert volumes(now) == pytest.approx(0.8 * volumes(phantoms[2]), rel=0.02)
    wall = [one.truth.organ("myocardium").volume_mm3 for one in (phantoms[2], now)]
    assert wall[1] == pytest.approx(0.8 * wall[0], rel=0.02)
    with pytest.raises(InvalidInput, match="two"):
        both.after(systole)


def test_what_cannot_beat(body):
    with pytest.raises(InvalidInput, match="diastole"):
        cardiac(body, 1.2)
    with pytest.raises(InvalidInput, match="stroke volume"):
        emptied(body, -0.1)
    ball = {"name": "ball", "order": 1, "material": "water",
            "parts": [{"ellipsoid": {"centre": [0, 0, 0], "semi": [9, 9, 9]}}]}  # fmt: skip
    with pytest.raises(InvalidInput, match="blood of the left ventricle"):
        cardiac(Body.of({"structure": [ball]}), 0.5)
