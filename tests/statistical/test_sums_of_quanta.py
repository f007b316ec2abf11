"""Sums of few quanta against the laws of compound Poisson processes. Seeds are fixed; odds are those of other seeds."""

import numpy as np
import pytest
from scipy import stats

import physsim as ps
from physsim import _engine
from physsim.errors import InvalidInput
from physsim.imaging.detected import layer_quanta
from physsim.imaging.hardness import Hardness, hardness
from physsim.imaging.sums_of_quanta import MEAN_COUNTS, sums_of_quanta

STEP = 5.0  # keV
SOFT, HARD = np.array([0.5, 0.0, 0.2, 0.3, 0.0]), np.array([0.0, 0.1, 0.2, 0.1, 0.6])  # chances of 1 to 5 steps
DEPOSITS = STEP * np.arange(1.0, 6.0)


def chances_of(table):
    """(bins,) of one table, in whole numbers of 2^-32."""
    bins = len(table)
    below = 32 - (bins.bit_length() - 1)
    words = table.view(np.uint32).astype(np.int64)
    own, other = words & ((1 << below) - 1), words >> below
    return own + np.bincount(other, weights=(1 << below) - own, minlength=bins).astype(np.int64)


def law_by_frequency(counts, bins):
    """Chances of sums of quanta of mean counts (classes,): by their characteristic function, not by recursion."""
    turns = np.exp(-2j * np.pi * np.outer(np.arange(bins), np.arange(1, len(counts) + 1)) / bins)
    return np.fft.ifft(np.exp((turns - 1.0) @ counts)).real


def two_beams():
    """A law between two beams whose quanta deposit very differently."""
    ratio, counts = [], []
    for chance in (SOFT, HARD):
        first, second = chance @ DEPOSITS, chance @ DEPOSITS**2
        ratio.append(second / first)
        counts.append(chance / first)
    parts = np.ones((2, 1, 3))
    return Hardness(np.array(ratio), parts, DEPOSITS, np.array(counts)[:, None])


def drawn_steps(law, signal_kev, ratio_kev, shape=(2, 300, 500), **options):
    """Steps that pixels of one signal and ratio collect."""
    signal = np.full(shape, signal_kev, np.float32)
    mean, drawn = np.empty(shape, np.float32), np.empty(shape, np.float32)
    options = {"stream": "sums", "seed": 7, **options}
    layer_quanta(law, 0, signal, signal * np.float32(ratio_kev), mean, drawn, **options)
    return (drawn + mean) / np.float32(STEP)


@pytest.mark.parametrize("counts", [(0.25,), (3.0, 0.0, 1.0), (0.0, 0.0, 16.0), (2.0, 5.0, 0.0, 0.5, 8.0)])
def test_laws_are_those_of_the_characteristic_function(counts):
    """Within 1e-14 of each chance, beyond the last that is told too."""
    found = _engine.laws_of_sums(np.array([counts]), np.exp([-sum(counts)]), 512)[0]
    np.testing.assert_allclose(found, law_by_frequency(np.array(counts), 512), atol=1e-14)
    assert found.sum() == pytest.approx(1.0, abs=1e-13)


