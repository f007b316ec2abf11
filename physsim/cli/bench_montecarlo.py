"""`physsim bench montecarlo`: photons a second, and seconds to a scatter image of a stated error."""

from __future__ import annotations

from pathlib import Path

import typer

from physsim.cli.bench import Columns, bench, benchmark_module, show

COLUMNS: Columns = {
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
    from physsim.errors import InvalidInput, message

    benchmark = benchmark_module("montecarlo")
    if mcgpu_water is not None and mcgpu is None:
        raise InvalidInput(message("--mcgpu-water", "it has no effect without --mcgpu", "Leave it out."))
    show(
        lambda: benchmark.measure(
            threads=threads,
            histories=histories,
            rounds=rounds,
            quick=quick,
            mcgpu_executable=mcgpu,
            mcgpu_water=mcgpu_water,
        ),
        COLUMNS,
        as_json,
        out,
        overwrite,
    )
