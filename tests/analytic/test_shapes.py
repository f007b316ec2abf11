"""Exact chords of every shape, against closed forms and against points sampled along the ray."""

import numpy as np
import pytest

import physsim as ps
from physsim.phantom.compiled import CompiledScene, areal_density_g_cm2, organs_at, path_lengths_mm

BOX = ((-60.0, -60.0, -60.0), (60.0, 60.0, 60.0))
TURN = (20.0, -35.0, 50.0)
SHAPES = {
    "sphere": {"kind": "sphere", "centre_mm": (3, -4, 5), "radius_mm": 20},
    "ellipsoid": {"kind": "ellipsoid", "centre_mm": (3, -4, 5), "semi_axes_mm": (30, 12, 20), "rotation_deg": TURN},
    "box": {"kind": "box", "size_mm": (40, 20, 30), "rotation_deg": TURN},
    "cylinder": {"kind": "cylinder", "radius_mm": 15, "length_mm": 50, "axis": (1, 2, -1)},
    "elliptic cylinder": {"kind": "cylinder", "radius_mm": (10, 25), "length_mm": 40, "rotation_deg": TURN},
    "cone": {"kind": "cone", "radius_mm": (0, 25), "length_mm": 50, "rotation_deg": TURN},
    "frustum": {"kind": "cone", "radius_mm": (30, 12), "length_mm": 40, "axis": (0, 0, -1)},
    "prism": {
        "kind": "prism",
        "polygon_mm": ((0, 0), (30, -5), (35, 20), (5, 25)),
        "length_mm": 40,
        "rotation_deg": TURN,
    },
    "half space": {"kind": "half_space", "normal": (1, 1, 0.5), "point_mm": (5, 0, 0)},
    "tetrahedron": {
        "kind": "polyhedron",
        "planes": [
            {"normal": n, "point_mm": p}
            for n, p in (
                ((-1, 0, 0), (-20, 0, 0)),
                ((0, -1, 0), (0, -20, 0)),
                ((0, 0, -1), (0, 0, -20)),
                ((1, 1, 1), (10, 0, 0)),
            )
        ],
    },
    "capsule": {"kind": "capsule", "start_mm": (-20, 0, 10), "end_mm": (25, 10, -10), "radius_mm": (12, 5)},
    "tube": {"kind": "tube", "points_mm": ((-40, 0, 0), (0, 30, 10), (40, 0, -20)), "radius_mm": (5, 9, 4)},
    "branches": {
        "kind": "branches",
        "segments": ((0, 0, -40, 8, 0, 0, 0, 6), (0, 0, 0, 6, 30, 10, 30, 3), (0, 0, 0, 5, -20, 0, 40, 2)),
    },
    "ribbon": {
        "kind": "ribbon",
        "points_mm": ((-40, 0, 0), (0, 10, 10), (40, 0, -10)),
        "semi_axes_mm": ((4, 12), (5, 10), (3, 8)),
        "normals": ((0, 1, 0), (0.3, 1, 0), (0, 1, 0.2)),
    },
    "loft": {"kind": "loft", "sections": ((-40, 20, -30, 20, 2, 2.5), (0, 30, -20, 30, 3, 2), (45, 10, -10, 12, 2, 2))},
    "clipped": {"kind": "sphere", "radius_mm": 30, "clip": [{"normal": (1, 1, 0), "point_mm": (5, 0, 0)}]},
    "mirrored": {"kind": "sphere", "radius_mm": 10, "centre_mm": (25, 5, 0), "mirror": True},
    "repeated": {
        "kind": "box",
        "size_mm": (6, 20, 30),
        "centre_mm": (30, 0, 0),
        "repeat": {"count": 5, "turn_deg": 72, "about_mm": (3, 0, 0)},
    },
}


def rays(n, seed):
    rng = np.random.default_rng(seed)
    out = rng.standard_normal((n, 3))
    through = rng.uniform(-30, 30, (n, 3))
    starts = through + 150 * out / np.linalg.norm(out, axis=1)[:, None]
    return starts, 2 * through - starts


