"""Pieces, tunnels and cavities: of shapes that are known, of a declared body, and of the organs of a man's trunk."""

import numpy as np
import pytest
from physsim._benchmarks.topology import main, measure

from physsim.body.body import Body
from physsim.body.topology import OrganTopology, betti_numbers, declared_topology, given_back, organ_topology
from physsim.body.voxelise import voxelise_body
from physsim.errors import InvalidInput
from physsim.spec.grid import Grid


def ball(radius, shape=(24, 24, 24)):
    z, y, x = np.indices(shape) - (np.array(shape) - 1)[:, None, None, None] / 2
    return x**2 + y**2 + z**2 < radius**2


def torus(ring, thick):
    z, y, x = np.indices((24, 24, 24)) - 11.5
    return (np.hypot(x, y) - ring) ** 2 + z**2 < thick**2


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (ball(9), (1, 0, 0)),
        (ball(9) & ~ball(5), (1, 0, 1)),
        (torus(8, 3), (1, 1, 0)),
        (torus(8, 3) & ~torus(8, 1.5), (1, 2, 1)),  # a hollow ring: a tube closed on itself
        (ball(9) & ~torus(5, 2), (1, 1, 1)),  # a ring-shaped cavity
        (np.concatenate([ball(9), ball(9)]), (2, 0, 0)),
        (ball(9) & (np.hypot(*(np.indices((24, 24, 24))[1:] - 11.5)) > 3), (1, 1, 0)),  # a hole through a ball
        (np.zeros((3, 3, 3), bool), (0, 0, 0)),
        (np.eye(3, dtype=bool)[None], (1, 0, 0)),  # voxels that touch at corners are one piece
    ],
)
def test_shapes(mask, expected):
    assert betti_numbers(mask) == expected


def test_topology_is_that_of_any_orientation():
    rng = np.random.default_rng(5)
    mask = rng.random((7, 8, 9)) < 0.4
    assert betti_numbers(mask) == betti_numbers(mask.transpose(2, 0, 1)) == betti_numbers(mask[::-1, :, ::-1])
    with pytest.raises(InvalidInput, match="topology is of volumes"):
        betti_numbers(mask[0])


def test_organs_are_held_to_the_table():
    """A liver with a vessel through it is one piece when the vessel counts as filled; a pancreas in two is not."""
    sphere = {"ellipsoid": {"centre": [0, 0, 0], "semi": [30, 30, 30]}}
    pieces = [{"ellipsoid": {"centre": [x, 60, 0], "semi": [8, 8, 8]}} for x in (-20, 20)]
    body = Body.of(
        {"structure": [
            {"name": "liver", "order": 1, "material": "water", "parts": [sphere]},
            {"name": "portal vein", "order": 2, "material": "water",
             "parts": [{"tube": {"points": [[-40, 0, 0], [40, 0, 0]], "radius": 8}}]},
            {"name": "pancreas", "order": 1, "material": "water", "parts": pieces},
        ]}
    )  # fmt: skip
    rows = {row.name: row for row in organ_topology(voxelise_body(body, 3.0))}
    phantom = voxelise_body(body, 3.0)
    assert betti_numbers(phantom.truth.mask("liver")) == (1, 1, 0)
    assert rows["liver"].right
    assert (rows["pancreas"].found, rows["pancreas"].right) == ((2, 0, 0), False)
    assert rows["portal vein"].declared is None
    assert declared_topology("vertebra T7")["betti"] == [1, 1, 0]
    coarse = {row.name: row for row in organ_topology(voxelise_body(body, 4.0))}
    assert all(row.right for row in coarse.values())  # coarser than the table judges


def test_conduits_give_their_voxels_back_to_what_surrounds_them():
    """A pipe through a slab is the slab's again; where it runs on in air, the air's; a pipe alone keeps its label."""
    labels = np.zeros((11, 9, 9), np.uint8)
    labels[3:8] = 1
    labels[:, 3:6, 3:6] = 2
    whole = given_back(labels, [2])
    assert whole.dtype == labels.dtype
    assert (whole[3:8] == 1).all()
    assert (whole[:3] == 0).all()
    assert (whole[8:] == 0).all()
    assert (given_back(np.full((3, 3, 3), 2), [2]) == 2).all()
    pierced = labels.copy()
    pierced[5, 4, :3] = 3  # what is no conduit is not filled
    assert betti_numbers(given_back(pierced, [2]) == 1) == betti_numbers((whole == 1) & (pierced != 3))


def test_any_number_is_right_where_the_table_says_so():
    row = OrganTopology("bowel", (1, 7, 0), (1, -1, 0), 9)
    assert row.right
    assert not OrganTopology("bowel", (2, 7, 0), (1, -1, 0), 9).right


# Cut by the window
OTHERS = {"small bowel contents"}


def test_organs_of_a_trunk_at_3_mm():
    """Every organ that 3 mm can show: pieces, tunnels and cavities as the table says."""
    grid = Grid(shape=(150, 84, 118), spacing_mm=3.0, origin_mm=(-177.0, -126.0, 10.0))
    phantom = voxelise_body(Body.load("adult_trunk"), grid=grid, vanishing="keep")
    rows = organ_topology(phantom)
    assert len([row for row in rows if row.declared]) > 70
    wrong = {row.name: (row.found, row.declared) for row in rows if not row.right}
    assert {name: wrong[name] for name in wrong.keys() - OTHERS} == {}


def test_organs_of_a_woman_and_a_boy_at_3_mm():
    """None differs in the trunk; and the command says so."""
    rows = measure(("F35", "M5"), ("trunk",), (3.0,))
    assert [row["judged"] for row in rows] > [90, 90]
    assert {row["body"]: row["organs"] for row in rows} == {"F35": {}, "M5": {}}


def test_the_command_takes_bodies_regions_and_spacings(capsys, monkeypatch):
    asked = []
    row = {"body": "M1", "region": "head", "spacing_mm": 2.0, "judged": 3, "differ": 1,
           "organs": {"liver": {"found": (2, 0, 0), "declared": (1, 0, 0)}}}  # fmt: skip
    monkeypatch.setattr("physsim._benchmarks.topology.measure", lambda *given: asked.append(given) or [row])
    assert main(["M1", "--regions", "head", "--spacings", "2"]) == 1
    assert asked == [(("M1",), ("head",), (2.0,))]
    assert "liver" in capsys.readouterr().out
