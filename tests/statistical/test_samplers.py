"""Every sampler of kernels/physics against its density, on every instruction set: one chi-square harness.

Seeds are fixed. A chi-square is refused above its quantile of 1 - 1e-6: of some 300 cases one fails 1 in 3,000 times by
chance if all the laws are right (equal bits over the sets make that rarer).
"""

from functools import cache, partial

import numpy as np
import pytest
from photon_draws import BACKENDS, ask, random_words
from scattering_integrals import integrals
from scipy import stats

from physsim.physics.alias import alias_probability
from physsim.physics.attenuation import mass_attenuation_cm2_g, mass_fractions_of
from physsim.physics.elements import element
from physsim.physics.energy_absorption import compton_energy_fraction
from physsim.physics.form_factors import molecular_form_factor
from physsim.physics.photon_tables import build
from physsim.physics.scattering_law import ScatteringLaw
from physsim.physics.scattering_tables import rows_kev
from physsim.physics.tables import scattering_tables

DRAWS = 1 << 19
MATERIALS = ("water", "water", "adipose", "bone_cortical", "I", "Pb")
FACTORS = (None, "water", "fat", None, None, None)
TABLES = build(MATERIALS, form_factors=FACTORS)
ENERGIES = (2.3, 8.05, 17.43, 33.9, 61.7, 97.3, 149.9)  # between rows; with x up to 12/angstrom
CASES = [(material, energy) for material in range(len(MATERIALS)) for energy in ENERGIES[material % 2::2]]


@cache
def words():
    return random_words(DRAWS)


def assert_follows(counts, expected):
    """Counts against expected ones (any scale) by chi-square; bins that expect few are joined."""
    counts, expected = np.ravel(counts).astype(float), np.ravel(expected) / np.sum(expected) * np.sum(counts)
    order = np.argsort(expected)
    group = np.floor(np.cumsum(expected[order]) / 30.0).astype(int)  # runs of bins that expect 30 together
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    counts, expected = np.add.reduceat(counts[order], starts), np.add.reduceat(expected[order], starts)
    counts, expected = counts[expected > 5], expected[expected > 5]
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < stats.chi2.ppf(1.0 - 1e-6, counts.size - 1), (chi_square, counts.size - 1)


def bins_by_density(density, places, bins):
    """Ends of bins that hold equal parts of a density between `places`, and the parts (midpoint rule)."""
    parts = density * np.diff(places)
    below = np.concatenate([[0.0], np.cumsum(parts)])
    at = np.unique(np.searchsorted(below, below[-1] * np.arange(1, bins) / bins))
    ends = np.concatenate([[0], at, [parts.size]])
    return places[ends], np.diff(below[ends])


@pytest.mark.parametrize("isa", BACKENDS)
@pytest.mark.parametrize(("material", "energy"), CASES)
@pytest.mark.parametrize("process", ["rayleigh", "compton"])
def test_angles_follow_their_density(process, material, energy, isa):
    drawn = ask(TABLES, f"sample_{process}", isa, material=material, energy_kev=energy, words=words(), count=DRAWS)[0]
    half = np.linspace(0.0, 1.0, 20_001) ** 3  # dense at small angles
    density = ask(TABLES, f"density_{process}", isa, material=material, energy_kev=energy,
                  value=1.0 - (half[1:] + half[:-1]))[0].astype(float)
    ends, parts = bins_by_density(density, half, 100)
    assert np.sum(density * np.diff(half)) * 2.0 == pytest.approx(1.0, abs=2e-3)
    assert_follows(np.histogram(0.5 - 0.5 * drawn.astype(float), ends)[0], parts)


def momentum(energy, half, share):
    """p in atomic units from energy and momentum conservation."""
    free = 1.0 / (1.0 + 2.0 * energy / 510.99895069 * half)
    return 137.035999177 * (share / free - 1.0) / np.sqrt((1.0 - share) ** 2 + 4.0 * share * half)


