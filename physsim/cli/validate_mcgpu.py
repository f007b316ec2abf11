"""`physsim validate mcgpu`: the slab SLAB60 by scatter order beside MC-GPU."""

from __future__ import annotations

import json

import typer

from physsim.cli.validate import validate


@validate.command("mcgpu")
def mcgpu(
    error: float = typer.Option(0.5, "--error", help="Largest standard error of an order (%)."),
    seed: int = typer.Option(0, help="Another seed, other photons."),
    threads: int | None = typer.Option(None, help="Threads; all by default. The bits do not depend on it."),
    as_json: bool = typer.Option(False, "--json", help="All rows as a JSON list."),
) -> None:
    """Scatter orders against MC-GPU 1.3; fails (status 1) beyond 1 % + 2 sigma.

    Example: physsim validate mcgpu
    """
    from physsim.cli.stages import Stages
    from physsim.evaluate.mcgpu import compare

    with Stages(quiet=as_json) as stages:
        rows = compare(error, seed, threads, stages)
    if as_json:
        typer.echo(json.dumps([row.as_dict() for row in rows], indent=1))
    else:
        typer.echo(f"{'order':<10}{'eV/history':>12}{'error %':>9}{'MC-GPU':>9}{'difference %':>14}{'sigma':>7}")
        for row in rows:
            typer.echo(
                f"{row.order:<10}{row.value:>12.1f}{100 * row.error / row.value:>9.2f}{row.reference:>9.1f}"
                f"{row.difference_percent:>+14.2f}{row.difference_sigma:>+7.1f}"
            )
    if not all(row.passed for row in rows):
        raise typer.Exit(1)
