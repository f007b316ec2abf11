"""Vessels of liver, kidneys and heart: in or on their organ, calibres by their exponent."""

import numpy as np
import pytest

from physsim.body.body import Body
from physsim.body.declare import read_declared
from physsim.body.makers import space_of
from physsim.body.surface_vessels import SurfaceVessels, trunk_lines
from physsim.body.tree import Tree, grown, radii, vessel_line
from physsim.body.voxelise import voxelise_body
from physsim.resources import phantoms_path
from physsim.spec.grid import Grid

TREES = {"hepatic veins", "portal veins", "renal arteries"}


@pytest.fixture(scope="module")
def body():
    return Body.load("adult_trunk")


@pytest.fixture(scope="module")
def organs(body):
    declared = read_declared(phantoms_path() / "anatomy" / "adult_trunk.toml")
    tables = [(maker.kind, maker.model_dump(exclude={"kind", "when"})) for maker in declared.maker]
    own = {table["name"]: (kind, table) for kind, table in tables if kind in ("tree", "surface vessels")}
    space = space_of(declared, body.numbers, 0, "trunk")
    space.keep_branches(body.declared)
    return own, space


@pytest.mark.parametrize("name", sorted(TREES))
def test_trees_keep_to_their_organ(organs, name):
    """All but a hundredth of the way, beyond the vessels at the hilum, and by no more than 4 mm."""
    tables, space = organs
    tree = Tree(**tables[name][1])
    branches = grown(tree, space)
    for vessel in tree.vessels:
        start, end = vessel_line(tree, vessel, branches)
        inner = branches.parent >= 0
        points = np.concatenate([start[inner] + f * (end - start)[inner] for f in (0.5, 1.0)])
        root = np.tile(branches.root[inner], 2)
        beyond = np.concatenate(
            [space.distance(one.field, points[root == number]) for number, one in enumerate(tree.roots)]
        )
        assert (beyond > 0.5).mean() < 0.01
        assert beyond.max() < 4.0
        r = radii(vessel, branches)
        total = np.zeros(len(r))
        np.add.at(total, branches.parent[inner], r[inner] ** vessel.exponent)
        nodes = branches.daughters > 0
        assert total[nodes] / r[nodes] ** vessel.exponent == pytest.approx(1.0, abs=5e-3)


def test_trunks_have_the_calibres_of_adults(organs):
    """Diameters (mm): hepatic veins 7 to 12, portal branches 6 to 12, renal artery's branches together 4 to 6.5."""
    tables, space = organs
    wide = {}
    for name in TREES:
        tree = Tree(**tables[name][1])
        branches = grown(tree, space)
        for vessel in tree.vessels:
            wide[vessel.name] = 2 * radii(vessel, branches)[branches.parent < 0]
    assert (wide["hepatic veins"] > 6).all()
    assert (wide["hepatic veins"] < 12).all()
    assert (wide["portal veins in the liver"] > 6).all()
    assert (wide["portal veins in the liver"] < 12).all()
    assert (wide["hepatic arteries"] < 5).all()
    assert (wide["arteries of the kidneys"] > 4).all()
    assert (wide["arteries of the kidneys"] < 6.5).all()


def test_coronary_arteries_lie_on_the_heart(organs, body):
    """Half a millimetre over its surface, 3 to 4.5 mm wide at first, narrowing; the left one reaches the apex."""
    tables, space = organs
    own = SurfaceVessels(**tables["coronary arteries"][1])
    for trunk in own.trunks:
        lines = trunk_lines(own, trunk, space)
        assert len(lines) == 1 + trunk.branches
        for line, radius in lines:
            assert np.abs(space.distance(own.field, line) - own.above_mm).max() < 0.6
            assert (np.diff(radius) <= 1e-9).all()
            assert np.linalg.norm(np.diff(line, axis=0), axis=1).max() < 13.0  # over a groove
        main, radius = lines[0]
        assert 3.0 < 2 * radius[0] < 4.5
        leave = np.rint(np.linspace(0.2, 0.92, trunk.branches) * (len(main) - 1)).astype(int)
        for (line, thin), at in zip(lines[1:], leave, strict=True):
            assert (line[0] == main[at]).all()
            kept = radius[at + 1] ** own.exponent + thin[0] ** own.exponent
            assert kept == pytest.approx(radius[at] ** own.exponent)
    descending, _ = trunk_lines(own, own.trunks[0], space)[0]
    apex = np.array([74, -72, 212])
    assert np.linalg.norm(descending - apex, axis=1).min() < 12.0


def test_great_vessels_run_free_of_what_is_painted_after_them(body):
    """Aorta and vena cava below the diaphragm keep 85 % of their declared width: no bone, crus or liver covers them.

    Radii (mm) between the points of phantoms/anatomy/chest.toml; the aorta's wall is 1.6 mm thick. Where the renal
    veins join it (z 132 to 144) the vena cava is in part theirs.
    """
    grid = Grid(shape=(48, 42, 30), spacing_mm=(3.0, 3.0, 3.0), origin_mm=(-45.0, -60.0, 60.0))
    phantom = voxelise_body(body, grid=grid, vanishing="keep")
    z = 60.0 + 3.0 * np.arange(48)
    declared = {
        "blood of the aorta": np.interp(z, [50, 85, 112, 140, 165, 200], [9.0, 9.5, 10.0, 10.5, 11.0, 11.4]) - 1.6,
        "inferior vena cava": np.interp(z, [50, 110, 135, 158, 180, 205], [11.0, 11.0, 11.5, 12.0, 12.5, 13.0]),
    }
    for organ, radius in declared.items():
        across = phantom.truth.mask(organ).sum((1, 2)) * 9.0
        kept = across / (np.pi * radius**2)
        if organ == "inferior vena cava":
            kept = kept[(z < 132) | (z > 144)]
        assert kept.min() > 0.85, (organ, kept.round(2))