@pytest.mark.parametrize("isa", BACKENDS)
@pytest.mark.parametrize(("material", "energy"), CASES)
def test_broadened_energies_follow_their_density(material, energy, isa):
    """Counts in 8 slabs of the angle x 24 of the electron's momentum against the product of both densities."""
    cosine, energy_out = ask(TABLES, "sample_compton", isa, material=material, energy_kev=energy, words=words(),
                             count=DRAWS)[:2].astype(float)
    slabs = np.array([0.0, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 1.0])
    p0 = energy * np.sqrt(slabs[1:]) * 137.035999177 / 510.99895069  # nothing lost, at the far end of each slab
    energy32 = float(np.float32(energy))
    half = 0.5 - 0.5 * cosine
    p = momentum(energy32, half, energy_out / energy32)
    at = p / (1.0 + np.abs(p))
    expected, counts = [], []
    for low, high, p_max in zip(slabs[:-1], slabs[1:], p0, strict=True):
        places = np.linspace(-100.0 / 101.0, p_max / (1.0 + p_max), 1201)
        middles = 0.5 * (places[1:] + places[:-1])
        p_mid = middles / (1.0 - np.abs(middles))
        parts = np.zeros(1200)
        for node, weight in zip(*np.polynomial.legendre.leggauss(16), strict=True):
            angle = np.float32(low + (high - low) * (0.5 + 0.5 * node))
            free = 1.0 / (1.0 + 2.0 * energy32 / 510.99895069 * float(angle))
            t = (p_mid / 137.035999177) ** 2
            root = np.sqrt(np.maximum(0.0, (1 - free) ** 2 + 4 * free * angle * (1 - t * free * (1 - angle))))
            share = free * (1 - t * free * (1 - 2 * angle) + p_mid / 137.035999177 * root) / (1 - t * free * free)
            density = ask(TABLES, "density_doppler", isa, material=material, energy_kev=energy, value=share,
                          words=np.full((4, 1200), angle.view(np.int32)))[0].astype(float)
            slope = np.gradient(share, middles)
            weight = weight * ask(TABLES, "density_compton", isa, material=material, energy_kev=energy,
                                  value=[1.0 - 2.0 * angle])[0, 0]
            parts += weight * (high - low) * np.diff(places) * np.where(share < 1.0, density * slope, 0.0)
        expected.append(np.add.reduceat(parts, np.arange(0, 1200, 50)))
        inside = (half >= low) & (half < high)
        counts.append(np.histogram(at[inside], places[::50])[0])
    assert np.sum(counts) > 0.999 * DRAWS
    assert_follows(counts, expected)


@pytest.mark.parametrize("isa", BACKENDS)
@pytest.mark.parametrize(("material", "energy"), [
    (0, 60.0), (3, 4.5), (3, 60.0), (4, 4.7), (4, 5.0), (4, 33.1), (4, 33.3), (4, 60.0), (5, 14.0), (5, 60.0),
    (5, 100.0)])
def test_lines_follow_their_probability(material, energy, isa):
    xi = (np.arange(DRAWS) + 0.5) / DRAWS
    at = ask(TABLES, "look_up", isa, material=material, energy_kev=[energy])[:, 0]
    deposited, emitted = ask(TABLES, "sample_photoelectric", isa, material=material, energy_kev=energy,
                             value=xi * at[2], words=words(), count=DRAWS)[:2]
    lines = np.arange(TABLES.line_kev.shape[1])
    chance, share = ask(TABLES, "density_photoelectric", isa, material=material, energy_kev=energy, value=lines)[:2]
    assert np.mean(emitted > 0.0) == pytest.approx(chance[0], abs=1e-5)  # xi is spread evenly
    np.testing.assert_array_equal(np.float32(energy) - emitted, deposited)
    assert (emitted < energy).all()
    if chance[0] == 0.0:
        assert material == 0  # water has no line above 1 keV
        return
    line_kev, place = np.unique(TABLES.line_kev[material], return_inverse=True)
    expected = np.zeros(line_kev.size)
    np.add.at(expected, place, share.astype(float))
    counts = np.array([np.count_nonzero(emitted == line) for line in line_kev])
    assert_follows(counts[line_kev > 0], expected[line_kev > 0])
    assert counts[line_kev > 0].sum() == np.count_nonzero(emitted)


