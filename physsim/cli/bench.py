"""`physsim bench ...`: speed beside accuracy, against codes that anyone can install."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from physsim.cli.app import app

bench = typer.Typer(no_args_is_help=True, help="Measure speed and accuracy on this machine.")
app.add_typer(bench, name="bench")

Columns = dict[str, tuple[str, str]]  # of a table: heading and format of a row's entry
COLUMNS: Columns = {
    "job": ("job", ""),
    "code": ("code", ""),
    "seconds": ("s", ".3g"),
    "gsteps_per_s": ("Gsteps/s", ".3g"),
    "rms_vs_float64": ("RMS", ".1e"),
    "sphere_vs_analytic": ("sphere", ".1e"),
    "rss_mb": ("MiB", ".0f"),
    "joules": ("J", ".3g"),
}


@bench.command()
def raytrace(
    as_json: bool = typer.Option(False, "--json", help="JSON on stdout instead of a table."),
    peers: str = typer.Option("all", help="none, rtk or all (RTK, DiffDRR, ASTRA)."),
    quick: bool = typer.Option(
        False, "--quick", help="Miniature jobs: tries that all works, its figures mean nothing."
    ),
    threads: int = typer.Option(2, min=1, help="Threads of each code."),
    rounds: int = typer.Option(5, min=1, help="Turns of each code; the fastest counts."),
    peers_folder: Path = typer.Option(Path(".peers"), help="Where the peers' environments are, or are made."),  # noqa: B008
    out: Path | None = typer.Option(None, help="Also write the JSON to this file."),  # noqa: B008
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the file of --out."),
) -> None:
    """Ray tracing: seconds, voxel crossings a second and errors of physsim and its peers, taking turns in one run.

    Peers live in virtual environments of their own, made on first use by pip (some 4 GB for all, once). A figure that
    could not be measured is null, with the reason under "notes". Exit status 1 when a code of physsim's own failed.

    Example: physsim bench raytrace --peers rtk --json
    """
    from physsim.errors import InvalidInput, did_you_mean, message

    benchmark = benchmark_module("raytrace")
    if peers not in benchmark.PEER_SETS:
        raise InvalidInput(
            message(f"--peers {peers}", "no such set of peers", did_you_mean(peers, benchmark.PEER_SETS))
        )
    show(
        lambda: benchmark.measure(
            size=64 if quick else 256,
            threads=threads,
            peers=benchmark.PEER_SETS[peers],
            rounds=min(rounds, 2) if quick else rounds,
            peers_folder=peers_folder,
        ),
        COLUMNS,
        as_json,
        out,
        overwrite,
    )


def benchmark_module(name: str) -> Any:
    """benchmarks/<name>.py, wherever it is installed."""
    from physsim.errors import PhyssimError, message

    try:
        return importlib.import_module(f"physsim._benchmarks.{name}")
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("physsim._benchmarks"):
            raise
        raise PhyssimError(
            message("physsim._benchmarks", "not in this installation", "Run `pip install .` in the source tree.")
        ) from None


def show(
    measure: Callable[[], dict[str, Any]], columns: Columns, as_json: bool, out: Path | None, overwrite: bool
) -> None:
    """Measure, write `out` (checked before the work) and print; exit status 1 when a code of ours failed."""
    from physsim.io.atomic import check_output, written_whole

    if out is not None:
        check_output(out, overwrite)
    result = measure()
    if out is not None:
        with written_whole(out, overwrite) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n")
    if as_json:
        typer.echo(json.dumps(result, indent=1))
    else:
        _print_tables(result, columns)
    if result["failed"]:
        raise typer.Exit(1)


def _print_tables(result: dict[str, Any], columns: Columns) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 150)
    table = Table(title=f"{result['machine']['cpu']}, {result['settings']['threads']} threads")
    for name, (heading, _) in columns.items():
        table.add_column(heading, justify="left" if name in ("job", "code") else "right", no_wrap=True)
    for row in result["rows"]:
        table.add_row(*("-" if row[name] is None else format(row[name], style) for name, (_, style) in columns.items()))
    console.print(table)
    width = max(map(len, result["figures"]), default=0)
    for name, value in result["figures"].items():
        console.print(f"{name:{width}s} {'-' if value is None else format(value, '.4g')}")
    for name, reason in result["notes"].items():
        console.print(f"[dim]{name}: {reason}[/dim]")
