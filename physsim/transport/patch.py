"""A patch of finer voxels over a body, as the kernels take it: its voxels, and the rays in its own coordinates."""

from __future__ import annotations

import dataclasses
from typing import Any

from numpy.typing import NDArray

from physsim.transport.rays import VoxelRays


@dataclasses.dataclass(frozen=True, eq=False)
class Patch:
    """voxels: (nz, ny, nx) labels, or values of one quantity; density: the same shape, or None; spacing_mm: x, y, z."""

    voxels: NDArray[Any]
    density: NDArray[Any] | None
    spacing_mm: tuple[float, float, float]
    rays: VoxelRays
