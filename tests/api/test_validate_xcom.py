"""`physsim validate xcom`: the JSON's form, the table, the exit status."""

import json

from typer.testing import CliRunner

from physsim.cli.app import app


def test_json_lists_every_row():
    done = CliRunner().invoke(app, ["validate", "xcom", "--json"])
    assert done.exit_code == 0
    rows = json.loads(done.stdout)
    assert len(rows) == 330
    assert {row["table"] for row in rows} >= {"z01", "z13", "z82", "water", "cesium_iodide", "gadox", "lead_glass"}
    for row in rows:
        assert {"table", "energy_kev", "value", "reference", "difference_percent"} <= row.keys()
        assert 10.0 <= row["energy_kev"] <= 150.0
        assert abs(row["difference_percent"] - 100.0 * (row["value"] / row["reference"] - 1.0)) < 1e-9
        assert "note" in row or abs(row["difference_percent"]) <= 0.1
    assert sum("note" in row for row in rows) == 6


def test_table_names_the_worst_and_what_is_left_out():
    done = CliRunner().invoke(app, ["validate", "xcom"])
    assert done.exit_code == 0
    assert "cesium_iodide" in done.stdout
    assert "left out: z74 11.82 keV" in done.stdout
    assert "left out: lead_glass 15.53 keV, -0.30 % (misprint in the source: lead's own" in done.stdout
    assert "330 rows, 0 beyond 0.1 %" in done.stdout


def test_a_difference_beyond_the_limit_fails(monkeypatch):
    from physsim.physics import xcom_comparison

    monkeypatch.setattr(xcom_comparison, "LIMIT_PERCENT", 0.05)
    done = CliRunner().invoke(app, ["validate", "xcom"])
    assert done.exit_code == 1
