"""`physsim validate tg195` and `validate mcgpu`: rows, exit status, bad input."""

import json

import pytest
from typer.testing import CliRunner

from physsim.cli.app import app
from physsim.errors import InvalidInput

KEYS = {"case", "spectrum", "mode", "region", "value", "error", "unit", "reference", "difference_percent"}


def run(*arguments):
    return CliRunner().invoke(app, ["validate", *arguments])


def test_rows_of_a_case():
    done = run("tg195", "--case", "1", "--error", "2", "--threads", "1", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert len(rows) == 12
    assert all(set(row) >= KEYS for row in rows)
    assert all(row["error"] < 0.025 * row["value"] for row in rows)


def test_text_of_a_case():
    done = run("tg195", "--case", "1", "--error", "3", "--threads", "1")
    assert "RQR8 100 kVp" in done.stdout
    assert "sigma" in done.stdout


@pytest.mark.parametrize(("arguments", "text"), [
    (["--case", "7"], "no such case"), (["--case", "5"], "--phantom FILE"),
    (["--case", "1", "--phantom", "x.bin"], "only case 5 reads one"),
    (["--case", "1", "--error", "0"], "larger than 0")])
def test_bad_input_of_tg195(arguments, text):
    done = run("tg195", *arguments)
    assert isinstance(done.exception, InvalidInput)
    assert text in str(done.exception)


def test_orders_beside_mcgpu():
    """Within 1 % + 2 sigma at a coarse sigma; the seed is fixed."""
    done = run("mcgpu", "--error", "2", "--threads", "1", "--json")
    assert done.exit_code == 0, done.output
    rows = {row["order"]: row for row in json.loads(done.stdout)}
    assert list(rows) == ["primary", "compton", "rayleigh", "multiple", "all"]
    assert all(row["error"] < 0.025 * row["value"] for row in rows.values())
    assert abs(rows["all"]["difference_percent"]) < 2.0
