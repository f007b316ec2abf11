"""`physsim validate ...`: physsim's figures beside published ones."""

from __future__ import annotations

import json

import typer

validate = typer.Typer(no_args_is_help=True, help="Compare physsim with published reference data.")


@validate.command()
def xcom(as_json: bool = typer.Option(False, "--json", help="All rows as a JSON list.")) -> None:
    """Total attenuation against NIST, 10-150 keV; fails (status 1) beyond 0.1 %.

    Example: physsim validate xcom
    """
    from physsim.physics.xcom_comparison import LIMIT_PERCENT, compare_with_nist, worst_per_table

    rows = compare_with_nist()
    failed = [row for row in rows if row.note is None and abs(row.difference_percent) > LIMIT_PERCENT]
    if as_json:
        typer.echo(json.dumps([row.as_dict() for row in rows], indent=1))
    else:
        typer.echo(f"{'table':<16}{'rows':>6}{'misprints':>11}{'worst at keV':>14}{'difference %':>14}")
        for name, (worst, count, misprints) in worst_per_table(rows).items():
            typer.echo(f"{name:<16}{count:>6}{misprints:>11}{worst.energy_kev:>14g}{worst.difference_percent:>14.3f}")
        for row in rows:
            if row.note is not None:
                difference = f"{row.difference_percent:+.2f} %"
                typer.echo(f"left out: {row.table} {row.energy_kev:g} keV, {difference} ({row.note})")
        typer.echo(f"{len(rows)} rows, {len(failed)} beyond {LIMIT_PERCENT:g} %")
    if failed:
        raise typer.Exit(1)
