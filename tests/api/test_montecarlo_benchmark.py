"""`physsim bench montecarlo` on miniature jobs: schema, figures, MC-GPU's files; no speed is asserted."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from physsim._benchmarks import mcgpu, montecarlo, montecarlo_report, scatter_jobs

from physsim.errors import FileFormatError, InvalidInput, PhyssimError

FIGURES = (
    "analog_histories_per_s",
    "scatter_2_percent_seconds_slab60",
    "scatter_2_percent_seconds_thorax",
    "gain_over_mcgpu_rate",
    "gain_over_smoothed_analog",
    "chest_2_percent_seconds",
    "ct_rotation_seconds",
    "ct_rotation_nodes_seconds",
    "scatter_over_analog_slab60",
    "scatter_over_analog_thorax",
    "startup_seconds",
)
NOT_HERE = {"mcgpu_histories_per_s", "cuda_histories_per_s"}
# Stands for MC-GPU: reads what physsim wrote, and answers in MC-GPU's format.
STAND_IN = """#!{python}
import sys
lines = [line for line in open(sys.argv[1]).read().splitlines() if not line.startswith("#")]
histories, columns, rows = int(lines[0]), *map(int, lines[10].split())
assert lines[5] == "beam.spc" and open("beam.spc").read().split()[0] == "60000.0", lines
assert len(open(lines[-2]).read().splitlines()) == 7 + 150 * 100 * 150
assert open(lines[-1]).read() == "water"
with open(lines[9], "w") as out:
    print("#  [NON-SCATTERED] [COMPTON] [RAYLEIGH] [MULTIPLE-SCATTING]", file=out)
    for row in range(rows):
        for column in range(columns):
            print(f"{{1.0 + row:.8f}} 0.5 0.25 {{1.0 * column:.8f}}", file=out)
        print(file=out)
    print(f"#       Simulated x rays:    {{histories}}", file=out)
    print("#       Simulation time [s]: 2.00", file=out)
