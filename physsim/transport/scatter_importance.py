"""What a collision at a place in the phantom is worth to a scatter image: where histories should go.

Worth: the root of the summed squares of what an isotropic event at the source's mean energy sends to a few nodes, its
optical depths counted by half, as photons that scatter again see less of them. It is found at places some centimetres
apart and interpolated; every value is positive, so that any error of it costs variance alone, no bias.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import instruction_set
from physsim.spec.geometry import Geometry
from physsim.transport.node_spline import node_spline
from physsim.transport.scatter_focus import blurred, rows_alike, shared_by
from physsim.transport.scatter_scene import LONG_STEP, ScatterScene
from physsim.transport.scatter_source import FIELD_CELLS

Floats = NDArray[np.float64]

NODES = (8, 4)  # that count: across, along
DEPTH_SHARE = 0.5  # of the optical depths: 0.3 to 0.7 give equal variance within its noise
PROBE_CM, MOST_PROBES = 3.0, 24  # apart at most, unless there would be more along an axis
CELL_CM, MOST_CELLS = 0.8, 128  # of the map
LEAST = 0.01  # of the mean worth: beyond the detector's plane, where nothing counts
FIELD_LEAST = 0.2  # of the mean over the field, added: photons that start where the mean energy sees nothing
EVENTS = 0.5  # worth that photons keep, over that of a first collision: half gives four events a history


def guided(
    scene: ScatterScene,
    geometry: Geometry,
    source: dict[str, Any],
    target: dict[str, Any],
    cutoff_kev: float,
    threads: int,
) -> Any:
    """The engine's object for histories of one view. `target`: the detector's fields, of pixels of `geometry`."""
    view = scene.view(source, cutoff_kev)
    size = scene.corners_cm().max(axis=0)
    probes = [max(2, min(MOST_PROBES, math.ceil(float(length) / PROBE_CM) + 1)) for length in size]
    cells = [count - 2 for count in scene.cells.shape[::-1]]  # on the rays' own cells a step asks but once
    if max(cells) > MOST_CELLS:
        cells = [max(1, min(MOST_CELLS, math.ceil(float(length) / CELL_CM))) for length in size]
    inside = [np.linspace(1e-3, 1.0 - 1e-3, n) * length for n, length in zip(probes, size, strict=True)]
    z, y, x = np.meshgrid(inside[2], inside[1], inside[0], indexing="ij")
    places = np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1).astype(np.float32)
    nodes = node_spline(geometry.columns, geometry.rows, *NODES)
    column, row = np.meshgrid(nodes.node_column, nodes.node_row)
    energy, isa = source["mean_kev"], instruction_set()
    found = view.reach(
        {**target, "cell": (0.5 * geometry.columns / NODES[0], 0.5 * geometry.rows / NODES[1])},
        column.ravel().astype(np.float32),
        row.ravel().astype(np.float32),
        places,
        energy,
        DEPTH_SHARE,
        threads,
        isa,
    )
    worth = np.asarray(found, np.float64)
    mean = float(np.cumsum(worth)[-1]) / worth.size
    worth = np.maximum(worth, LEAST * mean) / mean if mean > 0.0 else np.ones_like(worth)
    worth = worth.reshape(probes[::-1])
    for axis, count in enumerate(cells[::-1]):
        worth = _between(worth, axis, count)
    values = np.ascontiguousarray(worth.astype(np.float32))
    view.guide(values, 0.0)
    rays = view.field_rays(energy, FIELD_CELLS, rows_alike(source), threads, isa)
    field = source["brightness"] * np.asarray(rays, np.float64)
    expected = EVENTS * float(np.cumsum(field.ravel())[-1]) / field.size
    view = scene.view(shared_by(source, blurred(field), FIELD_LEAST), cutoff_kev, LONG_STEP)
    view.guide(values, expected)
    return view


def _between(values: Floats, axis: int, cells: int) -> Floats:
    """Values at even places from end to end of an axis, made those of the middles of cells and of a border."""
    count = values.shape[axis]
    place = np.clip((np.arange(-1, cells + 1) + 0.5) / cells, 0.0, 1.0) * (count - 1)
    low = np.minimum(place.astype(np.int64), count - 2)
    share = (place - low).reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    return np.asarray(np.take(values, low, axis=axis) * (1.0 - share) + np.take(values, low + 1, axis=axis) * share)