@pytest.mark.parametrize("bins", [2, 16, 1024, 65536])
def test_alias_tables_are_exact(bins):
    """Distribution functions within 2^-33 (and what double precision adds), of chances of all sizes; the sum is 1."""
    rng = np.random.default_rng(bins)
    rows = rng.random((3, bins)) ** np.array([[1.0], [8.0], [60.0]])
    rows[1, bins // 2 :] = 0.0
    for row, table in zip(rows, _engine.exact_alias_tables(rows), strict=True):
        found = chances_of(table)
        assert found.sum() == 2**32
        apart = np.cumsum(found) / 2.0**32 - np.cumsum(row) / row.sum()
        assert np.abs(apart).max() < 2.0**-33 * 1.001
        assert (found[row == 0.0] == 0).all()


@pytest.mark.parametrize("name", ["abdomen_ct", "mammogram", "chest_pa"])
def test_tables_of_shipped_detectors_are_the_convolutions(name):
    """Each table against the quantum's own law convolved with itself, weighted by Poisson's chances: 2^-33."""
    protocol = ps.protocols[name]
    beam = protocol.spectrum.sample()
    law = hardness(protocol.detector, beam.energies_kev, beam.fluence)
    for layer, sums in enumerate(law.sums):
        for beam in (0, len(law.ratio_kev) - 1):
            counts = law.counts_per_kev[beam, layer]
            bins = sums.tables.shape[2]
            assert sums.counts_per_kev[beam] == pytest.approx(counts.sum(), rel=1e-6)
            single = np.fft.fft(np.concatenate([[0.0], counts / counts.sum()]), bins)
            wanted = [np.concatenate([[0.0], counts / counts.sum(), np.zeros(bins - 1 - len(counts))])]
            for mean in MEAN_COUNTS:
                chances = stats.poisson.pmf(np.arange(90), mean)
                wanted.append(np.fft.ifft(np.polynomial.polynomial.polyval(single, chances)).real)
            for table, one in zip(sums.tables[beam], wanted, strict=True):
                apart = np.cumsum(chances_of(table)) / 2.0**32 - np.cumsum(one)
                assert np.abs(apart).max() < 2.0**-33 + 2.0**-34


@pytest.mark.parametrize("share", [0.0, 0.37, 1.0])
@pytest.mark.parametrize("quanta", [0.03, 0.7, 5.0, 23.0, 33.0])
def test_drawn_sums_have_their_law(quanta, share):
    """Chi-square of 300,000 pixels between two beams over all sums that 20 are expected of, the rest in heaps: fails
    1 in 1,000 a case by chance; all but whole steps never."""
    law = two_beams()
    ratio = law.ratio_kev[0] + share * (law.ratio_kev[1] - law.ratio_kev[0])
    counts = (1.0 - share) * law.counts_per_kev[0, 0] + share * law.counts_per_kev[1, 0]
    signal = quanta / counts.sum()
    found = drawn_steps(law, signal, ratio, few=60.0).ravel()
    steps = np.rint(found).astype(int)
    assert np.abs(found - steps).max() < 1e-4
    chance = np.maximum(law_by_frequency(counts * signal, 512), 0.0)
    expected = chance * found.size
    often = expected >= 20.0
    rare = np.cumsum(often) * ~often  # heaps of sums below the first, between and beyond the last of these
    heap = np.where(often, len(chance) + np.arange(len(chance)), rare)
    heaps, wanted = (np.bincount(heap, weights=one) for one in (np.bincount(steps, minlength=len(chance)), expected))
    heaps, expected = heaps[wanted > 5.0], wanted[wanted > 5.0]
    apart = ((heaps - expected) ** 2 / expected).sum()
    assert apart < stats.chi2.ppf(0.999, len(expected) - 1)


def test_many_quanta_by_sums():
    """Asked for sums at 900 quanta, far beyond one table: mean and variance within 5 standard errors, and skewness."""
    law = two_beams()
    counts = law.counts_per_kev.mean(axis=0)[0]
    signal = 900.0 / counts.sum()
    found = drawn_steps(law, signal, law.ratio_kev.mean(), few=1e6).astype(float).ravel()
    k1, k2, k3 = (signal * (counts * np.arange(1.0, 6.0) ** n).sum() for n in (1, 2, 3))
    assert abs(found.mean() - k1) < 5.0 * np.sqrt(k2 / found.size)
    assert found.var() == pytest.approx(k2, rel=5.0 * np.sqrt(2.0 / found.size))
    assert ((found - k1) ** 3).mean() / k2**1.5 == pytest.approx(k3 / k2**1.5, abs=5.0 * np.sqrt(6.0 / found.size))


def test_neighbours_layers_and_views_are_independent():
    """Correlations within 5 standard errors, of pixels that share registers too."""
    law = two_beams()
    signal = 6.0 / law.counts_per_kev[0, 0].sum()
    found = drawn_steps(law, signal, law.ratio_kev.mean(), shape=(2, 64, 4096)).astype(float)
    other = drawn_steps(law, signal, law.ratio_kev.mean(), shape=(2, 64, 4096), stream="other").astype(float)
    noise = ((found - found.mean()) / found.std()).reshape(2, -1)
    for lag in (1, 2, 16, 32, 48, 64, 4096):
        assert abs((noise[0, :-lag] * noise[0, lag:]).mean()) < 5.0 / np.sqrt(noise.shape[1]), lag
    assert abs((noise[0] * noise[1]).mean()) < 5.0 / np.sqrt(noise.shape[1])
    assert abs(np.corrcoef(noise[0], other[0].ravel())[0, 1]) < 5.0 / np.sqrt(noise.shape[1])


@pytest.mark.parametrize("isa", ["avx512", "avx2", "portable"])
def test_bits_of_instruction_sets_threads_and_cuts(isa):
    """1,517 pixels, no multiple of 64, few and many quanta beside one another, of all hardnesses."""
    if isa not in _engine.instruction_sets():
        pytest.skip(f"this CPU has no {isa}")
    law = two_beams()
    sums = law.sums[0]
    rng = np.random.default_rng(0)
    signal = (rng.random((3, 1517)) ** 3 * 1500.0).astype(np.float32)
    signal[:, ::9] = 0.0
    square = signal * rng.uniform(0.9 * law.ratio_kev[0], 1.1 * law.ratio_kev[1], signal.shape).astype(np.float32)

    def made(which, threads, views=slice(0, 3)):
        own, squares = np.ascontiguousarray(signal[views]), np.ascontiguousarray(square[views])
        mean, noise = np.empty_like(own), np.empty_like(own)
        _engine.layer_quanta(own, squares, law.ratio_kev, np.ascontiguousarray(law.parts[:, 0].T), sums.tables,
                             sums.counts_per_kev, sums.step_kev, 30.0, mean, noise, 2**40 + 7, 3, 5 + views.start,
                             threads, which)
        return mean, noise

    whole = made("portable", 1)
    assert (whole[1][:, ::9] == 0.0).all()
    for one, other in zip(made(isa, 3), whole, strict=True):
        assert (one == other).all()
    assert (np.concatenate([made(isa, 1, slice(n, n + 1))[1] for n in range(3)]) == whole[1]).all()


def test_beams_without_quanta_deposit_nothing():
    none = sums_of_quanta(np.zeros((2, 3)), DEPOSITS[:3])
    assert not none.counts_per_kev.any()
    assert all(chances_of(table)[0] == 2**32 for table in none.tables.reshape(22, -1))
    assert sums_of_quanta(np.zeros((2, 0)), np.zeros(0)).tables.shape == (2, 11, 2)


def test_bad_input():
    with pytest.raises(InvalidInput, match="whole steps"):
        sums_of_quanta(np.ones((1, 3)), np.array([1.0, 2.0, 4.0]))
    with pytest.raises(InvalidInput, match="longer steps"):
        sums_of_quanta(np.ones((1, 5000)), np.arange(1.0, 5001.0))
