"""Blur of detectors: the same bits for any instruction set, threads and cut into views; sums are kept."""

import numpy as np
import pytest
from detector_cases import law_of, needles, selenium, septa, theory_of
from scipy.ndimage import convolve

from physsim import _engine
from physsim.imaging.detected import detected
from physsim.imaging.detector.blur import blur, blur_kernel, blurred
from physsim.imaging.detector.transfer import cosine_of_turns, noise_transfer


def image(shape=(2, 61, 275)):  # no multiples of lanes nor of tiles
    return np.random.default_rng(5).random(shape, np.float32)


@pytest.mark.parametrize("noise", [False, True])
def test_blur_is_the_convolution_mirrored_at_the_edges(noise):
    """Within 2e-6 of scipy's in float64; the mean is kept within 1e-6."""
    for detector in (needles(), selenium(), septa()):
        for layer in range(detector.depth_layers):
            kernel = blur_kernel(detector, layer, noise=noise)
            found = blur(image(), detector, layer, noise=noise)
            law = np.stack([convolve(one.astype(np.float64), kernel.whole(), mode="reflect") for one in image()])
            assert np.abs(found - law).max() < 2e-6
            assert kernel.whole().sum() == pytest.approx(1.0, abs=2e-7)
            assert found.mean(dtype=np.float64) == pytest.approx(image().mean(dtype=np.float64), rel=1e-6)


@pytest.mark.parametrize("isa", ["avx512", "avx2", "portable"])
def test_bits_of_instruction_sets(isa):
    if isa not in _engine.instruction_sets():
        pytest.skip(f"this CPU has no {isa}")
    kernel = blur_kernel(needles(), 0)
    assert kernel.across.shape[0] == 3  # an odd number of terms: both ways through them

    def made(which, threads):
        out = np.empty_like(image())
        _engine.blur(image(), kernel.across, kernel.along, out, False, threads, which)
        _engine.blur(image(), kernel.along, kernel.across, out, True, threads, which)
        return out

    assert (made(isa, 1) == made("portable", 2)).all()
    onto = blurred(image(), kernel, onto=0.0 * image())
    assert made(isa, 1) == pytest.approx(blurred(image(), kernel) + onto, abs=1e-6)


@pytest.mark.parametrize("isa", ["avx512", "avx2", "portable"])
@pytest.mark.parametrize("digital", [np.uint16, np.int32])
def test_bits_of_the_readout(isa, digital):
    """1,517 pixels, no multiple of 64: three views with lag, flaws, saturation and noise."""
    if isa not in _engine.instruction_sets():
        pytest.skip(f"this CPU has no {isa}")
    rng = np.random.default_rng(1)
    signal = rng.uniform(-10.0, 3000.0, (3, 1517)).astype(np.float32)
    gain, offset = rng.uniform(0.9, 1.1, (2, 1517)).astype(np.float32)
    alive = (rng.random(1517) > 0.1).astype(np.float32)
    lag = np.array([[0.1, 0.02], [0.5, 0.1]], np.float32)

    def made(which, threads):
        held, out = np.ones((2, 1517), np.float32), np.empty((3, 1517), digital)
        call = _engine.read_out_16 if digital is np.uint16 else _engine.read_out_32
        numbers = (0.88, 20.0, 1.0, 1e4, 5e4, 0.9, 40000.0)
        saturated = call(signal, gain, offset * 100.0, alive, held, lag, numbers, True, out, 2**40 + 3, 5, 7, threads,
                         which)
        return out, held, saturated

    for one, other in zip(made(isa, 1), made("portable", 3), strict=True):
        assert (np.asarray(one) == other).all()
    out, _, saturated = made(isa, 2)
    assert (out[:, alive == 0.0] == 0).all()
    assert 0 < saturated == ((out >= 40000) & (alive > 0.0)).sum()


def test_views_and_threads():
    detector = needles(side=70)
    theory = theory_of(detector)
    sums = 400.0 * theory.moments.sum(axis=0)[:2]
    images = np.broadcast_to(sums[:, None, None, None], (2, 4, 70, 70))

    def made(views, **options):
        return sum(detected(detector, law_of(theory.moments), *images[:, views], **options))

    whole = made(slice(0, 4), seed=1, threads=1)
    parts = [made(slice(n, n + 2), seed=1, first_view=n, threads=2) for n in (0, 2)]
    assert (whole == np.concatenate(parts)).all()
    assert (whole != made(slice(0, 4), seed=2)).mean() > 0.9


def test_a_detector_without_spread_leaves_images_alone():
    detector = selenium().replace(absorber=selenium().absorber.replace(spread=None))
    for noise in (False, True):
        assert blur_kernel(detector, noise=noise).is_identity
        assert (blurred(image(), blur_kernel(detector, noise=noise)) == image()).all()


def test_folded_noise_keeps_the_variance_of_what_arrives():
    """Integral of noise_transfer over the band = integral of (T x aperture)^2 over all frequencies x pixel area."""
    detector = needles().replace(pixel_mm=0.3)
    cells = (np.arange(32) + 0.5) / 64.0
    inside = noise_transfer(detector, 0, cells[:, None] / 0.3, cells[None, :] / 0.3).mean()
    f = (np.arange(1200) + 0.5) * 0.02
    width = detector.spread.width_mm(5 / 6)
    squared = (np.sinc(0.3 * f[:, None]) * np.sinc(0.3 * f[None, :])) ** 2
    radius = np.hypot(f[:, None], f[None, :])
    beyond = 1.0 - 0.04 + 0.02 * (np.cos(2 * np.pi * 0.3 * f)[:, None] + np.cos(2 * np.pi * 0.3 * f)[None, :])
    whole = 4.0 * (squared * beyond**2 / (1.0 + (width * radius) ** 2) ** 2).sum() * 0.02**2 * 0.3**2
    assert inside == pytest.approx(whole, rel=2e-3)


def test_cosine():
    """Within 4e-15 of numpy's, whose argument is rounded to 2e-15 there."""
    turns = np.linspace(-3.0, 3.0, 10007)
    assert np.abs(cosine_of_turns(turns) - np.cos(2.0 * np.pi * turns)).max() < 4e-15
