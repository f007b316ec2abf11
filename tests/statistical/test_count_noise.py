"""Counts as the compiled kernels draw and correct them: laws, places, pile-up by the table, bits. Seeds are fixed; odds
are those of other seeds."""

import numpy as np
import pytest
from scipy import stats

import physsim as ps
from physsim import _engine
from physsim.errors import InvalidInput
from physsim.imaging.detector import counts as module
from physsim.imaging.detector.counts import corrected_counts, counted_images, expected_counts
from physsim.imaging.detector.pile_up_table import PileUpTable
from physsim.spec.absorber import Photoconductor

KINDS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [2, 0, 0], [1, 1, 0], [0, 1, 2]])
TABLE = PileUpTable(np.array([0.6, 0.9, 1.3]), np.stack([
    1.0 + np.multiply.outer(np.linspace(0.0, 2.0, 33), slopes) / (1.0 + np.linspace(0.0, 2.0, 33))[:, None]
    for slopes in ((-0.9, -0.4, 0.5), (-0.8, -0.5, 0.3), (-0.7, -0.6, 0.1))]), 1.0 / 16.0)


def detector(pixel_mm=0.5, **changes):
    """Pixels of one cell unless told otherwise, three bins."""
    readout = {"thresholds_kev": (20.0, 45.0, 70.0), "dead_time_ns": 20.0, "frame_us": 100.0, **changes}
    return ps.Detector(rows=8, columns=8, pixel_mm=pixel_mm, readout=ps.CountingReadout(**readout),
                       absorber=Photoconductor(material="cdte", thickness_mm=1.6))


def uniform(rates, shape):
    return np.broadcast_to(np.asarray(rates, np.float32)[:, None, None, None], (len(rates), *shape))


def load_of(one, rates):
    readout = one.readout
    return float(np.asarray(rates) @ KINDS.sum(axis=1)) * readout.dead_time_ns * 1e-3 / readout.frame_us


def bins_by_the_table(share, load, kept):
    """Registered over true counts of each bin, by interpolation along loads and then mean bins."""
    loads = TABLE.load_step * np.arange(TABLE.ratio.shape[1])
    mean_bin = share @ np.arange(3.0)
    ratio = np.array([np.interp(mean_bin, TABLE.mean_bin, [np.interp(load, loads, beam[:, b]) for beam in TABLE.ratio])
                      for b in range(3)])
    return ratio * kept / (ratio @ share)


@pytest.mark.parametrize("mean", [0.05, 3.0, 50.0, 400.0])
def test_counts_of_single_events_are_poisson(mean):
    """Chi-square of 200,000 pixels over the counts of each of three bins, tails in heaps: fails 1 in 330 a mean."""
    one = detector(dead_time_ns=0.0)
    found = counted_images(one, KINDS[:3], uniform([mean, 2.0 * mean, 0.5 * mean], (2, 200, 500)), seed=3)
    assert found.lost == 0.0
    for image, own in zip(found.counts, (mean, 2.0 * mean, 0.5 * mean), strict=True):
        low, high = stats.poisson.ppf([1e-4, 1.0 - 1e-4], own).astype(int)
        heaps = np.bincount(np.clip(image.ravel().astype(int), low, high) - low, minlength=high - low + 1)
        chance = stats.poisson.pmf(np.arange(low, high + 1), own)
        chance[0], chance[-1] = stats.poisson.cdf(low, own), stats.poisson.sf(high - 1, own)
        expected = chance * image.size
        assert ((heaps - expected) ** 2 / expected).sum() < stats.chi2.ppf(0.999, len(chance) - 1)


@pytest.mark.parametrize("kind", ["paralysable", "nonparalysable"])
@pytest.mark.parametrize("load", [0.02, 0.4, 1.3])
def test_bins_are_thinned_as_the_table_says(kind, load):
    """Mean counts by bin of 320,000 pixels against the table, all counts against the law of dead time: within 4.5
    standard errors and 1e-4; the share that is lost within 1e-6."""
    one = detector(pile_up=kind)
    rates = np.array([4.0, 5.0, 6.0, 0.2, 0.4, 0.1])
    rates *= load / load_of(one, rates)
    found = counted_images(one, KINDS, uniform(rates, (4, 200, 400)), seed=4, table=TABLE)
    kept = np.exp(-load) if kind == "paralysable" else 1.0 / (1.0 + load)
    true = rates @ KINDS
    wanted = true * bins_by_the_table(true / true.sum(), load, kept)
    error = 4.5 * np.sqrt(3.0 * wanted / (4 * 200 * 400)) + 1e-4 * wanted
    assert (np.abs(found.counts.mean(axis=(1, 2, 3), dtype=float) - wanted) < error).all()
    assert found.lost == pytest.approx(1.0 - kept, abs=1e-6)
    assert found.paralysed == (4 * 200 * 400 if kind == "paralysable" and load > 1.0 else 0)


