"""Noise of signals against the laws of compound Poisson processes. Seeds are fixed; odds are those of other seeds."""

import numpy as np
import pytest
from scipy import stats

from physsim import _engine
from physsim.errors import InvalidInput
from physsim.imaging.noise import FEW_QUANTA, noisy_signal, poisson_counts

CLASSES = np.array([4.0, 31.0, 60.0], np.float32)  # keV
SHARES = np.array([0.2, 0.3, 0.5])


def flat(value, shape=(2, 300, 500)):
    return np.full(shape, value, np.float32)


@pytest.mark.parametrize("mean", [0.02, 1.0, 10.0, 30.0, 63.0, 200.0])
def test_counts_are_poisson(mean):
    """Chi-square over all counts that 20 are expected of, the rest in two heaps: fails 1 in 1,000 a mean by chance."""
    found = poisson_counts(flat(mean), seed=5, stream="counts").ravel().astype(int)
    low, high = stats.poisson.ppf([1e-4, 1.0 - 1e-4], mean).astype(int)
    heaps = np.clip(found, low, high)
    chance = stats.poisson.pmf(np.arange(low, high + 1), mean)
    chance[0], chance[-1] = stats.poisson.cdf(low, mean), stats.poisson.sf(high - 1, mean)
    expected = chance * found.size
    apart = ((np.bincount(heaps - low, minlength=len(chance)) - expected) ** 2 / expected).sum()
    assert apart < stats.chi2.ppf(0.999, len(chance) - 1)


@pytest.mark.parametrize("quanta", [1.0, 10.0, 100.0, 1e3, 1e4, 1e5])
def test_variance_is_proportional_to_the_mean(quanta):
    """Mean-variance line of an ideal counter within 1 %, from 1 to 100,000 quanta; 300,000 pixels know a variance
    within 0.26 %: fails 1 in 10,000."""
    mean = flat(quanta)
    few = (np.ones(1, np.float32), lambda view, at: flat(quanta, (1, len(at))))
    signal = noisy_signal(mean, mean, mean, seed=2, few=few)
    assert signal.mean() == pytest.approx(quanta, rel=5.0 / np.sqrt(quanta * signal.size))
    assert signal.var() == pytest.approx(quanta, rel=0.01)


@pytest.mark.parametrize("quanta", [1.0, 5.0, 40.0, 1000.0])
def test_cumulants_of_many_deposits(quanta):
    """Signal of three kinds of quanta: the first three cumulants of a compound Poisson sum, within 5 standard errors
    (of 8 figures, fails 1 in 100,000); exact below 30 effective quanta, from cumulants above."""
    rate = quanta * SHARES
    k1, k2, k3 = ((rate * CLASSES.astype(float) ** n).sum() for n in (1, 2, 3))
    counts = np.broadcast_to(rate.astype(np.float32)[:, None], (3, 600_000))
    signal = noisy_signal(
        flat(k1), flat(k2), flat(k3), seed=11, few=(CLASSES, lambda view, at: counts[:, : len(at)])
    ).astype(float)
    deviation = signal - k1
    for power, law in ((1, 0.0), (2, k2), (3, k3)):
        moment = deviation**power
        assert abs(moment.mean() - law) < 5.0 * moment.std() / np.sqrt(moment.size), power
    assert (k1**2 / k2 < FEW_QUANTA) == (quanta < 35.0)
    if quanta < 10.0:  # sums of whole counts times deposits, nothing between
        values = np.unique(signal.ravel()[:1000])
        whole = np.add.outer(np.add.outer(4.0 * np.arange(60), 31.0 * np.arange(40)), 60.0 * np.arange(40)).ravel()
        assert np.abs(values[:, None] - whole).min(axis=1).max() < 1e-3


def test_noise_of_electronics_is_there_without_quanta():
    """Variance within 1 %: 300,000 pixels know it within 0.26 %."""
    signal = noisy_signal(flat(0.0), flat(0.0), flat(0.0), seed=4, independent_variance=9.0)
    assert signal.var() == pytest.approx(9.0, rel=0.01)
    assert stats.kstest(signal.ravel()[::7] / 3.0, "norm").pvalue > 1e-4


