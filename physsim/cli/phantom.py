"""`physsim phantom`: list, describe, build and look at phantoms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

phantom = typer.Typer(no_args_is_help=True, help="List, describe, build and look at phantoms.")

_NAME = typer.Argument(help="A scene of the library, a scene in TOML (ending in .scene.toml) or a phantom's file.")
_SPACING = typer.Option(None, "--spacing-mm", help="Voxel size of a scene in mm; its own by default.")
_OUTPUT = typer.Option(..., "--output", "-o", help="File to write: .h5, .nii.gz, .mhd, .mha or .toml (raw).")
_PICTURE = typer.Option(..., "--output", "-o", help="PNG to write.")
_JSON = typer.Option(False, "--json", help="Print JSON.")


@phantom.command("list")
def list_scenes(as_json: bool = _JSON) -> None:
    """Scenes of the library.

    Example: physsim phantom list
    """
    from physsim.phantom.library import scene, scene_names

    rows = [{"name": name, "title": scene(name).title} for name in scene_names()]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['name']:28s} {row['title']}")


@phantom.command()
def info(name: str = _NAME, spacing_mm: float | None = _SPACING, as_json: bool = _JSON) -> None:
    """Grid, materials, organs and lesions.

    Example: physsim phantom info water_20cm --spacing-mm 2
    """
    found = _found(name, spacing_mm)
    table = _table(found)
    if as_json:
        typer.echo(json.dumps(table))
        return
    nz, ny, nx = found.grid.shape
    size = f"{nx} x {ny} x {nz} voxels (x, y, z) of {found.grid.spacing_mm} mm"
    typer.echo(f"{found.name}: {size}, {table['mass_g']:.1f} g")
    for organ in table["organs"]:
        typer.echo(f"  {organ['name']:28s} {organ['volume_mm3'] / 1000:12.2f} ml {organ['mass_g']:12.2f} g")
    for lesion in table["lesions"]:
        where = ", ".join(f"{x:.2f}" for x in lesion["centre_mm"])
        typer.echo(f"  lesion {lesion['name']}: {lesion['diameter_mm']:.2f} mm of {lesion['material']} at ({where}) mm")


@phantom.command()
def build(
    name: str = _NAME,
    output: Path = _OUTPUT,
    spacing_mm: float | None = _SPACING,
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace an existing file."),
) -> None:
    """Voxelise a scene and write it.

    Example: physsim phantom build thorax --spacing-mm 2 -o thorax.h5
    """
    from physsim.io.atomic import check_output

    check_output(output, overwrite)
    found = _found(name, spacing_mm)
    found.save(output, overwrite=overwrite)
    typer.echo(f"{output}: {found.name}, {found.labels.size / 1e6:.1f} million voxels, {found.mass_g():.1f} g")


@phantom.command()
def view(
    name: str = _NAME,
    output: Path = _PICTURE,
    spacing_mm: float | None = _SPACING,
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace an existing file."),
) -> None:
    """Three slices and two projections in one PNG.

    Example: physsim phantom view thorax -o thorax.png
    """
    from physsim.io.atomic import check_output
    from physsim.io.png import write_png
    from physsim.phantom.views import overview

    check_output(output, overwrite)
    found = _found(name, spacing_mm)
    picture, pixel_mm = overview(found)
    write_png(output, picture, pixel_mm, overwrite=overwrite)
    typer.echo(f"{output}: axial, coronal, sagittal slice; projection from the back and from the right")


def _found(name: str, spacing_mm: float | None) -> Phantom:
    """A phantom from its file, or a scene of the library or of a file, voxelised."""
    from physsim.errors import InvalidInput, message
    from physsim.phantom.library import scene
    from physsim.phantom.phantom import Phantom
    from physsim.phantom.voxelise import voxelise

    if name.endswith(".scene.toml") or not Path(name).suffix:
        return voxelise(scene(name), spacing_mm)
    if spacing_mm is not None:
        raise InvalidInput(message(f"--spacing-mm {spacing_mm}", "a file has voxels of its own", "Leave it out."))
    return Phantom.load(name)


def _table(found: Phantom) -> dict[str, Any]:
    return {
        "name": found.name, "shape_zyx": list(found.grid.shape), "spacing_mm": list(found.grid.spacing_mm),
        "origin_mm": list(found.grid.origin_mm or ()), "mass_g": found.mass_g(),
        "materials": [{"name": one.name, "density_g_cm3": one.density_g_cm3} for one in found.materials],
        "organs": [{"name": row.name, "volume_mm3": row.volume_mm3, "mass_g": row.mass_g}
                   for row in found.truth.organs],
        "lesions": found.lesion_table(),
        "overlays": [overlay.name for overlay in found.overlays]}