def test_equal_bits_on_every_set():
    rng = np.random.default_rng(5)
    material = rng.integers(0, len(MATERIALS), DRAWS)
    energy = np.exp(rng.uniform(0.0, np.log(150.0), DRAWS)).astype(np.float32)
    answers = {isa: [ask(TABLES, question, isa, material=material, energy_kev=energy, value=value, words=words())
                     for question, value in (("look_up", 0), ("sample_rayleigh", 0), ("sample_compton", 0),
                                             ("sample_photoelectric", rng.uniform(0, 1, DRAWS) * 0 + 0.3),
                                             ("density_rayleigh", 0.4), ("density_compton", -0.3))]
               for isa in BACKENDS}
    for isa in BACKENDS[1:]:
        for got, expected in zip(answers[isa], answers["scalar"], strict=True):
            np.testing.assert_array_equal(got.view(np.uint32), expected.view(np.uint32), err_msg=isa)
    cosine, energy_out = answers["scalar"][2][:2]
    assert (np.abs(cosine) <= 1.0).all()
    assert (energy_out <= energy).all()
    assert (energy_out > 0.0).all()


@cache
def plain(**options):
    return build(["water", "Pb"], **options)


@pytest.mark.parametrize("energy", [10.0, 30.0, 60.0, 120.0])
def test_mean_energy_of_free_electrons_is_klein_nishinas(energy):
    tables = plain(doppler=False, binding=False)
    out = ask(tables, "sample_compton", BACKENDS[-1], energy_kev=energy, words=words(), count=DRAWS)[1].astype(float)
    lost = 1.0 - out / energy
    assert lost.mean() == pytest.approx(float(compton_energy_fraction(energy)),
                                        abs=4 * lost.std() / np.sqrt(DRAWS) + 2e-5)  # fails 1 in 16,000


@pytest.mark.parametrize("doppler", [False, True])
@pytest.mark.parametrize("material", [0, 1])
@pytest.mark.parametrize("energy", [12.0, 60.0, 140.0])
def test_mean_energy_of_bound_electrons_is_that_of_a_quadrature(energy, material, doppler):
    """Klein-Nishina x S, and over momenta below p_max, from the element tables in float64, apart from the builder."""
    out = ask(plain(doppler=doppler), "sample_compton", BACKENDS[-1], material=material, energy_kev=energy,
              words=words(), count=DRAWS)[1].astype(float)
    lost = 1.0 - out / energy
    expected = mean_energy_lost([{"H": 2, "O": 1}, {"Pb": 1}][material], energy, doppler)
    assert lost.mean() == pytest.approx(expected, rel=1.5e-3, abs=4 * lost.std() / np.sqrt(DRAWS))  # 1 in 16,000


@pytest.mark.parametrize("energy", [40.0, 60.0, 140.0])
def test_mean_energy_in_water_is_that_of_the_impulse_approximation(energy):
    """With the exact p_max and the flux factor for all momenta: without the factor 6e-4 of the energy were missing."""
    out = ask(plain(), "sample_compton", BACKENDS[-1], energy_kev=energy, words=words(), count=DRAWS)[1].astype(float)
    lost = 1.0 - out / energy
    expected = mean_energy_lost({"H": 2, "O": 1}, energy, doppler=True, exact=True)
    assert lost.mean() == pytest.approx(expected, abs=1e-4 + 4 * lost.std() / np.sqrt(DRAWS))  # 1 in 16,000


