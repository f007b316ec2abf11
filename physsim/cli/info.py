"""`physsim info`: what is installed, and what it runs on."""

from __future__ import annotations

import json

import typer

from physsim.cli.app import app


@app.command()
def info(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Version, devices, and the hashes of kernels and tables that results carry.

    Example: physsim info
    """
    from physsim import _engine
    from physsim._version import __version__
    from physsim.device.choice import instruction_set, thread_count, why_no_cuda
    from physsim.spec.provenance import kernels_sha256, tables_sha256

    absent, present = why_no_cuda(), _engine.instruction_sets()
    chosen, threads, cuda = instruction_set(), thread_count(), "present" if absent is None else f"none: {absent[0]}"
    hashes = {"kernels_sha256": kernels_sha256(), "tables_sha256": tables_sha256()}
    if as_json:
        cpu = {"instruction_set": chosen, "present": list(present), "threads": threads}
        typer.echo(json.dumps({"physsim": __version__, "cpu": cpu, "cuda": cuda, **hashes}))
        return
    typer.echo(f"physsim         {__version__}")
    typer.echo(f"cpu             {chosen} (of {', '.join(present)}), {threads} threads")
    typer.echo(f"cuda            {cuda}")
    for name, value in hashes.items():
        typer.echo(f"{name:15s} {value}")
