"""An audit's figures against images, guarantees and truths that are made up, so that what it should find is known."""

import json

import numpy as np
import pytest
from hybrid_toy import TRUTH, Photons, calibration, network_error

from physsim.evaluate.audit import Audit
from physsim.surrogate.audit import (
    FIGURES,
    IN_DOMAIN,
    MODES,
    REFUSED,
    WORDS,
    audit_figures,
    coverage,
    dropped,
    true_errors,
    ungated_errors,
)
from physsim.surrogate.blend import effective_freedom
from physsim.surrogate.judged_coverage import along
from physsim.surrogate.limits import limits_over
from physsim.surrogate.shards import PATIENT
from physsim.surrogate.verdict import decide

TOLERANCE, LEVEL = 0.04, 0.05


@pytest.fixture(scope="module")
def calibrated():
    return calibration()


def view(rng, calibrated, per_cent, kind=IN_DOMAIN, truth_share=0.25):
    """One row of an audit: a network that errs by `per_cent`, a truth with `truth_share` of the tolerance's noise."""
    prior, photons = TRUTH + network_error(rng, per_cent), Photons(rng)
    kept = {}

    def source(units):
        kept[units] = kept.get(units) or photons(units)
        return kept[units]

    made = {mode: decide(source, None if mode == "unbiased" else prior, TOLERANCE, size_mm=250.0, kvp=120.0, mode=mode,
                         calibration=None if mode == "unbiased" else calibrated, first_units=1000.0)
            for mode in (MODES if kind == IN_DOMAIN else MODES[:1])}
    last = kept[max(kept)]
    other = Photons(rng)(last.units / truth_share**2)
    told = {"size_bin": 0.0, "kvp_bin": 0.0, "in_range": 1.0, "size_mm": 250.0, "guess_seconds": 0.01,
            "truth_seconds": 0.1, "truth_units": other.units,
            "noise_of_a_unit": last.variance * last.units, "truth_freedom": effective_freedom(other),
            "same_photons_square": float(np.mean((kept[made["fast"].units].mean - other.mean) ** 2))}
    for mode, one in made.items():
        told |= {f"{mode}_word": WORDS.index(one.word), f"{mode}_guarantee": one.guarantee, f"{mode}_units": one.units,
                 f"{mode}_seconds": 1e-6 * one.units, f"{mode}_along": along(one.image, other)}
    images = {mode: made[mode].image if mode in made else np.zeros_like(TRUTH) for mode in MODES[:2]}
    return {"truth": other.mean, "truth_error": other.images.std(axis=0, ddof=1) / 4.0, "network": prior, **images,
            "figures": np.array([told.get(name, np.nan) for name in FIGURES]), "kind": np.array(kind),
            "seen": np.full((16, 16), 0.5, np.float16), "drawn": np.array([120.0, 0, 0, 0, 0, 0])}


def joined(rows, patients):
    found = {name: np.stack([one[name] for one in rows]) for name in rows[0]}
    return found | {PATIENT: patients}


@pytest.fixture(scope="module")
def audited(calibrated):
    """150 views of 50 patients in domain; 40 members that err by 25 %, 40 as in domain, two that were refused."""
    rng = np.random.default_rng(5)
    rows = [view(rng, calibrated, 2.0) for _ in range(150)]
    rows += [view(rng, calibrated, 25.0, 0) for _ in range(40)] + [view(rng, calibrated, 2.0, 1) for _ in range(40)]
    blank = dict(rows[-1]) | {name: np.zeros_like(TRUTH) for name in ("truth", "truth_error", "network", *MODES[:2])}
    blank["figures"] = np.array([REFUSED if name.endswith("word") else np.nan for name in FIGURES])
    blank["kind"] = np.array(2)
    return joined([*rows, blank, blank], np.concatenate([np.repeat(np.arange(50), 3), np.full(82, 99)]))


@pytest.fixture(scope="module")
def figures(audited, calibrated):
    groups = {"first": np.arange(150) < 75, "others": np.arange(150) >= 75, "nobody": np.zeros(150, bool)}
    return audit_figures(audited, calibrated, TOLERANCE, LEVEL, groups, ("wrong", "right", "empty"))


def test_the_truths_noise_is_taken_off():
    """40 parts of noise, a truth with 0.7 of it: the mean square error is that with the exact truth (4 standard errors
    of 20,000 are 1 %)."""
    rng = np.random.default_rng(3)
    noise, other = rng.normal(size=(2, 20000, 40, 1)) / np.sqrt(40)
    other = 0.7 * other
    places = np.full((20000, 40, 1), 100.0)
    exact = {"truth": places, "truth_error": np.zeros_like(places), "fast": places + noise}
    # the standard error is known here: its own scatter over batches is left out
    noisy = exact | {"truth": places + other, "truth_error": np.full_like(places, 0.7 / np.sqrt(40))}
    clean, found = (true_errors(one, "fast") * 100.0 for one in (exact, noisy))
    assert np.mean(found**2) == pytest.approx(np.mean(clean**2), rel=0.01)


def test_coverage_in_domain(figures):
    """Of 150 views of 50 patients: 95 % less 4 binomial errors (7 %); both words apart, and their limits those of what
    was extrapolated. Its error is about binomial, for here no two views are alike."""
    for word in ("CERTIFIED", "BLENDED"):
        one = figures["guarantees"][word]
        assert one["cases"] > 130
        assert min(one["coverage"], one["coverage_extrapolated"]) > 0.88
        assert one["patients"] == 50
        assert 0.0 < one["truth_noise"] < 0.5
        assert one["coverage_error"] < 0.035
        assert one["coverage_lower_95"] == limits_over(50, one["coverage_extrapolated"], one["coverage_error"],
                                                       one["cases"])[0] < one["coverage_extrapolated"]
    assert figures["words"]["certified"]["CERTIFIED"] == figures["guarantees"]["CERTIFIED"]["cases"]
    assert sum(figures["words"]["fast"].values()) == 150


