"""`physsim phantom build`: voxelise a scene, a body, a breast or a patient, and write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from physsim.cli.phantom import OVERWRITE, VOXEL, phantom

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

_BREAST, _BODY = "Breasts", "Bodies"
_BREAST_SPACING_MM = 0.25


@phantom.command()
def build(
    name: str | None = typer.Argument(None, help="A scene or body of the library, or a scene's TOML file."),
    out: Path = typer.Option(  # noqa: B008
        ..., "--out", "--output", "-o", help="File to write: .h5 (keeps everything), .nii.gz, .mhd, .mha, .toml (raw)."
    ),
    voxel: float | None = VOXEL,
    overwrite: bool = OVERWRITE,
    body: str | None = typer.Option(None, "--body", help="A shipped body by name, or its TOML file.",
                                    rich_help_panel=_BODY),
    seed: int = typer.Option(0, "--seed", min=0, help="Of what is drawn: the individual's noises, a breast's shape.",
                             rich_help_panel=_BODY),
    vanishing: str = typer.Option("error", "--vanishing", help="error or keep: when organs are smaller than a voxel.",
                                  rich_help_panel=_BODY),
    breast: str | None = typer.Option(None, "--breast", help="Density class: A, B, C or D.", rich_help_panel=_BREAST),
    view: str = typer.Option("CC", "--view", help="CC or MLO.", rich_help_panel=_BREAST),
    side: str = typer.Option("L", "--side", help="L or R.", rich_help_panel=_BREAST),
    thickness: float | None = typer.Option(None, "--thickness", help="Between the plates, mm.",
                                           rich_help_panel=_BREAST),
) -> None:  # fmt: skip
    """Voxelise a scene, a body or a compressed breast, and write it.

    Example: physsim phantom build --body adult_head_trunk --voxel 2 --out body.h5 --overwrite

    Or: physsim phantom build --breast C --view MLO --voxel 0.2 --out breast.h5
    """
    from physsim.errors import InvalidInput, message
    from physsim.io.atomic import check_output

    ways: dict[str, Callable[[], Phantom]] = {}
    if name is not None:
        ways[name] = lambda: _named(str(name), voxel, seed, vanishing)
    if body is not None:
        ways[f"--body {body}"] = lambda: _body(str(body), voxel, seed, vanishing)
    if breast is not None:
        ways[f"--breast {breast}"] = lambda: _breast(str(breast), view, side, voxel, seed, thickness)
    if len(ways) != 1:
        what = " and ".join(ways) or "nothing to build"
        raise InvalidInput(message(what, "one phantom is built at a time", "Give NAME, --body or --breast."))
    if breast is None:
        _refuse_idle({"--view": view != "CC", "--side": side != "L", "--thickness": thickness is not None}, "--breast")
    check_output(out, overwrite)
    (make,) = ways.values()
    found = make()
    found.save(out, overwrite=overwrite)
    typer.echo(f"{out}: {found.name}, {found.labels.size / 1e6:.1f} million voxels, {found.mass_g():.1f} g")


def _refuse_idle(given: dict[str, bool], needs: str) -> None:
    from physsim.errors import InvalidInput, message

    if idle := [option for option, there in given.items() if there]:
        raise InvalidInput(message(f"{idle[0]} without {needs}", "it has no effect", f"Add {needs}, or drop it."))


def _named(name: str, voxel: float | None, seed: int, vanishing: Any) -> Phantom:
    from physsim.body.named import named_phantom

    return named_phantom(name, voxel, seed, vanishing)


def _body(name: str, voxel: float | None, seed: int, vanishing: Any) -> Phantom:
    from physsim.body.named import named_body
    from physsim.body.voxelise import voxelise_body

    return voxelise_body(named_body(name, seed), voxel or 4.0, vanishing=vanishing, name=Path(name).stem)


def _breast(density: str, view: str, side: str, voxel: float | None, seed: int, thickness: float | None) -> Phantom:
    import json

    from physsim.body.breast import Breast, breast

    drawn = Breast.draw(density, view, side, seed=seed, thickness_mm=thickness)
    made = breast(drawn, spacing_mm=voxel or _BREAST_SPACING_MM)
    return made.replace(made_from={"breast": json.loads(drawn.to_json())})
