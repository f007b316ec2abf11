"""`physsim bench pareto`: error of scatter against time, by estimator."""

from __future__ import annotations

from pathlib import Path

import typer

from physsim.cli.bench import Columns, bench, benchmark_module, show

COLUMNS: Columns = {
    "job": ("job", ""),
    "patient": ("patient", ""),
    "estimator": ("estimator", ""),
    "e_s": ("e_S", ".3g"),
    "stated": ("stated", ".3g"),
    "cpu_seconds": ("CPU s", ".3g"),
    "photons": ("photons", ".3g"),
    "verdict": ("verdict", ""),
}


@bench.command()
def pareto(
    as_json: bool = typer.Option(False, "--json", help="JSON on stdout instead of a table."),
    quick: bool = typer.Option(
        False, "--quick", help="Miniature jobs: tries that all works, its figures mean nothing."
    ),
    patients: int = typer.Option(2, min=1, help="Patients a protocol, that no training has seen."),
    weights: str | None = typer.Option(None, help="Networks to measure (default: those shipped)."),
    plot: Path | None = typer.Option(None, help="Also draw error against seconds: .png."),  # noqa: B008
    out: Path | None = typer.Option(None, help="Also write the JSON to this file."),  # noqa: B008
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the files of --out and --plot."),
) -> None:
    """Scatter of chests by kernels, few photons, networks, hybrids and Monte Carlo: error, seconds, photons.

    One thread. Speed-up and photons' worth are against Monte Carlo to the same error.

    Example: physsim bench pareto --quick --patients 1 --json
    """
    from physsim.io.atomic import check_output, written_whole

    benchmark = benchmark_module("pareto")
    if plot is not None:
        check_output(plot, overwrite)

    def measured() -> dict[str, object]:
        result: dict[str, object] = benchmark.measure(quick=quick, patients=patients, weights=weights)
        if plot is not None:
            with written_whole(plot, overwrite) as temporary:
                benchmark.picture(result, temporary)
        return result

    show(measured, COLUMNS, as_json, out, overwrite)