def mean_energy_lost(atoms, energy, doppler, exact=False):
    """The law of doppler.h, or without what it neglects."""
    tables = scattering_tables()
    half = (np.arange(400) + 0.5) / 400
    x = energy / 12.398419843 * np.sqrt(half)
    share = 1.0 / (1.0 + 2.0 * energy / 510.99895069 * half)
    klein_nishina = share**2 * (share + 1.0 / share - 4.0 * half * (1.0 - half))
    weight = klein_nishina * sum(count * np.interp(x, tables.momentum_transfer_per_angstrom,
                                                   tables.incoherent_function[element(symbol).atomic_number - 1])
                                 for symbol, count in atoms.items())
    if not doppler:
        return float((weight * (1.0 - share)).sum() / weight.sum())
    p = np.sinh(np.linspace(-np.arcsinh(100.0), np.arcsinh(100.0), 8001))
    lost, whole = np.zeros(400), np.zeros(400)
    for i, (angle, free) in enumerate(zip(half, share, strict=True)):
        t = (p / 137.035999177) ** 2
        root = np.sqrt((1 - free) ** 2 + 4 * free * angle * (1 - t * free * (1 - angle)))
        left = free * (1 - t * free * (1 - 2 * angle) + p / 137.035999177 * root) / (1 - t * free * free)
        p0 = energy * np.sqrt(angle) / 510.99895069 * 137.035999177
        density = np.zeros(p.size)
        squared = (1 - free) ** 2 + 4 * free * angle
        flux = p / 137.035999177 * (squared + free * (free - 1 + 2 * angle)) / np.sqrt(squared)
        for symbol, count in atoms.items():
            for row in np.flatnonzero(tables.profile_atomic_number == element(symbol).atomic_number):
                binding = tables.profile_binding_kev[row]
                below = p0 - binding * 137.035999177**2 / (2 * 510.99895069 * p0)
                if exact:
                    twice = 2.0 * energy * (energy - binding) * angle
                    below = (twice - binding * 510.99895069) / np.sqrt(2 * twice + binding**2)
                    below *= 137.035999177 / 510.99895069
                profile = np.exp(np.interp(np.abs(p), tables.momentum_au, np.log(tables.profile[row])))
                density += count * tables.profile_electrons[row] * profile * (p < below)
        if exact:
            density *= np.maximum(1.0 + flux, 0.0)
        else:
            turned = density * np.where(-p < p0, np.clip(-flux, 0.0, 1.0), 0.0)
            density += turned[::-1] - turned
        lost[i], whole[i] = np.trapezoid(density * (1.0 - left), p), np.trapezoid(density, p)
    return float((weight * lost / whole).sum() / weight.sum())


@pytest.mark.parametrize("isa", BACKENDS)
@pytest.mark.parametrize("process", ["rayleigh", "compton"])
def test_differential_cross_sections_integrate_to_the_tables(process, isa):
    half = ((np.arange(8000) + 0.5) / 8000) ** 3
    width = np.diff((np.arange(8001) / 8000) ** 3)
    for material, name in enumerate(MATERIALS):
        for energy in (1.2, 9.0, 33.9, 70.0, 149.0):
            dsigma = ask(TABLES, f"density_{process}", isa, material=material, energy_kev=energy,
                         value=1.0 - 2.0 * half)[1].astype(float)
            expected = float(mass_attenuation_cm2_g(name, energy, process))
            if process == "rayleigh" and FACTORS[material] is not None:
                at = ask(TABLES, "look_up", isa, material=material, energy_kev=[energy])[:, 0].astype(float)
                expected = at[0] * (at[3] - at[2])
            assert (dsigma * width).sum() * 4.0 * np.pi == pytest.approx(expected, rel=1.5e-3)


@pytest.mark.parametrize("energy", [1.7, 8.05, 30.3, 61.7, 119.0])
def test_density_of_rayleigh_is_the_law(energy):
    """Against F of the element tables, in float64 and apart from the builder."""
    half = ((np.arange(4000) + 0.5) / 4000) ** 3
    x, knots = energy / 12.398419843 * np.sqrt(half), scattering_tables().momentum_transfer_per_angstrom
    for material, z in ((4, 53), (5, 82)):
        factor = np.exp(np.interp(np.log(x), np.log(knots[1:]), np.log(scattering_tables().form_factor[z - 1][1:])))
        law = factor**2 * (1.0 + (1.0 - 2.0 * half) ** 2)
        law /= (law * np.diff((np.arange(4001) / 4000) ** 3)).sum() * 2.0
        got = ask(TABLES, "density_rayleigh", BACKENDS[-1], material=material, energy_kev=energy,
                  value=1.0 - 2.0 * half)[0]
        np.testing.assert_allclose(got[x > 1e-3], law[x > 1e-3], rtol=4e-3)


