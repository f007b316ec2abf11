"""`physsim bench chain`: seconds of images, stage by stage."""

from __future__ import annotations

from pathlib import Path

import typer

from physsim.cli.bench import Columns, bench, benchmark_module, show

COLUMNS: Columns = {
    "job": ("job", ""),
    "stage": ("stage", ""),
    "code": ("code", ""),
    "seconds": ("s", ".3g"),
    "cpu_seconds": ("CPU s", ".3g"),
    "us_per_pixel": ("us/pixel", ".3g"),
}


@bench.command()
def chain(
    as_json: bool = typer.Option(False, "--json", help="JSON on stdout instead of a table."),
    quick: bool = typer.Option(
        False, "--quick", help="Miniature jobs: tries that all works, its figures mean nothing."
    ),
    rounds: int = typer.Option(3, min=1, help="Turns of each stage; the fastest counts."),
    peers: bool = typer.Option(True, "--peers/--no-peers", help="RTK's too, in an environment of its own."),
    peers_folder: Path = typer.Option(Path(".peers"), help="Where the peers' environments are, or are made."),  # noqa: B008
    only: list[str] = typer.Option([], help="Jobs whose names begin so (fdk, os-sart, ...); all when left out."),  # noqa: B008
    out: Path | None = typer.Option(None, help="Also write the JSON to this file."),  # noqa: B008
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the file of --out."),
) -> None:
    """Images: a CT rotation by stage, a chest radiograph of 2000 x 2000, tomosynthesis, FDK and OS-SART beside RTK's.

    All threads of the process work. A peer that is not installed is left out, with the reason under "notes".

    Example: physsim bench chain --quick --no-peers --json
    """
    benchmark = benchmark_module("chain")
    show(
        lambda: benchmark.measure(quick=quick, rounds=rounds, peers=peers, peers_folder=peers_folder, only=only),
        COLUMNS, as_json, out, overwrite,
    )  # fmt: skip
