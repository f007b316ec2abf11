"""`physsim mc ...`: photon transport from a spec, and the track of any of its photons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from physsim.cli.app import app

if TYPE_CHECKING:
    from physsim.spec.transport_run import TransportRun
    from physsim.transport.montecarlo_result import MonteCarloResult
    from physsim.transport.montecarlo_track import Event

mc = typer.Typer(no_args_is_help=True, help="Monte Carlo photon transport.")
app.add_typer(mc, name="mc")


@mc.command()
def run(
    spec: Path = typer.Argument(..., help="A run in TOML: [phantom], [source], [detector], [montecarlo]."),  # noqa: B008
    out: Path | None = typer.Option(None, "--out", "-o", help="HDF5 file; the run goes on from it where it exists."),  # noqa: B008
    device: str = typer.Option("cpu", help="cpu, cuda, cuda:N, or auto: a GPU where one is present. The same photons."),
    threads: int | None = typer.Option(None, help="Threads; all by default. The bits do not depend on it."),
    as_json: bool = typer.Option(False, "--json", help="Print figures as JSON."),
) -> None:
    """Photons through a phantom: energy by region and on the detector, with errors.

    Example: physsim mc run docs/examples/transport.toml --out run.h5
    """
    from physsim.cli.stages import Stages, lines
    from physsim.transport.montecarlo import transport

    asked = _spec(spec)
    with Stages(quiet=as_json) as stages:
        problem = _problem(asked, stages)
        result = transport(
            problem,
            file=out,
            provenance={"spec": json.loads(asked.to_json())},
            progress=stages.scaled(0.1, 1.0),
            device=device,
            threads=threads,
        )
    rows = _figures(result)
    if as_json:
        typer.echo(json.dumps({"histories": result.histories, "rows": rows, **stages.report()}, indent=1))
        return
    typer.echo(f"{result.histories} photons")
    for row in rows:
        error = "" if row["error"] is None else f" +- {row['error']:.2g}"
        typer.echo(f"{row['where']:28s} {row['value']:12.6g}{error} {row['unit']}")
    for line in lines(stages.report()):
        typer.echo(line)


@mc.command()
def replay(
    run: Path = typer.Argument(..., help="The run's spec in TOML, or its file of `physsim mc run --out`."),  # noqa: B008
    photon: int = typer.Option(..., help="The photon's number, from 0."),
    out: Path | None = typer.Option(None, "--out", "-o", help="PNG: the track in two planes over the phantom."),  # noqa: B008
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace an existing PNG."),
    as_json: bool = typer.Option(False, "--json", help="Print the track as JSON."),
) -> None:
    """The track of one photon of a run, event by event; energies add up exactly.

    Example: physsim mc replay docs/examples/transport.toml --photon 123 --out track.png
    """
    from physsim.errors import InvalidInput, message
    from physsim.io.atomic import check_output
    from physsim.transport.montecarlo_track import replay as follow

    if out is not None:
        if out.suffix.lower() != ".png":
            raise InvalidInput(message(f"--out {out}", "tracks are drawn as PNG", "Give a name that ends in .png."))
        check_output(out, overwrite)
    asked, mark = _spec_of(run)
    problem = _problem(asked)
    track = follow(problem, (photon,))[0]
    if mark is not None and track.fingerprint != mark:
        raise InvalidInput(
            message(
                str(run),
                "its spec makes another problem today (the phantom's file or physsim's version differs)",
                "Replay it with the version and files of the run.",
            )
        )
    if out is not None:
        from physsim.imaging.track_picture import draw_track

        draw_track(track, problem.phantom, out, overwrite)
    if as_json:
        typer.echo(json.dumps(track.as_dict(), indent=1))
        return
    typer.echo(f"{'':3s} {'event':14s}{'x, y, z (mm)':>30s}  {'direction':>25s}{'keV':>11s}{'deposited':>11s}  where")
    for number, event in enumerate(track.events):
        typer.echo(f"{number:<3d} {_line(event)}")
    ends = f"{track.deposited_kev:.6f} deposited, {track.detected_kev:.6f} detected, {track.escaped_kev:.6f} escaped"
    typer.echo(f"born with {track.born_kev:.6f} keV: {ends}")
    if out is not None:
        typer.echo(f"wrote {out}")


def _spec(path: Path) -> TransportRun:
    from physsim.io.elements import input_file
    from physsim.spec.transport_run import TransportRun

    return TransportRun.from_toml(input_file(path))


def _spec_of(path: Path) -> tuple[TransportRun, str | None]:
    """The spec of a TOML or of a run's file, and of the latter its fingerprint."""
    from physsim.errors import InvalidInput, message
    from physsim.io.hdf5 import read_provenance
    from physsim.spec.transport_run import TransportRun

    if path.suffix.lower() not in (".h5", ".hdf5"):
        return _spec(path), None
    found = read_provenance(path)
    if "spec" not in found:
        raise InvalidInput(
            message(
                str(path),
                "holds no spec: it was not written by `physsim mc run`",
                "Give the run's TOML, or replay it in Python: physsim.replay_photon.",
            )
        )
    return TransportRun.from_dict(dict(found["spec"])), str(found["fingerprint"])


def _problem(asked: TransportRun, stages: Any = None) -> Any:
    from physsim.body.source import whole_phantom
    from physsim.transport.montecarlo_job import Problem

    if stages is not None:
        stages("phantom", 0.0)
    return Problem(
        phantom=whole_phantom(asked.phantom),
        source=asked.source,
        run=asked.montecarlo,
        geometry=asked.geometry,
        seed=asked.seed,
        ambient=asked.ambient,
        disc_mm=asked.detector.disc_mm if asked.detector is not None else None,
        energy_edges_kev=asked.energy_edges_kev,
        anti_scatter_grid=asked.detector.anti_scatter_grid if asked.detector is not None else None,
    )


def _figures(result: MonteCarloResult) -> list[dict[str, Any]]:
    """Energy on the detector by order, and deposited by region."""
    from physsim.transport.montecarlo_result import ORDERS

    found = [(f"detector, {order}", result.total(order)) for order in ORDERS] if result.image_counts.size else []
    found += [(name, result.region(name)) for name in result.regions.names]
    return [
        {
            "where": where,
            "value": one.value,
            "error": one.error if one.error == one.error else None,  # NaN of a single batch
            "unit": "eV/history",
        }
        for where, one in found
    ]


def _line(event: Event) -> str:
    place = ", ".join(f"{x:.3f}" for x in event.position_mm)
    way = ", ".join(f"{u:+.4f}" for u in event.direction)
    where = "" if event.region is None else f"{event.material} ({event.region}, voxel {event.voxel})"
    if event.voxel is None and event.region is not None:
        where = f"{event.material} around the voxels"
    if event.pixel is not None:
        where = f"pixel {event.pixel}, {event.order}"
    return f"{event.kind:14s}{place:>30s}  {way:>25s}{event.energy_kev:11.4f}{event.deposited_kev:11.4f}  {where}"
