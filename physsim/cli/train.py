"""`physsim train ...`: networks from a spec, their data made by Monte Carlo on the way."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import typer

from physsim.cli.app import app

train = typer.Typer(no_args_is_help=True, help="Train networks on data that physsim makes.")
app.add_typer(train, name="train")


@train.command()
def scatter(
    spec: str = typer.Argument(..., help="The training in TOML, or a shipped family: chest, abdomen, ct, ..."),
    out: Path = typer.Option(..., "--out", "-o", help="Weights: .safetensors."),  # noqa: B008
    folder: Path | None = typer.Option(None, help="For data and checkpoints (default: beside the weights)."),  # noqa: B008
    workers: int = typer.Option(2, min=1, help="Patients at a time."),
    data_only: bool = typer.Option(False, "--data-only", help="Make data, train nothing: needs no torch."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the weights."),
    as_json: bool = typer.Option(False, "--json", help="Print the card as JSON."),
) -> None:
    """Make data of drawn patients, train an ensemble, and judge it on patients that it never saw.

    Stopped at any time, the same command goes on where it was: data appear in files of some patients each, training
    keeps a checkpoint after each epoch.

    Example: physsim train scatter chest --out chest.safetensors
    """
    from physsim.cli.stages import Stages, lines
    from physsim.errors import InvalidInput, did_you_mean, message
    from physsim.imaging.scatter_cases import ScatterCases
    from physsim.imaging.scatter_maps import CHANNELS, CONDITIONS
    from physsim.io.atomic import check_output
    from physsim.io.elements import input_file
    from physsim.spec.training import ScatterTraining
    from physsim.surrogate.ensemble import shipped_specs
    from physsim.surrogate.scatter_training import train_scatter
    from physsim.surrogate.shards import make_shards

    known = shipped_specs()
    if spec not in known and not spec.endswith(".toml"):
        raise InvalidInput(message(f"training {spec!r}", "neither a shipped family nor a .toml file",
                                   did_you_mean(spec, known)))
    wanted = ScatterTraining.from_toml(known.get(spec) or input_file(Path(spec)))
    if out.suffix != ".safetensors":
        raise InvalidInput(message(f"--out {out}", "weights are safetensors", "Give a name ending in .safetensors."))
    check_output(out, overwrite or data_only)
    kept = folder if folder is not None else out.with_suffix("")
    cases = ScatterCases(wanted, 1)
    with Stages(quiet=as_json) as stages:
        if data_only:
            files = make_shards(kept / "data", wanted, cases, workers=workers, progress=stages)
            told = {"files": [str(path) for path in files]}
            typer.echo(json.dumps(told) if as_json else f"{len(files)} files of data in {kept / 'data'}")
            return
        if importlib.util.find_spec("torch") is None:
            raise InvalidInput(message("train", "torch is not installed", "pip install 'physsim[surrogate]', or make "
                                       "the data alone by --data-only."))
        inputs = {"channels": CHANNELS, "conditions": CONDITIONS}
        card = train_scatter(wanted, cases, kept, out, inputs=inputs, workers=workers, overwrite=overwrite,
                             command=f"physsim {' '.join(sys.argv[1:])}", progress=stages)
    if as_json:
        typer.echo(json.dumps(card))
        return
    found = card["held_out"]
    typer.echo(f"{found['views']} views of {found['patients']} unseen patients: e_S {100 * found['mean_clean']:.2f} %, "
               f"worst subgroup {100 * found['worst_subgroup']:.2f} %")
    for name, one in found["subgroups"].items():
        typer.echo(f"{name:20s} {one['views']:6d} views  {100 * one['e_s']:.2f} %")
    typer.echo(f"wrote {out}")
    for line in lines({"files": [str(out)], **stages.report()}):
        typer.echo(line)
