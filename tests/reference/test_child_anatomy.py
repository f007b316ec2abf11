"""What children have and adults have not: deciduous teeth, crowns in the jaws, fontanelles, sutures, growth plates.

Ages of eruption, of closing fontanelles (second year) and of growth plates (girls 14, boys 16) as textbooks give them.
"""

import re

import numpy as np
import pytest

from physsim.body.anatomy import canonical_declared, own_numbers
from physsim.body.body import Body
from physsim.body.expression import Names, number
from physsim.body.patient import reference_patient
from physsim.body.presence import holds
from physsim.body.topology import betti_numbers
from physsim.body.voxelise import voxelise_body
from physsim.spec.grid import Grid


def erupted(age_years):
    """Names of teeth that stand above the jaw, deciduous and permanent."""
    names = Names({"age_years": age_years})
    crowns = [one for one in canonical_declared().structure if one.name.startswith("enamel")]
    assert len(crowns) == 2
    parts = [part.organ for one in crowns if holds(one, names, "") for part in one.parts if holds(part, names, "")]
    deciduous = {name for name in parts if "deciduous" in name}
    return deciduous, set(parts) - deciduous


@pytest.mark.parametrize(
    ("age", "deciduous", "permanent"),
    [(0, 0, 0), (1, 3, 0), (3, 10, 0), (5, 10, 0), (8, 7, 5), (13, 0, 14), (35, 0, 14)],  # on one side
)
def test_teeth_that_have_erupted(age, deciduous, permanent):
    own = erupted(age)
    assert (len(own[0]), len(own[1])) == (deciduous, permanent)


def test_a_tooth_is_never_there_twice():
    """Where a permanent tooth has erupted its forerunner is gone; a place between has one of them."""
    for age in np.arange(2.5, 14, 0.25):
        deciduous, permanent = erupted(float(age))
        places = [re.sub("deciduous ", "", name) for name in deciduous] + list(permanent)
        assert len(places) == len(set(places))
        assert {f"{{side}} {jaw} tooth {n}" for jaw in ("upper", "lower") for n in range(1, 6)} <= set(places)


def test_the_vault_of_an_infant_is_open():
    """Membrane where coronal and sagittal suture cross, some 2 to 3.5 cm wide in a newborn; none from two years."""
    grid = Grid(shape=(50, 100, 80), spacing_mm=1.0, origin_mm=(-40.0, -70.0, 700.0))
    open_mm2 = []
    for age in (0.0, 1.0, 2.0):
        phantom = voxelise_body(Body.load("head", {"age_years": age}), grid=grid, vanishing="keep")
        names = phantom.truth.names()
        if "anterior fontanelle" not in names:
            open_mm2.append(0.0)
            continue
        mask = phantom.truth.mask("anterior fontanelle")
        assert betti_numbers(mask) == (1, 0, 0)
        open_mm2.append(float(mask.any(0).sum()))
    newborn, year, grown = open_mm2
    assert 500 < newborn < 1100  # of the adult's size: 0.6 of these lengths in a newborn
    assert 0.05 * newborn < year < 0.4 * newborn
    assert grown == 0


@pytest.mark.parametrize(("sex", "age", "plates"), [("F", 1, 3), ("M", 15, 3), ("F", 15, 0), ("M", 35, 0)])
def test_growth_plates_close(sex, age, plates):
    numbers = own_numbers(reference_patient(sex, age))
    posed = [one for maker in canonical_declared().maker for one in (maker.model_extra or {}).get("structure", ())]
    found = {one.name: one.when for one in canonical_declared().structure}
    found |= {one["name"]: one.get("when", 1) for one in posed}
    own = [when for name, when in found.items() if name.startswith("growth plates")]
    assert len(own) == 3
    assert sum(number(when, Names(numbers)) != 0 for when in own) == plates
