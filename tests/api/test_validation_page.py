"""`physsim validate all` and docs/validation.md: the page's rows are those that the command makes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from physsim.cli.app import app
from physsim.evaluate import mcgpu
from physsim.evaluate.tg195.run import CASES
from physsim.evaluate.validation_page import (
    TITLES,
    Line,
    lines_on,
    made_on,
    mcgpu_lines,
    names_on,
    page,
    tg195_names,
    xcom_lines,
)
from physsim.physics.xcom_comparison import compare_with_nist

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation.md"


def run(*arguments):
    return CliRunner().invoke(app, ["validate", *map(str, arguments)])


@pytest.fixture(scope="module")
def committed():
    if not PAGE.exists():
        pytest.skip("docs/validation.md is not written yet")
    return PAGE.read_text(encoding="utf-8")


def test_the_committed_page_has_the_rows_of_the_command(committed):
    """Names alone: its numbers are those of the day that it names. Case 5 needs a file, so its rows are counted."""
    found = names_on(committed)
    expected = [(one.section, one.name) for one in xcom_lines(compare_with_nist())]
    assert [one for one in found if one[0] == "xcom"] == expected
    for case in CASES:
        section = f"tg195 case {case}"
        assert [one for one in found if one[0] == section] == tg195_names([case]), section
    orders = [("60 keV", "SLAB60", order or "all") for order in mcgpu.ORDERS]
    assert [name for section, name in found if section == "mcgpu"] == orders
    thorax = [name for section, name in found if section == "tg195 case 5"]
    angles = {f"source angle {angle} deg" for angle in range(0, 360, 45)} | {"continuous 0-360"}
    assert len(thorax) == len(set(thorax)) == 306
    assert {name[0] for name in thorax} == {"56.4 keV", "120 kVp RQR9"}
    assert {name[1] for name in thorax} == angles
    assert {name[2] for name in thorax} == {
        "Adrenal", "Breast", "Cortical bone", "Esophagus", "Gallbladder", "Heart", "Large intestine", "Liver", "Lung",
        "Pancreas", "Skin", "Small intestine", "Soft tissue", "Spleen", "Stomach", "Thymus", "Thyroid"}


def test_the_page_says_what_made_it(committed):
    for text in ("| physsim | 0.", "| machine | ", "| date | 20", "| seed | ", "physsim validate all --write"):
        assert text in committed
    assert "/work" not in committed


def test_rows_of_cases_4_have_the_names_of_the_report():
    names = tg195_names(["4.1", "4.2"])
    assert len(names) == 16 + 296
    assert names[0] == ("tg195 case 4.1", ("56.4 keV", "collimation 10 mm", "disc 1 (z=0 mm, +-5 mm)"))
    rods = {name for _, name in names[16:]}
    assert ("120 kVp RQR9", "collimation 80 mm; source angle 350 deg", "peripheral rod") in rods
    assert ("56.4 keV", "collimation 10 mm; source angle continuous 0-360", "centre rod") in rods


def test_lines_come_back_from_a_page():
    lines = [
        Line("tg195 case 2", ("56.4 keV", "radiography 0 deg", "VOI 1"), 20.0, 0.05, "eV/history", 20.1, -0.5, True),
        Line("tg195 case 2", ("56.4 keV", "radiography 0 deg", "VOI 2"), 20.0, 0.05, "eV/history", 25.0, -20.0, False),
        Line("tg195 case 2", ("56.4 keV", "radiography 0 deg", "VOI 3"), 20.0, 0.5, "eV/h", 20.0, 0.0, None, True),
        Line("tg195 case 4.1", ("56.4 keV", "collimation 10 mm", "disc 1"), 0.0, 0.0, "eV/history", None, None, None),
    ]
    text = page(lines, {"physsim": "0.0"})
    assert names_on(text) == [(line.section, line.name) for line in lines]
    assert [(one.passes, one.undecided, one.reference) for one in lines_on(text)] == [
        (one.passes, one.undecided, one.reference) for one in lines]
    assert made_on(text) == {"physsim": "0.0"}
    assert f"[{TITLES['tg195 case 2']}]" in text
    assert "| 3 | 1 | 1 | 1 | 20.00 % |" in text
    assert "| 20 | 2.50 % | 20 | +0.00 % | **undecided** |" in text
    assert "| 20 | 0.25 % | 25 | -20.00 % | **disagrees** |" in text
    assert "| 0 | - |" in text


def test_the_command_writes_a_page(tmp_path):
    done = run("all", "--case", "1", "--error", "3", "--threads", "1", "--write", tmp_path / "page.md", "--json")
    rows = json.loads(done.stdout)
    assert done.exit_code == int(any(row["passes"] is False or row["undecided"] for row in rows)), done.output
    names = [(row["section"], tuple(row["name"])) for row in rows]
    assert names_on((tmp_path / "page.md").read_text()) == names
    assert {"xcom", "tg195 case 1", "mcgpu"} == {section for section, _ in names}
    orders = mcgpu_lines(mcgpu.compare(5.0, threads=1))
    assert {line.name for line in orders} == {name for section, name in names if section == "mcgpu"}
    kept = run("tg195", "--case", "1", "--error", "3", "--threads", "1", "--json")
    (tmp_path / "rows.json").write_text(kept.stdout)
    other = run("all", "--case", "1", "--rows", tmp_path / "rows.json", "--error", "3", "--write", tmp_path / "b.md")
    assert "rows" in other.stdout
    page_of_rows = (tmp_path / "b.md").read_text()
    assert names_on(page_of_rows) == names
    assert "| rows | of 1 earlier runs of `physsim validate tg195 --json`, each" in page_of_rows
    kept = run("all", "--rows", tmp_path / "rows.json", "--keep", PAGE, "--error", "3", "--write", tmp_path / "c.md")
    assert kept.exit_code == 1  # rows of case 1 are undecided at 3 %
    page_of_both, committed_page = (tmp_path / "c.md").read_text(), PAGE.read_text()
    first = [one for one in names_on(page_of_both) if one[0] == "tg195 case 1"]
    assert first == [one for one in names if one[0] == "tg195 case 1"]
    assert [one for one in lines_on(page_of_both) if "case 5" in one.section] == [
        one for one in lines_on(committed_page) if "case 5" in one.section]
    assert f"| kept | cases 2, 3, 4.1, 4.2, 5 of the page of {made_on(committed_page)['date']} (physsim" in page_of_both
    assert "is no page" in str(run("all", "--keep", tmp_path / "rows.json").exception)
    (tmp_path / "rows.json").write_text('[{"case": 1}]')
    assert "holds no rows" in str(run("all", "--rows", tmp_path / "rows.json").exception)
    again = run("all", "--case", "1", "--write", tmp_path / "page.md")
    assert "exists already" in str(again.exception)


def test_a_row_that_disagrees_is_status_1(monkeypatch):
    from physsim.evaluate.tg195 import run as cases

    row = cases.Row("2", "56.4 keV", "a", "VOI 1", 22.0, 0.01, "eV/history", 20.0, 10.0, 200.0, None, None, 9, False)
    asked = []

    def made(names, **options):
        asked.append(names)
        yield row

    monkeypatch.setattr(cases, "compare", made)
    done = run("tg195", "--case", "4")
    assert done.exit_code == 1
    assert "DISAGREES" in done.stdout
    assert "0 agree, 1 disagree, 0 undecided" in done.stdout
    assert asked == [["4.1", "4.2"]]
    assert json.loads(run("tg195", "--json").stdout)[0]["passes"] is False
