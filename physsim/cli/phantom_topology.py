"""`physsim phantom topology`: pieces, tunnels and cavities of organs beside what is declared."""

from __future__ import annotations

import json

import typer

from physsim.cli.phantom import JSON, NAME, VOXEL, phantom


@phantom.command()
def topology(
    name: str = NAME,
    voxel: float | None = VOXEL,
    every: bool = typer.Option(False, "--all", help="Also the organs that are as declared, or not judged."),
    as_json: bool = JSON,
) -> None:
    """Pieces, tunnels and cavities of each organ; exit status 1 when one differs from phantoms/anatomy/topology.toml.

    Example: physsim phantom topology body.h5 --all
    """
    from physsim.body.named import named_phantom
    from physsim.body.topology import organ_topology

    rows = organ_topology(named_phantom(name, voxel))
    wrong = [row for row in rows if not row.right]
    if as_json:
        table = [{"name": row.name, "found": row.found, "declared": row.declared, "voxels": row.voxels,
                  "right": row.right} for row in (rows if every else wrong)]  # fmt: skip
        typer.echo(json.dumps({"organs": len(rows), "wrong": len(wrong), "rows": table}))
    else:
        for row in rows if every else wrong:
            declared = "not judged" if row.declared is None else f"declared {row.declared}"
            typer.echo(f"{row.name:36s} {row.found!s:16s} {declared:20s} {row.voxels} voxels")
        typer.echo(f"{len(rows)} organs, {len(wrong)} not as declared (pieces, tunnels, cavities)")
    if wrong:
        raise typer.Exit(1)
