"""`physsim bench pix2pix`: scatter by an image-to-image GAN beside physsim's networks, of the same data."""

from __future__ import annotations

from pathlib import Path

import typer

from physsim.cli.bench import Columns, bench, benchmark_module, show

COLUMNS: Columns = {
    "job": ("job", ""),
    "estimator": ("estimator", ""),
    "parameters": ("parameters", ",d"),
    "e_s": ("e_S", ".4f"),
    "worst_subgroup": ("worst group", ".4f"),
    "worst_views": ("worst 1 %", ".4f"),
    "bias": ("bias", "+.4f"),
    "outside": ("outside", ".4f"),
    "ms": ("CPU ms", ".3g"),
    "cpu_minutes": ("CPU min", ".3g"),
}


@bench.command()
def pix2pix(
    data: Path = typer.Option(..., help="Folder of the .h5 files that the weights were trained on."),  # noqa: B008
    family: str = typer.Option("chest", help="Whose shipped weights to compare with."),
    weights: Path | None = typer.Option(None, help="Other weights to compare with."),  # noqa: B008
    epochs: int = typer.Option(40, min=1, help="Of each comparator's training."),
    kept: Path | None = typer.Option(None, help="Folder where trainings that were stopped go on."),  # noqa: B008
    as_json: bool = typer.Option(False, "--json", help="JSON on stdout instead of a table."),
    out: Path | None = typer.Option(None, help="Also write the JSON to this file."),  # noqa: B008
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the file of --out."),
) -> None:
    """Train Pix2Pix and its U-Net alone on a network's own data; errors of all on patients that none has seen.

    One thread, some tens of minutes. Data are made by `physsim train scatter FAMILY --out W.safetensors` (W/data).

    Example: physsim bench pix2pix --data chest/data --kept chest/pix2pix --json
    """
    import importlib.util

    from physsim.errors import InvalidInput, message

    if importlib.util.find_spec("torch") is None:
        raise InvalidInput(message("bench pix2pix", "torch is not installed", "pip install 'physsim[surrogate]'."))
    benchmark = benchmark_module("pix2pix")
    show(lambda: benchmark.measure(data, family, weights, epochs, kept), COLUMNS, as_json, out, overwrite)
