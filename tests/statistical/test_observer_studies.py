"""Observers on drawn images, intervals on drawn studies, readers by the model of Roe and Metz: truth is known."""

import numpy as np
import pytest
from scipy.special import ndtr

from physsim import evaluate

PIXEL, SIGMA, SIZE = 0.2, 1.0, 16
Y, X = np.mgrid[:SIZE, :SIZE] - 0.5 * (SIZE - 1)
SIGNAL = np.exp(-(X**2 + Y**2) / (2 * 1.6**2))
SIGNAL *= 1.5 / np.sqrt((SIGNAL**2).sum())  # d' of the ideal observer in white noise of SIGMA: 1.5
CHANNELS = evaluate.laguerre_gauss_channels((SIZE, SIZE), PIXEL, 1.6 * PIXEL * np.sqrt(2 * np.pi), 4)


def images(count, seed, signal=SIGNAL):
    rng = np.random.default_rng(seed)
    return [rng.normal(0.0, SIGMA, (count, SIZE, SIZE)) + part for part in (signal, 0.0)]


def test_hotelling_in_white_noise():
    """AUC = Phi(d'/sqrt 2) of channels that hold the signal: within 4 standard errors (1 in 16,000 by chance) and 0.002
    for the training of 1000 images of each kind; d' too. The correction makes d' unbiased within 4 standard errors."""
    present, absent = images(2000, 1)
    observer = evaluate.ChannelisedHotelling(channels=CHANNELS)
    found = evaluate.observe(observer, present, absent)
    truth = ndtr(1.5 / np.sqrt(2.0))
    assert abs(found.auc.value - truth) < 4 * found.auc.error + 0.002
    assert found.d_prime == pytest.approx(1.5, abs=4 * np.sqrt((1 + 1.5**2 / 8) * 2 / 2000) + 0.01)
    assert observer.corrected_d_prime(present, absent) == pytest.approx(1.5, abs=4 * np.sqrt(1.3 * 2 / 2000))


def test_a_template_of_few_images_is_worse_by_what_its_noise_says():
    """The non-prewhitening template of n images of each kind has noise 2 sigma^2 / n a pixel, so that on new images
    d' = s's / (sigma sqrt(s's + 2 sigma^2 pixels / n)), here 0.95 of 1.5: within 4 standard errors of 40 studies."""
    n, studies = 50, 40
    found = []
    for seed in range(studies):
        present, absent = images(2 * n, 100 + seed)
        found.append(evaluate.observe(evaluate.NonPrewhitening(), present, absent))
    energy = (SIGNAL**2).sum()
    law = energy / np.sqrt(energy + 2 * SIZE**2 / n)
    d = np.array([one.d_prime for one in found])
    assert d.mean() == pytest.approx(law, abs=4 * d.std(ddof=1) / np.sqrt(studies) + 0.01)
    bias = np.array([one.training_bias for one in found])
    assert bias.mean() > 0.05  # on its own training images the observer looks better than it is
    endless = ndtr(1.5 / np.sqrt(2))
    assert np.mean([one.auc.value for one in found]) < endless < np.mean([one.resubstitution for one in found])


def test_the_correction_takes_the_training_bias_off():
    """200 studies of 30 images of each kind: d'^2 corrected is 2.25 within 4 standard errors, uncorrected too high."""
    observer, squares, plain = evaluate.ChannelisedHotelling(channels=CHANNELS), [], []
    for seed in range(200):
        present, absent = images(30, 1000 + seed)
        difference, covariance = observer._statistics(present, absent)
        plain.append(difference @ np.linalg.solve(covariance, difference))
        squares.append(observer.corrected_d_prime(present, absent) ** 2)
    squares = np.array(squares)
    assert squares.mean() == pytest.approx(2.25, abs=4 * squares.std() / np.sqrt(200))
    assert np.mean(plain) > squares.mean() + 0.4


