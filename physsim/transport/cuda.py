"""Line integrals and their transpose on a GPU: groups of views, slabs of the volume, launches.

Views whose detector columns are parallel to a volume axis read a copy with that axis contiguous, made on the GPU once a
slab; other views read the volume as it is. Volumes larger than the GPU's free memory go through it in slabs of z, whose
partial line integrals are added. Results: float32, the same bits every run on one GPU where the slabs are the same; the
transpose is summed in integers, in any order. The formulas are in kernels/raytrace.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.arrays import to_numpy
from physsim.device.cuda import Dimensions, Kernels
from physsim.errors import InvalidInput, message
from physsim.transport.arguments import check_voxel_type, native, type_name
from physsim.transport.patch import Patch
from physsim.transport.rays import VoxelRays

Spacing = tuple[float, float, float]  # mm along x, y, z
MEMORY_SHARE = 0.8  # of what is free, for a slab and its copies
MAX_ELEMENTS = 2**31 - 1  # the kernels count elements in 32 bits
MAX_BLOCKS = 65535  # along the second and third axis of a launch

_BOX = np.dtype([("shape", "i4", 3), ("stride", "i4", 3), ("spacing", "f8", 3)], align=True)
_JOB = np.dtype([("box", _BOX), ("rows", "i4"), ("columns", "i4"), ("start_columns", "i4"), ("first_view", "i4")],
                align=True)
_RAYS = np.dtype([("start", "u8"), ("end", "u8"), ("start_row", "u8"), ("end_row", "u8")], align=True)
_COVER = np.dtype([("rays", _RAYS), ("shape", "i4", 3), ("sign", "f4")], align=True)
_TRANSPOSITION = np.dtype([("shape", "i4", 3), ("in", "i8", 3), ("out", "i8", 3)], align=True)


@dataclasses.dataclass(frozen=True)
class Group:
    """Views of one kind. `order`: the volume axes (x, y, z = 0, 1, 2) as the kernel counts them, the columns' last."""

    columns: bool
    order: tuple[int, int, int]
    views: NDArray[np.int32]


def view_groups(along: tuple[int, ...]) -> list[Group]:
    """The views by the axis that their detector columns are parallel to, if any."""
    axes, groups = np.array(along), []
    for axis in (-1, 0, 1, 2):
        views = np.flatnonzero(axes == axis).astype(np.int32)
        if len(views):
            w = axis if axis >= 0 else 2
            p, q = (a for a in range(3) if a != w)
            groups.append(Group(axis >= 0, (p, q, w), views))
    return groups


def groups_for(method: str, rays: VoxelRays) -> list[Group]:
    """The views by kind. Joseph's rays sample planes of any axis: all views read the volume as it is."""
    return view_groups(rays.along if method == "siddon" else (-1,) * len(rays.along))


def _kind(method: str, group: Group) -> str:
    return "joseph" if method == "joseph" else "columns" if group.columns else "rays"


def every_view(rays: VoxelRays) -> Group:
    """All views, to read a volume as it is."""
    return Group(False, (0, 1, 2), np.arange(len(rays.along), dtype=np.int32))


def project_cuda(kernels: Kernels, volume: Any, spacing_mm: Spacing, rays: VoxelRays, method: str = "siddon",
                 patches: Sequence[Patch] = ()) -> Any:
    """Line integrals (mm x voxel value), (views, rows, columns) float32, an array of `kernels.xp`.

    volume: (nz, ny, nx), numpy or `kernels.xp`, of a type they read, any strides. spacing_mm: along x, y, z.
    method: "siddon" or "joseph". patches: with "siddon", what replaces the volume where its box covers a ray.
    Errors: InvalidInput for a type that the kernels do not read, or a layer of voxels that does not fit the GPU.
    """
    xp = kernels.xp
    check_voxel_type(volume)
    name = type_name(volume)
    if isinstance(volume, np.ndarray):
        volume = native(volume)
    groups = groups_for(method, rays)
    copies = int(isinstance(volume, np.ndarray)) + int(any(group.columns for group in groups))
    with kernels.current():
        image = xp.zeros((len(rays.along), rays.rows, rays.end.shape[1]), np.float32)
        for low, high in slabs(kernels, volume.shape, volume.dtype.itemsize * copies):
            slab = xp.asarray(volume[low:high])
            for group in groups:
                view, strides = with_axis_contiguous(kernels, slab, group)
                box = box_of(slab.shape, strides, spacing_mm, group.order)
                launch_group(kernels, f"project_{_kind(method, group)}_{name}", (view,), box, rays, low, group, image)
                del view
            for patch in patches:
                _project_covered(kernels, slab, spacing_mm, rays, low, patch, -1.0, image)
            del slab
        for patch in patches:
            for low, high in slabs(kernels, patch.voxels.shape, patch.voxels.dtype.itemsize):
                slab = xp.asarray(patch.voxels[low:high])
                _project_covered(kernels, slab, patch.spacing_mm, patch.rays, low, patch, 1.0, image)
    return image


