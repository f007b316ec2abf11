"""Fluorescence and form factors against published values and xraylib's own formula."""

import numpy as np
import pytest

from physsim.errors import InvalidInput
from physsim.physics.element_sections import ElementSections
from physsim.physics.elements import elements
from physsim.physics.fluorescence import LineChances, element_fluorescence, material_line_kev, vacancy_shares
from physsim.physics.form_factors import (
    FormFactor,
    coherent_mol_g,
    incoherent_mol_g,
    molecular_form_factor,
    molecular_form_factor_names,
)
from physsim.physics.library import library_entry
from physsim.physics.photon_tables import build
from physsim.physics.scattering_tables import nodes_squared_per_angstrom
from physsim.physics.tables import fluorescence_arrays


@pytest.mark.parametrize(("symbol", "kalpha1_kev", "kalpha2_kev"), [  # X-ray Data Booklet (LBNL 2009), table 1-2
    ("Ca", 3.69168, 3.68809), ("Fe", 6.40384, 6.39084), ("I", 28.6120, 28.3172), ("Gd", 42.9962, 42.3089),
    ("W", 59.31824, 57.9817), ("Pb", 74.9694, 72.8042)])
def test_energies_of_kalpha(symbol, kalpha1_kev, kalpha2_kev):
    lines = element_fluorescence(symbol).line_kev
    for line in (kalpha1_kev, kalpha2_kev):
        assert np.abs(lines / line - 1.0).min() < 5e-4


def test_all_lines_are_below_their_edge_and_rates_sum_to_one():
    data = fluorescence_arrays()
    for z, shell, edge in zip(data["shell_atomic_number"], data["shell_number"], data["shell_edge_kev"], strict=True):
        own = (data["line_atomic_number"] == z) & (data["line_shell"] == shell)
        assert data["line_rate"][own].sum() == pytest.approx(1.0, abs=1e-9)
        if edge > 1.0:
            assert (data["line_kev"][own] < edge).all(), (z, shell)
    assert (data["shell_yield"] < 1.0).all()


def test_every_element_with_an_edge_above_1_kev_has_lines():
    """From sodium on K, from zinc on L (line 1.012 keV)."""
    for symbol, element in elements().items():
        lines = element_fluorescence(symbol)
        assert bool(lines.line_kev.size) == (element.atomic_number >= 11), symbol
        assert np.isfinite(lines.edge_kev).any() == (element.atomic_number >= 11)
        if element.atomic_number >= 31:
            assert np.isfinite(lines.edge_kev).all()
            assert (lines.share[1:].sum(axis=1) > 0.0).all()
        assert (lines.share.sum(axis=1) < 1.0).all()


@pytest.mark.parametrize(("symbol", "energy"), [("Ca", 10.0), ("I", 40.0), ("Gd", 60.0), ("W", 80.0), ("Pb", 100.0)])
def test_k_lines_follow_xraylib(symbol, energy):
    xraylib = pytest.importorskip("xraylib")
    z = elements()[symbol].atomic_number
    expected = sum(xraylib.CS_FluorLine(z, line, energy) for line in (xraylib.KA_LINE, xraylib.KB_LINE))
    k_lines = material_line_kev({symbol: 1.0}) > (element_fluorescence(symbol).edge_kev[1] if z > 30 else 1.0)
    got = LineChances(ElementSections(np.array([energy]))).of_lines({symbol: 1.0})[0][k_lines].sum()
    assert got == pytest.approx(expected / xraylib.CS_Photo(z, energy), rel=2e-3)


def test_shares_of_the_shells():
    """Below an edge its shell stays closed; all shares together leave something to the outer shells."""
    shares = vacancy_shares("I", np.array([4.0, 4.7, 5.0, 5.3, 33.0, 33.3]))
    np.testing.assert_array_equal(shares > 0.0, [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1],
                                                 [1, 1, 1, 1]])
    assert (shares.sum(axis=1) < 1.0).all()
    assert shares[-1, 0] == pytest.approx(1.0 - 1.0 / 6.04, abs=2e-3)  # jump ratio of iodine's K edge


@pytest.mark.parametrize(("name", "material"), [
    ("water", "water"), ("pmma", "pmma"), ("polycarbonate", "polycarbonate"), ("blood", "blood"), ("liver", "liver")])