def test_internal_noise_lowers_detectability():
    """By sqrt(1 + noise^2) of the decision: 4 standard errors of d'; drawn anew by the seed alone."""
    present, absent = images(3000, 7)
    plain = evaluate.observe(evaluate.ChannelisedHotelling(channels=CHANNELS), present, absent)
    noisy = evaluate.observe(evaluate.ChannelisedHotelling(channels=CHANNELS), present, absent, internal_noise=1.0)
    assert noisy.d_prime == pytest.approx(plain.d_prime / np.sqrt(2.0), abs=4 * np.sqrt(2 * 1.15 / 3000))
    again = evaluate.observe(evaluate.ChannelisedHotelling(channels=CHANNELS), present, absent, internal_noise=1.0)
    assert np.array_equal(noisy.scores_present, again.scores_present)
    other = evaluate.observe(evaluate.ChannelisedHotelling(channels=CHANNELS), present, absent, internal_noise=1.0,
                             seed=5)
    assert not np.array_equal(noisy.scores_present, other.scores_present)


def test_eye_filtered_observer_in_white_noise():
    """AUC by the theory of its template, within 4 standard errors and 0.004 for training on 1500 of each kind."""
    present, absent = images(3000, 9)
    eye = evaluate.EyeFilteredNonPrewhitening(pixel_mm=PIXEL)
    found = evaluate.observe(eye, present, absent)
    theory = evaluate.template_detectability(eye.filtered(SIGNAL), SIGNAL, SIGMA**2 * PIXEL**2, PIXEL)
    assert theory < 1.5
    assert found.auc.value == pytest.approx(ndtr(theory / np.sqrt(2)), abs=4 * found.auc.error + 0.004)


@pytest.mark.parametrize(("truth", "cases"), [(0.8, 40), (0.95, 25)])
def test_intervals_of_auc_cover(truth, cases):
    """95 % intervals of 1500 studies: within 4.5 binomial standard errors (2.5 %) and 1.5 % for the approximation."""
    from scipy.special import ndtri

    rng = np.random.default_rng(11)
    shift, inside = np.sqrt(2.0) * ndtri(truth), 0
    for _ in range(1500):
        found = evaluate.auc(rng.normal(shift, 1.0, cases), rng.normal(0.0, 1.0, cases))
        inside += found.low <= truth <= found.high
    assert abs(inside / 1500 - 0.95) < 4.5 * np.sqrt(0.95 * 0.05 / 1500) + 0.015


def test_difference_of_correlated_areas():
    """DeLong's variance of a difference on the same cases: its mean over 1500 studies is the spread of the differences
    within 4.5 standard errors (9 % of the variance), and the p-value is even within 4.5 binomial ones."""
    rng = np.random.default_rng(12)
    values, variances, rejected = [], [], 0
    for _ in range(1500):
        shared = rng.normal(0.0, 0.8, 2 * 40)
        a, b = (shared + rng.normal(0.0, 0.6, 80) + np.repeat([1.2, 0.0], 40) for _ in range(2))
        found = evaluate.auc_difference(a[:40], a[40:], b[:40], b[40:])
        values.append(found.value)
        variances.append(found.error**2)
        rejected += found.p_value < 0.05
    assert np.mean(variances) == pytest.approx(np.var(values), rel=4.5 * np.sqrt(2 / 1500))
    assert abs(rejected / 1500 - 0.05) < 4.5 * np.sqrt(0.05 * 0.95 / 1500) + 0.015


def roe_metz(rng, readers, cases, shift, reader=0.011, case=0.1, reader_case=0.2, modality_reader=0.03,
             modality_case=0.1, rest=0.6, modalities=2):
    """Scores [modality][truth] (readers, cases): C. A. Roe and C. E. Metz, Acad. Radiol. 4 (1997) 298."""
    scores = [[None, None] for _ in range(modalities)]
    for truth in range(2):
        common = (rng.normal(0, np.sqrt(reader), (readers, 1)) + rng.normal(0, np.sqrt(case), cases)
                  + rng.normal(0, np.sqrt(reader_case), (readers, cases)))
        for modality in range(modalities):
            scores[modality][truth] = (truth * shift + common + rng.normal(0, np.sqrt(modality_reader), (readers, 1))
                                       + rng.normal(0, np.sqrt(modality_case), cases)
                                       + rng.normal(0, np.sqrt(rest), (readers, cases)))
    return scores


