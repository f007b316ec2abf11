"""Scans like those held out: error bars cover, the gate rejects what errs more, few photons do."""

import json

import numpy as np
import pytest

import physsim as ps
from physsim.errors import FileFormatError, InvalidInput
from physsim.imaging.scatter_maps import CHANNELS
from physsim.spec.training import SCANNED
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.novelty import p_value_of_many
from physsim.surrogate.scan_calibration import calibrated_scans
from physsim.surrogate.scan_verdict import Dropped, LikeHeldOut, blend_scan_like, decide_scan

VIEWS, COUNT, ROWS, COLUMNS = 16, 16, 4, 18
LOOKS = (256, 512, 1024, 2048)
SPEC = ps.ScatterTraining(family="ct", techniques=[{"protocol": "chest_ct"}], scan_nodes=VIEWS, scan_histories=2048)
ANGLE = 2.0 * np.pi * np.arange(VIEWS) / VIEWS
TRUTH = (1.0 + 0.3 * np.cos(2.0 * ANGLE))[:, None, None] * np.linspace(0.8, 1.2, ROWS * COLUMNS).reshape(ROWS, COLUMNS)
NOISE = 1.0  # relative, of a place by one history


def errors(rng, per_cent):
    """Of one scan: one number of all views, waves over the angle, a slope over the columns, and what is in no mode."""
    size = 0.01 * per_cent * np.exp(rng.normal(0.0, 0.2))
    waves = rng.normal() + rng.normal() * np.cos(ANGLE) + rng.normal() * np.sin(2.0 * ANGLE)
    slope = rng.normal() * np.linspace(-1.0, 1.0, COLUMNS)
    fine = rng.normal(size=(VIEWS, ROWS, COLUMNS))
    return 0.5 * size * (waves[:, None, None] + slope + 0.5 * fine)


def batches(rng, histories):
    """(views, COUNT, rows, columns) sums of so many histories."""
    spread = NOISE * TRUTH[:, None] * np.sqrt(COUNT * histories)
    each = rng.normal(size=(VIEWS, COUNT, ROWS, COLUMNS)) + rng.normal(size=(VIEWS, COUNT, 1, 1))
    return histories * TRUTH[:, None] + spread * each / np.sqrt(2.0)


def looks_of(rng):
    found, total, before = [], 0.0, 0
    for histories in LOOKS:
        total, before = total + batches(rng, histories - before), histories
        found.append(total / histories)
    return np.stack(found)


@pytest.fixture(scope="module")
def held_out():
    """34 patients, 6 scans of each; a network that errs by 1.7 % about."""
    rng = np.random.default_rng(1)
    scans = 204
    wrong = np.stack([errors(rng, 2.0) for _ in range(scans)])
    members = np.stack([TRUTH * (1.0 + wrong + sign * 0.005) for sign in (-1.0, 1.0)])
    data = {"maps": np.ones((scans, VIEWS, 2, 8, 12)), "conditions": np.ones((scans, VIEWS, 3)),
            "batches": np.stack([looks_of(rng) for _ in range(scans)]).astype(np.float32),
            "truth": np.stack([batches(rng, 32768) / 32768 for _ in range(scans)]).astype(np.float32),
            "kvp": rng.uniform(100.0, 140.0, scans), "turns": np.ones(scans), "periodic": np.ones(scans, bool),
            "patient": np.repeat(np.arange(34) + SCANNED, 6)}
    made = calibrated_scans(members, data, SPEC, "a" * 64, "b" * 64)
    return made, float(np.mean((TRUTH * wrong) ** 2) / TRUTH.mean() ** 2)


def test_b2_is_the_mean_square_error_whatever_the_truths_noise(held_out):
    """The truth errs by 0.6 % a view, a third of the network; taken off, b2 is right within 10 % (3 sigma of 204)."""
    made, square = held_out
    assert float(made.variance[0, 0]) == pytest.approx(square, rel=0.1)
    assert made.distances.shape == (4, 204)  # all scans are ranked, none by its own
    assert made.budgets.tolist() == [VIEWS * one for one in LOOKS]


def like(made, turns=1.0):
    place = made.bin_of(float(made.size_edges_mm.mean()), 120.0)
    return LikeHeldOut(calibration=made, place=place, factor=1.0, turns=turns)


