"""`physsim bench noise-network`: noise by a network against the detector's chain."""

from __future__ import annotations

from pathlib import Path

import typer

from physsim.cli.bench import Columns, bench, benchmark_module, show

COLUMNS: Columns = {
    "job": ("job", ""),
    "drawn_by": ("drawn by", ""),
    "variance": ("variance", ".2g"),
    "worst_band": ("worst band", ".2g"),
    "auc": ("AUC", ".3f"),
    "auc_low": ("from", ".3f"),
    "auc_high": ("to", ".3f"),
    "auc_squares": ("AUC, squares", ".3f"),
    "ns_a_pixel": ("ns a pixel", ".3g"),
}


@bench.command("noise-network")
def noise_network(
    as_json: bool = typer.Option(False, "--json", help="JSON on stdout instead of a table."),
    quick: bool = typer.Option(
        False, "--quick", help="Miniature jobs: tries that all works, its figures mean nothing."
    ),
    weights: str | None = typer.Option(None, help="Network to measure (default: the one shipped)."),
    diffusion: bool = typer.Option(True, "--diffusion/--no-diffusion", help="Train a diffusion model to compare with."),
    out: Path | None = typer.Option(None, help="Also write the JSON to this file."),  # noqa: B008
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the file of --out."),
) -> None:
    """Noise of even exposures and of a chest: variance, noise power, can patches be told apart, nanoseconds a pixel.

    Drawn by the chain, a network, as white noise, and (of the chest) by a small diffusion model trained on the way,
    in some two minutes of one core.

    Example: physsim bench noise-network --quick --no-diffusion --json
    """
    benchmark = benchmark_module("noise_network")
    show(lambda: benchmark.measure(quick=quick, weights=weights, diffusion=diffusion), COLUMNS, as_json, out, overwrite)
