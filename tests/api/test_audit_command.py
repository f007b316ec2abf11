"""`physsim audit` and ps.audit: what is asked for is made and resumed, what cannot be is said before any work."""

import json
from pathlib import Path

import pytest
from network_cases import calibration, plain_weights
from typer.testing import CliRunner

import physsim as ps
from physsim.cli.app import app
from physsim.errors import InvalidInput, OutputError
from physsim.evaluate.audit import _made
from physsim.spec.training import AUDITED, ZOO
from physsim.surrogate.ensemble import calibration_file
from physsim.surrogate.shards import PatientsFailed

SPEC = ps.ScatterTraining(family="chest", pixels=(16, 16), width=8, members=1, spacing_mm=10.0, techniques=[
    {"protocol": "chest_pa", "kvp": (100, 140), "aim_mm": (25, 25), "field": (0.75, 1.0), "grid_ratios": (0.0,),
     "patient_detector_mm": (20, 120), "source_detector_mm": (1500, 2000)}])
ASKED = {"cases": 3, "zoo": 2, "seed": 5, "tolerance": 0.2, "most_histories": 2**14}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    pytest.importorskip("torch")
    from physsim.surrogate.ensemble import load_ensemble

    path = plain_weights(tmp_path_factory.mktemp("weights") / "plain.safetensors", SPEC)
    calibration(load_ensemble(path).digest, 40).save(calibration_file(path))
    return path


def run(*words):
    return CliRunner().invoke(app, ["audit", *map(str, words)])


def test_an_audit_says_what_was_asked_for_and_goes_on_after_a_stop(weights, tmp_path):
    words = [part for name, value in ASKED.items() for part in (f"--{name.replace('_', '-')}", value)]
    words += ["--family", "chest", "--weights", weights, "--folder", tmp_path / "views", "--workers", 1, "--json"]
    found = run(*words, "--out", tmp_path / "audit.html")
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    for word in ("CERTIFIED", "BLENDED"):
        assert {"cases", "covered", "coverage_lower_95"} <= set(told["guarantees"][word])
    assert {"mean_e_s", "worst_subgroup_e_s", "gate_false_rate", "gate_power", "seconds_per_view_hybrid",
            "seconds_per_view_montecarlo"} <= set(told)
    assert sum(told["words"]["fast"].values()) == 3
    assert sum(told["words"]["certified"].values()) == 3
    assert told["zoo"]["members"] == 2
    assert "technique chest_pa" in told["subgroups"]
    assert 0.0 < told["mean_e_s"] < 0.5
    assert told["seconds_per_view_hybrid"] > 0.0
    assert "<h1>Audit" in (tmp_path / "audit.html").read_text()
    files = sorted((tmp_path / "views").iterdir())
    times = [path.stat().st_mtime_ns for path in files]
    files[0].unlink()
    again = ps.audit("chest", weights=weights, folder=tmp_path / "views", **ASKED)
    assert [path.stat().st_mtime_ns for path in files[1:]] == times[1:]
    seconds = {name for name in told if "seconds" in name}
    assert {name: again.figures[name] for name in told if name not in seconds} == \
        {name: told[name] for name in told if name not in seconds}
    with pytest.raises(InvalidInput, match="other data"):
        ps.audit("chest", weights=weights, folder=tmp_path / "views", **{**ASKED, "seed": 6})


def test_the_others_are_audited_where_one_patient_fails(monkeypatch):
    files = {Path(f"{number}.h5"): (number,) for number in (AUDITED, AUDITED + 1, ZOO)}

    def failing(*numbers):
        def made(wanted, plan, views_of, workers, progress):
            raise PatientsFailed({number: ValueError("no such body") for number in numbers},
                                 [path for path, (number,) in wanted.items() if number not in numbers])
        monkeypatch.setattr("physsim.evaluate.audit.make_files", made)
        return _made(files, "", None, 1, None)

    kept, failed = failing(AUDITED)
    assert kept == list(files)[1:]
    assert failed == {str(AUDITED): "ValueError: no such body"}
    for none_left in ((AUDITED, AUDITED + 1), (ZOO,)):
        with pytest.raises(PatientsFailed, match="no such body"):
            failing(*none_left)


@pytest.mark.parametrize(("family", "given", "words"), [
    ("chets", {}, "Did you mean 'chest'"),
    ("abdomen", {"cases": 0}, "cases=0"),
    ("abdomen", {"zoo": -1}, "zoo=-1"),
    ("abdomen", {"cases": True}, "cases=True"),
    ("abdomen", {"seed": -1}, "seed=-1"),
    ("abdomen", {"seed": 2**63}, "whole number from 0"),
    ("abdomen", {"workers": 0}, "workers=0"),
    ("abdomen", {"weights": "not_there.safetensors"}, "no such file"),
])
def test_what_cannot_be_audited_is_said(family, given, words):
    with pytest.raises(InvalidInput, match=words):
        ps.audit(family, **given)


@pytest.mark.parametrize("family", ["mammography", "ct", "cbct"])
def test_families_without_weights_say_so(monkeypatch, family):
    monkeypatch.setattr("physsim.evaluate.audit.shipped_family", lambda family: None)
    with pytest.raises(InvalidInput, match="no weights are shipped"):
        ps.audit(family)


def test_weights_of_another_family_are_refused(weights):
    with pytest.raises(InvalidInput, match="are of chest"):
        ps.audit("abdomen", weights=weights)


def test_the_page_is_looked_at_before_any_work(weights, tmp_path):
    there = tmp_path / "audit.html"
    there.write_text("kept")
    assert isinstance(run("--weights", weights, "--out", there).exception, OutputError)
    assert there.read_text() == "kept"
    assert isinstance(run("--weights", weights, "--out", tmp_path / "audit.pdf").exception, InvalidInput)
