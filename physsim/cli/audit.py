"""`physsim audit`: how often a hybrid's guarantees hold where no training has been."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from physsim.cli.app import app

_WEIGHTS = typer.Option(None, help="Weights: .safetensors (default: those shipped).")
_OUT = typer.Option(None, "--out", "-o", help="A page: .html, with the worst views.")
_FOLDER = typer.Option(None, help="Keeps the views: the same command goes on after a stop.")


@app.command()
def audit(
    family: str = typer.Option("chest", help="chest, abdomen, mammography, ct or cbct (single views)."),
    cases: int = typer.Option(2000, help="Views of fresh patients."),
    zoo: int = typer.Option(1000, help="Views of what the network was not trained on."),
    seed: int = typer.Option(0, help="Of patients, views and photons: any seed draws others."),
    tolerance: float = typer.Option(0.05, help="e_S that is guaranteed; time grows with its inverse square."),
    weights: Path | None = _WEIGHTS,
    out: Path | None = _OUT,
    folder: Path | None = _FOLDER,
    workers: int = typer.Option(2, help="Patients at a time."),
    most_histories: int = typer.Option(2**19, "--most-histories", help="Ends a view that would take longer."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the page."),
    as_json: bool = typer.Option(False, "--json", help="Print the figures as JSON."),
) -> None:
    """Audit a hybrid: coverage of each guarantee, the gate's errors, error by subgroup, worst cases.

    Patients are drawn anew from the seed, with numbers that no training uses; truth is Monte Carlo by other photons.

    Example: physsim audit --family chest --cases 2000 --zoo 1000 --seed 1 --out audit.html
    """
    from physsim.cli.stages import Stages, lines
    from physsim.errors import InvalidInput, message
    from physsim.evaluate.audit import audit as run
    from physsim.evaluate.audit import check_audit
    from physsim.io.atomic import check_output

    check_audit(family, weights, cases=cases, zoo=zoo, seed=seed, workers=workers)
    if out is not None:
        if out.suffix.lower() not in (".html", ".htm"):
            raise InvalidInput(message(f"--out {out}", "an audit is a page", "Give a name ending in .html."))
        check_output(out, overwrite)
    with Stages(quiet=as_json) as stages:
        found = run(family, cases=cases, zoo=zoo, seed=seed, tolerance=tolerance, weights=weights, folder=folder,
                    most_histories=most_histories, workers=workers, progress=stages)
        if out is not None:
            stages("page", 1.0)
            found.save(out, overwrite)
    if as_json:
        typer.echo(json.dumps(found.figures))
        return
    for line in told(found.figures):
        typer.echo(line)
    for line in lines({"files": [] if out is None else [str(out)], **stages.report()}):
        typer.echo(line)


def told(figures: Any) -> list[str]:
    """The figures in some lines."""
    def share(value: float | None) -> str:
        return "-" if value is None else f"{100.0 * value:.2f} %"

    found = [f"{figures['cases']} views of {figures['patients']} patients, {figures['zoo_members']} of the zoo, "
             f"tolerance {share(figures['tolerance'])}"]
    for word, one in figures["guarantees"].items():
        found.append(f"{word:<10} {one['covered']} of {one['cases']} hold as seen; "
                     f"{share(one['coverage_extrapolated'])} without the truths' noise, "
                     f"at least {share(one['coverage_lower_95'])}")
    found += [f"failed     {number}: {why}" for number, why in figures["failed"].items()]
    zoo, passed = figures["zoo"], figures["zoo"]["not_rejected"]
    return [
        *found,
        f"gate       drops {share(figures['gate_false_rate'])} in domain, {share(figures['gate_power'])} of "
        f"{zoo['exceed']} in the zoo that would exceed the tolerance",
        f"zoo        {passed['covered']} of {passed['cases']} not rejected hold as seen; "
        f"{share(passed['coverage_extrapolated'])} without the truths' noise, "
        f"at most {share(passed['coverage_upper_95'])}",
        f"e_S        {share(figures['mean_e_s'])} delivered, worst subgroup {share(figures['worst_subgroup_e_s'])}; "
        f"network alone {share(figures['network_e_s'])}, as many photons alone {share(figures['same_photons_e_s'])}",
        f"a view     {figures['seconds_per_view_hybrid']:.3f} s of CPU, by Monte Carlo alone "
        f"{figures['seconds_per_view_montecarlo']:.3f} s",
    ]