def _project_covered(kernels: Kernels, slab: Any, spacing_mm: Spacing, rays: VoxelRays, first_layer: int, patch: Patch,
                     sign: float, image: Any) -> None:
    """Adds sign x what the patch covers of a slab, or of itself, to the line integrals."""
    group = every_view(rays)
    view, strides = with_axis_contiguous(kernels, slab, group)
    box = box_of(slab.shape, strides, spacing_mm, group.order)
    cover, _held = cover_of(kernels, patch, sign)
    launch_group(kernels, f"project_covered_{slab.dtype}", (view,), box, rays, first_layer, group, image, cover)


def cover_of(kernels: Kernels, patch: Patch, sign: float) -> tuple[NDArray[Any], list[Any]]:
    """The kernels' Cover, and the arrays that must outlive the launch."""
    cover = np.zeros((), _COVER)
    cover["rays"], held = _pointers(kernels, patch.rays, 0, (0, 1, 2))
    cover["shape"], cover["sign"] = patch.voxels.shape[::-1], sign
    return cover, held


def backproject_cuda(kernels: Kernels, image: Any, shape: tuple[int, int, int], spacing_mm: Spacing, rays: VoxelRays,
                     on_host: bool = False, method: str = "siddon") -> Any:
    """The exact transpose of `project_cuda`: (nz, ny, nx) float32, of `kernels.xp`, or numpy with `on_host`.

    method: that of the projection. image: (views, rows, columns) float32, numpy or `kernels.xp`.
    Neglects: a term is rounded to 2^-62 of the largest sum that a voxel could reach (all pixels at the largest value).
    Errors: InvalidInput when the image holds NaN or infinity.
    """
    with kernels.current():
        return _backproject(kernels, image, shape, spacing_mm, rays, on_host, method)


