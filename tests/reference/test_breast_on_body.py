"""The breasts of a body: fat fraction of the density class, skin and nipple, in front of the pectoral muscle."""

from functools import cache

import numpy as np
import pytest

from physsim.body.anatomy import canonical_declared, own_numbers
from physsim.body.body import Body
from physsim.body.growth_controls import controlled
from physsim.body.patient import Patient
from physsim.body.voxelise import voxelise_body
from physsim.spec.grid import Grid
from physsim.spec.material import material

FAT = {"A": 0.95, "B": 0.85, "C": 0.66, "D": 0.40}  # as in the compressed breast
WINDOW = Grid(shape=(46, 40, 48), spacing_mm=(3.5, 3.5, 3.5), origin_mm=(5.0, -165.0, 212.0))  # the left breast


@cache
def breast(density):
    """Voxels of 3.5 mm of the canonical woman's left breast, and its organs by name."""
    woman = Patient(sex="F", age_years=40.0, height_cm=163.0, weight_kg=60.0, breast_density=density)
    body = Body.of(controlled(canonical_declared(), {}), own_numbers(woman), 3, "woman")
    phantom = voxelise_body(body, grid=WINDOW, vanishing="keep")
    return phantom, {row.name: row for row in phantom.truth.organs}


@pytest.mark.parametrize("density", FAT)
def test_a_class_has_its_fat_fraction(density):
    """Within 0.03 of its class, by the mean density of what the skin encloses."""
    _, organs = breast(density)
    own = [organs[f"left {name}"] for name in ("breast adipose tissue", "mammary gland")]
    mean = sum(row.mass_g for row in own) / sum(row.volume_mm3 for row in own) * 1000
    fat, gland = (material(name).density_g_cm3 for name in ("adipose_icru44", "icrp_af_48_breast_mammary_gland"))
    assert (gland - mean) / (gland - fat) == pytest.approx(FAT[density], abs=0.03)


@pytest.mark.parametrize("density", FAT)
def test_a_class_changes_what_a_breast_is_made_of_and_not_its_mass(density):
    """Within 1 % of class B."""
    mass_g = [sum(row.mass_g for name, row in breast(own)[1].items() if name.startswith("left ") and (
        "breast" in name or "mammary" in name or name == "left nipple")) for own in (density, "B")]
    assert mass_g[1] > 300
    assert mass_g[0] == pytest.approx(mass_g[1], rel=0.01)


def test_breast_lies_on_the_muscle_under_skin_and_nipple():
    phantom, organs = breast("C")
    assert 350e3 < sum(organs[f"left {name}"].volume_mm3 for name in ("breast adipose tissue", "mammary gland")) < 500e3
    gland = np.argwhere(phantom.truth.mask("left mammary gland")).mean(0)
    nipple = np.argwhere(phantom.truth.mask("left nipple")).mean(0)
    assert nipple[1] < gland[1] - 8  # in front of it
    names = [row.name for row in phantom.truth.organs]
    pectoral = next(name for name in names if "pectoralis major" in name and "left" in name)
    assert np.argwhere(phantom.truth.mask(pectoral))[:, 1].mean() > gland[1]
    row = phantom.truth.organ_labels[round(gland[0]), :, round(gland[2])]
    first = names[row[np.flatnonzero(row)[0]]]
    assert first == "skin"
