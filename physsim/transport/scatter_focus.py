"""Where in the field of a scatter image points are worth most: many of them where rays pass one to a few free paths.

Every point carries the weight of its density, so any choice leaves the mean unchanged. A ray of optical depth T adds
about T exp(-T) to single forward scatter, times the photons that heel and bowtie send along it; the rest of the field
keeps a small share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import instruction_set
from physsim.transport.scatter_scene import ScatterScene
from physsim.transport.scatter_source import FIELD_CELLS

Floats = NDArray[np.float64]

STEEPNESS = 1.0  # s of T (1 + s T / 4)^-4, all but T exp(-s T), with the same bits on every CPU
LEAST = 0.05  # of the mean


def focused(scene: ScatterScene, source: dict[str, Any], threads: int) -> dict[str, Any]:
    """The fields of a source with shares of points by cells of its field: kernels/transport/scatter_source.h."""
    view = scene.view(source, 0.0)
    rays = view.field_rays(source["mean_kev"], FIELD_CELLS, rows_alike(source), threads, instruction_set())
    depth = np.asarray(rays, np.float64)
    falling = 1.0 + 0.25 * STEEPNESS * depth
    worth = source["brightness"] * depth / (falling * falling * falling * falling)
    return shared_by(source, blurred(worth), LEAST)


def lit(source: dict[str, Any]) -> dict[str, Any]:
    """The fields of a source with points as dense as its photons; all the same where they are uniform."""
    uniform = source["cumulative"].shape[:2] == (1, 1)
    return source if uniform else shared_by(source, source["brightness"], LEAST)


def shared_by(source: dict[str, Any], worth: Floats, least: float) -> dict[str, Any]:
    """The fields of a source with points by the worth of (n, n) cells of its field, `least` of the mean added."""
    total = float(np.cumsum(worth.ravel())[-1])
    if not total > 0.0:
        return source
    by_cell = np.cumsum(worth + least * total / worth.size, axis=1)
    by_row = np.cumsum(by_cell[:, -1])
    return {
        **source,
        "row_share": (by_row / by_row[-1]).astype(np.float32),
        "cell_share": (by_cell / by_cell[:, -1:]).astype(np.float32),
    }


def rows_alike(source: dict[str, Any]) -> int:
    """Rows of the field's cells that one row of rays serves: as many as make cells square in a flat fan."""
    across, along = (float(high - low) for low, high in zip(source["low"], source["high"], strict=True))
    alike = 1
    while 2 * alike * along <= across and alike < FIELD_CELLS // 4:
        alike *= 2
    return alike


def blurred(values: Floats) -> Floats:
    """Means of 3 x 3 neighbours: borders of the phantom lie within a cell."""
    wide = np.pad(values, 1, mode="edge")
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    return np.asarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9.0)
