"""`physsim bench phantom`: seconds of bodies, breasts and meshes."""

from __future__ import annotations

from pathlib import Path

import typer

from physsim.cli.bench import Columns, bench, benchmark_module, show

COLUMNS: Columns = {
    "job": ("job", ""),
    "code": ("code", ""),
    "seconds": ("s", ".3g"),
    "millions": ("M voxels, rays", ".3g"),
    "ms_per_million": ("ms/M", ".3g"),
    "volume_error": ("volume error", ".1e"),
    "peak_mb": ("peak MB so far", ".0f"),
}


@bench.command()
def phantom(
    as_json: bool = typer.Option(False, "--json", help="JSON on stdout instead of a table."),
    quick: bool = typer.Option(
        False, "--quick", help="Miniature jobs: tries that all works, its figures mean nothing."
    ),
    rounds: int = typer.Option(3, min=1, help="Turns of each code; the fastest counts."),
    whole: bool = typer.Option(False, "--whole", help="Also the whole body (a minute more)."),
    out: Path | None = typer.Option(None, help="Also write the JSON to this file."),  # noqa: B008
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the file of --out."),
) -> None:
    """Phantoms: seconds of bodies and breasts by spacing, mesh into voxels beside trimesh, rays through meshes, memory.

    All threads of the process work. A code that is not installed is left out, with the reason under "notes".

    Example: physsim bench phantom --quick --json
    """
    benchmark = benchmark_module("phantom")
    bodies = ("trunk", "whole") if whole else ("trunk",)
    show(lambda: benchmark.measure(quick=quick, rounds=rounds, bodies=bodies), COLUMNS, as_json, out, overwrite)
