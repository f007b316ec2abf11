"""The audited hybrid on simulated images whose truth is known: what is stated of them holds as often as it says."""

import numpy as np
import pytest
from hybrid_toy import BATCHES, BUDGETS, PER_CENT, TRUTH, Photons, calibration, network_error, uneven

from physsim.errors import InvalidInput
from physsim.surrogate.gate import gate_distance, rank_p_value
from physsim.surrogate.verdict import decide


@pytest.fixture(scope="module")
def calibrated():
    return calibration()


def e_s(image):
    return float(np.sqrt(np.mean((image - TRUTH) ** 2)) / TRUTH.mean())


def verdicts(calibrated, count, seed, per_cent=2.0, **options):
    """`count` verdicts on images whose network errs by `per_cent`."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        error = network_error(rng, per_cent)
        found.append(decide(Photons(rng), TRUTH + error, **{"tolerance": 0.04, "calibration": calibrated,
                                                           "size_mm": 250.0, "kvp": 120.0, **options}))  # fmt: skip
    return found


def share(conditions):
    return float(np.mean(list(conditions)))


def test_calibration_finds_the_networks_error(calibrated):
    """b2 of 2 % within 4 standard errors of 250 patients a bin (chi square of 4.6 degrees of freedom)."""
    assert calibrated.patients.sum() == 500
    assert calibrated.variance == pytest.approx(0.02**2, rel=4 * np.sqrt(2.0 / 4.6 / 230))
    assert calibrated.covariance[0, 0].trace() == pytest.approx(calibrated.variance[0, 0])  # all in the six modes


def test_gate_rejects_as_often_as_it_says(calibrated):
    """p values of in-domain images are uniform: below 1 % in 1 % of 2,000, within 4 binomial errors and the error of
    500 ranks (0.45 %); below 20 % in 20 % likewise (fails 1 in 5,000)."""
    rng, p = np.random.default_rng(2), []
    for _ in range(2000):
        batches = Photons(rng)(BUDGETS[1])
        distance = gate_distance(TRUTH + network_error(rng), batches, calibrated.covariance[0, 0],
                                 calibrated.noise[0, 0], batches.mean.mean())
        p.append(rank_p_value(distance, calibrated.distances[1]))
    for level in (0.01, 0.2):
        allowed = 4.0 * np.sqrt(level * (1.0 - level) * (1.0 / 2000 + 1.0 / 500))
        assert abs(np.mean(np.array(p) <= level) - level) < allowed + 1.0 / 501


def test_in_domain_images_are_blended_and_their_bars_hold(calibrated):
    """Of 500: <= 1 % rejected (plus 4 binomial errors), the others BLENDED with a bar that holds in 95 % less 4
    binomial errors (3.9 %); for about a third of the photons that Monte Carlo alone takes."""
    found = verdicts(calibrated, 500, 3)
    blended = [one for one in found if one.word == "BLENDED"]
    assert share(one.word == "REJECTED" for one in found) < 0.01 + 4 * np.sqrt(0.01 / 500)
    assert len(blended) > 480
    assert all(one.guarantee <= 0.04 and one.aim_reached for one in blended)
    assert share(e_s(one.image) <= one.guarantee for one in blended) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 500)
    rng = np.random.default_rng(4)
    alone = [decide(Photons(rng), None, 0.04, mode="unbiased", first_units=1000.0) for _ in range(100)]
    assert np.mean([one.units for one in alone]) > 3.0 * np.mean([one.units for one in found])


def test_members_that_agree_make_bars_shorter_and_they_hold():
    """Errors that vary by half from image to image, and with them the members' spread: 95 % of 500 images less 4
    binomial errors (5.5 %) within their bars, of the half that differs less and of the other; for fewer photons than by
    a calibration that was not told of the spread (0.89 in 500)."""
    units = {}
    for told_of_it in (True, False):
        made, rng, found = calibration(times=uneven, spread=told_of_it), np.random.default_rng(9), []
        for _ in range(500):
            times, spread = uneven(rng)
            prior = TRUTH + network_error(rng, 2.0 * times)
            found.append((spread, decide(Photons(rng), prior, 0.04, calibration=made, size_mm=250.0, kvp=120.0,
                                         spread=spread if told_of_it else 0.0)))
        units[told_of_it] = np.mean([one.units for _, one in found])
        assert (made.spread_share[0] > 0.5) == told_of_it
        blended = sorted((spread, e_s(one.image) <= one.guarantee) for spread, one in found if one.word == "BLENDED")
        halves = np.array([held for _, held in blended])[: len(blended) // 2 * 2].reshape(2, -1)
        if told_of_it:
            assert (halves.mean(axis=1) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / halves.shape[1])).all()
    assert units[True] < 0.95 * units[False]


def test_networks_out_of_domain_are_dropped(calibrated):
    """A network that errs by 25 %: all but 1 % of 300 REJECTED (4 binomial errors), Monte Carlo's bound holds in 95 %
    less 4 binomial errors (5 %) and is reached."""
    found = verdicts(calibrated, 300, 5, per_cent=25.0)
    rejected = [one for one in found if one.word == "REJECTED"]
    assert len(rejected) >= 0.99 * 300 - 4 * np.sqrt(0.01 * 300)
    assert all(one.weight == 1.0 and one.error_bar is None and one.bound <= 0.04 for one in rejected)
    assert share(e_s(one.image) <= one.bound for one in rejected) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 300)


@pytest.mark.parametrize("per_cent", [2.0, 6.0])
def test_certificates_assume_nothing(calibrated, per_cent):
    """Network as calibrated and three times worse: the bound of 300 certificates, rejected or not, holds in 95 % less 4
    binomial errors (5 %)."""
    found = verdicts(calibrated, 300, 6, per_cent=per_cent, mode="certified")
    assert all(one.bound <= 0.04 for one in found)
    assert {one.word for one in found} <= {"CERTIFIED", "REJECTED"}
    assert share(e_s(one.image) <= one.bound for one in found) > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 300)


def test_certificates_cost_what_monte_carlo_does(calibrated):
    """One image cannot be certified with fewer photons than its noise takes; nor does the network cost any."""
    certified, rng = verdicts(calibrated, 60, 7, mode="certified"), np.random.default_rng(7)
    alone = [decide(Photons(rng), None, 0.04, mode="unbiased", first_units=1000.0) for _ in range(60)]
    ratio = np.mean([one.units for one in certified]) / np.mean([one.units for one in alone])
    assert 0.9 < ratio < 1.1


def test_a_better_network_is_worth_more_photons(calibrated):
    """EP = s2 / b2: (177 / 2)^2 = 7,800 photons, within 15 % (200 images, spread of s2 from 16 batches)."""
    found = verdicts(calibrated, 200, 8)
    worth = np.median([one.equivalent_units for one in found if one.word == "BLENDED"])
    assert worth == pytest.approx((1.77 / 0.02) ** 2, rel=0.15)


def test_an_unreachable_tolerance_says_how_many_photons(calibrated):
    """`units_wanted` of a run that ended early is what a later one takes, within a factor of 2.5 (looks double)."""
    for mode in ("fast", "certified", "unbiased"):
        early, late = (verdicts(calibrated, 1, 9, tolerance=0.012, mode=mode, **limit)[0]
                       for limit in ({"most_units": 4000.0}, {}))  # fmt: skip
        assert not early.aim_reached
        assert early.guarantee > 0.012
        assert "most_units" in early.reason
        assert late.aim_reached
        assert early.units <= 4000.0
        assert late.units / 2.5 < early.units_wanted < late.units * 2.5


def test_outside_the_calibrated_range_the_network_is_dropped(calibrated):
    for where in ({"size_mm": 450.0}, {"kvp": 80.0}):
        found = verdicts(calibrated, 1, 10, **where)[0]
        assert found.word == "REJECTED"
        assert found.p_value is None
        assert "was not calibrated" in found.reason


def test_record_is_plain(calibrated):
    import json

    found = verdicts(calibrated, 1, 11)[0].record()
    assert json.loads(json.dumps(found)) == found
    assert found["network"] == "0" * 64
    assert {"word", "bound", "error_bar", "p_value", "units", "network"} <= set(found)


@pytest.mark.parametrize(("change", "text"), [
    ({"tolerance": 0.0}, "tolerance=0"), ({"mode": "quick"}, "mode='quick'"), ({"calibration": None}, "no calibration"),
    ({"gate_level": 0.0015}, "too few to reject"), ({"most_units": 10.0}, "most_units=10"),
    ({"mode": "unbiased", "calibration": None}, "first_units"),
])  # fmt: skip
def test_bad_input(calibrated, change, text):
    with pytest.raises(InvalidInput) as found:
        verdicts(calibrated, 1, 12, **change)
    assert text in str(found.value)


def test_a_source_of_other_batches_is_refused(calibrated):
    """Ranks are among patients with as many batches."""
    class Fewer(Photons):
        def __call__(self, units):
            batches = super().__call__(units)
            return type(batches)(images=batches.images[: BATCHES - 1], units=units)

    with pytest.raises(InvalidInput, match="15 batches"):
        decide(Fewer(np.random.default_rng(1)), TRUTH + PER_CENT, 0.04, calibration=calibrated, size_mm=250.0, kvp=120)
