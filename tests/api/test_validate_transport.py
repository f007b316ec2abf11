"""`physsim validate tg195` and `validate mcgpu`: rows, exit status, bad input."""

import json

import pytest
from typer.testing import CliRunner

from physsim.cli.app import app
from physsim.errors import InvalidInput

KEYS = {"verdict", "case", "spectrum", "mode", "region", "value", "error", "unit", "reference", "difference_percent"}


def run(*arguments):
    return CliRunner().invoke(app, ["validate", *arguments])


def test_rows_of_a_case():
    """A standard error of 2 % is too large for a verdict within 0.2 %: undecided, and status 1 with words."""
    done = run("tg195", "--case", "1", "--error", "2", "--threads", "1", "--json")
    rows = json.loads(done.stdout)
    undecided = [row for row in rows if row["verdict"] == "undecided"]
    assert len(undecided) > 6
    assert all(row["passes"] is None for row in undecided)
    assert done.exit_code == 1
    assert f"{len(undecided)} figures are undecided: their standard errors are too large" in done.stderr
    assert len(rows) == 12
    assert all(set(row) >= KEYS for row in rows)
    assert all(row["error"] < 0.025 * row["value"] for row in rows)


def test_text_of_a_case():
    done = run("tg195", "--case", "1", "--error", "3", "--threads", "1")
    assert "RQR8 100 kVp" in done.stdout
    assert "sigma" in done.stdout
    assert "UNDECIDED" in done.stdout
    assert "0 disagree" in done.stdout


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
