"""Spectral projection on a GPU: labels and density in; signals of all energies or areal densities out of one kernel.

Each ray keeps its channels (basis functions, or materials) in the memory that its block shares, and makes its signal of
them before it ends: no volume and no image per energy. Where the volume comes in slabs, or patches of finer voxels
replace parts of it, the channels wait in between as images. Labels and densities are read as they are, without
rounding. Results: float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.arrays import to_numpy
from physsim.device.cuda import Kernels
from physsim.errors import InvalidInput, message
from physsim.transport.cuda import (
    Group,
    Spacing,
    box_of,
    cover_of,
    every_view,
    launch_group,
    slabs,
    strides_of,
    view_groups,
    with_axis_contiguous,
)
from physsim.transport.mesh_cuda import covering_meshes, refuse_lost
from physsim.transport.patch import Patch
from physsim.transport.rays import VoxelRays

SHARED_BYTES = 48 * 1024  # of a block, without asking the driver for more
MAX_CHANNELS = SHARED_BYTES // (4 * 32)  # those of one warp

_CHANNELS = np.dtype([("coefficient", "u8"), ("number", "u8"), ("count", "i4"), ("labels", "i4")], align=True)
_WEIGHTS = ("outputs", "columns", "nodes", "energies")
_DETECTOR = np.dtype([("attenuation", "u8"), ("weights", "u8")] + [(name, "i4") for name in _WEIGHTS], align=True)
_POINTERS = ("signal", "areal", "partial", "table", "scale", "position", "factor")
_COUNTS = ("materials", "position_views", "factor_views", "begins", "ends")
_IMAGES = np.dtype([(name, "u8") for name in _POINTERS] + [(name, "i4") for name in _COUNTS], align=True)


def project_spectral_cuda(
    kernels: Kernels, labels: Any, density: Any | None, spacing_mm: Spacing, rays: VoxelRays, *,
    number: NDArray[np.int32], coefficients: NDArray[np.float32] | None, attenuation: NDArray[np.float32],
    weights: NDArray[np.float32], position: NDArray[np.float32] | None = None,
    factor: NDArray[np.float32] | None = None, signal: bool = True, materials: int = 0,
    table: NDArray[np.int32] | None = None,
    scale_g_cm2: NDArray[np.float32] | None = None, patches: Sequence[Patch] = (),
    meshes: tuple[Any, ...] | None = None,
) -> tuple[Any | None, Any | None]:
    """Signal (views, outputs, rows, columns) and areal densities (views, materials, rows, columns) in g/cm2, float32.

    labels: (nz, ny, nx) uint8 or uint16; density: the same shape, float32 or float16, or None for 1; numpy or
        `kernels.xp`.
    number: (labels,) a label's place among the materials present. coefficients: (channels, materials present or more),
        a channel's unit a mm of relative density 1; None where channels are the materials present.
    attenuation: (energies, channels), log2 of the attenuation a unit of each channel. weights: (outputs, 1
        or columns, nodes, energies), linear between the nodes. position, factor: (views or 1, rows, columns).
    materials, table, scale_g_cm2: areal densities are wanted where materials > 0 (then coefficients is None): of how
        many, the rows (channels,) of those present, and what 1 mm weighs (g/cm2).
    patches: what replaces the body where its box covers a ray; meshes: closed surfaces that do (mesh.mesh_arrays).
        Their labels are among those of `number`.
    Errors: InvalidInput for more than MAX_CHANNELS channels, and as project_cuda.
    """
    count = attenuation.shape[1]
    if count > MAX_CHANNELS:
        raise InvalidInput(message(
            f"{count} channels on a GPU", f"a block keeps at most {MAX_CHANNELS} a ray",
            "Give a tolerance for basis functions, fewer materials, or device='cpu'."))
    with kernels.current():
        return _project(kernels, labels, density, spacing_mm, rays, number, coefficients, attenuation, weights,
                        position, factor, signal, materials, table, scale_g_cm2, patches, meshes)


def _project(kernels: Kernels, labels: Any, density: Any | None, spacing_mm: Spacing, rays: VoxelRays,
             number: NDArray[np.int32], coefficients: NDArray[np.float32] | None, attenuation: NDArray[np.float32],
             weights: NDArray[np.float32], position: NDArray[np.float32] | None, factor: NDArray[np.float32] | None,
             signal: bool, materials: int, table: NDArray[np.int32] | None,
             scale_g_cm2: NDArray[np.float32] | None, patches: Sequence[Patch],
             meshes: tuple[Any, ...] | None) -> tuple[Any | None, Any | None]:
    xp, count = kernels.xp, attenuation.shape[1]
    views, rows, columns = len(rays.along), rays.rows, rays.end.shape[1]
    held: list[Any] = []  # arrays that structs point at must outlive the launches

    def place(values: Any | None, kind: type[np.generic]) -> int:
        if values is None:
            return 0
        held.append(xp.asarray(np.ascontiguousarray(values, kind)))
        return kernels.address(held[-1])

    channels, detector, images = np.zeros((), _CHANNELS), np.zeros((), _DETECTOR), np.zeros((), _IMAGES)
    channels["count"], channels["labels"], channels["number"] = count, len(number), place(number, np.int32)
    if coefficients is not None:  # by label, so that a change of material costs one look-up
        channels["coefficient"] = place(coefficients[:, number], np.float32)
    detector["attenuation"], detector["weights"] = place(attenuation, np.float32), place(weights, np.float32)
    for name, many in zip(_WEIGHTS, weights.shape, strict=True):
        detector[name] = many
    for name, values in (("position", position), ("factor", factor)):
        images[name] = place(values, np.float32)
        images[f"{name}_views"] = 0 if values is None else len(values)
    images["table"], images["scale"] = place(table, np.int32), place(scale_g_cm2, np.float32)
    images["materials"] = materials
    signals = xp.zeros((views, len(weights), rows, columns), np.float32) if signal else None
    areal = xp.zeros((views, materials, rows, columns), np.float32) if materials else None
    images["signal"] = 0 if signals is None else kernels.address(signals)
    images["areal"] = 0 if areal is None else kernels.address(areal)
    voxel_bytes = 2 * (labels.dtype.itemsize + (0 if density is None else density.dtype.itemsize))
    ranges = list(slabs(kernels, labels.shape, voxel_bytes))
    more = bool(patches) or meshes is not None
    if len(ranges) > 1 or more:
        held.append(xp.zeros((views, count, rows, columns), np.float32))
        images["partial"] = kernels.address(held[-1])
    warps = max(1, min(8, MAX_CHANNELS // count))
    kind = _kind(labels, density)

    def add_covered(patch: Patch, sign: float, low: int, names: Any, weight: Any | None, step_mm: Spacing,
                    path: VoxelRays) -> None:
        group, shape = every_view(path), names.shape
        names, densities, strides = _alike(kernels, names, weight, group)
        cover, _held = cover_of(kernels, patch, sign)
        launch_group(kernels, f"spectral_covered_{_kind(names, weight)}", (names, densities),
                     box_of(shape, strides, step_mm, group.order), path, low, group, channels, images, cover,
                     warps=warps, shared_floats=count)

    if meshes is not None:
        laid, lost, kept = covering_meshes(kernels, meshes)
        held += kept
    for low, high in ranges:
        images["begins"], images["ends"] = low == 0, high == labels.shape[0] and not more
        slab = xp.asarray(labels[low:high])
        weight = None if density is None else xp.asarray(density[low:high])
        for group in view_groups(rays.along):
            names, densities, strides = _alike(kernels, slab, weight, group)
            path = "columns" if group.columns else "rays"
            launch_group(kernels, f"spectral_{path}_{kind}", (names, densities),
                         box_of(slab.shape, strides, spacing_mm, group.order), rays, low, group, channels, detector,
                         images.copy(), warps=warps, shared_floats=count)
        for patch in patches:
            add_covered(patch, -1.0, low, slab, weight, spacing_mm, rays)
        if meshes is not None:
            group = every_view(rays)
            names, densities, strides = _alike(kernels, slab, weight, group)
            laid["first_layer"], laid["adds_paths"] = low, low == 0
            launch_group(kernels, f"spectral_meshes_{kind}", (names, densities),
                         box_of(slab.shape, strides, spacing_mm, group.order), rays, low, group, channels, images,
                         laid.copy(), warps=warps, shared_floats=count)
        del slab, weight
    for patch in patches:
        relative = patch.density
        voxel_bytes = patch.voxels.dtype.itemsize + (0 if relative is None else relative.dtype.itemsize)
        for low, high in slabs(kernels, patch.voxels.shape, voxel_bytes):
            add_covered(patch, 1.0, low, xp.asarray(patch.voxels[low:high]),
                        None if relative is None else xp.asarray(relative[low:high]), patch.spacing_mm, patch.rays)
    if meshes is not None:
        refuse_lost(lost)
    if more:
        launch_group(kernels, "spectral_images", (), box_of((1, 1, 1), (1, 1, 1), spacing_mm, (0, 1, 2)), rays, 0,
                     every_view(rays), channels, detector, images, warps=warps, shared_floats=count)
    return signals, areal


def _kind(labels: Any, density: Any | None) -> str:
    """The types of a kernel's voxels, as its name ends."""
    return f"{labels.dtype}_{'none' if density is None else density.dtype}"


