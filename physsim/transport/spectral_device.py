"""Where a spectral projection is computed, and the way of a checked body to the GPU's kernels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.arrays import device_of, namespace_of
from physsim.device.choice import CPU, Device, resolve
from physsim.spec.grid import Grid
from physsim.transport.patch import Patch
from physsim.transport.rays import VoxelRays
from physsim.transport.spectral_body import Body, Images
from physsim.transport.spectral_cuda import MAX_CHANNELS, project_spectral_cuda


@dataclasses.dataclass(frozen=True, eq=False)
class SpectralTables:
    """What the kernels sum over energies with.

    coefficients: (channels, materials present or more) float32 or None where channels are the materials present.
    attenuation: (energies, channels) float32, log2 of the attenuation a unit of each channel.
    weights: (outputs, 1 or columns, nodes, energies) float32.
    """

    coefficients: NDArray[np.float32] | None
    attenuation: NDArray[np.float32]
    weights: NDArray[np.float32]


def device_for_spectral(labels: Any, device: str | Device, channels: int = 1) -> Device:
    """The device for a body with so many channels.

    "auto" stays where a cupy array or a tensor is; for numpy it is a GPU where one is present and can do the work.
    Errors: InvalidInput for a name that means nothing; DeviceUnavailable.
    """
    auto, numpy = str(device) == "auto", namespace_of(labels) == "numpy"
    if auto and numpy and channels > MAX_CHANNELS:
        return CPU
    return device_of(labels) if auto and not numpy else resolve(device)


def project_on_gpu(
    device: Device, body: Body, grid: Grid, rays: VoxelRays, tables: SpectralTables, position: Images | None,
    factor: Images | None, patches: Sequence[Patch] = (), meshes: tuple[Any, ...] | None = None, *,
    signal: bool, areal: bool,
) -> tuple[Any | None, Any | None]:
    """Signal (views, outputs, rows, columns) and areal density (views, materials, rows, columns), None if not wanted.

    position, factor: (1 or views, rows, columns). patches: what replaces the body inside their boxes; meshes: inside
    their surfaces.
    Returns arrays on the GPU.
    Errors: InvalidInput for more than MAX_CHANNELS channels.
    """
    from physsim.device.cuda import cuda_kernels

    number = np.zeros(body.present[-1] + 1, np.int32)
    number[body.present] = np.arange(len(body.present))
    return project_spectral_cuda(
        cuda_kernels(device), body.labels, body.density, grid.spacing_mm, rays, number=number,
        coefficients=tables.coefficients, attenuation=tables.attenuation, weights=tables.weights, position=position,
        factor=factor, signal=signal, materials=len(body.material_density_g_cm3) if areal else 0,
        table=body.present.astype(np.int32), scale_g_cm2=body.scale_g_cm2.astype(np.float32),
        patches=patches, meshes=meshes)
