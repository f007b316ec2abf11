"""`physsim spectrum`: what a beam amounts to, as a table or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from physsim.cli.app import app

if TYPE_CHECKING:
    from physsim.spec.sampled_spectrum import SampledSpectrum


@app.command()
def spectrum(
    kvp: float | None = typer.Option(None, help="Tube potential, 20-150 (W) or 20-50 (Mo, Rh)."),
    target: str | None = typer.Option(None, help="W (default), Mo or Rh."),
    anode_angle_deg: float | None = typer.Option(None, "--anode-angle", help="Degrees; 12 (W), 20 (Mo, Rh)."),
    filters: list[str] = typer.Option([], "--filter", help="MATERIAL:MM, e.g. Al:2.5; may be repeated."),  # noqa: B008
    energy_kev: float | None = typer.Option(None, "--energy", help="One energy in keV instead of a tube."),
    file: Path | None = typer.Option(None, help="A .csv or .spc table instead of a tube."),  # noqa: B008
    spec: Path | None = typer.Option(None, help="A Spectrum in TOML instead of the options."),  # noqa: B008
    anode_cathode_deg: float = typer.Option(0.0, help="Ray's angle towards the cathode (heel effect)."),
    distance_mm: float = typer.Option(1000.0, help="Distance from the focus."),
    air: bool = typer.Option(False, "--air", help="Attenuate in the air on the way."),
    bins: int | None = typer.Option(None, help="Merge into so many bins, photons and energy conserved."),
    kerma: float | None = typer.Option(None, help="Measured air kerma, uGy/mAs at --distance-mm, to scale to."),
    table: bool = typer.Option(False, "--table", help="Also the bins."),
    as_json: bool = typer.Option(False, "--json", help="JSON instead of text."),
) -> None:
    """HVL, mean energy, air kerma and fluence of a beam.

    Example: physsim spectrum --kvp 120 --filter Al:2.5 --json
    """
    from physsim.spec.spectrum import Spectrum

    options: dict[str, Any] = {"kvp": kvp, "target": target, "anode_angle_deg": anode_angle_deg,
                               "energy_kev": energy_kev, "filters": [_pair(text) for text in filters]}
    given = {name: value for name, value in options.items() if value not in (None, [])}
    if spec is not None:
        _alone("--spec", {**given, **({"file": file} if file else {})})
        beam = Spectrum.from_toml(spec)
    else:
        beam = Spectrum(**given) if file is None else Spectrum.from_file(file, **given)
    if kerma is not None:
        beam = beam.scaled_to_kerma(kerma, distance_mm)
    sampled = beam.at(anode_cathode_deg).at_distance(distance_mm)
    if air:
        sampled = sampled.filtered("air", distance_mm)
    result: dict[str, Any] = {"distance_mm": distance_mm, **sampled.summary()}
    if bins is not None:
        merged = sampled.rebinned(bins)
        result |= {"bins": merged.energies_kev.size, "rebinning_error": sampled.rebinning_error(merged)}
        sampled = merged
    if as_json:
        typer.echo(json.dumps({**result, **(_bins(sampled) if table else {})}))
        return
    for name, value in result.items():
        typer.echo(f"{name:28s} {value:.6g}")
    if table:
        typer.echo(sampled.to_csv(), nl=False)


def _bins(sampled: SampledSpectrum) -> dict[str, list[float]]:
    return {"energies_kev": sampled.energies_kev.tolist(), "fluence_per_cm2_mas": sampled.fluence.tolist()}


def _pair(text: str) -> tuple[str, float]:
    from physsim.errors import InvalidInput, message

    name, _, thickness = text.rpartition(":")
    try:
        return name, float(thickness)
    except ValueError:
        raise InvalidInput(message(f"--filter {text}", "a filter is MATERIAL:MM", "Write it like Al:2.5.")) from None


def _alone(option: str, others: dict[str, Any]) -> None:
    from physsim.errors import InvalidInput, message

    if others:
        raise InvalidInput(message(f"{option} with {', '.join(others)}", "the spec holds the whole beam",
                                   "Leave the other options out, or write them into the spec."))
