"""Observers, channels and similarity against closed forms."""

import numpy as np
import pytest

import physsim as ps
from physsim.errors import InvalidInput

PIXEL, SIGMA = 0.2, 3.0
SHAPE = (16, 18)
Y, X = np.mgrid[:16, :18]
SIGNAL = 2.0 * np.exp(-((Y - 7.5) ** 2 + (X - 8.5) ** 2) / (2 * 2.0**2))
evaluate = ps.evaluate


def smooth_power():
    """A noise power that falls with frequency, (rows, columns) in fft order."""
    frequency = np.hypot(np.fft.fftfreq(16, PIXEL)[:, None], np.fft.fftfreq(18, PIXEL))
    return SIGMA**2 * PIXEL**2 * (0.1 + np.exp(-((frequency / 0.8) ** 2)))


def test_white_noise():
    """Every matched template sees |signal| / sigma."""
    power = SIGMA**2 * PIXEL**2
    truth = np.sqrt((SIGNAL**2).sum()) / SIGMA
    assert evaluate.template_detectability(SIGNAL, SIGNAL, power, PIXEL) == pytest.approx(truth, rel=1e-12)
    ideal = evaluate.prewhitened_template(SIGNAL, power, PIXEL)
    assert evaluate.template_detectability(ideal, SIGNAL, power, PIXEL) == pytest.approx(truth, rel=1e-12)


def test_coloured_noise_against_its_covariance_matrix():
    """d'^2 = s' K^-1 s for the ideal template, (s's)^2 / s'Ks for the non-prewhitening one, K written out."""
    power = smooth_power()
    covariance = np.fft.ifft2(power / PIXEL**2).real  # of pixels so far apart, on a torus
    rows, columns = Y.ravel(), X.ravel()
    matrix = covariance[rows[:, None] - rows[None, :], columns[:, None] - columns[None, :]]
    s = SIGNAL.ravel()
    ideal = evaluate.template_detectability(evaluate.prewhitened_template(SIGNAL, power, PIXEL), SIGNAL, power, PIXEL)
    blind = evaluate.template_detectability(SIGNAL, SIGNAL, power, PIXEL)
    assert ideal == pytest.approx(np.sqrt(s @ np.linalg.solve(matrix, s)), rel=1e-9)
    assert blind == pytest.approx((s @ s) / np.sqrt(s @ matrix @ s), rel=1e-9)
    assert ideal > blind


def test_laguerre_gauss_channels_are_orthonormal():
    channels = evaluate.laguerre_gauss_channels((161, 161), 0.25, 6.0, 6).reshape(6, -1)
    assert np.abs(channels @ channels.T - np.eye(6)).max() < 1e-6


def test_laguerre_gauss_channels_hold_a_gaussian():
    """A Gaussian of a = sqrt(2 pi) s is the first channel alone; any other is held by a few."""
    y, x = (np.mgrid[:81, :81] - 40.0) * 0.25
    for spread, held in ((6.0 / np.sqrt(2.0 * np.pi), 1), (1.6, 5)):
        signal = np.exp(-(x * x + y * y) / (2.0 * spread**2)).ravel()
        channels = evaluate.laguerre_gauss_channels((81, 81), 0.25, 6.0, 5).reshape(5, -1)
        parts = channels @ signal
        assert (parts[:held] ** 2).sum() == pytest.approx(signal @ signal, rel=2e-3)


def test_gabor_channels_pass_their_band():
    channels = evaluate.gabor_channels((128, 1024), 0.25, [(0.2, 0.4)], orientations=1, phases=(0.0,))
    passed = np.abs(np.fft.fft(channels[0].sum(0)))  # along x, at zero frequency along y
    frequency = np.fft.fftfreq(1024, 0.25)
    at = [np.interp(f, frequency[:512], passed[:512]) for f in (0.2, 0.3, 0.4)]
    assert [at[0] / at[1], at[2] / at[1]] == pytest.approx([0.5, 0.5], abs=0.002)
    assert len(evaluate.gabor_channels((32, 32), 0.25)) == 40


BANDS = ((0.25, 0.5), (0.5, 1.0))
DISC_MM, CONTRAST = 0.4, 4.0  # a Gaussian signal's spread and height


