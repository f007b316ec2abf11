"""Overlays: a finer patch of voxels, in any orientation, replaces exactly what its box covers along each ray.

    result = body - body inside the patch's box + patch

Rays are clipped to the box in float64, and only those that meet it are looked at: a 0.1 mm calcification or an implant
needs no 0.1 mm body. Overlays that overlap, or reach out of the body's grid, are refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.overlay import Overlay, check_overlays
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.arguments import check_voxel_type, native
from physsim.transport.project import project
from physsim.transport.rays import voxel_rays
from physsim.transport.spectral_body import Body, checked_body

PatchRays = tuple[
    NDArray[Any],
    NDArray[Any] | None,
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float64],
    NDArray[np.float64],
]


@dataclasses.dataclass(frozen=True, eq=False)
class VolumePatch:
    """Finer voxels of one quantity. values: (nz, ny, nx), a type that `project` reads; grid: where they lie."""

    grid: Grid
    values: NDArray[Any]
    name: str = "patch"

    def __post_init__(self) -> None:
        check_voxel_type(self.values, self.name)
        object.__setattr__(self, "values", native(self.values))
        if self.values.shape != self.grid.shape:
            raise InvalidInput(
                message(
                    f"{self.name} of shape {self.values.shape}",
                    f"its grid has {self.grid.shape}",
                    "Give the grid of this patch.",
                )
            )
        if not np.isfinite(self.values).all():
            raise InvalidInput(message(self.name, "holds NaN or infinity", "Give finite values."))


def project_with_patches(
    volume: NDArray[Any], patches: Sequence[VolumePatch], geometry: Geometry, *, grid: Grid, threads: int | None = None
) -> NDArray[np.float32]:
    """`project` of a numpy volume, with each patch in place of what its box covers: (views, rows, columns) float32.

    Raises InvalidInput as `project`, and for patches that overlap or reach out of the grid.
    """
    check_overlays(grid, tuple(Overlay(one.grid, one.values, None, one.name) for one in patches))
    image = np.asarray(project(volume, geometry, grid=grid, device="cpu", threads=threads))
    body = voxel_rays(geometry, grid)
    for one in patches:
        inside = voxel_rays(geometry, one.grid)
        _engine.replace_patch(
            native(volume),
            grid.spacing_mm,
            body.start,
            body.end,
            body.start_row,
            body.end_row,
            one.values,
            inside.start,
            inside.end,
            inside.start_row,
            inside.end_row,
            image,
            thread_count(threads),
        )
    return image


def with_overlays(
    body: Body, grid: Grid, geometry: Geometry, overlays: Sequence[Overlay]
) -> tuple[Body, list[PatchRays]]:
    """The body with the labels of its overlays among those present, and what the kernels take of each overlay."""
    check_overlays(grid, tuple(overlays))
    patches: list[PatchRays] = []
    present, greatest = [body.present], [body.greatest]
    for one in overlays:
        checked = checked_body(one.labels, one.density, body.material_density_g_cm3, one.grid)
        present.append(checked.present)
        greatest.append(checked.greatest)
        rays = voxel_rays(geometry, one.grid)
        patches.append((checked.labels, checked.density, rays.start, rays.end, rays.start_row, rays.end_row))
    return dataclasses.replace(body, present=np.unique(np.concatenate(present)), greatest=max(greatest)), patches