def between_rows(row):
    """Two neighbouring rows of a table, and the energy in keV for which half of each is drawn."""
    return (row, row + 1), 0.5 * rows_kev(116, 16)[row:row + 2].sum()


@pytest.mark.parametrize(("material", "name"), [(0, "water"), (4, "I"), (5, "Pb")])
def test_compton_tables_err_less_than_they_say(material, name):
    """What is drawn half-way between rows, without statistics: distribution function within 3e-4 of the law."""
    law = ScatteringLaw(mass_fractions_of(name), None, binding=True)
    below, ends = np.cumsum(alias_probability(TABLES.compton[material]), axis=1), (np.arange(129) / 128) ** 2
    for row in (3, 20, 47, 70, 95, 110):
        rows, energy = between_rows(row)
        exact = np.cumsum(integrals(partial(law.compton, np.float64(energy)), ends))
        assert np.abs(below[list(rows)].mean(axis=0) - exact / exact[-1]).max() < 3e-4


@pytest.mark.parametrize(("material", "name", "factor"), [
    (0, "water", None), (1, "water", "water"), (2, "adipose", "fat"), (4, "I", None), (5, "Pb", None)])
def test_rayleigh_tables_err_less_than_they_say(material, name, factor):
    """The same for Rayleigh: 4e-4, and 4e-3 below 6 keV where form factors were measured."""
    law = ScatteringLaw(mass_fractions_of(name), factor and molecular_form_factor(factor), binding=True)
    table = np.cumsum(alias_probability(TABLES.rayleigh[material]), axis=1)
    grid = np.linspace(0.0, 1.0, 4001) ** 3
    for row in (4, 18, 33, 47, 59, 70, 80, 95, 110):
        rows, energy = between_rows(row)
        exact = np.concatenate([[0.0], np.cumsum(integrals(partial(law.rayleigh, np.float64(energy)), grid))])
        drawn = np.zeros(grid.size)
        for number in rows:
            own = rows_kev(116, 16)[number]
            y = np.arange(257) / 256
            half = (y / (1.0 + own / 12.398419843 * (1.0 - y))) ** 2
            fine = np.interp(np.arange(256 * 8 + 1) / 8, np.arange(257), half)  # flat in a bin before it is moved
            moved = fine * ((own / energy) ** 2 * (1.0 - fine) + fine)
            below = np.interp(np.arange(256 * 8 + 1) / 8, np.arange(257), np.append(0.0, table[number]))
            drawn += 0.5 * np.interp(grid, moved, below)
        error = np.abs(drawn - exact / exact[-1]).max()
        assert error < (4e-3 if factor and energy < 6.0 else 4e-4), (energy, error)


@pytest.mark.parametrize(("name", "energy"), [("water", 20.0), ("fat", 20.0), ("pmma", 20.0), ("muscle", 20.0)])
def test_interference_takes_small_angles_away(name, energy):
    material = {"fat": "adipose"}.get(name, name)
    free, bound = (ask(build([material], form_factors=[factor]), "density_rayleigh", BACKENDS[-1], energy_kev=energy,
                       value=np.cos(np.radians([1.0, 6.0])))[1] for factor in (None, name))
    assert bound[0] < 0.3 * free[0]
    ring = {"water": 0.16, "fat": 0.12, "pmma": 0.08, "muscle": 0.16}[name]  # 1/angstrom (Peplow and Verghese 1998)
    x = np.linspace(0.03, 0.3, 136)
    cosine = 1.0 - 2.0 * (x * 12.398419843 / energy) ** 2
    dsigma = ask(build([material], form_factors=[name]), "density_rayleigh", BACKENDS[-1], energy_kev=energy,
                 value=cosine)[1]
    assert x[np.argmax(dsigma)] == pytest.approx(ring, abs=0.01)
