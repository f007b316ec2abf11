"""`physsim phantom`: list, describe and look at phantoms; `build` and `export` have files of their own."""

from __future__ import annotations

import json
from pathlib import Path

import typer

phantom = typer.Typer(no_args_is_help=True, help="List, describe, build, export and look at phantoms.")

NAME = typer.Argument(help="A phantom's file, or a scene or body of the library: see `physsim phantom list`.")
VOXEL = typer.Option(None, "--voxel", "--spacing-mm", help="Voxel size in mm; a scene's own, 4 of a body by default.")
OVERWRITE = typer.Option(False, "--overwrite", help="Replace an existing file.")
JSON = typer.Option(False, "--json", help="Print JSON.")


@phantom.command("list")
def list_phantoms(as_json: bool = JSON) -> None:
    """Scenes and bodies of the library.

    Example: physsim phantom list
    """
    from physsim.body.named import body_titles
    from physsim.phantom.library import scene, scene_names

    rows = [{"name": name, "kind": "scene", "title": scene(name).title} for name in scene_names()]
    rows += [{"name": name, "kind": "body", "title": title} for name, title in body_titles().items()]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo(f"{row['name']:28s} {row['kind']:6s} {row['title']}")


@phantom.command()
def info(name: str = NAME, voxel: float | None = VOXEL, as_json: bool = JSON) -> None:
    """Grid, size, materials, lesions, and organs with volume and mass, beside their reference mass where one is known.

    Example: physsim phantom info body.h5 --json
    """
    from physsim.body.named import named_phantom
    from physsim.body.report import report

    table = report(named_phantom(name, voxel))
    if as_json:
        typer.echo(json.dumps(table))
        return
    nz, ny, nx = table["shape_zyx"]
    size = f"{nx} x {ny} x {nz} voxels (x, y, z) of {tuple(table['spacing_mm'])} mm"
    typer.echo(f"{table['name']}: {size}, {table['mass_g']:.1f} g")
    if table["height_cm"] is not None:
        typer.echo(f"height {table['height_cm']:.1f} cm, weight {table['weight_kg']:.2f} kg")
    for organ in table["organs"]:
        line = f"  {organ['name']:34s} {organ['volume_cm3']:12.3f} cm3 {organ['mass_g']:12.3f} g"
        if organ["reference_g"] is not None:
            line += f"  {organ['reference_g']:9.6g} g ({organ['source']}) {organ['difference_percent']:+.2f} %"
        typer.echo(line)
    for lesion in table["lesions"]:
        where = ", ".join(f"{x:.2f}" for x in lesion["centre_mm"])
        typer.echo(f"  lesion {lesion['name']}: {lesion['diameter_mm']:.2f} mm of {lesion['material']} at ({where}) mm")


@phantom.command()
def view(
    name: str = NAME,
    out: Path = typer.Option(..., "--out", "--output", "-o", help="PNG (or HTML) to write."),  # noqa: B008
    voxel: float | None = VOXEL,
    as_html: bool = typer.Option(False, "--html", help="One page with sliders, which needs no server."),
    overwrite: bool = OVERWRITE,
) -> None:
    """One page: three planes, radiographs, surfaces, names and masses.

    Example: physsim phantom view body.h5 -o body.png
    """
    from physsim.body.named import named_phantom
    from physsim.errors import InvalidInput, message
    from physsim.io.atomic import check_output, write_bytes
    from physsim.io.png import write_png

    wanted = (".html", ".htm") if as_html else (".png",)
    if out.suffix.lower() not in wanted:
        why = f"--html writes {wanted[0]}" if as_html else "view writes .png, and .html with --html"
        raise InvalidInput(message(f"--out {out}", why, f"Name it {out.with_suffix(wanted[0]).name}."))
    check_output(out, overwrite)
    found = named_phantom(name, voxel)
    if as_html:
        from physsim.body.view_html import html_page

        text = html_page(found).encode()
        write_bytes(out, text, overwrite)
        typer.echo(f"{out}: {len(text) / 1e6:.1f} MB, opens in any browser")
        return
    from physsim.body.view import page

    picture, pixel_mm = page(found)
    write_png(out, picture, pixel_mm, overwrite=overwrite)
    typer.echo(f"{out}: {picture.shape[1]} x {picture.shape[0]} pixels of {pixel_mm:.2f} mm")


from physsim.cli import phantom_build as _phantom_build  # noqa: E402, F401
from physsim.cli import phantom_export as _phantom_export  # noqa: E402, F401
from physsim.cli import phantom_topology as _phantom_topology  # noqa: E402, F401