def test_variance_of_reader_studies():
    """2000 studies of 5 readers and 2 x 25 cases: the estimates' means are the spreads of what they estimate within 4.5
    standard errors (14 % of a variance); intervals of a difference of 0 cover within 4.5 binomial errors and 2 %."""
    rng = np.random.default_rng(21)
    single, apart = [], []
    for _ in range(2000):
        a, b = roe_metz(rng, 5, 25, 1.5)
        single.append(evaluate.mrmc_auc(a[1], a[0]))
        apart.append(evaluate.mrmc_difference(a[1], a[0], b[1], b[0]))
    truth = ndtr(1.5 / np.sqrt(2 * (0.011 + 0.1 + 0.2 + 0.03 + 0.1 + 0.6)))
    means = np.array([one.value for one in single])
    assert means.mean() == pytest.approx(truth, abs=4 * means.std() / np.sqrt(2000))
    for found in (single, apart):
        spread = np.var([one.value for one in found], ddof=1)
        estimates = np.array([one.variance for one in found])
        error = np.hypot(np.sqrt(2 / 2000), estimates.std() / estimates.mean() / np.sqrt(2000))
        assert estimates.mean() == pytest.approx(spread, rel=4.5 * error)
    covered = np.mean([one.low <= 0.0 <= one.high for one in apart])
    assert abs(covered - 0.95) < 4.5 * np.sqrt(0.95 * 0.05 / 2000) + 0.02
    covered = np.mean([one.low <= truth <= one.high for one in single])
    assert abs(covered - 0.95) < 4.5 * np.sqrt(0.95 * 0.05 / 2000) + 0.02


def test_readers_part_of_the_variance():
    """With endless cases only readers vary: a reader's AUC is Phi((shift + r) / sqrt(2 x the cases' variances)), r
    normal with twice the readers' variances; its variance by quadrature. The mean of 800 studies is there within 4.5
    standard errors."""
    rng = np.random.default_rng(22)
    parts = np.array([mean_area(roe_metz(rng, 5, 30, 1.5, modality_reader=0.1)[0]).variance_readers
                      for _ in range(800)])
    node, weight = np.polynomial.hermite_e.hermegauss(40)
    areas = ndtr((1.5 + np.sqrt(2 * (0.011 + 0.1)) * node) / np.sqrt(2 * (0.1 + 0.2 + 0.1 + 0.6)))
    weight = weight / weight.sum()
    truth = (weight @ areas**2 - (weight @ areas) ** 2) / 5
    assert parts.mean() == pytest.approx(truth, abs=4.5 * parts.std() / np.sqrt(800))


def test_cases_part_of_the_variance():
    """What 5 readers say of a study of 40: its variance is the cases' part and an eighth of the rest. Against the
    spread of 600 such studies, within 4.5 standard errors."""
    rng = np.random.default_rng(23)
    few = [mean_area(roe_metz(rng, 5, 20, 1.5)[0]) for _ in range(1500)]
    cases = np.array([one.variance_cases for one in few])
    predicted = cases + (np.array([one.variance for one in few]) - cases) * 5 / 40
    many = [mean_area(roe_metz(rng, 40, 20, 1.5, modalities=1)[0]).value for _ in range(600)]
    error = np.hypot(predicted.std() / np.sqrt(1500), np.var(many) * np.sqrt(2 / 600))
    assert np.var(many, ddof=1) == pytest.approx(predicted.mean(), abs=4.5 * error)


def mean_area(scores):
    return evaluate.mrmc_auc(scores[1], scores[0])
