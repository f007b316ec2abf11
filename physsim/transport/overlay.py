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
from physsim.device.arrays import device_of, like, to_cupy, to_numpy
from physsim.device.choice import Device, thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.overlay import Overlay, check_overlays
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.arguments import check_voxel_type, grid_of, native
from physsim.transport.patch import Patch
from physsim.transport.project import device_for, project
from physsim.transport.rays import voxel_rays
from physsim.transport.spectral_body import Body, checked_body


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
    volume: Any,
    patches: Sequence[VolumePatch],
    geometry: Geometry,
    *,
    grid: Grid,
    device: str | Device = "auto",
    threads: int | None = None,
) -> Any:
    """`project` of a volume, with each patch in place of what its box covers: (views, rows, columns) float32.

    volume, device, threads and the result as in `project`.
    Raises InvalidInput and DeviceUnavailable as `project`, and InvalidInput for patches that overlap or reach out of
    the grid.
    """
    check_overlays(grid, tuple(Overlay(one.grid, one.values, None, one.name) for one in patches))
    found = [Patch(one.values, None, one.grid.spacing_mm, voxel_rays(geometry, one.grid)) for one in patches]
    body, chosen = voxel_rays(geometry, grid), device_for(volume, device)
    if chosen.kind == "cuda":
        from physsim.device.cuda import cuda_kernels
        from physsim.transport.cuda import project_cuda

        grid_of(tuple(volume.shape), grid, None)
        given = to_cupy(volume, chosen) if device_of(volume).kind == "cuda" else to_numpy(volume)
        return like(project_cuda(cuda_kernels(chosen), given, grid.spacing_mm, body, patches=found), volume)
    host = to_numpy(volume)
    image = np.asarray(project(host, geometry, grid=grid, device="cpu", threads=threads))
    for one in found:
        _engine.replace_patch(
            native(host),
            grid.spacing_mm,
            body.start,
            body.end,
            body.start_row,
            body.end_row,
            one.voxels,
            one.rays.start,
            one.rays.end,
            one.rays.start_row,
            one.rays.end_row,
            image,
            thread_count(threads),
        )
    return like(image, volume)


def with_overlays(body: Body, grid: Grid, geometry: Geometry, overlays: Sequence[Overlay]) -> tuple[Body, list[Patch]]:
    """The body with the labels of its overlays among those present, and what the kernels take of each overlay."""
    check_overlays(grid, tuple(overlays))
    patches: list[Patch] = []
    present, greatest = [body.present], [body.greatest]
    for one in overlays:
        checked = checked_body(one.labels, one.density, body.material_density_g_cm3, one.grid)
        present.append(checked.present)
        greatest.append(checked.greatest)
        rays = voxel_rays(geometry, one.grid)
        patches.append(Patch(checked.labels, checked.density, one.grid.spacing_mm, rays))
    return dataclasses.replace(body, present=np.unique(np.concatenate(present)), greatest=max(greatest)), patches