@pytest.mark.parametrize("name", SHAPES)
def test_chords_agree_with_points_on_the_ray(name):
    """Each shape's inside, piece by piece, counted at 4000 points a ray."""
    scene = ps.Scene(name=name, shapes=({**SHAPES[name], "name": "it", "material": "water"},), box_mm=BOX)
    starts, ends = rays(150, 1)
    got = path_lengths_mm(scene, starts, ends)["it"]
    pieces = CompiledScene.of(scene).pieces
    points = starts[:, None] + (np.arange(4000)[:, None] + 0.5) / 4000 * (ends - starts)[:, None]
    inside = np.any([piece.contains(points) for piece in pieces[1:]], axis=0) & (np.abs(points) <= 60).all(-1)
    assert (got > 1).sum() > 20
    # a convex run of points is off by at most one step at each end; the union of pieces has few runs
    np.testing.assert_allclose(got, inside.mean(1) * 300, atol=0.5)
    assert abs(np.mean(got - inside.mean(1) * 300)) < 0.02


@pytest.mark.parametrize("name", SHAPES)
def test_bounds_hold_the_shape(name):
    scene = ps.Scene(name=name, shapes=({**SHAPES[name], "name": "it", "material": "water"},), box_mm=BOX)
    points = np.random.default_rng(2).uniform(-60, 60, (20000, 3))
    for piece in CompiledScene.of(scene).pieces[1:]:
        inside = points[piece.contains(points)]
        assert (inside >= piece.low - 1e-9).all()
        assert (inside <= piece.high + 1e-9).all()


def test_chord_of_a_ball_from_a_far_source():
    """2 sqrt(r^2 - d^2) to 1e-9 mm for a ball of 0.05 mm radius seen from 5 m."""
    ball = {"kind": "sphere", "name": "ball", "material": "water", "radius_mm": 0.05}
    scene = ps.Scene(name="ball", shapes=(ball,))
    offset = np.linspace(0, 0.06, 50)
    starts, ends = np.zeros((50, 3)), np.zeros((50, 3))
    starts[:, 1], ends[:, 1] = -5000, 5000
    starts[:, 0] = ends[:, 0] = offset
    chord = 2 * np.sqrt(np.maximum(0.05**2 - offset**2, 0))
    np.testing.assert_allclose(path_lengths_mm(scene, starts, ends)["ball"], chord, atol=1e-9)


def test_cylinder_along_its_axis_and_segments_that_end_inside():
    scene = ps.scene("water_20cm")
    starts, ends = np.array([[10, 20, -500], [0, 0, 0], [0, 0, 0]]), np.array([[10, 20, 500], [0, 300, 0], [0, 30, 0]])
    got = areal_density_g_cm2(scene, starts, ends)["water"]
    np.testing.assert_allclose(got, [20.0, 10.0, 3.0], atol=1e-12)


def test_later_shapes_lie_over_earlier_ones():
    outer = {"kind": "sphere", "name": "outer", "material": "water", "radius_mm": 30}
    inner = {"kind": "sphere", "name": "inner", "material": "air", "radius_mm": 10}
    along = [[-50, 0, 0]], [[50, 0, 0]]
    painted = path_lengths_mm(ps.Scene(name="a", shapes=(outer, inner)), *along)
    assert painted["outer"][0] == pytest.approx(40, abs=1e-12)
    assert painted["inner"][0] == pytest.approx(20, abs=1e-12)
    assert path_lengths_mm(ps.Scene(name="b", shapes=(inner, outer)), *along)["inner"][0] == 0
    lens = {
        "kind": "sphere",
        "name": "lens",
        "material": "bone",
        "radius_mm": 30,
        "centre_mm": (25, 0, 0),
        "over": ("outer",),
    }
    limited = path_lengths_mm(ps.Scene(name="c", shapes=(outer, inner, lens)), *along)
    assert limited["inner"][0] == pytest.approx(20, abs=1e-12)  # not to be painted over
    assert limited["lens"][0] == pytest.approx(20, abs=1e-12)  # from 10 to 30 mm; the background stays


def test_points_and_rays_see_the_same_objects():
    scene = ps.Scene(
        name="all",
        background="air",
        box_mm=BOX,
        shapes=tuple({**fields, "name": name, "material": "water"} for name, fields in SHAPES.items()),
    )
    starts, ends = rays(60, 3)
    lengths = path_lengths_mm(scene, starts, ends)
    points = starts[:, None] + (np.arange(3000)[:, None] + 0.5) / 3000 * (ends - starts)[:, None]
    organs = organs_at(scene, points.reshape(-1, 3)).reshape(60, 3000)
    inside = (np.abs(points) <= 60).all(-1)
    for name in lengths:
        counted = ((organs == name) & inside).mean(1) * 300
        np.testing.assert_allclose(lengths[name], counted, atol=0.7)
    total = sum(lengths.values())
    np.testing.assert_allclose(total, inside.mean(1) * 300, atol=0.11)
