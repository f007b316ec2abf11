"""The material library and spec: every entry stands, bad input is explained, specs survive TOML and JSON."""

import subprocess
import sys

import pytest

import physsim as ps
from physsim.errors import InvalidInput
from physsim.physics.library import aliases, library_entry


@pytest.mark.parametrize("name", ["water", "air_dry", "liver_icru46", "csi", "gos", "a_se", "cdte", "czt", "silicon",
                                  "germanium", "aluminium", "copper", "titanium",
                                  "rhodium", "silver", "molybdenum", "beryllium",
                                  "tungsten", "tin", "pmma", "polyethylene", "ptfe_teflon", "delrin", "ldpe", "pmp",
                                  "polystyrene", "acrylic_ct", "iohexol_350", "barium_sulfate", "tg195_soft_tissue",
                                  "icrp_am_30_liver", "Al", "W"])
def test_material_is_in_the_library(name):
    assert name in ps.materials()
    assert ps.material(name).density_g_cm3 > 0.0


def test_every_entry_is_a_material_with_a_source():
    for name in ps.materials():
        entry = ps.material(name)
        assert sum(entry.mass_fractions.values()) == pytest.approx(1.0, abs=1e-12)
        assert len(entry.source) > 5


def test_aliases_lead_somewhere():
    for short in aliases():
        assert library_entry(short).name in ps.materials()


def test_unverified_data_are_marked():
    assert "unverified" in ps.material("a_se").source
    assert "unverified" not in ps.material("water").source


def test_tissue_of_report_195_equals_icru():
    assert ps.material("liver").mass_fractions == pytest.approx(ps.material("tg195_liver").mass_fractions, abs=2e-4)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: ps.material("watr"), "Did you mean 'water'"),
    (lambda: ps.material("muscel_icru44"), "Did you mean 'muscle_icru44'"),
    (lambda: ps.material("icrp_am_30_livr"), "icrp_am_30_liver"),
    (lambda: ps.mass_attenuation_cm2_g("alumnium", 60.0), "Did you mean 'aluminium'"),
    (lambda: ps.Material(name="x", density_g_cm3=1.0, mass_fractions={"h": 1.0}), "Did you mean 'H'"),
    (lambda: ps.Material(name="x", density_g_cm3=1.0, mass_fractions={"Xx": 1.0}), "element 'Xx'"),
    (lambda: ps.Material(name="x", density_g_cm3=1.0, mass_fractions={"H": 1.2, "O": -0.2}), "O=-0.2"),
    (lambda: ps.Material(name="x", density_g_cm3=1.0, mass_fractions={"H": 0.5}), "sum to 0.5"),
    (lambda: ps.Material(name="x", density_g_cm3=1.0, mass_fractions={"H": 11.19, "O": 88.81}), "divide by 100"),
    (lambda: ps.Material(name="x", density_g_cm3=0.0, mass_fractions={"H": 1.0}), "density_g_cm3=0.0: densities"),
    (lambda: ps.Material(name="x", density_g_cm3=1060.0, mass_fractions={"H": 1.0}), "Give g/cm3"),
    (lambda: ps.Material(name="x", density_g_cm3=float("nan"), mass_fractions={"H": 1.0}), "density_g_cm3=nan"),
    (lambda: ps.Material(name="x", density=1.0, mass_fractions={"H": 1.0}), "Did you mean 'density_g_cm3'"),
    (lambda: ps.Material.from_formula("h2o", density_g_cm3=1.0), "formula 'h2o'"),
    (lambda: ps.Material.from_formula("Ca5(PO4", density_g_cm3=1.0), "not closed"),
    (lambda: ps.Material.from_formula("CaO)2", density_g_cm3=1.0), "closes"),
    (lambda: ps.Material.from_formula("H0", density_g_cm3=1.0), "not larger than 0"),
    (lambda: ps.Material.from_formula("", density_g_cm3=1.0), "names no element"),
    (lambda: ps.Material.from_masses({"water": -1.0}, name="x"), "amount of water=-1.0"),
    (lambda: ps.Material.from_volumes({"water": 0.0}, name="x"), "sum to 0"),
    (lambda: ps.linear_attenuation_per_mm("water", 151.0), "energy_kev=151"),
])
def test_bad_input_is_explained(call, words):
    with pytest.raises(InvalidInput) as error:
        call()
    assert words in str(error.value)


def test_fractions_a_little_off_are_normalised():
    blend = ps.Material(name="x", density_g_cm3=1.0, mass_fractions={"O": 0.888, "H": 0.1115})
    assert sum(blend.mass_fractions.values()) == pytest.approx(1.0, abs=1e-15)
    assert list(blend.mass_fractions) == ["H", "O"]


def test_spec_survives_toml_and_json_and_is_frozen():
    tissue = ps.Material.from_hu(700.0)
    assert ps.Material.from_toml(tissue.to_toml()) == tissue
    assert ps.Material.from_json(tissue.to_json()) == tissue
    assert {tissue: 1}[ps.Material.from_json(tissue.to_json())] == 1
    with pytest.raises(Exception, match="frozen"):
        tissue.density_g_cm3 = 2.0


def test_physics_needs_numpy_alone():
    code = ("import sys, physsim as ps; ps.linear_attenuation_per_mm('water', 60.0); ps.material('bone');"
            "bad = {'scipy', 'xraylib', 'pandas', 'torch', 'matplotlib', 'numba', 'h5py'} & set(sys.modules);"
            "sys.exit(str(bad) if bad else 0)")
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