def photons(rng):
    kept = {"sums": 0.0, "units": 0.0}

    def source(units):
        kept["sums"] = kept["sums"] + batches(rng, units - kept["units"])
        kept["units"] = units
        return kept["sums"] / units

    return source


def verdicts(made, per_cent, tolerance, scans, seed):
    """And the error of the image delivered, None where the network was dropped."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(scans):
        prior = TRUTH * (1.0 + errors(rng, per_cent))
        one = blend_scan_like(photons(rng), prior, tolerance, like(made), periodic=True, network="hash",
                              gate_level=0.005)
        error = None if isinstance(one, Dropped) else np.sqrt(np.mean((one.image - TRUTH) ** 2)) / TRUTH.mean()
        found.append((one, error))
    return found


def test_error_bars_of_scans_like_those_held_out_cover(held_out):
    """150 fresh scans at 4 %: at most 5 % and 4 binomial errors beyond their bar; 5 are dropped at most, and nearly all
    take the first look's photons alone."""
    found = verdicts(held_out[0], 2.0, 0.04, 150, 2)
    blended = [(one, error) for one, error in found if error is not None]
    assert len(blended) >= 145
    assert all(one.word == "BLENDED" and one.network == "hash" and one.aim_reached for one, _ in blended)
    assert np.mean([error > one.guarantee for one, error in blended]) <= 0.05 + 4.0 * np.sqrt(0.05 * 0.95 / 150)
    assert np.median([one.units for one, _ in blended]) == LOOKS[0]


def test_networks_that_err_more_are_dropped(held_out):
    """One that errs by some 35 %, twenty times what it did: the gate finds it in nearly all of 30 scans."""
    found = [one for one, _ in verdicts(held_out[0], 40.0, 0.04, 30, 3)]
    assert sum(isinstance(one, Dropped) and "errs here more" in one.reason for one in found) >= 27


def test_tolerances_that_held_out_scans_never_reached_take_no_photon(held_out):
    def source(units):
        raise AssertionError("photons were asked for")

    several = blend_scan_like(source, TRUTH, 0.04, like(held_out[0], 3.0), gate_level=0.005)
    assert isinstance(several, Dropped)
    assert "of 1.0 to 1.0 turns, this one is of 3.0" in several.reason
    one = blend_scan_like(source, TRUTH, 0.002, like(held_out[0]), gate_level=0.005)
    assert isinstance(one, Dropped)
    assert "do not reach the tolerance" in one.reason
    verdict = one.verdict(TRUTH, 0.0019, 0.002, 0.05, 1000.0)
    assert (verdict.word, verdict.network, verdict.guarantee, verdict.aim_reached) == ("REJECTED", "", 0.0019, True)
    assert not one.verdict(TRUTH, 0.0021, 0.002, 0.05, 1000.0).aim_reached


def test_the_scan_that_is_certified_holds_its_bound_and_takes_more_photons(held_out):
    made, rng = held_out[0], np.random.default_rng(5)
    one = decide_scan(photons(rng), 1.01 * TRUTH, 0.04, float(made.variance[0, 0]), periodic=True, network="hash")
    assert one.word == "CERTIFIED"
    assert one.error_bar is None
    assert one.guarantee == one.bound <= 0.04
    assert np.sqrt(np.mean((one.image - TRUTH) ** 2)) / TRUTH.mean() <= one.bound
    assert one.units > LOOKS[0]


def test_a_verdict_on_files_says_what_it_rests_on(held_out):
    one, _ = verdicts(held_out[0], 2.0, 0.04, 1, 6)[0]
    told = json.loads(json.dumps(one.record()))
    assert told["word"] == "BLENDED"
    assert told["error_bar"] <= 0.04
    assert 0.0 < told["p_value"] <= 1.0
    assert told["bound"] > told["error_bar"]


def test_too_few_ranked_scans_are_said(held_out):
    with pytest.raises(InvalidInput, match="204 ranked patients"):
        blend_scan_like(photons(np.random.default_rng(1)), TRUTH, 0.04, like(held_out[0]), gate_level=0.001)


