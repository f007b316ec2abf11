"""`physsim simulate`: one exposure from a spec, or from a phantom and a protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from physsim.cli.app import app

_OUT = "File: .h5, .png or .dcm; of CT and tomosynthesis .nii.gz, .mha, or a folder (no ending) of DICOM; repeat."


@app.command()
def simulate(
    spec: Path | None = typer.Argument(None, help="A run in TOML: seed, scatter, noise, [phantom], [protocol]."),  # noqa: B008
    out: list[Path] = typer.Option(..., "--out", "-o", help=_OUT),  # noqa: B008
    phantom: str | None = typer.Option(None, help="Phantom: a file, tg195:FILE, or a scene such as thorax."),
    patient: str | None = typer.Option(None, help='A patient: "sex=F age=54"; the rest is drawn by the seed.'),
    protocol: str | None = typer.Option(None, help="A shipped protocol, or one in TOML (a path ending in .toml)."),
    spacing_mm: float | None = typer.Option(None, "--spacing-mm", help="Voxel size (2 mm; of a breast 0.2)."),
    pixel_mm: float | None = typer.Option(None, "--pixel-mm", help="Pixels of this size, on the same field."),
    kvp: float | None = typer.Option(None, help="Tube potential."),
    mas: float | None = typer.Option(None, help="Tube current times time."),
    view: str | None = typer.Option(None, help="PA, AP, LAT, RLAT; of a breast CC or MLO."),
    side: str | None = typer.Option(None, help="Of a breast: L or R."),
    seed: int | None = typer.Option(None, help="Of noise, scatter and what is drawn of a patient; names the study."),
    scatter: str | None = typer.Option(None, help="none, kernel, surrogate, hybrid or montecarlo (within 2 %)."),
    noise: bool | None = typer.Option(None, "--noise/--no-noise", help="Of quanta and electronics."),
    noise_by: str | None = typer.Option(None, "--noise-by", help="physics, or surrogate: quanta by a network."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    threads: int | None = typer.Option(None, help="Threads of the CPU; all by default. The bits do not depend on it."),
    keep: list[str] = typer.Option([], help="Of a scan: primary, scatter, signal, raw, image, scatter_single"),  # noqa: B008
    projections: Path | None = typer.Option(None, help="Folder for a scan's projections as DICOM-CT-PD."),  # noqa: B008
    truth: Path | None = typer.Option(None, help="Truth: .dcm (segmentation), .h5, .nii.gz, .mha; or a folder."),  # noqa: B008
    uncertainty: Path | None = typer.Option(None, help="An .h5 for what uncertain inputs do to image and figures."),  # noqa: B008
    for_processing: bool = typer.Option(False, "--for-processing", help="Linear DICOM (keV) instead of a picture."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace existing files."),
    as_json: bool = typer.Option(False, "--json", help="Print figures as JSON."),
) -> None:
    """Take one exposure or scan of a phantom or a patient; of an adult drawn by the seed where none is named.

    Example: physsim simulate --patient "sex=F age=54" --protocol chest_pa --scatter montecarlo --seed 7 --out chest.dcm
    """
    from physsim.cli.stages import Stages, lines
    from physsim.errors import InvalidInput, message
    from physsim.imaging.exposure_files import check_exposure_output
    from physsim.imaging.scan.coverage import check_turns
    from physsim.imaging.scan.files import check_scan_output
    from physsim.imaging.scan.spectral_files import check_spectral_output
    from physsim.imaging.simulate import check_request
    from physsim.imaging.technique import contents
    from physsim.imaging.uncertainty import check_several
    from physsim.io.atomic import check_output

    wanted = {"pixel_mm": pixel_mm, "kvp": kvp, "mas": mas, "view": view, "side": side}
    changes = {name: value for name, value in wanted.items() if value is not None}
    given = {"seed": seed, "scatter": scatter, "noise": _noise(noise, noise_by)}
    run = _run(spec, phantom, patient, protocol, spacing_mm, given, changes)
    check_request(run.scatter, run.seed, device, run.noise)
    if run.protocol.rotation is not None:
        check_turns(run.protocol)
    for path in out:
        if run.protocol.second_beam is not None or run.protocol.gating is not None or run.protocol.energy_bins:
            check_spectral_output(path, overwrite)
        elif run.protocol.rotation is not None:
            check_scan_output(path, overwrite)
        else:
            check_exposure_output(path, overwrite, run.protocol.breast is not None and run.protocol.breast.is_sweep)
    plain = run.protocol.rotation is not None and not (run.protocol.second_beam or run.protocol.gating
                                                       or run.protocol.energy_bins)
    if projections is not None:
        if not plain:
            raise InvalidInput(message(f"--projections {projections}", "they are of a scan of one beam and one volume",
                                       "Leave it out, or save the channels' from Python."))
        check_output(projections / "projection_00001.dcm" if projections.is_dir() else projections, overwrite)
    if truth is not None:
        _check_truth(truth, run.protocol, plain, out, overwrite)
    if uncertainty is not None:
        if uncertainty.suffix.lower() not in (".h5", ".hdf5"):
            raise InvalidInput(message(f"--uncertainty {uncertainty}", "images and a table are written", "Give .h5."))
        check_several(run.protocol)
        check_output(uncertainty, overwrite)
    if for_processing and not any(path.suffix.lower() == ".dcm" for path in out):
        raise InvalidInput(message("--for-processing", "it has no effect without a .dcm", "Leave it out."))
    with Stages(quiet=as_json) as stages:
        from physsim.body.source import body_from
        from physsim.imaging.body import voxels_of
        from physsim.imaging.simulate import simulate as take

        stages("phantom", 0.0)
        state = {"seed": run.seed} | run.protocol.patient.model_dump()
        body = body_from(run.phantom, state)
        if run.protocol.gating is None:
            body = voxels_of(body, run.protocol, run.phantom.spacing_mm)
        elif run.phantom.spacing_mm is not None:
            raise InvalidInput(message(f"spacing_mm={run.phantom.spacing_mm:g}", "bodies of gated scans have 2 mm",
                                       "Leave it out."))
        shot = take(body, run.protocol, scatter=run.scatter, noise=run.noise, seed=run.seed, device=device,
                    threads=threads, keep=keep, progress=stages.scaled(0.3, 0.9))
        known = None if uncertainty is None else _propagated(uncertainty, body, run, threads, stages, overwrite)
        stages("files", 0.9)
        for path in out:
            if run.protocol.rotation is not None:
                shot.save(path, overwrite)
            else:
                shot.save(path, overwrite, for_processing=for_processing and path.suffix.lower() == ".dcm")
        if projections is not None:
            shot.save_projections(projections, overwrite=overwrite)
        if truth is not None:
            shot.save_truth(truth, _truth_of(truth, run.protocol, out), overwrite)
    asked = run.scatter if isinstance(run.scatter, str) else json.loads(run.scatter.to_json())
    report: dict[str, Any] = {"files": [str(path) for path in out], "scatter": asked, **shot.figures(),
                              **stages.report()}
    if known is not None:
        report["uncertainty"] = {name: known.uncertainty(name) for name in known.endpoint}
    if as_json:
        typer.echo(json.dumps(report))
        return
    for name, value in shot.figures().items():
        beside = "" if known is None or name not in known.endpoint else f" +- {known.uncertainty(name):.2g}"
        typer.echo(f"{name:28s} {value:.6g}{beside}")
    typer.echo(contents(shot))
    for path in out:
        typer.echo(f"wrote {path}")
    for line in lines(report):
        typer.echo(line)


def _check_truth(truth: Path, protocol: Any, plain: bool, out: list[Path], overwrite: bool) -> None:
    """Refuses, before any work, what --truth cannot write of a protocol."""
    from physsim.errors import InvalidInput, message
    from physsim.imaging.truth_files import check_truth_output

    if protocol.rotation is not None and not plain:
        raise InvalidInput(message(f"--truth {truth}", "it is of a scan with one beam and one volume",
                                   "Leave it out, or save the channels' from Python."))
    check_truth_output(truth, overwrite)
    if plain and not truth.suffix:
        raise InvalidInput(message(f"--truth {truth}", "masks of a scan are a volume", "Give .dcm, .h5 or .nii.gz."))
    if plain or truth.suffix.lower() != ".dcm":
        return
    if _image(out) is None and not (protocol.breast is not None and protocol.breast.is_sweep):
        raise InvalidInput(message(f"--truth {truth}", "a segmentation names the image that it belongs to",
                                   "Give --out FILE.dcm too."))


def _truth_of(truth: Path, protocol: Any, out: list[Path]) -> Path | None:
    """What a segmentation of truth names: of a scan the folder of slices, of a sweep its slices.dcm, else the image."""
    if truth.suffix.lower() != ".dcm":
        return None
    folder = next((path for path in out if path.is_dir()), None)
    if protocol.rotation is not None:
        return folder
    if protocol.breast is not None and protocol.breast.is_sweep:
        from physsim.imaging.breast_files import SLICES

        return None if folder is None else folder / SLICES
    return _image(out)


def _image(out: list[Path]) -> Path | None:
    """The first DICOM file among the outputs."""
    return next((path for path in out if path.suffix.lower() == ".dcm"), None)


def _noise(noise: bool | None, by: str | None) -> bool | str | None:
    """What --noise and --noise-by ask for together."""
    from physsim.errors import InvalidInput, message

    if by is None:
        return noise
    if by not in ("physics", "surrogate"):
        raise InvalidInput(message(f"--noise-by {by}", "noise is drawn by physics or a network",
                                   "Give physics or surrogate."))
    if noise is False:
        raise InvalidInput(message(f"--noise-by {by} with --no-noise", "it has no effect", "Leave one out."))
    return True if by == "physics" else by


def _propagated(path: Path, body: Any, run: Any, threads: int | None, stages: Any, overwrite: bool) -> Any:
    """Uncertainties of the run's image and figures, written to `path`."""
    from physsim.imaging.uncertainty import propagate
    from physsim.io.hdf5 import write_layers

    found = propagate(body, run.protocol, scatter=run.scatter, seed=run.seed, threads=threads,
                      progress=lambda name, share: stages("uncertainty", 0.9))
    write_layers(path, found.layers(), {"endpoints": found.table()}, overwrite)
    return found


