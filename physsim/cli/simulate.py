"""`physsim simulate`: one exposure from a spec, or from a phantom and a protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from physsim.cli.app import app


@app.command()
def simulate(
    spec: Path | None = typer.Argument(None, help="A run in TOML: seed, [phantom], [protocol]."),  # noqa: B008
    out: list[Path] = typer.Option(..., "--out", "-o", help="File: .h5, .png or .dcm; repeat for more."),  # noqa: B008
    phantom: str | None = typer.Option(None, help="Phantom: a file, tg195:FILE, or a scene such as thorax."),
    protocol: str | None = typer.Option(None, help="A shipped protocol, or one in TOML (a path ending in .toml)."),
    spacing_mm: float | None = typer.Option(None, "--spacing-mm", help="Voxel size of a scene."),
    pixel_mm: float | None = typer.Option(None, "--pixel-mm", help="Pixels of this size, on the same field."),
    kvp: float | None = typer.Option(None, help="Tube potential."),
    mas: float | None = typer.Option(None, help="Tube current times time."),
    seed: int | None = typer.Option(None, help="Names the study."),
    scatter: str | None = typer.Option(None, help="none: primary only (so far the only one)."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    threads: int | None = typer.Option(None, help="Threads of the CPU; all by default. The bits do not depend on it."),
    for_processing: bool = typer.Option(False, "--for-processing", help="Linear DICOM (keV) instead of a picture."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace existing files."),
    as_json: bool = typer.Option(False, "--json", help="Print figures as JSON."),
) -> None:
    """Take one exposure of a phantom.

    Example: physsim simulate --phantom thorax --protocol chest_pa --pixel-mm 0.4 --seed 7 --out chest.png
    """
    from physsim.cli.stages import Stages, lines
    from physsim.errors import InvalidInput, message
    from physsim.imaging.exposure_files import check_exposure_output
    from physsim.imaging.simulate import check_request

    changes = {name: value for name, value in (("pixel_mm", pixel_mm), ("kvp", kvp), ("mas", mas)) if value is not None}
    run = _run(spec, phantom, protocol, spacing_mm, seed, scatter, changes)
    check_request(run.scatter, run.seed, device)
    for path in out:
        check_exposure_output(path, overwrite)
    if for_processing and not any(path.suffix.lower() == ".dcm" for path in out):
        raise InvalidInput(message("--for-processing", "it has no effect without a .dcm", "Leave it out."))
    with Stages(quiet=as_json) as stages:
        from physsim.imaging.simulate import simulate as take
        from physsim.phantom.source import phantom_from

        stages("phantom", 0.0)
        body = phantom_from(run.phantom)
        shot = take(body, run.protocol, scatter=run.scatter, seed=run.seed, device=device, threads=threads,
                    progress=stages.scaled(0.3, 0.9))
        stages("files", 0.9)
        for path in out:
            shot.save(path, overwrite, for_processing=for_processing and path.suffix.lower() == ".dcm")
    report: dict[str, Any] = {"files": [str(path) for path in out], "scatter": run.scatter, **shot.figures(),
                              **stages.report()}
    if as_json:
        typer.echo(json.dumps(report))
        return
    for name, value in shot.figures().items():
        typer.echo(f"{name:28s} {value:.6g}")
    typer.echo("primary only: no scatter, no noise")
    for path in out:
        typer.echo(f"wrote {path}")
    for line in lines(report):
        typer.echo(line)


def _run(spec: Path | None, phantom: str | None, protocol: str | None, spacing_mm: float | None, seed: int | None,
         scatter: str | None, changes: dict[str, Any]) -> Any:
    """The run of a spec with the options' changes, or of the options alone."""
    from physsim.errors import InvalidInput, message
    from physsim.io.elements import input_file
    from physsim.phantom.source import source_from
    from physsim.spec.protocol import Protocol
    from physsim.spec.protocol_library import protocols
    from physsim.spec.run import Run

    if spec is not None:
        for name, value in (("--phantom", phantom), ("--protocol", protocol), ("--spacing-mm", spacing_mm)):
            if value is not None:
                raise InvalidInput(message(f"{name} {value} with {spec}", "the spec says it already",
                                           f"Leave {name} out, or change the spec."))
        run = Run.from_toml(input_file(spec))
        fields = {name: value for name, value in (("seed", seed), ("scatter", scatter)) if value is not None}
        return run.replace(**fields, **({"protocol": run.protocol.changed(**changes)} if changes else {}))
    if phantom is None or protocol is None:
        raise InvalidInput(message("simulate", "neither a spec nor phantom and protocol are given",
                                   "Give SPEC.toml, or --phantom and --protocol."))
    taken = Protocol.from_toml(input_file(Path(protocol))) if protocol.endswith(".toml") else protocols[protocol]
    return Run(phantom=source_from(phantom, spacing_mm), protocol=taken.changed(**changes), seed=seed or 0,
               scatter=scatter or "none")
