"""The typer application: one file a command, registered here."""

from __future__ import annotations

import typer

from physsim._version import __version__
from physsim.cli.phantom import phantom
from physsim.cli.validate import validate

app = typer.Typer(
    name="physsim", no_args_is_help=True, pretty_exceptions_enable=False, add_completion=True,
    rich_markup_mode="markdown",  # brackets are text, lines flow
    help="X-ray images of virtual patients by physics. For research, not for clinical use.")

app.add_typer(phantom, name="phantom")
app.add_typer(validate, name="validate")


def _version(show: bool) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True,
                                       help="Print the version and stop.")) -> None:
    """X-ray images of virtual patients by physics. For research, not for clinical use."""


from physsim.cli import audit as _audit  # noqa: E402, F401
from physsim.cli import bench as _bench  # noqa: E402, F401
from physsim.cli import bench_chain as _bench_chain  # noqa: E402, F401
from physsim.cli import bench_montecarlo as _bench_montecarlo  # noqa: E402, F401
from physsim.cli import bench_noise_network as _bench_noise_network  # noqa: E402, F401
from physsim.cli import bench_pareto as _bench_pareto  # noqa: E402, F401
from physsim.cli import bench_phantom as _bench_phantom  # noqa: E402, F401
from physsim.cli import bench_pix2pix as _bench_pix2pix  # noqa: E402, F401
from physsim.cli import demo as _demo  # noqa: E402, F401
from physsim.cli import detectors as _detectors  # noqa: E402, F401
from physsim.cli import info as _info  # noqa: E402, F401
from physsim.cli import mc as _mc  # noqa: E402, F401
from physsim.cli import protocols as _protocols  # noqa: E402, F401
from physsim.cli import simulate as _simulate  # noqa: E402, F401
from physsim.cli import spectrum as _spectrum  # noqa: E402, F401
from physsim.cli import train as _train  # noqa: E402, F401
from physsim.cli import validate_all as _validate_all  # noqa: E402, F401
from physsim.cli import validate_mcgpu as _validate_mcgpu  # noqa: E402, F401
from physsim.cli import validate_measured as _validate_measured  # noqa: E402, F401
from physsim.cli import validate_spectra as _validate_spectra  # noqa: E402, F401
from physsim.cli import validate_tg195 as _validate_tg195  # noqa: E402, F401