def survey_cuda(kernels: Kernels, labels: Any, density: Any | None) -> tuple[NDArray[np.int64], float, float, bool]:
    """Labels that occur, ascending, least and greatest density, and are all finite: of arrays on the GPU, read once.

    labels, density: as project_spectral_cuda, of `kernels.xp`. Without density: 1, 1, True.
    """
    xp, every = kernels.xp, Group(False, (0, 1, 2), np.zeros(0, np.int32))
    with kernels.current():
        flags = xp.zeros(65536, np.uint8)
        for low, high in slabs(kernels, labels.shape, 0):
            slab, strides = with_axis_contiguous(kernels, labels[low:high], every)
            nz, ny, nx = slab.shape
            box = box_of(slab.shape, strides, (1.0, 1.0, 1.0), every.order)
            kernels.launch(f"labels_present_{labels.dtype}", (-(-nx // 256), ny, nz), (256, 1, 1), slab, box, flags)
        present = np.flatnonzero(to_numpy(flags))
        if density is None:
            return present, 1.0, 1.0, True
        least, greatest = float(density.min()), float(density.max())  # NaN where one is
    return present, least, greatest, math.isfinite(least) and math.isfinite(greatest)


def _alike(kernels: Kernels, labels: Any, density: Any | None, group: Group) -> tuple[Any, Any, tuple[int, int, int]]:
    """Labels and density with the same strides, the columns' axis contiguous; labels stand in for a density of 1."""
    if density is not None and strides_of(labels) != strides_of(density):
        labels, density = kernels.xp.ascontiguousarray(labels), kernels.xp.ascontiguousarray(density)
    names, strides = with_axis_contiguous(kernels, labels, group)
    return names, names if density is None else with_axis_contiguous(kernels, density, group)[0], strides