def _run(spec: Path | None, phantom: str | None, patient: str | None, protocol: str | None, spacing_mm: float | None,
         given: dict[str, Any], changes: dict[str, Any]) -> Any:
    """The run of a spec with the options' changes, or of the options alone."""
    from physsim.body.source import ADULT, patient_fields
    from physsim.errors import InvalidInput, message
    from physsim.io.elements import input_file
    from physsim.phantom.source import source_from
    from physsim.spec.protocol import Protocol
    from physsim.spec.protocol_library import protocols
    from physsim.spec.run import PhantomSource, Run

    given = {name: value for name, value in given.items() if value is not None}
    if spec is not None:
        for name, value in (("--phantom", phantom), ("--patient", patient), ("--protocol", protocol),
                            ("--spacing-mm", spacing_mm)):
            if value is not None:
                raise InvalidInput(message(f"{name} {value} with {spec}", "the spec says it already",
                                           f"Leave {name} out, or change the spec."))
        run = Run.from_toml(input_file(spec))
        return run.replace(**given, **({"protocol": run.protocol.changed(**changes)} if changes else {}))
    if protocol is None:
        raise InvalidInput(message("simulate", "neither a spec nor a protocol is given",
                                   "Give SPEC.toml, or --protocol; physsim protocols lists them."))
    if phantom is not None and patient is not None:
        raise InvalidInput(message(f"--phantom {phantom} with --patient", "one of them is in the beam",
                                   "Leave one out."))
    taken = Protocol.from_toml(input_file(Path(protocol))) if protocol.endswith(".toml") else protocols[protocol]
    fitting = ADULT if taken.breast is None else {**ADULT, "sex": "F"}
    source = source_from(phantom, spacing_mm) if phantom is not None else \
        PhantomSource(patient=fitting if patient is None else patient_fields(patient), spacing_mm=spacing_mm)
    return Run(phantom=source, protocol=taken.changed(**changes), **given)
