"""Bronchi and vessels of the lungs against published calibres, angles and exponents."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from physsim.body.body import Body
from physsim.body.declare import read_declared
from physsim.body.makers import space_of
from physsim.body.tree import Tree, generations, grown, radii, vessel_line, wall_mm
from physsim.body.tree_growth import Habit, grow
from physsim.body.voxelise import voxelise_body
from physsim.randomness import Stream
from physsim.resources import phantoms_path
from physsim.spec.grid import Grid

# mean lumen (mm) of the bronchi of generations 2 to 6; E. R. Weibel, Morphometry of the Human Lung (1963), model A
WEIBEL_MM = {2: 8.3, 3: 5.6, 4: 4.5, 5: 3.5, 6: 2.8}
FIRST_GENERATION = {"right upper lobe": 2, "right middle lobe": 3, "right lower lobe": 3, "left upper lobe": 2,
                    "left lower lobe": 2}  # fmt: skip
TREES = ("bronchi and pulmonary arteries", "pulmonary veins")


@pytest.fixture(scope="module")
def body():
    return Body.load("adult_trunk")


@pytest.fixture(scope="module")
def declared():
    return read_declared(phantoms_path() / "anatomy" / "adult_trunk.toml")


@pytest.fixture(scope="module")
def space(declared, body):
    return space_of(declared, body.numbers, 0, "adult trunk")


@pytest.fixture(scope="module")
def trees(declared, space, body):
    tables = [maker.model_dump(exclude={"kind", "when"}) for maker in declared.maker if maker.kind == "tree"]
    own = {table["name"]: Tree(**table) for table in tables if table["name"] in TREES}
    space.keep_branches(body.declared)
    return {name: (tree, grown(tree, space)) for name, tree in own.items()}


def vessel_named(trees, name):
    return next((t, v, b) for t, b in trees.values() for v in t.vessels if v.name == name)


def test_a_branch_serves_what_its_daughters_serve(trees):
    for _, branches in trees.values():
        total = np.zeros(len(branches.parent), np.int64)
        has = branches.parent >= 0
        np.add.at(total, branches.parent[has], branches.served[has])
        ends = branches.daughters == 0
        assert (np.where(ends, 1, total) == branches.served).all()
        assert branches.daughters.max() == 2
        assert (branches.start[has] == branches.end[branches.parent[has]]).all()  # one piece


@pytest.mark.parametrize(
    ("name", "exponent"), [("bronchial lumen", 2.6), ("arteries of the lungs", 2.36), ("veins of the lungs", 2.36)]
)
def test_exponents_at_the_nodes(trees, name, exponent):
    """Exponents 2.33 (proximal) to 2.9 +- 1.1 are published for pulmonary arteries."""
    _, vessel, branches = vessel_named(trees, name)
    r = radii(vessel, branches)
    has = branches.parent >= 0
    total = np.zeros(len(r))
    np.add.at(total, branches.parent[has], r[has] ** exponent)
    nodes = branches.daughters > 0
    assert (total[nodes] / r[nodes] ** exponent) == pytest.approx(1.0, abs=3e-3)  # radii are rounded to 1e-4 mm


@pytest.mark.parametrize("name", TREES)
def test_angles_between_parent_and_daughter(trees, name):
    """28.2 +- 15.1 degrees (pulmonary arteries of 16 people)."""
    _, branches = trees[name]
    ahead = branches.end - branches.start
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    some = (branches.parent >= 0) & (branches.served >= 4)
    angle = np.degrees(np.arccos(np.clip((ahead[some] * ahead[branches.parent[some]]).sum(1), -1, 1)))
    assert 25 < angle.mean() < 31
    assert 12 < angle.std() < 19


def test_lumina_of_the_bronchi(trees):
    tree, vessel, branches = vessel_named(trees, "bronchial lumen")
    first = np.array([FIRST_GENERATION[root.field] for root in tree.roots])
    generation = generations(branches.parent) + first[branches.root]
    for number, lumen in WEIBEL_MM.items():
        own = generation == number
        assert own.sum() == (2**number if number > 2 else 3)  # the fourth of generation 2 is the intermediate bronchus
        assert 2 * radii(vessel, branches)[own].mean() == pytest.approx(lumen, rel=0.10)


def test_trees_keep_to_their_lobes(trees, space):
    """Beyond the hilum; a straight branch may cut a corner where heart or diaphragm bulge into its lobe."""
    for tree, branches in trees.values():
        for vessel in tree.vessels:
            start, end = vessel_line(tree, vessel, branches)
            drawn = (branches.parent >= 0) & (radii(vessel, branches) >= vessel.least_radius_mm)
            beyond = []
            for number, root in enumerate(tree.roots):
                own = drawn & (branches.root == number)
                points = np.concatenate([start[own] + f * (end - start)[own] for f in (0.25, 0.5, 0.75, 1.0)])
                beyond.append(space.distance(root.field, points))
            beyond = np.concatenate(beyond)
            assert (beyond > 0).mean() < 0.005
            assert beyond.max() < 8.0


def test_arteries_run_beside_bronchi(trees):
    """Nearly touching, and not through their walls."""
    tree, bronchi, branches = vessel_named(trees, "bronchial lumen")
    artery = next(v for v in tree.vessels if v.beside == "bronchial lumen")
    lumen, r = radii(bronchi, branches), radii(artery, branches)
    some = (branches.parent >= 0) & (lumen >= bronchi.least_radius_mm)
    (a, b), (c, d) = vessel_line(tree, bronchi, branches), vessel_line(tree, artery, branches)
    t = np.linspace(0, 1, 9)[:, None, None]
    on_bronchus, on_artery = a[some] + t * (b - a)[some], c[some] + t * (d - c)[some]
    gap = np.linalg.norm(on_bronchus[:, None] - on_artery[None], axis=3).min((0, 1))
    gap -= (lumen + wall_mm(bronchi, lumen) + r)[some]
    assert np.median(gap) == pytest.approx(artery.gap_mm, abs=0.5)
    assert (gap > 0).mean() > 0.75
    assert gap.min() > -3.0


def test_veins_keep_away_from_arteries(trees):
    """Where both are wider than 0.8 mm, beyond the hila: less than a twentieth of the veins' way lies in an artery."""
    places = []
    for name in ("arteries of the lungs", "veins of the lungs"):
        tree, vessel, branches = vessel_named(trees, name)
        r = radii(vessel, branches)
        (start, end), wide = vessel_line(tree, vessel, branches), (branches.parent >= 0) & (r >= 0.4)
        t = np.linspace(0, 1, 6)[:, None, None]
        places.append(((start[wide] + t * (end - start)[wide]).reshape(-1, 3), np.tile(r[wide], 6)))
    (artery, wide), (vein, radius) = places
    far, nearest = cKDTree(artery).query(vein, k=4)
    assert (far < wide[nearest] + radius[:, None]).any(1).mean() < 0.05