def _backproject(kernels: Kernels, image: Any, shape: tuple[int, int, int], spacing_mm: Spacing, rays: VoxelRays,
                 on_host: bool, method: str) -> Any:
    xp = kernels.xp
    volume = np.zeros(shape, np.float32) if on_host else xp.zeros(shape, np.float32)
    image = xp.ascontiguousarray(xp.asarray(image), dtype=np.float32)
    largest = float(xp.abs(image).max())
    if not math.isfinite(largest):
        raise InvalidInput(message(
            "image", "holds NaN or infinity, which would reach every voxel along its ray", "Set such pixels to 0."))
    if largest == 0.0:
        return volume
    exponent = min(126, 61 - math.ceil(math.log2(largest * image.size * math.hypot(*spacing_mm))))
    groups = groups_for(method, rays)
    order = max(groups, key=lambda group: len(group.views)).order  # sums lie as the largest group likes them
    for low, high in slabs(kernels, shape, 8 + 4 * int(on_host)):
        part = (high - low, *shape[1:])
        sums = xp.zeros(math.prod(part), np.int64)
        strides = _contiguous_strides(part, order)
        for group in groups:
            kind = _kind(method, group)
            box = box_of(part, strides, spacing_mm, group.order)
            target = sums, np.float32(2.0**exponent)
            launch_group(kernels, f"backproject_{kind}", target, box, rays, low, group, image)
        slab = xp.empty(part, np.float32)
        nz, ny, nx = part
        box, unit = box_of(part, strides, spacing_mm, (0, 1, 2)), np.float64(2.0**-exponent)
        kernels.launch("volume_from_sums", (-(-nx // 256), ny, nz), (256, 1, 1), sums, box, unit, slab)
        volume[low:high] = to_numpy(slab) if on_host else slab
    return volume


def slabs(kernels: Kernels, shape: tuple[int, ...], bytes_per_voxel: int) -> Iterator[tuple[int, int]]:
    """Ranges of z that fit the memory (MEMORY_SHARE of it) and the kernels' counters, as equal as can be."""
    layer = math.prod(shape[1:])
    most = min(MAX_ELEMENTS // layer, MAX_BLOCKS)
    if bytes_per_voxel:
        most = min(most, int(MEMORY_SHARE * kernels.free_bytes()) // (layer * bytes_per_voxel))
    if most < 1 or max(shape[1:]) > MAX_BLOCKS:
        raise InvalidInput(message(
            f"a layer of {shape[2]} x {shape[1]} voxels",
            f"it needs {layer * bytes_per_voxel} bytes of the GPU, which has {kernels.free_bytes()} free",
            "Use a smaller volume, device='cpu', or free GPU memory."))
    count = -(-shape[0] // most)
    for i in range(count):
        yield shape[0] * i // count, shape[0] * (i + 1) // count


def strides_of(array: Any) -> tuple[int, int, int]:
    """Elements from one voxel to the next along x, y, z."""
    x, y, z = (int(stride) // int(array.dtype.itemsize) for stride in array.strides[::-1])
    return x, y, z


def _contiguous_strides(shape: tuple[int, ...], order: tuple[int, int, int]) -> tuple[int, int, int]:
    """Strides along x, y, z of an array whose axes lie in `order`, the last contiguous."""
    sizes, strides, step = shape[::-1], [0, 0, 0], 1
    for axis in order[::-1]:
        strides[axis] = step
        step *= sizes[axis]
    return strides[0], strides[1], strides[2]


def with_axis_contiguous(kernels: Kernels, slab: Any, group: Group) -> tuple[Any, tuple[int, int, int]]:
    """The slab, or a copy whose columns' axis is contiguous; its strides along x, y, z."""
    have, sizes = strides_of(slab), slab.shape[::-1]
    reach = sum(abs(stride) * (size - 1) for stride, size in zip(have, sizes, strict=True))
    w = group.order[2]
    if (not group.columns or have[w] == 1) and reach <= MAX_ELEMENTS:
        return slab, have
    if not group.columns or sizes[w] == 1:  # a view into a larger array than 32 bits can count
        copy = kernels.xp.ascontiguousarray(slab)
        return copy, strides_of(copy)
    c = min((a for a in range(3) if a != w), key=lambda a: abs(have[a]))  # the axis that is contiguous now
    k = 3 - w - c
    want = _contiguous_strides(slab.shape, group.order)
    copy = kernels.xp.empty(slab.size, slab.dtype)
    job = np.zeros((), _TRANSPOSITION)
    job["shape"], job["in"], job["out"] = ([values[a] for a in (c, w, k)] for values in (sizes, have, want))
    blocks = -(-sizes[c] // 32), -(-sizes[w] // 32), sizes[k]
    kernels.launch(f"transpose_{slab.dtype.itemsize}", blocks, (32, 8, 1), slab, copy, job)
    return copy, want


def box_of(shape: tuple[int, ...], strides: tuple[int, int, int], spacing_mm: Spacing,
         order: tuple[int, int, int]) -> NDArray[Any]:
    """The kernels' Box, its axes in `order`."""
    box, order_of = np.zeros((), _BOX), list(order)
    box["shape"] = np.array(shape[::-1])[order_of]
    box["stride"] = np.array(strides)[order_of]
    box["spacing"] = np.array(spacing_mm)[order_of]
    return box


def launch_group(kernels: Kernels, name: str, target: tuple[Any, ...], box: NDArray[Any], rays: VoxelRays,
                 first_layer: int, group: Group, *results: Any, warps: int = 8, shared_floats: int = 0) -> None:
    """Runs a kernel of (target, job, rays, views, results) over all pixels of the group's views.

    warps: of a block; shared_floats: of shared memory a thread.
    """
    job, pointers, views, _held = ray_arguments(kernels, box, rays, first_layer, group)
    high, wide = (32, warps) if group.columns else (4 * warps, 8)
    threads: Dimensions = (32, warps, 1)
    for first in range(0, len(group.views), MAX_BLOCKS):
        job["first_view"] = first
        blocks = -(-rays.end.shape[1] // wide), -(-rays.rows // high), min(MAX_BLOCKS, len(group.views) - first)
        kernels.launch(name, blocks, threads, *target, job.copy(), pointers, views, *results,
                       shared_bytes=4 * shared_floats * 32 * warps)


def ray_arguments(kernels: Kernels, box: NDArray[Any], rays: VoxelRays, first_layer: int,
                  group: Group) -> tuple[NDArray[Any], NDArray[Any], Any, list[Any]]:
    """The kernels' Job, Rays and views, and the arrays that must outlive the launch."""
    pointers, places = _pointers(kernels, rays, first_layer, group.order)
    job = np.zeros((), _JOB)
    job["box"], job["rows"] = box, rays.rows
    job["columns"], job["start_columns"] = rays.end.shape[1], rays.start.shape[1]
    return job, pointers, kernels.xp.asarray(group.views), places


def _pointers(kernels: Kernels, rays: VoxelRays, first_layer: int,
              order: tuple[int, int, int]) -> tuple[NDArray[Any], list[Any]]:
    """The kernels' Rays, their axes in `order`, z counted from a layer; and the arrays that must outlive the launch."""
    axes, shift = list(order), np.array([0.0, 0.0, float(first_layer)])
    places = [kernels.xp.asarray(np.ascontiguousarray(values[..., axes])) for values in
              (rays.start - shift, rays.end - shift, rays.start_row, rays.end_row)]
    pointers = np.zeros((), _RAYS)
    for field, array in zip(("start", "end", "start_row", "end_row"), places, strict=True):
        pointers[field] = kernels.address(array)
    return pointers, places