def gabor_integrals(pixel_mm):
    """By the plane's integrals of Gaussians and waves, exact where pixels are fine: the channels' products with each
    other (n, n), and with the Gaussian signal (n,), in pixels."""
    waves = []
    for low, high in BANDS:
        width = 4.0 * np.log(2.0) / (np.pi * (high - low))
        for turn in np.pi * np.arange(5) / 5:
            wave = np.pi * (low + high) * np.array([np.cos(turn), np.sin(turn)])
            waves += [(width**2 / (8.0 * np.log(2.0)), wave, phase) for phase in (0.0, 0.5 * np.pi)]

    def product(one, other):
        (a, k, p), (b, q, r) = one, other
        square = 2.0 / (1.0 / a + 1.0 / b)  # exp(-x^2 / square) is both envelopes
        parts = [np.cos(p + sign * r) * np.exp(-0.25 * square * ((k + sign * q) ** 2).sum()) for sign in (-1, 1)]
        return 0.5 * np.pi * square * sum(parts)

    signal = (DISC_MM**2, np.zeros(2), 0.0)
    between = np.array([[product(one, other) for other in waves] for one in waves])
    return between / pixel_mm**2, CONTRAST * np.array([product(one, signal) for one in waves]) / pixel_mm**2


def test_gabor_observer_in_white_noise_by_integrals():
    """d'^2 = (U s)' (sigma^2 U U')^-1 U s, all of it closed forms. First for images whose channels have exactly that
    mean and covariance, then for 1200 drawn ones, without the bias of training (5 standard errors)."""
    pixel, sigma = 0.25, 4.0
    y, x = (np.mgrid[:72, :72] - 35.5) * pixel
    signal = CONTRAST * np.exp(-(x * x + y * y) / (2.0 * DISC_MM**2))
    channels = evaluate.gabor_channels(signal.shape, pixel, BANDS)
    between, seen = gabor_integrals(pixel)
    truth = np.sqrt(seen @ np.linalg.solve(sigma**2 * between, seen))
    flat = channels.reshape(len(channels), -1)
    assert flat @ flat.T == pytest.approx(between, abs=1e-4 * between.max())
    assert flat @ signal.ravel() == pytest.approx(seen, abs=1e-4 * seen.max())
    ways = np.linalg.svd(flat, full_matrices=False)[2]  # orthonormal, of all that the channels see
    apart = sigma * np.sqrt(0.25 * (4 * len(ways) - 2))  # images there and back along each, in both classes
    noise = apart * np.concatenate([ways, -ways]).reshape(-1, *signal.shape)
    observer = evaluate.ChannelisedHotelling(channels=channels)
    template = observer.template(noise + signal, noise)
    found = evaluate.template_detectability(template, signal, sigma**2 * pixel**2, pixel)
    assert found == pytest.approx(truth, rel=1e-3)
    best = np.sqrt((signal**2).sum()) / sigma
    assert 0.5 * best < truth < 0.999 * best  # the channels miss some of the signal, not most
    drawn = np.random.default_rng(11).normal(0.0, sigma, (2, 600, *signal.shape))
    error = np.sqrt(2.0 / 600 + truth**2 / 2400)
    assert observer.corrected_d_prime(drawn[0] + signal, drawn[1]) == pytest.approx(truth, abs=5.0 * error)


def test_eye_filter():
    eye = evaluate.EyeFilteredNonPrewhitening(pixel_mm=0.2, viewing_distance_mm=500.0)
    per_degree = 500.0 * np.pi / 180.0  # mm a degree
    assert eye.sensitivity(4.0 / per_degree) == pytest.approx(1.0)
    f = np.linspace(0.01, 1.5, 400)
    assert f[np.argmax(eye.sensitivity(f))] * per_degree == pytest.approx(4.0, abs=0.05)
    c = 1.3 / (2.0 * 4.0**2)  # E = f^1.3 exp(-c f^2), over its peak
    law = (f * per_degree) ** 1.3 * np.exp(-c * (f * per_degree) ** 2)
    assert np.allclose(eye.sensitivity(f), law / (4.0**1.3 * np.exp(-c * 16.0)), rtol=1e-12)
    wave = np.cos(2 * np.pi * 8 * np.arange(64) / 64)[None, :] * np.ones((4, 1))
    assert np.allclose(eye.filtered(wave), wave * eye.sensitivity(8 / 64 / 0.2) ** 2, atol=1e-12)


def test_auc_of_ranks():
    rng = np.random.default_rng(1)
    present, absent = rng.integers(2, 9, 30).astype(float), rng.integers(0, 7, 41).astype(float)
    brute = np.mean([(x > y) + 0.5 * (x == y) for x in present for y in absent])
    found = evaluate.auc(present, absent)
    assert found.value == pytest.approx(brute, rel=1e-12)
    false, true = evaluate.roc_curve(present, absent)
    assert np.trapezoid(true, false) == pytest.approx(brute, rel=1e-12)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert found.low < found.value < found.high
    swapped = evaluate.auc(absent, present)
    assert (1 - swapped.high, 1 - swapped.low) == pytest.approx((found.low, found.high))
    assert evaluate.auc(present * 3 - 1, absent * 3 - 1) == found  # ranks alone count