def test_pixels_and_views_are_independent():
    """White: correlations of neighbours at the distances at which words are shared, within 5 standard errors."""
    signal = noisy_signal(flat(100.0, (2, 64, 4096)), flat(100.0, (2, 64, 4096)), flat(100.0, (2, 64, 4096)), seed=1)
    noise = ((signal - 100.0) / 10.0).reshape(2, -1).astype(float)
    for lag in (1, 2, 16, 32, 48, 64, 4096):
        assert abs((noise[0, :-lag] * noise[0, lag:]).mean()) < 5.0 / np.sqrt(noise.shape[1]), lag
    assert abs((noise[0] * noise[1]).mean()) < 5.0 / np.sqrt(noise.shape[1])


def test_noise_power_is_white():
    """NPS in 15 bands of frequency within 1 % of variance x pixel area, or 5 standard errors in the narrow ones."""
    signal = noisy_signal(*(flat(400.0, (24, 256, 256)) for _ in range(3)), seed=9).astype(float)
    power = (np.abs(np.fft.fft2(signal - 400.0)) ** 2).mean(axis=0) / 256**2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    band = np.minimum((frequency * 32).astype(int), 15)
    for n in range(1, 16):
        chosen = power[band == n]
        assert chosen.mean() == pytest.approx(400.0, rel=max(0.01, 5.0 / np.sqrt(chosen.size * 12))), n


def test_words_do_not_depend_on_how_the_work_is_cut():
    """The same bits for any threads, instruction set and views at once; other seeds and streams are other noise."""
    rng = np.random.default_rng(0)
    mean = rng.uniform(0.0, 90.0, (3, 37, 41)).astype(np.float32)  # 1517 pixels: no multiple of 64
    deposits = np.array([1.0, 2.0], np.float32)

    def made(views=slice(None), **options):
        own = mean[views]
        first = range(3)[views][0]
        few = (deposits, lambda view, at: np.stack([own.reshape(len(own), -1)[view, at] * n for n in (0.5, 0.25)]))
        arguments = {"seed": 3, "first_view": first, "few": few, "threads": 1, "independent_variance": 0.5, **options}
        return noisy_signal(own, own, own, **arguments)

    whole = made()
    assert (whole == made(threads=3)).all()
    assert (whole == np.concatenate([made(slice(n, n + 1)) for n in range(3)])).all()
    assert (whole != made(seed=4)).mean() > 0.9
    assert (whole != made(stream="other")).mean() > 0.9


@pytest.mark.parametrize("isa", ["avx512", "avx2", "portable"])
def test_bits_of_instruction_sets(isa):
    if isa not in _engine.instruction_sets():
        pytest.skip(f"this CPU has no {isa}")
    mean = np.linspace(0.0, 300.0, 1000, dtype=np.float32).reshape(1, -1)
    number = np.arange(1000, dtype=np.int32)

    def made(which):
        drawn, summed = np.empty((1, 1000), np.float32), np.empty(1000, np.float32)
        _engine.cumulant_noise(mean, mean, mean, drawn, 2**40 + 7, 3, 5, 1, which)
        _engine.compound_noise(np.repeat(mean, 6, 0), np.arange(6, dtype=np.float32), number, summed, 7, 3, 5, 1, which)
        return drawn, summed

    for one, other in zip(made(isa), made("portable"), strict=True):
        assert (one == other).all()


@pytest.mark.parametrize(("change", "text"), [
    ({"mean": flat(-1.0, (1, 2, 2))}, "mean[0, 0, 0]=-1"),
    ({"variance": flat(np.nan, (1, 2, 2))}, "variance[0, 0, 0]=nan"),
    ({"third": flat(1.0, (1, 2, 3))}, "shapes (1, 2, 2), (1, 2, 2), (1, 2, 3)"),
    ({"independent_variance": -1.0}, "independent_variance=-1")])
def test_bad_input(change, text):
    given = {name: flat(1.0, (1, 2, 2)) for name in ("mean", "variance", "third")}
    with pytest.raises(InvalidInput) as found:
        noisy_signal(**{**given, "seed": 1, **change})
    assert text in str(found.value)
