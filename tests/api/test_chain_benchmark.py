"""`physsim bench chain` on miniature jobs: every stage runs and says what it must; no speed is asserted."""

import json

import numpy as np
import pytest
from physsim._benchmarks import chain

import physsim as ps
from physsim.cli.app import app
from physsim.errors import InvalidInput


@pytest.fixture(scope="module")
def result():
    return chain.measure(quick=True, rounds=1, peers=False, say=lambda text: None)


def test_every_stage_ran(result):
    assert not result["failed"], result["notes"]
    jobs = {"rotation", "adult", "counting rotation", "radiograph", "tomosynthesis", "noise, one core",
            "OS-SART, 12 views", "OS-SART, a pass in steps of 12 views", "FDK"}
    assert {row["job"] for row in result["rows"]} == jobs
    for name in ("rotation", "adult"):
        assert len([row for row in result["rows"] if row["job"] == name]) == 5
    assert all(row["seconds"] > 0 and row["cpu_seconds"] > 0 for row in result["rows"])
    figures = result["figures"]
    for name, aim in (("rotation", 0.4), ("adult", 0.5)):
        assert figures[f"{name}_with_scatter_us"] > figures[f"{name}_us"] > 0
        assert 0 < figures[f"{name}_scatter_error"] <= aim
    assert 0 < figures["radiograph_scatter_error"] <= 0.2
    assert figures["noise_ns_few_quanta"] > 0
    assert figures["os_sart_dot_error"] < 1e-6
    assert figures["noise_ns_many_quanta"] > 0
    assert 0 < figures["os_sart_rms_hu"] < 300  # of an empty volume: 430
    for name in ("fdk_over_rtk_cpu", "os_sart_operators_over_rtk_cpu", "os_sart_over_rtk_joseph_cpu"):
        assert figures[name] is None
    assert figures["rotation_over_gecatsim_cpu"] is None
    assert {"rtk", "gecatsim"} <= set(result["notes"])
    json.dumps(result)


def test_one_job_alone_and_a_name_that_is_none():
    alone = chain.measure(quick=True, rounds=1, peers=False, say=lambda text: None, only=("fdk",))
    assert [row["job"] for row in alone["rows"]] == ["FDK"]
    assert alone["settings"]["only"] == ["fdk"]
    with pytest.raises(InvalidInput, match="tomosynthesis"):
        chain.measure(quick=True, peers=False, only=("fdkk",))


def test_balls_are_their_voxels():
    """Exact line integrals of the balls against those of their voxels of 4 mm: within 1 % of the largest, RMS."""
    from physsim._benchmarks.chain_fdk import cone
    from physsim._benchmarks.chain_sart import balls_lines, balls_truth

    geometry, grid = cone(quick=True)[0], ps.Grid(shape=(64, 64, 64), spacing_mm=(4.0, 4.0, 4.0))
    grid = grid.replace(origin_mm=(-126.0, -126.0, -126.0))
    lines = balls_lines(geometry)
    off = ps.project(balls_truth(grid), geometry, grid=grid) - lines
    assert np.sqrt((off**2).mean()) < 0.01 * lines.max()


def test_the_page_shows_every_row(result):
    page = chain.markdown(result)
    assert all(f"| {row['job']} | {row['stage']} |" in page for row in result["rows"])
    assert page.startswith("## Images on ")


def test_the_command_writes_json(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    small = {"machine": {"cpu": "c"}, "settings": {"threads": 1}, "rows": [], "figures": {}, "notes": {}, "failed": []}
    monkeypatch.setattr(chain, "measure", lambda **_: small)
    made = CliRunner().invoke(app, ["bench", "chain", "--quick", "--json", "--out", str(tmp_path / "r.json")])
    assert made.exit_code == 0, made.output
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(made.stdout)