def test_delong_error_by_hand():
    """S10 / m + S01 / n of DeLong 1988, written out for three cases of each kind."""
    present, absent = [3.0, 5.0, 1.5], [1.0, 2.0, 4.0]
    above, below = np.array([2 / 3, 1.0, 1 / 3]), np.array([1.0, 2 / 3, 1 / 3])
    error = np.sqrt(above.var(ddof=1) / 3 + below.var(ddof=1) / 3)
    assert evaluate.auc(present, absent).error == pytest.approx(error, rel=1e-12)


def test_auc_where_all_are_parted():
    """Newcombe's interval: not of width 0, narrower with more cases."""
    few, many = (evaluate.auc(np.arange(1.0, n + 1), -np.arange(n)) for n in (5.0, 50.0))
    for found in (few, many):
        assert (found.value, found.error, found.high, found.method) == (1.0, 0.0, 1.0, "score")
    assert 0.5 < few.low < many.low < 0.99
    assert many.low == pytest.approx(1.0, abs=0.08)


def test_moments_against_every_pair_of_pairs():
    """All products of two entries, sorted by what they share, for 3 readers x 4 x 5 cases."""
    from physsim.evaluate.mrmc import _moments

    s = np.random.default_rng(1).random((3, 4, 5))
    total, count = np.zeros(8), np.zeros(8)
    for one in np.ndindex(*s.shape):
        for two in np.ndindex(*s.shape):
            same = [a == b for a, b in zip(one, two, strict=True)]
            kind = (0 if same[1] and same[2] else 1 if same[1] else 2 if same[2] else 3) + (0 if same[0] else 4)
            total[kind] += s[one] * s[two]
            count[kind] += 1
    assert np.allclose(_moments(s), total / count, rtol=1e-12)


def test_two_equal_modalities_do_not_differ():
    rng = np.random.default_rng(3)
    present, absent = rng.normal(1.0, 1.0, (4, 20)), rng.normal(0.0, 1.0, (4, 25))
    same = evaluate.mrmc_difference(present, absent, present, absent)
    assert (same.value, same.error, same.p_value) == (0.0, 0.0, 1.0)
    one = evaluate.mrmc_auc(present, absent)
    areas = [evaluate.auc(x, y).value for x, y in zip(present, absent, strict=True)]
    assert np.allclose(one.by_reader, areas, rtol=1e-12)
    assert one.low < one.value < one.high


def test_similarity():
    rng = np.random.default_rng(2)
    image = rng.normal(100.0, 20.0, (40, 50))
    assert evaluate.ssim(image, image, 255.0).value == pytest.approx(1.0, abs=1e-12)
    assert evaluate.psnr(image, image, 255.0) == np.inf
    flat, c1 = np.full((30, 30), 80.0), (0.01 * 255) ** 2
    shifted = evaluate.ssim(flat + 40.0, flat, 255.0)
    assert shifted.value == pytest.approx((2 * 80 * 120 + c1) / (80**2 + 120**2 + c1), rel=1e-9)
    assert evaluate.psnr(flat + 40.0, flat, 255.0) == pytest.approx(20 * np.log10(255 / 40))


def test_similarity_as_scikit_image_has_it():
    metrics = pytest.importorskip("skimage.metrics")
    rng = np.random.default_rng(4)
    image = rng.normal(100.0, 20.0, (40, 50))
    other = image + rng.normal(0.0, 10.0, image.shape)
    theirs = metrics.structural_similarity(image, other, data_range=255.0, gaussian_weights=True, sigma=1.5,
                                           use_sample_covariance=False)
    assert evaluate.ssim(image, other, 255.0).value == pytest.approx(theirs, rel=1e-9)
    assert evaluate.psnr(image, other, 255.0) == pytest.approx(
        metrics.peak_signal_noise_ratio(image, other, data_range=255.0), rel=1e-12)


