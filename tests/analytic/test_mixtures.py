"""Mixtures: attenuation adds, masses and volumes are conserved, formulas weigh what chemistry says."""

import numpy as np
import pytest

import physsim as ps
from physsim.physics.composition import mass_fractions_from_formula, mixed_mass_fractions
from physsim.physics.elements import elements

ENERGIES = np.array([1.0, 12.0, 33.2, 60.0, 150.0])


def test_attenuation_of_a_mixture_is_the_weighted_sum():
    parts = {"water": 0.3, "hydroxyapatite": 0.6, "I": 0.1}
    mixture = ps.Material.from_masses(parts, name="mixture", density_g_cm3=2.0)
    expected = sum(weight * ps.mass_attenuation_cm2_g(name, ENERGIES) for name, weight in parts.items())
    np.testing.assert_allclose(ps.mass_attenuation_cm2_g(mixture, ENERGIES), expected, rtol=1e-12)


def test_volume_mixing_conserves_mass_and_attenuation():
    fat, water = ps.material("adipose"), ps.material("water")
    mixture = ps.Material.from_volumes([(fat, 2.0), (water, 1.0)], name="two to one")
    assert mixture.density_g_cm3 * 3.0 == pytest.approx(2.0 * fat.density_g_cm3 + water.density_g_cm3)
    for symbol in mixture.mass_fractions:
        mass = 2.0 * fat.density_g_cm3 * fat.mass_fractions.get(symbol, 0.0) + water.mass_fractions.get(symbol, 0.0)
        assert 3.0 * mixture.density_g_cm3 * mixture.mass_fractions[symbol] == pytest.approx(mass, rel=1e-12)
    expected = (2.0 * ps.linear_attenuation_per_mm(fat, ENERGIES) + ps.linear_attenuation_per_mm(water, ENERGIES)) / 3.0
    np.testing.assert_allclose(ps.linear_attenuation_per_mm(mixture, ENERGIES), expected, rtol=1e-12)


def test_mass_mixing_without_a_density_adds_volumes():
    by_mass = ps.Material.from_masses({"breast_adipose": 1.0, "breast_glandular": 1.0}, name="half")
    assert 2.0 / by_mass.density_g_cm3 == pytest.approx(1.0 / 0.93 + 1.0 / 1.04)
    assert by_mass.density_g_cm3 == pytest.approx(ps.material("breast_50_50_hammerstein").density_g_cm3, abs=1e-4)


def test_mixing_by_volume_and_back_by_mass_is_the_same_material():
    by_volume = ps.Material.from_volumes({"water": 0.7, "pmma": 0.3}, name="m")
    by_mass = ps.Material.from_masses({"water": 0.7, "pmma": 0.3 * 1.19}, name="m")
    assert by_mass.density_g_cm3 == pytest.approx(by_volume.density_g_cm3)
    assert by_mass.mass_fractions == pytest.approx(by_volume.mass_fractions)


def test_mixing_with_itself_changes_nothing():
    water = mass_fractions_from_formula("H2O")
    assert mixed_mass_fractions([(water, 0.2), (water, 3.0)]) == pytest.approx(water)


def test_formula_weights():
    assert mass_fractions_from_formula("H2O") == pytest.approx({"H": 0.111898, "O": 0.888102}, abs=2e-6)  # NIST
    assert mass_fractions_from_formula("C") == {"C": 1.0}
    apatite = mass_fractions_from_formula("Ca10(PO4)6(OH)2")
    assert apatite == pytest.approx(mass_fractions_from_formula("Ca5(PO4)3OH"))
    assert apatite["Ca"] == pytest.approx(0.3989, abs=1e-4)
    assert mass_fractions_from_formula("Cd0.9Zn0.1Te")["Zn"] == pytest.approx(
        6.541 / (0.9 * 112.41 + 6.541 + 127.6), rel=1e-3)
    assert mass_fractions_from_formula("[CH2]2") == pytest.approx(mass_fractions_from_formula("C2H4"))


def test_atomic_weights_of_the_mononuclidic_elements():
    # IUPAC standard atomic weights 2021.
    for symbol, weight in {"F": 18.998403, "Al": 26.981538, "I": 126.90447, "Au": 196.96657, "Cs": 132.905452}.items():
        assert elements()[symbol].atomic_weight == pytest.approx(weight, rel=2e-5)


def test_linear_attenuation_is_in_per_mm():
    assert float(ps.linear_attenuation_per_mm("water", 60.0)) == pytest.approx(0.02059, rel=1e-3)  # NIST: 0.2059 cm2/g