def test_counts_of_an_event_lie_in_neighbours():
    """Events of two counts in one bin, of three in two: covariance of each bin with itself and the others at all
    distances to two pixels, against rates x places, within 4.5 standard errors; means of rows and columns at the edges
    where they are expected."""
    one = detector(dead_time_ns=0.0)
    rates = np.array([0.0, 0.0, 0.0, 1.5, 0.0, 2.0])
    images = uniform(rates, (60, 48, 64))
    found = counted_images(one, KINDS, images, seed=5).counts.astype(float)
    mean = expected_counts(one, KINDS, images[:, :1]).astype(float)
    off = found.mean(axis=1) - mean[:, 0]
    for lines in (off[:, :2].mean(axis=2), off[:, -2:].mean(axis=2), off[:, :, :2].mean(axis=1),
                  off[:, :, -2:].mean(axis=1), off[:, 20:24].mean(axis=2)):
        assert np.abs(lines).max() < 4.5 * np.sqrt(3.0 * 4.0 / (60 * 48))  # three of an event in one pixel at most
    noise = found - mean
    places = {3: [(0, 0), (0, 1)], 5: [(1, 0), (2, 1), (2, -1)]}  # of counts along an axis: bin, step
    for first in range(3):
        for second in range(3):
            for axis in (2, 3):
                for step in range(3):
                    here = [slice(None)] * 4
                    there = [slice(None)] * 4
                    here[2] = here[3] = there[2] = there[3] = slice(4, -4)
                    there[axis] = slice(4 + step, -4 + step)
                    product = noise[tuple(here)][first] * noise[tuple(there)][second]
                    wanted = 0.0
                    for kind, own in places.items():
                        pairs = [(a, b) for a in own for b in own if a[0] == first and b[0] == second]
                        along = sum(b[1] - a[1] == step for a, b in pairs)
                        across = sum(step == 0 and a[1] == b[1] for a, b in pairs)
                        wanted += 0.5 * rates[kind] * (along + across)
                    error = product.std() / np.sqrt(product.size) * 1.5  # neighbouring products go together
                    assert abs(product.mean() - wanted) < 4.5 * error, (first, second, axis, step)


@pytest.mark.parametrize("kind", ["paralysable", "nonparalysable"])
def test_correction_turns_dead_time_and_pile_up_round(kind):
    """Registered mean counts of mixtures of bins at loads to 0.9 back to true ones, within 3e-4 of all of a pixel;
    counts that no rate gives are told, and corrected as the highest that has one."""
    one = detector(pile_up=kind)
    rng = np.random.default_rng(2)
    shares = rng.dirichlet((3.0, 3.0, 3.0), 300)
    per_count = load_of(one, np.array([1.0, 0, 0, 0, 0, 0]))
    true, seen = [], []
    for share, load in zip(shares, np.linspace(0.0, 0.9, 300), strict=True):
        kept = np.exp(-load) if kind == "paralysable" else 1.0 / (1.0 + load)
        true.append(share * load / per_count)
        seen.append(true[-1] * bins_by_the_table(share, load, kept))
    true, seen = np.array(true).T, np.array(seen, np.float32).T
    found, many = corrected_counts(one, np.ascontiguousarray(seen), TABLE)
    assert many == 0
    assert (np.abs(found - true) <= 3e-4 * true.sum(axis=0)).all()
    plain, _ = corrected_counts(one, np.ascontiguousarray(seen), None)
    np.testing.assert_allclose(plain.sum(axis=0), true.sum(axis=0), rtol=3e-4)
    most = np.exp(-1.0) if kind == "paralysable" else 50.0 / 51.0
    above, many = corrected_counts(one, np.full((3, 5), 1.1 * most / per_count / 3.0, np.float32), None)
    assert many == 5
    np.testing.assert_allclose(above.sum(axis=0), 1.1 * most / per_count * (np.e if kind == "paralysable" else 51.0),
                               rtol=1e-3)
    assert corrected_counts(detector(dead_time_ns=0.0), seen, TABLE)[0] is seen


@pytest.mark.parametrize("isa", ["avx512", "avx2", "portable"])
def test_the_same_bits_for_threads_instruction_sets_and_cuts(isa, monkeypatch):
    """37 x 41 pixels, no multiple of 16, from none to many counts."""
    if isa not in _engine.instruction_sets():
        pytest.skip(f"this CPU has no {isa}")
    one = detector(pixel_mm=(0.5, 0.6))
    rng = np.random.default_rng(0)
    rates = (rng.random((6, 3, 37, 41)) ** 4 * 900.0).astype(np.float32)

    def made(which, threads, views=slice(0, 3)):
        monkeypatch.setattr(module, "instruction_set", lambda: which)
        found = counted_images(one, KINDS, rates[:, views], seed=2**40 + 3, first_view=views.start, table=TABLE,
                               threads=threads)
        return found, corrected_counts(one, found.counts, TABLE, threads)

    (whole, (back, many)), (other, (again, as_many)) = made("portable", 1), made(isa, 3)
    assert (whole.counts == other.counts).all()
    assert (back == again).all()
    assert (whole.lost, whole.paralysed, many) == (other.lost, other.paralysed, as_many)
    assert 0 < whole.paralysed < whole.counts[0].size
    parts = [made(isa, 2, slice(n, n + 1))[0].counts for n in range(3)]
    assert (np.concatenate(parts, axis=1) == whole.counts).all()


def test_words_are_of_a_seed():
    one = detector()
    images = uniform([9.0, 5.0, 1.0, 0.5, 0.5, 0.2], (1, 64, 64))
    first, second = (counted_images(one, KINDS, images, seed=seed).counts for seed in (1, 2))
    assert (first != second).mean() > 0.6


@pytest.mark.parametrize("wrong", [-1.0, np.nan])
def test_bad_rates(wrong):
    images = np.ones((6, 1, 4, 4), np.float32)
    images[2, 0, 1, 1] = wrong
    with pytest.raises(InvalidInput, match=r"rates\[2, 0, 1, 1\]"):
        counted_images(detector(), KINDS, images, seed=1)