def test_hounsfield_numbers():
    """A disc that cups by 12 HU, with a rod of 250 HU, in slices of noise 8 HU (seed fixed, 5 standard errors)."""
    y, x = (np.mgrid[:200, :200] - 99.5) * 1.0
    r = np.hypot(x, y)
    clean = np.where(r < 90, 12.0 * (r / 90) ** 2, -1000.0)
    rod = evaluate.disc((200, 200), 1.0, (30.0, -20.0), 8.0)
    clean[rod] = 250.0
    volume = clean + np.random.default_rng(5).normal(0.0, 8.0, (12, 200, 200))
    water = evaluate.disc((200, 200), 1.0, (0.0, 0.0), 10.0)
    rows = evaluate.hu_accuracy(volume, {"rod": rod, "water": water}, {"rod": 260.0, "water": 0.0})
    assert rows[0].difference == pytest.approx(-10.0, abs=5 * rows[0].error)
    assert rows[0].error == pytest.approx(8.0 / np.sqrt(rod.sum() * 12), rel=0.6)
    assert rows[0].noise == pytest.approx(8.0, rel=0.05)
    assert rows[1].mean == pytest.approx(clean[water].mean(), abs=5 * rows[1].error)
    found = evaluate.uniformity(volume, 1.0, 90.0, region_mm=16.0)
    assert found.largest_difference == pytest.approx(12 * ((90 - 10 - 8) / 90) ** 2, abs=0.7)
    contrast = evaluate.contrast_to_noise(volume, rod, water)
    assert contrast.value == pytest.approx((250 - clean[water].mean()) / 8.0, rel=0.03)
    assert evaluate.hu_accuracy(volume[0], {"rod": rod}, {"rod": 250.0})[0].error is None


@pytest.mark.parametrize(("call", "why"), [
    (lambda: evaluate.auc([1.0], [0.0, 1.0]), "two cases"), (lambda: evaluate.auc([1, 2], [0, np.nan]), "finite"),
    (lambda: evaluate.auc([1, 2], [0, 1], confidence=95), "between 0 and 1"),
    (lambda: evaluate.auc_difference([1, 2], [0, 1], [1, 2, 3], [0, 1]), "equal numbers"),
    (lambda: evaluate.mrmc_auc(np.ones((1, 5)), np.ones((1, 5))), "two readers"),
    (lambda: evaluate.mrmc_difference(*[np.eye(3)] * 3, np.eye(4)), r"shapes \(3, 3\) and \(4, 4\)"),
    (lambda: evaluate.observe(evaluate.NonPrewhitening(), np.ones((3, 4, 4)), np.ones((9, 4, 4))), "folds=2"),
    (lambda: evaluate.observe(evaluate.NonPrewhitening(), np.ones((9, 4, 4)), np.ones((9, 5, 4))), "same place"),
    (lambda: evaluate.observe(evaluate.NonPrewhitening(), np.ones((9, 4, 4)), np.zeros((9, 4, 4))), "same score"),
    (lambda: evaluate.ChannelisedHotelling(channels=np.eye(4)), "must be"),
    (lambda: evaluate.ChannelisedHotelling(channels=np.ones((9, 4, 4))).template(
        np.ones((4, 4, 4)), np.ones((4, 4, 4))), "cannot be estimated"),
    (lambda: evaluate.gabor_channels((9, 9), 1.0, [(0.2, 0.1)]), "must rise"),
    (lambda: evaluate.laguerre_gauss_channels((9, 9), 1.0, 0.0), "width_mm=0"),
    (lambda: evaluate.psnr(np.ones((2, 2)), np.ones((2, 3)), 1.0), "equal size"),
    (lambda: evaluate.ssim(np.ones((9, 9)), np.ones((9, 9)), 1.0), "11 pixels"),
    (lambda: evaluate.psnr(np.ones((2, 2)), np.ones((2, 2)), 0.0), "data_range=0"),
    (lambda: evaluate.disc((9, 9), 1.0, (99.0, 0.0), 1.0), "holds no pixel"),
    (lambda: evaluate.uniformity(np.ones((99, 99)), 1.0, 20.0, region_mm=15.0), "overlap"),
    (lambda: evaluate.hu_accuracy(np.ones((9, 9)), {"a": np.ones((9, 9), bool)}, {"b": 1.0}), "no value is expected"),
    (lambda: evaluate.contrast_to_noise(np.ones((9, 9)), *[np.ones((9, 9), bool)] * 2), "all its pixels are equal"),
    (lambda: evaluate.template_detectability(SIGNAL, SIGNAL, 0.0, 1.0), "power above 0")])
def test_bad_input(call, why):
    with pytest.raises(InvalidInput, match=why):
        call()


def test_unknown_name():
    with pytest.raises(AttributeError, match="Did you mean 'mrmc_auc'"):
        evaluate.mrmc_acu  # noqa: B018
    for name in dir(evaluate):
        assert getattr(evaluate, name).__doc__
