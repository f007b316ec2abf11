"""`physsim phantom build`: voxelise a patient, a body, a breast or a scene, and write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from physsim.cli.phantom import OVERWRITE, VOXEL, phantom

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

_PATIENT, _BREAST, _BODY = "Patients (what is left out is drawn by the seed)", "Breasts", "Bodies and breasts"
_BREAST_SPACING_MM, _PATIENT_SPACING_MM = 0.25, 2.0


def _of_patient(default: Any, name: str, text: str) -> Any:
    return typer.Option(default, name, help=text, rich_help_panel=_PATIENT)


@phantom.command()
def build(
    name: str | None = typer.Argument(None, help="A scene or body of the library, or a scene's TOML file."),
    out: Path = typer.Option(  # noqa: B008
        ..., "--out", "--output", "-o", help="File to write: .h5 (keeps everything), .nii.gz, .mhd, .mha, .toml (raw)."
    ),
    voxel: float | None = VOXEL,
    overwrite: bool = OVERWRITE,
    sex: str | None = _of_patient(None, "--sex", "F or M."),
    age: float | None = _of_patient(None, "--age", "Years, 0 to 90."),
    reference: bool = _of_patient(False, "--reference", "ICRP 89's body of 0, 1, 5, 10, 15 or 35 years."),
    height: float | None = _of_patient(None, "--height", "cm."),
    weight: float | None = _of_patient(None, "--weight", "kg."),
    bmi: float | None = _of_patient(None, "--bmi", "kg/m2, in place of the weight."),
    stature: float | None = _of_patient(None, "--build", "Depth over width of the trunk, 1 on average."),
    posture: str | None = _of_patient(None, "--posture", "standing or supine."),
    arms: str | None = _of_patient(None, "--arms", "down or up."),
    respiration: float | None = _of_patient(None, "--respiration", "0: after a quiet breath out, 1: a full breath in."),
    cardiac: float | None = _of_patient(None, "--cardiac", "Part of the heart's cycle, 0 to 1."),
    breast_density: str | None = _of_patient(None, "--breast-density", "A, B, C or D."),
    region: str = _of_patient("whole", "--region", "whole, head, chest, abdomen, trunk or pelvis."),
    body: str | None = typer.Option(None, "--body", help="A shipped body by name, or its TOML file.",
                                    rich_help_panel=_BODY),
    seed: int = typer.Option(0, "--seed", min=0, help="Of what is drawn: the individual's noises, a breast's shape.",
                             rich_help_panel=_BODY),
    vanishing: str | None = typer.Option(None, "--vanishing", rich_help_panel=_BODY, help="Organs too small for a "
                                         "voxel of their own: error names them, keep leaves their mass in voxels that "
                                         "they share. Reference bodies keep them; for others they are an error."),
    breast: str | None = typer.Option(None, "--breast", help="Density class: A, B, C or D.", rich_help_panel=_BREAST),
    view: str = typer.Option("CC", "--view", help="CC, MLO or uncompressed.", rich_help_panel=_BREAST),
    side: str = typer.Option("L", "--side", help="L or R.", rich_help_panel=_BREAST),
    thickness: float | None = typer.Option(None, "--thickness", help="Between the plates, mm.",
                                           rich_help_panel=_BREAST),
) -> None:  # fmt: skip
    """Voxelise a patient, a shipped body, a compressed breast or a scene, and write it.

    Example: physsim phantom build --sex M --age 35 --reference --voxel 2 --out man.h5 --overwrite

    Or `--sex F --age 54 --height 165 --weight 72 --seed 7`; `--body adult_head_trunk`; `--breast C --view MLO --voxel
    0.2`; a scene's name, such as `slab60`.
    """
    from physsim.body.report import vanished
    from physsim.errors import InvalidInput, message
    from physsim.io.atomic import check_output

    own = {
        "sex": sex, "age": age, "height_cm": height, "weight_kg": weight, "bmi": bmi, "build": stature,
        "posture": posture, "arms": arms, "respiration": respiration, "cardiac": cardiac,
        "breast_density": breast_density,
    }  # fmt: skip
    given = {key: value for key, value in own.items() if value is not None}
    ways: dict[str, Callable[[], Phantom]] = {}
    if given or reference:
        ways["a patient"] = lambda: _patient(given, reference, voxel, region, seed, vanishing)
    else:
        _refuse_idle({"--region": region != "whole"}, "--sex and --age")
    if name is not None:
        ways[name] = lambda: _named(str(name), voxel, seed, vanishing or "error")
    if body is not None:
        ways[f"--body {body}"] = lambda: _body(str(body), voxel, seed, vanishing or "error")
    if breast is not None:
        ways[f"--breast {breast}"] = lambda: _breast(str(breast), view, side, voxel, seed, thickness)
    if len(ways) != 1:
        what = " and ".join(ways) or "nothing to build"
        raise InvalidInput(message(what, "one phantom is built at a time", "Give --sex, --body, --breast or NAME."))
    if breast is None:
        _refuse_idle({"--view": view != "CC", "--side": side != "L", "--thickness": thickness is not None}, "--breast")
    check_output(out, overwrite)
    (make,) = ways.values()
    found = make()
    found.save(out, overwrite=overwrite)
    if lost := vanished(found):
        typer.echo(f"smaller than a voxel, their mass is kept: {', '.join(lost)}", err=True)
    typer.echo(f"{out}: {found.name}, {found.labels.size / 1e6:.1f} million voxels, {found.mass_g():.1f} g")


def _refuse_idle(given: dict[str, bool], needs: str) -> None:
    from physsim.errors import InvalidInput, message

    if idle := [option for option, there in given.items() if there]:
        raise InvalidInput(message(f"{idle[0]} without {needs}", "it has no effect", f"Add {needs}, or drop it."))


def _patient(
    given: dict[str, Any], reference: bool, voxel: float | None, region: str, seed: int, vanishing: Any
) -> Phantom:
    from physsim.body.patient import anatomy, reference_patient
    from physsim.errors import InvalidInput, message

    if not reference:
        patient = anatomy(seed=seed, **given)
        return patient.phantom(voxel or _PATIENT_SPACING_MM, region=region, vanishing=vanishing or "error")
    for key in ("height_cm", "weight_kg", "bmi"):
        if key in given:
            why = "the reference body has its own"
            raise InvalidInput(message(f"--reference with {key}={given[key]:g}", why, "Leave one of them out."))
    if "sex" not in given or "age" not in given:
        raise InvalidInput(message("--reference", "which body?", "Give --sex and --age (0, 1, 5, 10, 15 or 35)."))
    sex, age = given.pop("sex"), given.pop("age")
    patient = reference_patient(sex, age, seed=seed, **given)
    return patient.phantom(voxel or _PATIENT_SPACING_MM, region=region, vanishing=vanishing or "keep")


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