def test_coverage_of_nothing_is_not_known(audited):
    """No view: no figure but the counts; the zoo's members are of one patient here, which says next to nothing."""
    none = coverage({name: values[:0] for name, values in audited.items()}, "fast")
    assert (none["cases"], none["covered"], none["patients"]) == (0, 0, 0)
    assert {value for name, value in none.items() if "coverage" in name} == {None}
    one = coverage({name: values[190:230] for name, values in audited.items()}, "fast")
    assert one["coverage_error"] is None
    assert one["coverage_lower_95"] < 0.06


def test_errors_and_subgroups(figures):
    """The network errs by 2 %, as made; what is delivered by less than as many photons alone."""
    assert figures["network_e_s"] == pytest.approx(0.02, rel=0.15)
    assert figures["mean_e_s"] < figures["same_photons_e_s"]
    assert set(figures["subgroups"]) == {"first", "others"}
    assert figures["subgroups"]["first"]["cases"] == 75
    worst = max(one["e_s"] for one in figures["subgroups"].values())
    assert figures["worst_subgroup_e_s"] == worst >= figures["mean_e_s"]
    assert abs(figures["bias"]["network"]["mean"]) < 4 * figures["bias"]["network"]["error"] < 0.01


def test_gate(figures):
    """Members that err by 25 % are dropped, those as in domain pass and are no part of its power; the refused are
    neither."""
    zoo = figures["zoo"]
    assert figures["gate_power"] > 0.9
    assert figures["gate_false_rate"] < 0.01 + 4 * np.sqrt(0.01 / 150)
    assert zoo["kinds"]["wrong"]["exceed"] == 40
    assert zoo["kinds"]["right"]["exceed"] <= 4
    assert zoo["kinds"]["right"]["dropped"] <= 4
    assert zoo["refused"] == zoo["kinds"]["empty"]["refused"] == 2
    assert zoo["not_rejected"]["cases"] + zoo["dropped"] + zoo["refused"] == zoo["members"] == 82
    assert figures["seconds_per_view_montecarlo"] > 2.0 * (figures["seconds_per_view_hybrid"] - 0.01)


def test_what_would_be_delivered_without_a_gate(calibrated):
    """A network as calibrated: the blend's own expected error, below the tolerance; one 12 times worse: above; out of
    the range nothing would be blended, so its own error counts."""
    rng = np.random.default_rng(8)
    rows = [view(rng, calibrated, 2.0, 0), view(rng, calibrated, 25.0, 0), view(rng, calibrated, 25.0, 0)]
    rows[2]["figures"][FIGURES.index("size_bin")] = -1.0
    made = joined(rows, np.zeros(3))
    found = ungated_errors(made, calibrated, TOLERANCE, LEVEL)
    assert found[0] < TOLERANCE < found[1] < true_errors(made, "network")[1]
    assert found[2] == true_errors(made, "network")[2]
    # by hand: at 1,000 photons of 177 %, or later, w (MC - NN) is left of it
    b2 = float(calibrated.variance[0, 0])
    budgets = calibrated.budgets.tolist()
    squares = [made["figures"][1, FIGURES.index("noise_of_a_unit")] / made["truth"][1].mean() ** 2 / one
               for one in budgets]
    by_hand = [np.hypot(one / (b2 + one) * true_errors(made, "network")[1], b2 / (b2 + one) * np.sqrt(one))
               for one in squares]
    assert min(abs(found[1] - one) for one in by_hand) < 1e-12


def test_views_that_nobody_delivers_are_counted_apart(audited, calibrated):
    changed = {name: values.copy() for name, values in audited.items()}
    changed["figures"][0, FIGURES.index("fast_word")] = REFUSED
    groups, kinds = {"all": np.ones(150, bool)}, ("wrong", "right", "empty")
    found = audit_figures(changed, calibrated, TOLERANCE, LEVEL, groups, kinds)
    assert found["refused"] == 1
    assert found["subgroups"]["all"]["cases"] == 149
    assert not dropped(changed)[0]


def test_the_page_shows_the_figures_and_the_worst_views(audited, figures, tmp_path):
    told = {"family": "chest", "cases": 150, "zoo_members": 82, "patients": 50, "seed": 1, "tolerance": TOLERANCE,
            "level": LEVEL, "failed": {"8589934593": "ValueError: <no body>"},
            "network": "0" * 64, "zoo_sha256": "1" * 64, "views_sha256": "2" * 64}
    found = Audit({**figures, **told}, audited, ("wrong", "right", "empty"))
    found.save(tmp_path / "audit.html")
    text = (tmp_path / "audit.html").read_text()
    assert text.count("data:image/png;base64,") >= 3
    assert "http" not in text  # it needs no other file
    for word in ("CERTIFIED", "BLENDED", "REJECTED", "wrong", "first", "1" * 64):
        assert word in text
    assert "8589934593, ValueError: &lt;no body&gt;" in text
    blended = figures["guarantees"]["BLENDED"]
    assert f"<td>{blended['cases']}</td><td>{blended['covered']}</td>" in text
    assert f"<td>{100.0 * blended['coverage_extrapolated']:.2f} %</td>" in text
    assert text.count("hold as seen") == 1
    with pytest.raises(OSError, match="exists"):
        found.save(tmp_path / "audit.html")


def test_figures_are_plain_data(figures):
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures
