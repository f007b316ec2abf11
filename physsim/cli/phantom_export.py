"""`physsim phantom export`: a phantom's file in another format."""

from __future__ import annotations

from pathlib import Path

import typer

from physsim.cli.phantom import NAME, OVERWRITE, VOXEL, phantom


@phantom.command()
def export(
    name: str = NAME,
    out: Path = typer.Option(  # noqa: B008
        ..., "--out", "--output", "-o",
        help=".nii.gz, .nii, .mhd, .mha, .toml (raw), .h5, or .json for XCIST.",
    ),
    voxel: float | None = VOXEL,
    merge: bool = typer.Option(False, "--merge-overlays", help="Average finer patches into the voxels."),
    overwrite: bool = OVERWRITE,
) -> None:  # fmt: skip
    """Write a phantom for other programs: labels, density, organs, and a JSON of names beside them; or XCIST's JSON.

    Beside NAME.nii.gz lie NAME_density.nii.gz, NAME_organs.nii.gz and NAME.phantom.json (materials, organs, lesions).

    Example: physsim phantom export body.h5 --out body.nii.gz --overwrite
    """
    from physsim.body.named import named_phantom
    from physsim.io.atomic import check_output
    from physsim.phantom.merge import merged_overlays

    check_output(out, overwrite)
    found = named_phantom(name, voxel)
    (merged_overlays(found) if merge else found).save(out, overwrite=overwrite)
    typer.echo(f"{out}: {found.name}, {found.labels.size / 1e6:.1f} million voxels")
