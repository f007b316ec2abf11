"""`physsim bench phantom` on miniature jobs: schema, figures that are physics, the page; no speed is asserted."""

import json

import pytest
from physsim._benchmarks import phantom, phantom_report

from physsim.cli.app import app


@pytest.fixture(scope="module")
def result():
    return phantom.measure(quick=True, rounds=1, bodies=(), breasts=False, say=lambda text: None)


def test_all_jobs_ran_and_volumes_are_right(result):
    assert not result["failed"], result["notes"]
    assert {row["code"].split()[0] for row in result["rows"]} >= {"physsim,", "physsim", "trimesh"}
    assert all(row["seconds"] > 0 and (row["millions"] or 1) > 0 and row["peak_mb"] > 10 for row in result["rows"])
    figures = result["figures"]
    assert abs(figures["mesh_voxels_volume_error"]) < 1e-3
    assert abs(figures["mesh_tracing_volume_error"]) < 3e-3
    assert figures["mesh_voxels_over_trimesh"] > 0
    assert "gvxr" in result["notes"] or figures["mesh_tracing_over_gvxr"] > 0
    json.dumps(result)


def test_the_page_shows_every_row(result):
    page = phantom_report.markdown(result)
    assert all(f"| {row['job']} |" in page for row in result["rows"])
    assert page.startswith("## Phantoms on ")


def test_a_job_that_fails_is_told(monkeypatch):
    def without_room(*_):
        raise MemoryError("120 GB")

    monkeypatch.setattr(phantom, "_breast", without_room)
    made = phantom.measure(quick=True, rounds=1, bodies=(), say=lambda text: None)
    assert made["failed"] == ["breast"]
    assert made["notes"]["breast"] == "MemoryError: 120 GB"


def test_the_command_writes_json(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    small = {"machine": {"cpu": "c"}, "settings": {"threads": 1}, "rows": [], "figures": {}, "notes": {}, "failed": []}
    monkeypatch.setattr(phantom, "measure", lambda **_: small)
    made = CliRunner().invoke(app, ["bench", "phantom", "--quick", "--json", "--out", str(tmp_path / "r.json")])
    assert made.exit_code == 0, made.output
    assert json.loads((tmp_path / "r.json").read_text()) == json.loads(made.stdout)
