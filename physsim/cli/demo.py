"""`physsim demo`: a chest with a nodule becomes a radiograph, in every format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from physsim.cli.app import app

NODULE_MM = 24.0  # large enough to be found without being told where
SCATTER_ERROR = 0.05  # standard error over mean
_FILES = ("chest.png", "chest.h5", "chest.dcm", "chest_for_processing.dcm", "chest_truth.nii.gz", "chest_truth.json")


@app.command()
def demo(
    out: Path = typer.Option(Path("demo"), "--out", "-o", help="Folder for the results; made if missing."),  # noqa: B008
    fast: bool = typer.Option(False, "--fast", help="Coarse: 3 mm voxels and 0.8 mm pixels, not 1 and 0.4 mm."),
    seed: int = typer.Option(7, help="Of noise and scatter; names the study."),
    device: str = typer.Option("auto", help="auto, cpu, cuda or cuda:N."),
    threads: int | None = typer.Option(None, help="Threads of the CPU; all by default."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace existing files."),
    as_json: bool = typer.Option(False, "--json", help="Print figures as JSON."),
) -> None:
    """A chest with a lung nodule to a radiograph, scatter and noise included: PNG, HDF5, DICOM and truth.

    Example: physsim demo --out demo
    """
    from physsim.cli.stages import Stages, lines
    from physsim.imaging.exposure_files import check_dicom
    from physsim.imaging.simulate import check_request
    from physsim.imaging.technique import contents
    from physsim.io.atomic import check_output

    check_dicom("physsim demo")
    check_request("none", seed, device)
    _make_folder(out)
    for name in _FILES:
        check_output(out / name, overwrite)
    with Stages(quiet=as_json) as stages:
        from physsim.body.lesion import Lesion
        from physsim.body.patient import anatomy
        from physsim.imaging.simulate import simulate
        from physsim.spec.protocol_library import protocols
        from physsim.spec.scatter import MonteCarlo

        stages("phantom", 0.0)
        patient = anatomy(sex="F", age=54, height_cm=165, weight_kg=64, seed=7)
        patient = patient.insert(Lesion(site="right upper lobe", diameter_mm=NODULE_MM, margin="spiculated",
                                        centre_mm=(-76.0, 11.0, 340.0)))
        body = patient.phantom(3.0 if fast else 1.0, region="chest", vanishing="keep")
        shot = simulate(body, protocols.chest_pa(pixel_mm=0.8 if fast else 0.4), seed=seed, device=device,
                        scatter=MonteCarlo(relative_error=SCATTER_ERROR), threads=threads,
                        progress=stages.scaled(0.4, 0.9))
        stages("files", 0.9)
        shot.save(out / "chest.png", overwrite)
        shot.save(out / "chest.h5", overwrite)
        shot.save(out / "chest.dcm", overwrite)
        shot.save(out / "chest_for_processing.dcm", overwrite, for_processing=True)
        shot.truth.save(out / "chest_truth.nii.gz", overwrite)
    report: dict[str, Any] = {"files": [str(out / name) for name in _FILES],
                              "scatter": f"montecarlo within {SCATTER_ERROR:g}", **shot.figures(), **stages.report()}
    if as_json:
        typer.echo(json.dumps(report))
        return
    lesion = shot.truth.volume.lesions[0]
    nz, ny, nx = body.grid.shape
    typer.echo(f"{body.name}: {nx} x {ny} x {nz} voxels, {len(body.materials)} materials, a "
               f"{lesion.diameter_mm:.0f} mm {lesion.name} of {lesion.material}")
    typer.echo(f"{shot.protocol.title}: {shot.geometry.columns} x {shot.geometry.rows} pixels, "
               f"{len(shot.protocol.spectrum.sample().energies_kev)} energies; entrance air kerma "
               f"{shot.entrance_air_kerma_mgy():.3g} mGy. {contents(shot)}")
    for name in _FILES:
        typer.echo(f"wrote {out / name}")
    for line in lines(report):
        typer.echo(line)


def _make_folder(path: Path) -> None:
    from physsim.errors import OutputError, message

    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(message(str(path), f"cannot be made a folder ({error.strerror})",
                                  "Choose another folder.")) from None
