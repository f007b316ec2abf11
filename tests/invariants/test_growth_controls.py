"""Controls of organ sizes: they change what they name, run through the ages, and stop at their limits alone."""

import numpy as np
import pytest

from physsim.body.anatomy import canonical_declared
from physsim.body.growth_controls import controlled, controls, present_controls
from physsim.body.growth_solve import step_within
from physsim.body.growth_table import table, values_at
from physsim.errors import InvalidInput


def test_sizes_run_smoothly_between_the_reference_ages():
    young, between, grown = (values_at("M", age) for age in (5, 12, 20))
    assert young == table()["M"]["5"]
    assert grown == values_at("M", 35) == table()["M"]["35"]
    assert set(between) == set(young) & set(grown)
    assert all(0.04 < value < 5 for value in between.values())
    assert values_at("F", 60) == table()["F"]["35"]


def test_controls_change_what_they_name():
    declared = canonical_declared()
    values = {"liver": 1.1, "kidneys_both": 1.1, "pancreas": 1.2, "stomach_wall": 1.5, "small_intestine_contents": 1.1}
    larger = controlled(declared, values)
    fields = [{one.name: one for one in made.field} for made in (declared, larger)]
    solids = [{one.name: one for one in made.structure} for made in (declared, larger)]
    makers = [{one.model_extra["name"]: one for one in made.maker if "name" in one.model_extra}
              for made in (declared, larger)]  # fmt: skip
    assert fields[1]["{side} kidney"].scale == pytest.approx(1.1)
    assert larger.numbers["liver_size"] == 1.1
    tubes = [own["pancreas"].parts[0].tube for own in fields]
    assert np.array(tubes[1].radii) == pytest.approx(1.2 * np.array(tubes[0].radii))
    walls = [own["stomach"].layers[1].depth_mm for own in solids]
    assert walls[1] == pytest.approx(1.5 * walls[0])
    radii = [own["small bowel"].model_extra["lumen_mm"] for own in makers]
    assert radii[1] == pytest.approx(1.1 * radii[0])
    assert solids[1]["spleen"] == solids[0]["spleen"]
    with pytest.raises(InvalidInput, match="no such control"):
        controlled(declared, {"livr": 1.1})


def test_every_control_finds_what_it_names():
    assert {one.name for one in present_controls(canonical_declared())} == {one.name for one in controls()}


def grown(before, after):
    """By how much a value of the declarations grew, a number or an expression."""
    if isinstance(after, str):
        assert after.startswith(f"({before})")
        return float(after.rsplit("+", 1)[1])
    return after - before


def test_fat_and_girth_move_the_skin_and_what_lies_under_it():
    declared = canonical_declared()
    stout = controlled(declared, {"total_body": 2.0, "adipose": 2.0})
    skins = [{one.name: one for one in made.field}["skin"] for made in (declared, stout)]
    lofts = [next(part.loft for part in skin.parts if part.loft) for skin in skins]
    waist = [next(row for row in loft.sections if row[0] == 70) for loft in lofts]
    assert grown(*(row[1] for row in waist)) == pytest.approx(46)  # half width: girth.toml at the side
    assert grown(*(row[2] for row in waist)) == pytest.approx(-66)  # in front
    assert "girth_depth" in stout.expressions["fat_depth"]
    assert controlled(declared, {}) == declared


def test_a_control_at_its_limit_leaves_the_other_organs_theirs():
    """Masses follow the controls by `slopes`; the third cannot follow, and the two others make up for what it does."""
    slopes = np.array([[3.0, 0.4, -0.5], [0.2, 1.0, -0.3], [0.0, 0.6, 2.0]])
    wanted = np.array([0.1, -0.05, 0.9])
    room = np.array([[-1.0, 1.0], [-1.0, 1.0], [-1.0, 0.02]])
    every = np.ones(3, bool)
    step = step_within(slopes, wanted, room, every)
    assert step[2] == 0.02
    assert (slopes @ step)[:2] == pytest.approx(wanted[:2], abs=1e-12)
    room[2] = -1.0, 1.0
    assert step_within(slopes, 0.5 * wanted, room, every) == pytest.approx(np.linalg.solve(slopes, 0.5 * wanted))
    alone = step_within(slopes, wanted, room, np.array([True, False, False]))
    assert alone.tolist() == [pytest.approx(wanted[0] / 3.0), 0.0, 0.0]