"""


@pytest.fixture
def stand_in(tmp_path):
    path = tmp_path / "mc-gpu"
    path.write_text(STAND_IN.format(python=sys.executable))
    path.chmod(0o755)
    (tmp_path / "materials").mkdir()
    (tmp_path / "materials" / "water__5-120keV.mcgpu").write_text("water")
    return path


@pytest.fixture(scope="module")
def result():
    return montecarlo.measure(quick=True, histories=4000, say=lambda text: None)


def test_rows_and_figures(result):
    assert not result["failed"], result["notes"]
    found = {(row["job"], row["code"]) for row in result["rows"]}
    assert {("slab60", "analog"), ("slab60", "analog, smoothed"), ("thorax90", "analog")} <= found
    assert {("thorax90", "scatter_image"), ("chest", "scatter_image"), ("ct", "scatter_scan")} <= found
    assert {("start", "start-up"), ("slab60", "dose by voxel")} <= found
    assert set(FIGURES) | NOT_HERE <= result["figures"].keys()
    for name, value in result["figures"].items():
        assert result["notes"][name] if name in NOT_HERE else value > 0
    for name in ("slab60", "thorax"):
        assert result["figures"][f"scatter_over_analog_{name}"] == pytest.approx(1.0, abs=0.35)  # thousands of photons
    assert result["figures"]["analog_histories_per_s"] > 1000
    assert "not run here" in result["notes"]["mcgpu"]
    assert json.loads(json.dumps(result)) == result


def test_times_follow_from_errors(result):
    rows = {(row["job"], row["code"]): row for row in result["rows"]}
    for row in rows.values():
        if row["code"] == "scatter_scan":
            assert row["seconds_of_nodes"] == pytest.approx(row["seconds"] * (row["error"] / 0.02) ** 2)
            assert row["seconds_to_2_percent"] == row["seconds_of_nodes"] + row["images_seconds"]
        elif row.get("extrapolated"):
            assert row["seconds_to_2_percent"] == pytest.approx(row["seconds"] * (row["error"] / 0.02) ** 2)
            assert row["seconds_to_1_percent"] == pytest.approx(4 * row["seconds_to_2_percent"])
            assert row["figure_of_merit"] == pytest.approx(1 / (row["error"] ** 2 * row["seconds"]))
        if row["code"] in scatter_jobs.ESTIMATORS:
            assert row["error_at_2_percent"] <= 0.02
            assert row["error_at_5_percent"] <= 0.05
    raw, smooth = rows["slab60", "analog"]["error"], rows["slab60", "analog, smoothed"]["error"]
    assert raw / smooth == pytest.approx(math.sqrt(48 * 40 / (12 * 10)), rel=0.15)  # as many free numbers


def test_figures_compare_at_the_same_error():
    """Analog needs 8 s at 2 % at 1e6 histories/s: at MC-GPU's 575,000/s 13.9 s, against 0.01 s."""
    names = ("seconds_to_2_percent", "histories_per_s", "scatter_ev_per_history")
    rows = [
        {"job": job, "code": code, **dict(zip(names, values, strict=True))}
        for job in ("slab60", "thorax90")
        for code, values in {
            "analog": (8.0, 1e6, 800.0),
            "analog, smoothed": (0.5, 1e6, 800.0),
            "whole": (0.01, None, 796.0),
        }.items()
    ]
    rows.append({"job": "chest", "code": "whole", "seconds_to_2_percent": 0.3, "cold_startup_seconds": 0.1})
    rows.append({"job": "ct", "code": "scatter_scan", "seconds_to_2_percent": 9.0, "seconds_of_nodes": 4.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(montecarlo, "FASTEST", "whole")
        figures = montecarlo.figures(rows, {})
    assert figures["gain_over_mcgpu_rate_slab60"] == pytest.approx(8 / 0.575 / 0.01)
    assert figures["gain_over_smoothed_analog_thorax"] == pytest.approx(0.5 / 0.295 / 0.01)
    assert figures["gain_over_mcgpu_rate"] == figures["gain_over_mcgpu_rate_slab60"]  # the smaller of both
    assert figures["gain_over_own_smoothed_analog_slab60"] == pytest.approx(50)
    assert figures["chest_2_percent_seconds"] == pytest.approx(0.4)
    assert (figures["ct_rotation_seconds"], figures["ct_rotation_nodes_seconds"]) == (9.0, 4.0)
    assert figures["scatter_over_analog_thorax"] == pytest.approx(0.995)


def test_interpolation_counts_as_error():
    assert montecarlo.reached(3.0, 0.018, 0.0, 0.02) == 3.0
    assert montecarlo.reached(3.0, 0.02, 0.012, 0.02) == pytest.approx(3.0 / 0.64)
    assert montecarlo.reached(3.0, 0.001, 0.03, 0.02) is None


def test_smoothing_keeps_splines_and_averages_noise():
    rows, columns = (np.arange(n) + 0.5 for n in (40, 48))
    smooth = 1.0 + (rows[:, None] / 40) ** 3 - (columns / 48) ** 2 * rows[:, None] / 40
    assert np.allclose(scatter_jobs.smoothed(smooth[None])[0], smooth)
    noise = scatter_jobs.smoothed(np.random.default_rng(1).normal(size=(50, 40, 48)))
    assert noise.var() == pytest.approx(120 / 1920, rel=0.1)


def test_mcgpu_runs_beside(stand_in, tmp_path):
    executable, water = mcgpu.check(stand_in, None)
    place = tmp_path / "run"
    place.mkdir()
    found = mcgpu.run_slab60(executable, water, place, 200_000, 4, 5)
    assert found["histories_per_s"] == 100_000
    assert found["ev_per_history"] == pytest.approx([2.5 * 900, 450, 225, 2 * 900])
    assert np.array_equal(found["pixels"][:, 0, 0], [1, 2, 3, 4])
    assert np.array_equal(found["pixels"][0, :, 3], [0, 1, 2, 3, 4])


def test_mcgpu_that_fails(stand_in, tmp_path):
    executable, water = mcgpu.check(stand_in, None)
    water.write_text("oil")
    with pytest.raises(PhyssimError, match="AssertionError"):
        mcgpu.run_slab60(executable, water, tmp_path, 200_000, 4, 5)
    water.unlink()
    with pytest.raises(InvalidInput, match="--mcgpu-water"):
        mcgpu.check(stand_in, None)
    bad = tmp_path / "bad.dat"
    bad.write_text("1 2 3 4\n")
    with pytest.raises(FileFormatError, match="is no image"):
        mcgpu.read_image(bad, 4, 5)


def test_the_page_and_its_plot(result, tmp_path):
    montecarlo_report.plot(result, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000
    page = montecarlo_report.markdown(result, "a.png")
    assert page.count("\n| slab60 ") >= 5
    assert "| start-up for 500 x 320 x 260 voxels, s |" in page


def test_command(physsim):
    status, _, err = physsim("bench", "montecarlo", "--mcgpu-water", "x")
    assert status == 2
    assert "no effect without --mcgpu" in err
    assert Path(montecarlo.__file__).name == "montecarlo.py"
