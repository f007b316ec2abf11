"""Whether voxels find room in memory: asked before hours are spent on them."""

from __future__ import annotations

import os

from physsim.errors import InvalidInput, message
from physsim.spec.grid import Grid


def check_room(grid: Grid, bytes_a_voxel: float) -> None:
    """InvalidInput when a grid's voxels would take more memory than the machine has, with what would fit.

    Neglects: what other programs hold; a grid that passes may still find too little that is free.
    """
    has = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    voxels = 1
    for n in grid.shape:
        voxels *= n  # Python's integers: numpy's would overflow
    needs = voxels * bytes_a_voxel
    if needs <= has:
        return
    fits = (needs / has) ** (1 / 3) * max(grid.spacing_mm)
    nz, ny, nx = grid.shape
    raise InvalidInput(
        message(
            f"{nx} x {ny} x {nz} voxels of {max(grid.spacing_mm):g} mm",
            f"they take {needs / 1e9:.3g} GB of memory, this machine has {has / 1e9:.3g} GB",
            f"Take voxels of {fits * 1.1:.2g} mm or more, or a smaller region.",
        )
    )