def test_measured_form_factors_meet_free_atoms(name, material):
    """Peplow and Verghese continue with free atoms from 1/angstrom on: F there within 0.3 % of our compositions'."""
    measured = molecular_form_factor(name)
    assert measured.momentum_transfer_per_angstrom[-1] == 1.0
    free = coherent_mol_g(library_entry(material).mass_fractions, np.array([1.0]))
    assert np.sqrt(measured.squared_mol_g[-1] / free[0]) == pytest.approx(1.0, abs=3e-3)


def test_free_atoms_at_the_ends():
    """Forward F = Z and S = 0; at large momentum transfer S = Z."""
    fractions = library_entry("water").mass_fractions
    molar = sum(fraction / elements()[symbol].atomic_weight * elements()[symbol].atomic_number
                for symbol, fraction in fractions.items())
    squared = sum(fraction / elements()[symbol].atomic_weight * elements()[symbol].atomic_number ** 2
                  for symbol, fraction in fractions.items())
    at = np.array([0.0, 12.5])
    assert coherent_mol_g(fractions, at)[0] == pytest.approx(squared, rel=1e-6)
    np.testing.assert_allclose(incoherent_mol_g(fractions, at), [0.0, molar], rtol=2e-3, atol=1e-12)
    np.testing.assert_allclose(incoherent_mol_g(fractions, at, binding=False), molar, rtol=1e-6)


def test_own_form_factor_is_taken():
    x = np.linspace(0.0, 0.9, 10)
    flat = FormFactor(name="flat", momentum_transfer_per_angstrom=x, squared_mol_g=np.full(10, 2.0))
    tables = build(["water", "water"], form_factors=[flat, None])
    assert tables.scattering[0, 0, 0] == pytest.approx(2.0)
    np.testing.assert_array_equal(tables.scattering[0, -100:], tables.scattering[1, -100:])


def test_without_fluorescence_all_is_deposited():
    with_lines, without = build(["I"]), build(["I"], fluorescence=False)
    np.testing.assert_array_equal(without.row[..., 1], without.row[..., 2])
    assert (with_lines.row[0, -1, 1] < 0.3 * with_lines.row[0, -1, 2])
    np.testing.assert_array_equal(with_lines.row[..., [0, 2, 3]], without.row[..., [0, 2, 3]])


@pytest.mark.parametrize(("x", "squared", "complaint"), [
    ([0.1, 0.2], [1.0, 1.0], "x rises from 0"), ([0.0, 0.2, 0.1], [1.0, 1.0, 1.0], "x rises from 0"),
    ([0.0, 0.2], [1.0, 1.0, 1.0], "x rises from 0"), ([], [], "x rises from 0"),
    ([0.0, 0.2], [1.0, -1.0], "not negative"), ([0.0, 0.2], [np.nan, 1.0], "finite"),
    ([0.0, 0.2], [0.0, 0.0], "not all 0")])
def test_bad_form_factors_are_refused(x, squared, complaint):
    with pytest.raises(InvalidInput, match=complaint):
        FormFactor(name="bad", momentum_transfer_per_angstrom=np.array(x), squared_mol_g=np.array(squared))


def test_unknown_form_factors_are_refused():
    with pytest.raises(InvalidInput, match=r"'watr'.*water"):
        build(["water"], form_factors=["watr"])
    with pytest.raises(InvalidInput, match="2 form factors"):
        build(["water"], form_factors=[None, None])
    assert "fat" in molecular_form_factor_names()


@pytest.mark.parametrize(("name", "factor", "coherent_error"), [
    ("water", None, 2e-3), ("I", None, 2e-3), ("Pb", None, 2e-3), ("water", "water", 8e-3), ("adipose", "fat", 1.2e-2)])
def test_nodes_follow_the_form_factors(name, factor, coherent_error):
    """Lines between the nodes of form_factors.h; worst at the kinks of measured points. S from 0.01/angstrom on."""
    fractions, x = library_entry(name).mass_fractions, np.linspace(0.01, 12.0, 20_001)
    got = build([name], form_factors=[factor]).scattering[0].astype(float)
    f, s = (np.interp(x * x, nodes_squared_per_angstrom(), got[:, column]) for column in (0, 1))
    measured = factor and molecular_form_factor(factor)
    np.testing.assert_allclose(f, coherent_mol_g(fractions, x, measured or None), rtol=coherent_error)
    np.testing.assert_allclose(s, incoherent_mol_g(fractions, x), rtol=5e-4)
