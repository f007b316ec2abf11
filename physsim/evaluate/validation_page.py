"""The page that shows physsim beside published figures: every comparison, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from physsim.evaluate import mcgpu
from physsim.evaluate.tg195 import run, tomography
from physsim.evaluate.tg195.problem import Problem
from physsim.physics.xcom_comparison import LIMIT_PERCENT, ComparedRow, worst_per_table

VERDICTS = {True: "agrees", False: "**disagrees**", None: "-"}
_UNDECIDED = "**undecided**"


@dataclass(frozen=True)
class Line:
    """A row of the page: `name` is its first cells; `error`: standard error; `passes`: None without a verdict.

    `undecided`: there is none because the standard error is too large.
    """

    section: str
    name: tuple[str, ...]
    value: float
    error: float | None
    unit: str
    reference: float | None
    difference_percent: float | None
    passes: bool | None
    undecided: bool = False


def xcom_lines(rows: Sequence[ComparedRow]) -> list[Line]:
    """The worst row of each NIST table."""
    return [
        Line(
            "xcom",
            (name, f"{count} rows", f"{worst.energy_kev:g} keV"),
            worst.value,
            None,
            "cm2/g",
            worst.reference,
            worst.difference_percent,
            abs(worst.difference_percent) <= LIMIT_PERCENT,
        )
        for name, (worst, count, _) in worst_per_table(list(rows)).items()
    ]


def tg195_lines(rows: Iterable[run.Row]) -> list[Line]:
    """All rows of the cases."""
    return [
        Line(
            f"tg195 case {row.case}",
            (row.spectrum, row.mode, row.region),
            row.value,
            row.error,
            row.unit,
            row.reference,
            row.difference_percent,
            row.passes,
            row.undecided,
        )
        for row in rows
    ]


def mcgpu_lines(rows: Iterable[mcgpu.Row]) -> list[Line]:
    """Energy by scatter order."""
    return [
        Line(
            "mcgpu",
            ("60 keV", "SLAB60", row.order),
            row.value,
            row.error,
            "eV/history",
            row.reference,
            row.difference_percent,
            row.passed,
        )
        for row in rows
    ]


def tg195_names(cases: Iterable[str], phantom: Path | None = None) -> list[tuple[str, tuple[str, ...]]]:
    """(section, name) of the lines that the cases make, without running them."""
    problems: list[Problem] = []
    for case in cases:
        problems += tomography.thorax(Path(str(phantom))) if case == run.THORAX else run.CASES[case]()
    return [
        (f"tg195 case {one.case}", (one.spectrum, figure.mode or one.mode, figure.region))
        for one in problems
        for figure in one.figures
    ]


TITLES = {
    "xcom": "Cross sections against NIST XCOM: the worst row of each table",
    "tg195 case 1": "AAPM Report 195, case 1: half-value layers",
    "tg195 case 2": "AAPM Report 195, case 2: radiography and tomosynthesis",
    "tg195 case 3": "AAPM Report 195, case 3: mammography",
    "tg195 case 4.1": "AAPM Report 195, case 4.1: CT of a cylinder, discs",
    "tg195 case 4.2": "AAPM Report 195, case 4.2: CT of a cylinder, rods",
    "tg195 case 5": "AAPM Report 195, case 5: CT of a voxel thorax",
    "mcgpu": "Scatter orders of a water slab against MC-GPU 1.3",
}
_HEADS = {"xcom": ("table", "compared", "worst at"), "mcgpu": ("beam", "problem", "order")}
_NOTES = {
    "xcom": f"Agrees: within {LIMIT_PERCENT:g} % everywhere, 10-150 keV; misprints of the source are left out.",
    "tg195 case 1": "Agrees: within 0.2 %, with a standard error of at most 0.1 %.",
    "tg195 case 2": "Agrees: totals within the spread of the report's codes at a standard error of at most 0.1 %; "
    "others within 1 % at 0.3 % (above 20 eV a history) or 1 %. The difference counts as it is, whatever its error; "
    "with a larger error a figure is undecided. Dose in regions: docs/design/dose.md.",
    "tg195 case 3": "As case 2. VOIs 1 and 5 have no verdict: public codes put them in different places.",
    "tg195 case 4.1": "The report's results are not public: values and their standard errors.",
    "tg195 case 4.2": "As 4.1.",
    "tg195 case 5": "As 4.1.",
    "mcgpu": "Agrees: within 1 % + 2 of our own standard errors. The slab's density is scaled to MC-GPU's attenuation.",
}


def page(lines: Sequence[Line], made: dict[str, str]) -> str:
    """Markdown; `made`: what the figures were made by (version, machine, date ...), in order."""
    sections = list(dict.fromkeys(line.section for line in lines))
    text = ["# Validation", "", "Written by `physsim validate all --write`: not by hand.", "", "| | |", "|---|---|"]
    text += [f"| {name} | {value} |" for name, value in made.items()]
    text += [
        "",
        "| comparison | rows | agree | disagree | no verdict | largest difference |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for section in sections:
        own = [line for line in lines if line.section == section]
        counts = [sum(line.passes is verdict for line in own) for verdict in VERDICTS]
        judged = [abs(line.difference_percent or 0.0) for line in own if line.passes is not None]
        worst = f"{max(judged):.2f} %" if judged else "-"
        anchor = "".join(c for c in TITLES[section].lower().replace(" ", "-") if c.isalnum() or c == "-")
        text.append(f"| [{TITLES[section]}](#{anchor}) | {len(own)} | {' | '.join(map(str, counts))} | {worst} |")
    for section in sections:
        text += ["", f"## {TITLES[section]}", "", _NOTES[section], ""]
        text += _table(section, [line for line in lines if line.section == section])
    return "\n".join(text) + "\n"


def _table(section: str, lines: Sequence[Line]) -> Iterator[str]:
    judged = any(line.reference is not None for line in lines)
    heads = [*_HEADS.get(section, ("spectrum", "mode", "region")), f"value ({lines[0].unit})", "error"]
    heads += ["reference", "difference", "verdict"] if judged else []
    yield "| " + " | ".join(heads) + " |"
    yield "|---|---|---" + "|---:" * (len(heads) - 3) + "|"
    for line in lines:
        error = "-" if line.error is None or not line.value > 0.0 else f"{100.0 * line.error / line.value:.2f} %"
        cells = [*line.name, f"{line.value:.6g}", error]
        if judged:
            reference = "-" if line.reference is None else f"{line.reference:.6g}"
            apart = "-" if line.difference_percent is None else f"{line.difference_percent:+.2f} %"
            cells += [reference, apart, _UNDECIDED if line.undecided else VERDICTS[line.passes]]
        yield "| " + " | ".join(cells) + " |"


def names_on(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """(section, name) of the rows on a page."""
    return [(line.section, line.name) for line in lines_on(text)]


def made_on(text: str) -> dict[str, str]:
    """What a page says that its figures were made by."""
    rows = [line.strip("| ").split(" | ") for line in text.split("| comparison |")[0].splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}


def lines_on(text: str) -> list[Line]:
    """The rows of a page, as exact as it shows them."""
    sections = {title: section for section, title in TITLES.items()}
    found: list[Line] = []
    section, unit = None, ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = sections[line.removeprefix("## ")]
        elif section is not None and line.startswith(("| spectrum |", "| table |", "| beam |")):
            unit = line.split("| value (")[1].split(") |")[0]
        elif section is not None and line.startswith("| "):
            cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
            found.append(_line_of(section, unit, cells))
    return found


def _line_of(section: str, unit: str, cells: Sequence[str]) -> Line:
    value = float(cells[3])
    error = None if cells[4] == "-" else 0.01 * value * float(cells[4].removesuffix(" %"))
    reference, apart, verdict = cells[5:8] if len(cells) > 5 else ("-", "-", VERDICTS[None])
    return Line(
        section,
        tuple(cells[:3]),
        value,
        error,
        unit,
        None if reference == "-" else float(reference),
        None if apart == "-" else float(apart.removesuffix(" %")),
        {text: passes for passes, text in VERDICTS.items()}.get(verdict),
        verdict == _UNDECIDED,
    )
