"""`physsim train ...`: networks from a spec, their data made by Monte Carlo on the way."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import typer

from physsim.cli.app import app

train = typer.Typer(no_args_is_help=True, help="Train networks on data that physsim makes.")
app.add_typer(train, name="train")


_SPEC = "The training in TOML, or a shipped one: "
_OUT = typer.Option(..., "--out", "-o", help="Weights: .safetensors.")
_FOLDER = typer.Option(None, help="For data and checkpoints (default: beside the weights).")
_DATA_ONLY = typer.Option(False, "--data-only", help="Make data, train nothing: needs no torch.")
_OVERWRITE = typer.Option(False, "--overwrite", help="Replace the weights.")
_JSON = typer.Option(False, "--json", help="Print the card as JSON.")


@train.command()
def scatter(
    spec: str = typer.Argument(..., help=f"{_SPEC}chest, abdomen, ct, ..."),
    out: Path = _OUT,
    folder: Path | None = _FOLDER,
    workers: int = typer.Option(2, min=1, help="Patients at a time."),
    data_only: bool = _DATA_ONLY,
    overwrite: bool = _OVERWRITE,
    as_json: bool = _JSON,
) -> None:
    """Make data of drawn patients, train an ensemble, and judge it on patients that it never saw.

    Stopped at any time, the same command goes on where it was: data appear in files of some patients each, training
    keeps a checkpoint after each epoch.

    Example: physsim train scatter chest --out chest.safetensors
    """
    from physsim.imaging.scan_cases import ScanCases
    from physsim.imaging.scatter_cases import ScatterCases
    from physsim.imaging.scatter_maps import CHANNELS, CONDITIONS
    from physsim.spec.training import ScatterTraining
    from physsim.surrogate.ensemble import shipped_specs
    from physsim.surrogate.scatter_training import make_scans, train_scatter

    wanted = _wanted(spec, shipped_specs(), ScatterTraining)
    inputs, scans = {"channels": CHANNELS, "conditions": CONDITIONS}, ScanCases(wanted)
    card = _trained(wanted, ScatterCases(wanted, 1), partial(train_scatter, inputs=inputs, scans=scans), out, folder,
                    workers, data_only, overwrite, as_json, partial(make_scans, spec=wanted, scans=scans))
    if card is None:
        return
    found = card["held_out"]
    typer.echo(f"{found['views']} views of {found['patients']} unseen patients: e_S {100 * found['mean_clean']:.2f} %, "
               f"worst subgroup {100 * found['worst_subgroup']:.2f} %")
    for name, one in found["subgroups"].items():
        typer.echo(f"{name:20s} {one['views']:6d} views  {100 * one['e_s']:.2f} %")


@train.command()
def noise(
    spec: str = typer.Argument(..., help=f"{_SPEC}radiographs."),
    out: Path = _OUT,
    folder: Path | None = _FOLDER,
    workers: int = typer.Option(2, min=1, help="Beams at a time."),
    data_only: bool = _DATA_ONLY,
    overwrite: bool = _OVERWRITE,
    as_json: bool = _JSON,
) -> None:
    """Make even exposures of drawn beams by the detector's chain, train a noise network, and judge it on beams that it
    never saw.

    Stopped at any time, the same command goes on where it was.

    Example: physsim train noise radiographs --out noise.safetensors
    """
    from physsim.imaging.noise_cases import NoiseCases
    from physsim.spec.noise_training import NoiseTraining
    from physsim.surrogate.noise_training import train_noise
    from physsim.surrogate.noise_weights import shipped_noise_specs

    wanted = _wanted(spec, shipped_noise_specs(), NoiseTraining)
    card = _trained(wanted, NoiseCases(wanted, 1), train_noise, out, folder, workers, data_only, overwrite, as_json)
    if card is None:
        return
    found = card["held_out"]
    typer.echo(f"{found['exposures']} exposures of {found['beams']} unseen beams: variance within "
               f"{100 * found['variance']:.2f} %, noise power within {100 * max(found['bands']):.2f} % a band")
    for name, one in {"all": found, **found["subgroups"]}.items():
        bands = " ".join(f"{100 * band:5.2f}" for band in one["bands"])
        typer.echo(f"{name:24s} {one['exposures']:5d} exposures  variance {100 * one['variance']:.2f} %, "
                   f"bands {bands}")


def _wanted(spec: str, known: dict[str, Path], kind: Any) -> Any:
    """A shipped training by its name, or one from a file."""
    from physsim.errors import InvalidInput, did_you_mean, message
    from physsim.io.elements import input_file

    if spec not in known and not spec.endswith(".toml"):
        raise InvalidInput(message(f"training {spec!r}", "neither a shipped family nor a .toml file",
                                   did_you_mean(spec, known)))
    return kind.from_toml(known.get(spec) or input_file(Path(spec)))


def _trained(wanted: Any, cases: Any, by: Callable[..., dict[str, Any]], out: Path, folder: Path | None, workers: int,
             data_only: bool, overwrite: bool, as_json: bool, others: Callable[..., list[Path]] | None = None
             ) -> dict[str, Any] | None:
    """Trains and tells what was written; the card, or None where nothing is left to be told. `others`: makes more of
    the data."""
    from physsim.cli.stages import Stages, lines
    from physsim.errors import InvalidInput, message
    from physsim.io.atomic import check_output
    from physsim.surrogate.shards import make_shards

    if out.suffix != ".safetensors":
        raise InvalidInput(message(f"--out {out}", "weights are safetensors", "Give a name ending in .safetensors."))
    check_output(out, overwrite or data_only)
    kept = folder if folder is not None else out.with_suffix("")
    with Stages(quiet=as_json) as stages:
        if data_only:
            files = make_shards(kept / "data", wanted, cases, workers=workers, progress=stages)
            files += [] if others is None else others(kept / "data", workers=workers, progress=stages)
            told = {"files": [str(path) for path in files]}
            typer.echo(json.dumps(told) if as_json else f"{len(files)} files of data in {kept / 'data'}")
            return None
        if importlib.util.find_spec("torch") is None:
            raise InvalidInput(message("train", "torch is not installed", "pip install 'physsim[surrogate]', or make "
                                       "the data alone by --data-only."))
        card = by(wanted, cases, kept, out, workers=workers, overwrite=overwrite,
                  command=f"physsim {' '.join(sys.argv[1:])}", progress=stages)
    if as_json:
        typer.echo(json.dumps(card))
        return None
    typer.echo(f"wrote {out}")
    for line in lines({"files": [str(out)], **stages.report()}):
        typer.echo(line)
    return card
