"""Bowels made as coiled tubes: one piece without holes, nowhere through itself, the same for equal seeds."""

import numpy as np
import pytest
from scipy import ndimage

from physsim.body.body import Body
from physsim.body.coil import Coil, calibre, line, nearest_turn_mm
from physsim.body.colon import Colon, haustral_tube
from physsim.body.declare import read_declared
from physsim.body.makers import space_of
from physsim.resources import phantoms_path


@pytest.fixture(scope="module")
def declared():
    return read_declared(phantoms_path() / "anatomy" / "adult_trunk.toml")


@pytest.fixture(scope="module")
def body():
    return Body.load("adult_trunk")


def table_of(declared, kind):
    return next(maker for maker in declared.maker if maker.kind == kind).model_dump(exclude={"kind", "when"})


def only_bowels(declared):
    return declared.replace(maker=tuple(one for one in declared.maker if one.kind in ("coil", "colon")))


@pytest.fixture(scope="module")
def coil(declared, body):
    space = space_of(only_bowels(declared), body.numbers, 0, "trunk")
    own = Coil(**table_of(declared, "coil"))
    points = line(own, space)
    return own, space, points, calibre(points, own)


def betti(solid):
    """Components, tunnels and closed cavities of a set of voxels that touch by faces, edges or corners."""
    solid = np.pad(solid, 1)
    corners, cells = np.zeros(np.array(solid.shape) + 1, bool), int(solid.sum())
    euler = -cells
    for i in (0, 1):
        for j in (0, 1):
            for k in (0, 1):
                corners[i : i + solid.shape[0], j : j + solid.shape[1], k : k + solid.shape[2]] |= solid
    euler += int(corners.sum())
    for axis in range(3):
        there = np.moveaxis(solid, axis, 0)
        euler += int((there[1:] | there[:-1]).sum())  # faces across this axis
        edge = there[:, 1:, 1:] | there[:, :-1, 1:] | there[:, 1:, :-1] | there[:, :-1, :-1]
        euler -= int(edge.sum())
    components = ndimage.label(solid, np.ones((3, 3, 3)))[1]
    cavities = ndimage.label(~solid)[1] - 1
    return components, components + cavities - euler, cavities


def solid_of(body, field, spacing, deeper_than):
    """Voxels whose middles lie deeper in a field than that."""
    number = body.field_number(field, "test")
    low, high = body.program.field_box[number]
    axes = [np.arange(a - 6, b + 6, spacing) for a, b in zip(low, high, strict=True)]
    shape = [len(axis) for axis in axes]
    solid = np.empty(shape, bool)
    for i in range(0, shape[0], 8):  # block by block, so that only what is near is looked at
        for j in range(0, shape[1], 8):
            points = np.stack(np.meshgrid(axes[0][i : i + 8], axes[1][j : j + 8], axes[2], indexing="ij"), axis=-1)
            d = body.program.distance(np.swapaxes(points, 0, 2).reshape(-1, 3), field=number, margin_mm=6.0)
            solid[i : i + 8, j : j + 8] = np.swapaxes(d.reshape(points.shape[2::-1]), 0, 2) < -deeper_than
    return solid


def test_counts_of_pieces_tunnels_and_cavities():
    ring = np.zeros((7, 7, 3), bool)
    ring[1:6, 1:6, 1] = True
    ring[3, 3, 1] = False
    assert betti(ring) == (1, 1, 0)
    shell = np.ones((3, 3, 3), bool)
    shell[1, 1, 1] = False
    assert betti(shell) == (1, 0, 1)


@pytest.mark.parametrize("name", ["small bowel", "small bowel lumen", "colon"])
def test_a_bowel_is_one_piece_without_a_hole(body, name):
    assert betti(solid_of(body, name, 1.5, 1.2)) == (1, 0, 0)


def test_the_coil_does_not_cross_itself(coil):
    own, _, points, (radius, lumen) = coil
    far = nearest_turn_mm(points, 3.2 * own.radius_mm)
    assert (far >= 2 * radius + 0.5 * own.gap_mm).all()
    assert radius.min() > 0.8 * own.radius_mm
    assert (lumen > 0.8 * own.lumen_mm).all()
    assert (radius - lumen > 0.59 * own.wall_mm).all()
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    assert 1200 < length <= own.length_mm + 400  # what the trunk above the pelvis holds, and the duodenum


def test_a_wider_coil_presses_its_walls_but_no_lumen_together(coil):
    """Where tubes have no room beside each other their walls merge; between their lumens there is wall."""
    own, _, points, _ = coil
    wide = own.replace(lumen_mm=10.5, wall_mm=3.0)
    radius, lumen = calibre(points, wide)
    near = nearest_turn_mm(points, 1.6 * own.spacing_mm)
    assert (2 * radius > near).mean() > 0.2
    assert (near - 2 * lumen > 0.59 * wide.wall_mm).all()


def test_the_coil_fills_its_field(coil):
    """Beyond the duodenum, whose way is given, the middle line stays within the field."""
    own, space, points, _ = coil
    given = np.array(own.before)
    begin = np.linalg.norm(points - given[-1], axis=1).argmin()
    depth = -space.distance(own.field, points[begin + 3 : -4])
    assert (depth > 0).mean() > 0.98
    assert depth.min() > -6.0
    assert np.linalg.norm(points[0] - given[0]) < 1.0
    assert np.linalg.norm(points[-1] - own.last) < 1.0


def test_the_coil_is_a_function_of_its_seed(coil, declared, body):
    own, space, points, _ = coil
    assert (line(own, space) == points).all()
    other = line(own, space_of(only_bowels(declared), body.numbers, 1, "trunk"))
    assert other.shape != points.shape or not np.allclose(other, points)


def test_haustra_of_the_colon(declared, body):
    """Folds every 2 to 4 cm that draw the wall in by an eighth or more."""
    own = Colon.of(table_of(declared, "colon"), body.numbers)
    points, radius, share = haustral_tube(own)
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    widest = [radius[(share * 11.999).astype(int) == n].max() for n in range(12)]
    smooth = np.interp(share, np.linspace(0, 1, 12), widest)
    fold = (radius[1:-1] < radius[:-2]) & (radius[1:-1] < radius[2:]) & (radius[1:-1] < 0.88 * smooth[1:-1])
    assert length / 40 < fold.sum() < length / 20
