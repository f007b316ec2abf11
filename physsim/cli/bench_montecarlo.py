"""`physsim bench montecarlo`: photons a second, and seconds to a scatter image of a stated error."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import typer

from physsim.cli.bench import bench


@bench.command()
def montecarlo(
    as_json: bool = typer.Option(False, "--json", help="JSON on stdout instead of a table."),
    quick: bool = typer.Option(
        False, "--quick", help="Miniature jobs: tries that all works, its figures mean nothing."
    ),
    threads: int = typer.Option(1, min=1, help="Threads of each code."),
    histories: int = typer.Option(2_000_000, min=1000, help="Photons of analog runs, for each thread."),
    rounds: int = typer.Option(2, min=1, help="Turns of each code; the fastest counts."),
    mcgpu: Path | None = typer.Option(None, help="An executable of MC-GPU 1.3, to run beside on SLAB60."),  # noqa: B008
    mcgpu_water: Path | None = typer.Option(None, "--mcgpu-water", help="Its material file of water."),  # noqa: B008
    out: Path | None = typer.Option(None, help="Also write the JSON to this file."),  # noqa: B008
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the file of --out."),
) -> None:
    """Photon transport: histories a second, 1 / (sigma^2 t) of the scatter image, time to 5, 2 and 1 %, dose, start-up.

    A figure that could not be measured is null, with the reason under "notes". Status 1 when a code of ours failed.

    Example: physsim bench montecarlo --json
    """
    from physsim.errors import InvalidInput, PhyssimError, message
    from physsim.io.atomic import check_output, written_whole

    try:
        benchmark: Any = importlib.import_module("physsim._benchmarks.montecarlo")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("physsim._benchmarks"):
            raise
        raise PhyssimError(
            message("physsim._benchmarks", "not in this installation", "Run `pip install .` in the source tree.")
        ) from None
    if mcgpu_water is not None and mcgpu is None:
        raise InvalidInput(message("--mcgpu-water", "it has no effect without --mcgpu", "Leave it out."))
    if out is not None:
        check_output(out, overwrite)
    result = benchmark.measure(
        threads=threads,
        histories=histories,
        rounds=rounds,
        quick=quick,
        mcgpu_executable=mcgpu,
        mcgpu_water=mcgpu_water,
    )
    if out is not None:
        with written_whole(out, overwrite) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n")
    if as_json:
        typer.echo(json.dumps(result, indent=1))
    else:
        _print_tables(result)
    if result["failed"]:
        raise typer.Exit(1)


COLUMNS = {
    "job": ("job", ""),
    "code": ("code", ""),
    "threads": ("threads", "d"),
    "histories_per_s": ("histories/s", ".3g"),
    "error": ("error", ".2%"),
    "figure_of_merit": ("1/(e2 s)", ".3g"),
    "seconds_to_5_percent": ("s to 5 %", ".3g"),
    "seconds_to_2_percent": ("2 %", ".3g"),
    "seconds_to_1_percent": ("1 %", ".3g"),
    "startup_seconds": ("start-up", ".2g"),
    "rss_mb": ("MiB", ".0f"),
    "joules": ("J", ".3g"),
}


def _print_tables(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table(title=str(result["machine"]["cpu"]))
    for name, (heading, _) in COLUMNS.items():
        table.add_column(heading, justify="left" if name in ("job", "code") else "right", no_wrap=True)
    for row in result["rows"]:
        table.add_row(*("-" if row[name] is None else format(row[name], style) for name, (_, style) in COLUMNS.items()))
    console.print(table)
    for name, value in result["figures"].items():
        console.print(f"{name:38s} {'-' if value is None else format(value, '.4g')}")
    for name, reason in result["notes"].items():
        console.print(f"[dim]{name}: {reason}[/dim]")