def test_the_same_tree_at_every_spacing(body):
    """Volumes of the trees in a window of the right lower lobe: vessels thinner than a voxel keep theirs."""
    volumes = []
    for spacing in (1.0, 2.0):
        shape = tuple(round(n / spacing) for n in (48, 72, 60))
        corner = tuple(c + 0.5 * spacing for c in (-128.0, 12.0, 228.0))
        p = voxelise_body(body, grid=Grid(shape=shape, spacing_mm=(spacing,) * 3, origin_mm=corner), vanishing="keep")
        volumes.append([p.truth.organ(f"{kind} of the right lung").volume_mm3 for kind in ("arteries", "veins")])
    assert volumes[1] == pytest.approx(volumes[0], rel=0.03)


def test_a_tree_is_a_function_of_its_seed():
    stream = Stream(3, "cube")
    points = [stream.uniform64(np.arange(400)[:, None], [0, 1]).reshape(-1, 4)[:, :3] * 60]
    root = np.array([[30.0, 30.0, -20.0]])
    first, again, other = (
        grow(root, np.array([[0.0, 0.0, 1.0]]), points, Habit(), Stream(seed, "tree")) for seed in (1, 1, 2)
    )
    assert (first.end == again.end).all()
    assert first.end.shape == other.end.shape
    assert not (first.end == other.end).all()
    leaves = first.end[first.served == 1]
    away = np.linalg.norm(leaves[:, None] - points[0][None], axis=2).min(1)
    assert len(leaves) == 400
    assert (away < 0.6).mean() > 0.7  # the others would turn by more than a branch may
    assert away.max() < 8.0


def test_lungs_weigh_what_they_should(body):
    """With blood 1200 g, the right one 642 g (ICRP 89 and RADAR): lobes, bronchi, arteries and veins in them."""
    p = voxelise_body(body, grid=Grid(shape=(75, 68, 76), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(-150, -110, 180)),
                      vanishing="keep")  # fmt: skip
    for side, reference in (("right", 642.0), ("left", 558.0)):
        parts = [organ for organ in p.truth.organs if organ.name.startswith(side) and organ.name.endswith("lobe")]
        parts += [organ for organ in p.truth.organs if organ.name.endswith(f"of the {side} lung")]
        assert len(parts) == {"right": 7, "left": 6}[side]
        assert sum(organ.mass_g for organ in parts) == pytest.approx(reference, rel=0.01)
