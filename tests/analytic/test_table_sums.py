"""The tables of photon transport, made from parts that elements and materials share, against direct sums."""

import threading

import numpy as np
import pytest
from scattering_integrals import integrals

from physsim import _engine
from physsim.physics import doppler, fluorescence, photon_tables, scattering_law, tables
from physsim.physics.alias import CHANCE_BITS, alias_probability, alias_tables
from physsim.physics.attenuation import absorption_edges_kev, mass_fractions_of
from physsim.physics.doppler import doppler_bins, free_momentum_au, rows_per_angstrom
from physsim.physics.element_sections import ElementSections
from physsim.physics.elements import element
from physsim.physics.fluorescence import LineChances, element_fluorescence, material_line_kev, vacancy_shares
from physsim.physics.form_factors import coherent_mol_g, incoherent_mol_g, molecular_form_factor
from physsim.physics.photon_tables import build
from physsim.physics.scattering_law import ScatteringLaw
from physsim.physics.scattering_tables import compton_bins, interference, normalisation, rayleigh_bins, rows_kev
from physsim.physics.tables import PROCESSES, element_table, scattering_tables

NAMES = ["water", "bone_cortical", "I", "lead_glass", "adipose"]
FACTORS = ["water", None, None, None, "fat"]
LAWS = [ScatteringLaw(mass_fractions_of(name), factor and molecular_form_factor(factor), binding=True)
        for name, factor in zip(NAMES, FACTORS, strict=True)]


def direct_section(fractions, energy_kev, process, side):
    """One energy of one process: power laws between the two points of the element tables, by numpy's logarithms."""
    total = 0.0
    for symbol, fraction in fractions.items():
        table = element_table(element(symbol).atomic_number)
        first = np.searchsorted(table.energy_kev, energy_kev, side="right" if side == "above" else "left") - 1
        first = min(max(first, 0), table.energy_kev.size - 2)
        (e0, e1), (low, high) = table.energy_kev[first:first + 2], table.log_mass_attenuation[process][first:first + 2]
        total += fraction * np.exp(low + (high - low) * np.log(energy_kev / e0) / np.log(e1 / e0))
    return total


@pytest.mark.parametrize("side", ["above", "below"])
@pytest.mark.parametrize("name", NAMES)
def test_sections_of_mixtures_are_direct_sums(name, side):
    fractions = mass_fractions_of(name)
    edges = absorption_edges_kev(fractions)
    energy = np.concatenate([edges[edges > 1.0], np.geomspace(1.001, 149.9, 40)])
    sections = ElementSections(energy, side)
    for process in PROCESSES:
        expected = [direct_section(fractions, one, process, side) for one in energy]
        np.testing.assert_allclose(sections.mixture(fractions, process), expected, rtol=1e-12)
    total = sum(sections.mixture(fractions, process) for process in PROCESSES)
    np.testing.assert_allclose(sections.mixture(fractions), total, rtol=1e-12)


def test_what_was_asked_before_changes_no_bit():
    energy = np.geomspace(1.0, 150.0, 100)
    used = ElementSections(energy)
    for name in NAMES:
        used.mixture(mass_fractions_of(name))
    for name in NAMES:
        np.testing.assert_array_equal(
            used.mixture(mass_fractions_of(name)), ElementSections(energy).mixture(mass_fractions_of(name)))


