"""`physsim validate measured`: a scanner's own scans of test objects beside simulated ones."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from physsim.cli.validate import validate


@validate.command("measured")
def measured(
    data: Path = typer.Option(..., "--data", help="A TOML that describes a measured scan, or a folder of them."),  # noqa: B008
    replicates: int = typer.Option(4, help="Simulated scans whose spread is the error of a figure."),
    threads: int | None = typer.Option(None, help="Threads; all by default. The bits do not depend on it."),
    as_json: bool = typer.Option(False, "--json", help="All figures as JSON."),
) -> None:
    """CT numbers, noise power, MTF and scatter of measured scans against simulated ones; status 1 when they differ.

    Says which change of tube voltage, focal spot, CT numbers or noise explains the differences (docs/measured.md).

    Example: physsim validate measured --data phantom_scans
    """
    from physsim.cli.stages import Stages
    from physsim.evaluate.measured.compare import Predicted, compare, measured_figures, read_scans

    folder, scans = read_scans(data)
    with Stages(quiet=as_json) as stages:
        stages("measured scans", 0.0)
        figures = measured_figures(scans, folder)
        found = compare(figures, Predicted(scans, folder, threads, stages), replicates)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=1))
    else:
        typer.echo(f"{'figure':<44}{'measured':>12}{'simulated':>12}{'difference':>12}{'error':>9}")
        for row in found.rows:
            shown = f"{row.difference:>+12.2f}{row.error:>9.2f}" if row.kind == "HU" else \
                f"{100.0 * row.difference:>+10.1f} %{100.0 * row.error:>7.1f} %"
            typer.echo(f"{row.figure:<44}{row.measured:>12.4g}{row.simulated:>12.4g}{shown}"
                       f"{'  DIFFERS' if row.differs else ''}")
        units = {"kvp": "kV added", "focal spot": "times as wide", "HU offset": "HU added", "noise": "times as much"}
        for change in found.changes:
            typer.echo(f"{change.name:<12}{change.value:>9.3g} +- {change.error:.2g} {units[change.name]}"
                       f"{'  FOUND' if change.found else ''}")
        typer.echo(f"chi-square of what is left: {found.chi_square:.2f} a degree of freedom; "
                   f"{'agrees' if found.agrees else 'differs'}")
    if not found.agrees:
        raise typer.Exit(1)
