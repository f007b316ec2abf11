"""`physsim validate tg195`: the cases of AAPM Report 195 beside the codes of the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from physsim.cli.validate import validate

if TYPE_CHECKING:
    from physsim.evaluate.tg195.run import Row

VERDICTS = {"agrees": "agrees", "disagrees": "DISAGREES", "undecided": "UNDECIDED", "none": "-"}
_BOTH = {"4": ("4.1", "4.2")}


@validate.command("tg195")
def tg195(
    case: list[str] = typer.Option([], "--case", help="1, 2, 3, 4.1, 4.2 or 5; repeat for more. All by default."),  # noqa: B008
    phantom: Path | None = typer.Option(None, help="The file case5world.bin(.gz) of the report; case 5 needs it."),  # noqa: B008
    error: float | None = typer.Option(
        None, "--error", help="Largest standard error of a figure (%). Default: totals 0.05, above 20 eV 0.3, others 1."
    ),
    seed: int = typer.Option(0, help="Another seed, other photons."),
    threads: int | None = typer.Option(None, help="Threads; all by default. The bits do not depend on it."),
    as_json: bool = typer.Option(False, "--json", help="All rows as a JSON list."),
) -> None:
    """Photon transport against AAPM Report 195; status 1 when a figure disagrees or is undecided.

    A figure agrees within 1 % (case 1: 0.2 %; totals of cases 2 and 3: the spread of the report's codes), when its
    standard error is small enough to tell; else it is undecided. Cases 4 and 5 have no public reference: their rows
    are values with errors.

    Example: physsim validate tg195 --case 1 --error 0.3
    """
    from physsim.cli.stages import Stages
    from physsim.evaluate.tg195.run import compare

    names = [name for one in case for name in _BOTH.get(one, (one,))]
    rows: list[Row] = []
    with Stages(quiet=as_json) as stages:
        for row in compare(
            names or None, phantom=phantom, error_percent=error, seed=seed, threads=threads, progress=stages
        ):
            rows.append(row)
            if not as_json:
                typer.echo(_line(row))
    if as_json:
        typer.echo(json.dumps([row.as_dict() for row in rows], indent=1))
    else:
        counts = {verdict: sum(row.verdict == verdict for row in rows) for verdict in VERDICTS}
        typer.echo(
            f"{len(rows)} rows: {counts['agrees']} agree, {counts['disagrees']} disagree, "
            f"{counts['undecided']} undecided, {counts['none']} without a verdict"
        )
    if not case and phantom is None:
        typer.echo("case 5 is left out: it needs --phantom case5world.bin", err=True)
    undecided = sum(row.undecided for row in rows)
    if undecided:
        typer.echo(
            f"{undecided} figures are undecided: their standard errors are too large to tell. "
            "Leave out --error, or give a smaller one.",
            err=True,
        )
    if undecided or any(row.passes is False for row in rows):
        raise typer.Exit(1)


def _line(row: Row) -> str:
    text = f"{row.case:<4} {row.spectrum:<14} {row.mode:<22} {row.region:<14} {row.value:>12.6g}"
    text += f" +-{100 * row.error / row.value:5.2f} %" if row.value > 0.0 else f" +- {row.error:.3g}"
    if row.reference is None or row.difference_percent is None or row.difference_sigma is None:
        return f"{text} {row.unit}"
    apart = f"{row.difference_percent:+6.2f} %  {row.difference_sigma:+5.1f} sigma  {VERDICTS[row.verdict]}"
    return f"{text}  report {row.reference:>11.6g}  {apart}"