@pytest.mark.parametrize("side", ["above", "below"])
def test_chances_of_lines_are_direct_sums(side):
    energy = np.concatenate([absorption_edges_kev("lead_glass"), np.geomspace(1.0, 150.0, 50)])
    chances = LineChances(ElementSections(energy, side))
    for name in NAMES:
        fractions = mass_fractions_of(name)
        lines = chances.of_lines(fractions)
        assert lines.shape == (energy.size, material_line_kev(fractions).size)
        np.testing.assert_allclose(chances.of_any(fractions), lines.sum(axis=1), rtol=1e-12, atol=1e-300)
        photo = ElementSections(energy, side)
        expected = sum(
            fraction * photo.element(symbol)["photoelectric"]
            * (vacancy_shares(symbol, energy, side) @ element_fluorescence(symbol).share.sum(axis=1))
            for symbol, fraction in fractions.items()) / photo.mixture(fractions, "photoelectric")
        np.testing.assert_allclose(chances.of_any(fractions), expected, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("functions", [1, 8, 11])
def test_sums_of_lookups(functions):
    rng = np.random.default_rng(functions)
    knots = np.concatenate([[0.0], np.cumsum(rng.uniform(0.01, 1.0, 200))])
    values = rng.normal(size=(functions, knots.size))
    places = rng.uniform(0.0, 1.2 * knots[-1], (7, 5, 6))  # in no order, beyond the last knot too
    places[0, 0, :3] = 0.0, knots[-1], knots[17]
    weights = rng.normal(size=places.shape)
    expected = [(weights * np.interp(places, knots, value)).sum(axis=2) for value in values]
    np.testing.assert_allclose(
        _engine.sums_of_lookups(places, weights, knots, values), expected, rtol=1e-12, atol=1e-13)


def test_sums_of_lookups_refuse_other_shapes():
    one = np.ones((2, 3, 4))
    with pytest.raises(ValueError, match="rows, bins, points"):
        _engine.sums_of_lookups(one, np.ones((2, 4, 3)), np.arange(3.0), np.ones((1, 3)))
    with pytest.raises(ValueError, match="n, knots"):
        _engine.sums_of_lookups(one, one, np.arange(3.0), np.ones((1, 4)))


def test_laws_are_those_of_their_material():
    x = np.sqrt(scattering_law.knots_squared())
    for name, law in zip(NAMES, LAWS, strict=True):
        fractions = mass_fractions_of(name)
        np.testing.assert_allclose(law.coherent, coherent_mol_g(fractions, x, law.measured), rtol=1e-12)
        np.testing.assert_allclose(law.free, coherent_mol_g(fractions, x), rtol=1e-12)
        np.testing.assert_allclose(law.incoherent, incoherent_mol_g(fractions, x), rtol=1e-12)


def test_bins_hold_each_law_by_itself():
    compton, rayleigh, y = compton_bins(LAWS), rayleigh_bins(LAWS), np.arange(257) / 256
    for number, law in enumerate(LAWS):
        for row in (0, 31, 77, 115):
            energy = rows_kev(116, 16)[row]
            ends = (y / (1.0 + energy / 12.398419843 * (1.0 - y))) ** 2
            for got, shape, grid in ((rayleigh, law.rayleigh, ends), (compton, law.compton, y[::2] ** 2)):
                np.testing.assert_allclose(got[number, row], integrals(lambda half, of=shape, at=energy: of(at, half),
                                                                       grid), rtol=1e-11)


def test_normalised_laws_integrate_to_the_cross_sections():
    rows, half = rows_kev(116, 16), (np.arange(4001) / 4000) ** 3
    factors = normalisation(LAWS, compton_bins(LAWS))
    energies = [rows[row] for row in (3, 40, 90)]
    for number, law in enumerate(LAWS):
        free = ScatteringLaw(law.fractions, None, binding=True)
        ratio = interference(law, [np.array(energies)])[0]
        for energy, wave in zip(energies, ratio, strict=True):
            row = int(np.flatnonzero(rows == energy)[0])
            for column, (shape, process) in enumerate(((free.rayleigh, "rayleigh"), (free.compton, "compton"))):
                integral = 4.0 * np.pi * integrals(lambda at, of=shape, kev=energy: of(kev, at), half).sum()
                section = ElementSections(np.array([energy])).mixture(law.fractions, process)[0]
                assert factors[number, row, column] == pytest.approx(section / integral, rel=1e-5)  # 256 bins
            measured = 4.0 * np.pi * integrals(lambda at, kev=energy, of=law.rayleigh: of(kev, at), half).sum()
            whole = 4.0 * np.pi * integrals(lambda at, kev=energy, of=free.rayleigh: of(kev, at), half).sum()
            assert wave == pytest.approx(measured / whole, rel=1e-4)  # straight between 64 energies an octave


@pytest.mark.parametrize("name", ["water", "I"])
def test_doppler_bins_are_direct_sums(name):
    """Of all shells, by a fine trapezium over each profile and numpy's logarithms (the tables' steps err by 0.4 %)."""
    known, fine = scattering_tables(), np.concatenate([np.arange(0.0, 3.0, 0.001), np.geomspace(3.0, 101.0, 8000)])
    p0, expected = free_momentum_au(rows_per_angstrom()), np.zeros((44, 128))
    places = -100.0 / 101.0 + (p0 / (1.0 + p0) + 100.0 / 101.0)[:, None] * np.arange(129) / 128
    ends = places / (1.0 - np.abs(places))
    for symbol, fraction in mass_fractions_of(name).items():
        for shell in np.flatnonzero(known.profile_atomic_number == element(symbol).atomic_number):
            profile = np.exp(np.interp(fine, known.momentum_au, np.log(np.maximum(known.profile[shell], 1e-30))))
            profile[fine > 100.0] = 0.0
            below = np.concatenate([[0.0], np.cumsum(0.5 * np.diff(fine) * (profile[1:] + profile[:-1]))])
            limit = p0 - known.profile_binding_kev[shell] * 137.035999177**2 / (2.0 * 510.99895069 * p0)
            upper = np.minimum(ends, limit[:, None])
            inside = below[-1] + np.sign(upper) * np.interp(np.abs(upper), fine, below)
            electrons = fraction / element(symbol).atomic_weight * known.profile_electrons[shell]
            expected += electrons * np.diff(inside, axis=1)
    some = expected.sum(axis=1) > 1e-6 * expected.sum(axis=1).max()
    got = doppler_bins(mass_fractions_of(name))
    np.testing.assert_allclose(got.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(got[some], (expected / expected.sum(axis=1, keepdims=True))[some], rtol=6e-3, atol=1e-6)


def smallest_by_largest(probability):
    """One row, (chance, other): Walker's tables as their definition goes, by full scans."""
    left, total = probability * (probability.size / np.cumsum(probability)[-1]), probability.size
    chance, other, done = np.ones(total), np.arange(total), np.zeros(total, bool)
    for _ in range(total - 1):
        low, high = int(np.argmin(np.where(done, np.inf, left))), int(np.argmax(np.where(done, -1.0, left)))
        if left[low] >= 1.0 - 1e-12:
            break
        chance[low], other[low], done[low] = left[low], high, True
        left[high] -= 1.0 - left[low]
    return chance, other


@pytest.mark.parametrize("bins", [1, 2, 3, 16, 100, 256])
def test_alias_tables_fill_the_smallest_by_the_largest(bins):
    rng = np.random.default_rng(bins)
    rows = [rng.exponential(size=bins) ** 3, np.ones(bins), np.eye(1, bins)[0], np.arange(bins, 0.0, -1.0),
            rng.integers(0, 3, bins) + np.eye(1, bins)[0], rng.integers(1, 3, bins) * 2.5e-9]  # many equal, many zero
    table = alias_tables(np.array(rows))
    words = table.view(np.uint32)
    for got, row in zip(words, rows, strict=True):
        chance, other = smallest_by_largest(row)
        np.testing.assert_array_equal(got >> 24, other)
        np.testing.assert_array_equal(got & 0xFFFFFF, np.rint(chance * 2.0**CHANCE_BITS).astype(np.uint32))
    expected = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(alias_probability(table), expected, atol=2.0**-22)


def test_alias_tables_hold_256_bins_at_most():
    with pytest.raises(ValueError, match="256 bins at most"):
        alias_tables(np.ones((2, 257)))


def clear_caches():
    for cached in (photon_tables._built, tables.element_table, tables.scattering_tables, tables._arrays,
                   fluorescence.element_fluorescence, doppler.electrons_by_bin, scattering_law.knots_squared,
                   scattering_law._knots_per_angstrom, scattering_law._coherent, scattering_law._incoherent):
        cached.cache_clear()


def test_threads_that_build_at_once_get_equal_tables():
    """Different materials that share elements, all caches empty at the start."""
    choices = [NAMES, NAMES[::-1], ["air", "I"], ["water"]]
    expected = [build(names) for names in choices]
    clear_caches()
    begin, got = threading.Barrier(8), [None] * 8

    def work(number):
        begin.wait()
        got[number] = build(choices[number % 4])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, found in enumerate(got):
        for name, array in found.arrays().items():
            assert array.tobytes() == expected[number % 4].arrays()[name].tobytes(), name
