"""How far from the detector voxels lie: what a projection cannot show, and scatter hangs on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid


def heights_mm(view: Geometry, grid: Grid) -> NDArray[np.float32]:
    """(z, y, x) from voxels' centres to the detector of one view: at right angles to a flat one, along the fan to a
    curved one. Read-only where all layers are alike."""
    source, normal = view.source_mm[0], view.normal[0]
    steps, start = grid.world_from_voxel[:3, :3], grid.world_from_voxel[:3, 3] - source

    def along(axis: NDArray[np.float64]) -> NDArray[np.float64]:
        each = [float(steps[:, n] @ axis) for n in range(3)]
        x, y, z = (step * np.arange(size if step else 1) for step, size in zip(each, grid.shape[::-1], strict=True))
        return np.asarray(float(start @ axis) + x + y[:, None] + z[:, None, None])

    ahead = along(normal)
    whole = float((view.centre_mm[0] - source) @ normal)
    ahead, whole = (ahead, whole) if whole > 0.0 else (-ahead, -whole)
    if view.radius_mm is not None:
        ahead = np.hypot(ahead, along(view.u[0]))
    return np.broadcast_to(np.asarray(whole - ahead, np.float32), grid.shape)
