"""`physsim protocols`: what can be taken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from physsim.cli.app import app

if TYPE_CHECKING:
    from physsim.spec.exposure_control import ExposureControl


@app.command()
def protocols(
    name: str | None = typer.Argument(None, help="Print this one as TOML."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """The shipped protocols.

    Example: physsim protocols chest_pa
    """
    from physsim.spec.protocol_library import protocols as library

    if name is not None:
        typer.echo(library[name].to_json() if as_json else library[name].to_toml(), nl=as_json)
        return
    if as_json:
        typer.echo(json.dumps([json.loads(library[one].to_json()) for one in library]))
        return
    for one in library:
        protocol = library[one]
        width, height = protocol.detector.size_mm
        beam = f"{protocol.spectrum.kvp:g} kVp" if protocol.spectrum.kvp else "no tube"
        place, turn = protocol.positioning or protocol.breast, protocol.rotation
        where = f"source to detector {place.source_detector_mm:g} mm" if place else \
            f"{len(protocol.poses)} poses" if turn is None else \
            f"{turn.views} views a turn, " + ("axial" if turn.pitch is None else f"pitch {turn.pitch:g}")
        control = protocol.exposure_control
        much = f"{protocol.mas:g} mAs" if control is None else _aim(control)
        typer.echo(f"{one:16s} {protocol.title:22s} {beam}, {much}, {where}, {width:g} x {height:g} mm "
                   f"of {protocol.detector.pixel_mm[0]:g} mm pixels")


def _aim(control: ExposureControl) -> str:
    return f"{control.target[1]:g} {control.unit}"
