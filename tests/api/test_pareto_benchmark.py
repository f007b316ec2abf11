"""`physsim bench pareto` on a miniature: all estimators run and say what they must; no speed is asserted."""

import json

import numpy as np
import pytest
from network_cases import calibration, plain_weights
from physsim._benchmarks import pareto

import physsim as ps
from physsim.surrogate.ensemble import calibration_file, load_ensemble

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    spec = ps.ScatterTraining(family="chest", techniques=[{"protocol": "chest_pa"}], pixels=(16, 16), width=8)
    weights = plain_weights(tmp_path_factory.mktemp("pareto") / "plain.safetensors", spec)
    calibration(load_ensemble(weights).digest, 30).save(calibration_file(weights))
    return pareto.measure(quick=True, patients=1, weights=str(weights), say=lambda text: None)


def test_every_estimator_ran(result):
    assert not result["failed"]
    assert not result["notes"]
    wanted = {"none", "kernel", "Monte Carlo 40 %", "Monte Carlo 40 %, denoised", "Monte Carlo 20 %",
              "Monte Carlo 20 %, denoised", "network", "hybrid 5 %"}
    for job in pareto.TRUTH:
        rows = {row["estimator"]: row for row in result["rows"] if row["job"] == job}
        assert set(rows) == wanted
        assert rows["none"]["e_s"] > 1.0 > rows["Monte Carlo 20 %"]["e_s"]
        assert rows["Monte Carlo 40 %, denoised"]["e_s"] <= rows["Monte Carlo 40 %"]["e_s"]
        assert all(row["cpu_seconds"] > 0.0 for name, row in rows.items() if name != "none")
        assert rows["hybrid 5 %"]["verdict"] in ("CERTIFIED", "BLENDED", "REJECTED")
    json.dumps(result)


def test_the_page_and_the_picture_show_them(result, tmp_path):
    page = pareto.markdown(result)
    assert all(f"| {row['estimator']} |" in page for row in result["rows"])
    pareto.picture(result, tmp_path / "pareto.png")
    assert (tmp_path / "pareto.png").stat().st_size > 10_000


def test_what_monte_carlo_takes_to_an_error_is_between_its_points():
    """Seconds ~ 1 / error^2: a straight line in logarithms."""
    points = [{"e_s": error, "cpu_seconds": 1e-3 / error**2} for error in (0.01, 0.1)]
    assert pareto._at(0.03, points, "cpu_seconds") == pytest.approx(1e-3 / 0.03**2)
    assert pareto._at(0.2, points, "cpu_seconds") is None
    assert np.isclose(pareto._at(0.01, points, "cpu_seconds"), 10.0)