def test_what_was_calibrated_is_read_as_it_was_written(held_out, tmp_path):
    made, _ = held_out
    made.save(tmp_path / "scans.h5")
    np.testing.assert_array_equal(Calibration.load(tmp_path / "scans.h5", of="scans").ratios, made.ratios)
    with pytest.raises(FileFormatError, match="of held-out scans: views are wanted"):
        Calibration.load(tmp_path / "scans.h5")


def test_few_scans_give_no_calibration(held_out):
    few = {"maps": np.ones((12, VIEWS, 2, 8, 12)), "truth": np.ones((12, VIEWS, COUNT, ROWS, COLUMNS)),
           "batches": np.ones((12, 4, VIEWS, COUNT, ROWS, COLUMNS)), "kvp": np.full(12, 120.0), "turns": np.ones(12),
           "periodic": np.ones(12, bool), "patient": np.arange(12) + SCANNED}
    assert calibrated_scans(np.ones((2, 12, VIEWS, ROWS, COLUMNS)), few, SPEC, "a" * 64, "b" * 64) is None


@pytest.mark.parametrize("together", [0.0, 0.7, 1.0])
def test_p_values_of_views_that_go_together_as_they_like_merge_to_one(together):
    """4,000 scans of 16 views: 5 % and less at 5 %, within 4 binomial errors; a quarter of new views is enough."""
    from scipy.stats import norm

    rng = np.random.default_rng(7)
    views = np.sqrt(together) * rng.normal(size=(4000, 1)) + np.sqrt(1.0 - together) * rng.normal(size=(4000, 16))
    found = np.array([p_value_of_many(one) for one in norm.cdf(views)])
    assert np.mean(found <= 0.05) <= 0.05 + 4.0 * np.sqrt(0.05 * 0.95 / 4000)
    assert p_value_of_many(np.array([1e-4] * 4 + [0.5] * 12)) == pytest.approx(4e-4)


QUICK = ps.ScatterTraining(family="ct", techniques=[{"protocol": "chest_ct", "kvp": (100, 140)}], bodies=2,
                           spacing_mm=12.0, pixels=(16, 32), stride=(4, 2), held_out_scans=1, scan_nodes=8,
                           scan_histories=512, scan_truth_histories=1024, grid_times=1.0, stretch=(0.95, 1.05))


def test_scans_are_drawn_by_their_number_and_photons_mean_the_same_as_the_truth():
    """Of 2 bodies: their means agree within 4 standard errors; batches of photons and of the truth (twice as many)
    do not go together (256 pairs: within 4 / 16; were they the same photons, by 0.7)."""
    from physsim.imaging.scan_cases import ScanCases

    one = ScanCases(QUICK)(SCANNED)
    assert one["maps"].shape == (2, 8, len(CHANNELS), 16, 32)
    assert one["batches"].shape == (2, 2, 8, 16, 4, 16)
    assert (one["turns"] > 5.0).all()  # whole, its 8 views over all turns
    assert not one["periodic"].any()  # of a helix
    lit = one["maps"][:, :, 0].mean(axis=(2, 3))
    assert (np.abs(np.diff(lit, axis=1)) > 1e-3).all()  # of other places on the body
    few, many = (array.reshape(2, 8, 16, -1).mean(axis=(1, 3)) for array in (one["batches"][:, -1], one["truth"]))
    error = np.sqrt((few.var(axis=1, ddof=1) + many.var(axis=1, ddof=1)) / 16.0)
    assert (np.abs(few.mean(axis=1) - many.mean(axis=1)) < 4.0 * error).all()
    own = one["batches"][:, -1].mean(axis=(3, 4)), one["truth"].mean(axis=(3, 4))  # (body, view, batch)
    apart = [((each - each.mean(axis=2, keepdims=True)) / each.std(axis=2, keepdims=True)).ravel() for each in own]
    assert abs(float(np.mean(apart[0] * apart[1]))) < 4.0 / 16.0
    again = ScanCases(QUICK.replace(held_out_scans=2, bodies=1))(SCANNED)
    np.testing.assert_array_equal(again["truth"][0], one["truth"][0])


def test_scans_of_radiographs_are_refused(tmp_path):
    from physsim.imaging.scan_cases import ScanCases

    with pytest.raises(InvalidInput, match="chest_pa is no scan"):
        ScanCases(QUICK.replace(family="chest", techniques=[{"protocol": "chest_pa"}]))(SCANNED)
