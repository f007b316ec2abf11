"""Tomosynthesis: slices of a breast parallel to the detector, and the truth on them."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physsim.device.choice import thread_count
from physsim.errors import InvalidInput, message
from physsim.imaging.mammogram import evened_attenuation
from physsim.imaging.reconstruction.tomosynthesis import tomosynthesis_fbp
from physsim.imaging.scan.truth import ScanTruth, truth_on
from physsim.io.image import Image
from physsim.io.presentation import Window, log_attenuation, percentile_window
from physsim.phantom.overlay import box_corners
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

if TYPE_CHECKING:
    from physsim.imaging.exposure import Exposure

SLICE_MM = 1.0
KERNEL = "hann"
_SKIN_MM = 8.0
_EVERY = 2  # pixels of which one is looked at for the window


def is_sweep(shot: Exposure) -> bool:
    """Whether an exposure holds the views of a breast from several sides."""
    return shot.protocol.breast is not None and shot.protocol.breast.is_sweep


def slice_grid(shot: Exposure, slice_mm: float = SLICE_MM, pixel_mm: float | None = None) -> Grid:
    """Voxels over the phantom's box, hung as the projections are: x and y along rows and columns of the detector.

    `pixel_mm`: in the slices; the detector's when left out. Raises InvalidInput for lengths that are none.
    """
    pixel = min(shot.geometry.pixel_mm) if pixel_mm is None else pixel_mm
    for name, value in (("slice_mm", slice_mm), ("pixel_mm", pixel)):
        if not (math.isfinite(value) and value > 0.0):
            raise InvalidInput(message(f"{name}={value}", "voxels have a size", "Give for example 1.0."))
    u, v = shot.geometry.u[0], shot.geometry.v[0]
    axes = np.array([u, v, np.cross(u, v)])
    places = box_corners(shot.truth.grid) @ axes.T
    low, high = places.min(axis=0), places.max(axis=0)
    spacing = np.array([pixel, pixel, slice_mm])
    counts = np.maximum(np.ceil(((high - low) / spacing).round(6)).astype(int), 1)
    first = (0.5 * (low + high) - 0.5 * (counts - 1) * spacing) @ axes
    columns, rows, slices = (int(count) for count in counts)
    return Grid(shape=(slices, rows, columns), spacing_mm=(pixel, pixel, slice_mm),
                origin_mm=_point(first), direction=(_point(axes[0]), _point(axes[1]), _point(axes[2])))


def breast_slices(shot: Exposure, slice_mm: float = SLICE_MM, pixel_mm: float | None = None, kernel: str = KERNEL,
                  even: bool = True, threads: int | None = None) -> Image:
    """See Exposure.slices."""
    if not is_sweep(shot):
        raise InvalidInput(message(f"slices of {shot.protocol.name}", "they need views from several sides",
                                   "Expose by protocols.tomosynthesis."))
    placed = shot.protocol.breast
    assert placed is not None
    grid, pitch = slice_grid(shot, slice_mm, pixel_mm), min(shot.geometry.pixel_mm)
    lengths, breast = np.empty(shot.geometry.shape, np.float32), np.ones(shot.geometry.shape, np.bool_)

    def seen(view: int) -> None:
        lengths[view] = log_attenuation(shot["image"][view], shot.open_field[view].astype(np.float64))
        if even:
            lengths[view], breast[view] = evened_attenuation(
                lengths[view], pitch, chest_wall="left" if placed.side == "L" else "right",
                thickness_mm=shot.thickness_mm)

    with ThreadPoolExecutor(thread_count(threads)) as pool:
        list(pool.map(seen, range(len(shot))))
    volume = tomosynthesis_fbp(lengths, shot.geometry, grid, kernel=kernel, threads=threads)
    if even:
        inside = _seen_by_all(breast, shot.geometry, grid)
        volume[~inside] = volume[inside].min() if inside.any() else 0.0
    assert grid.origin_mm is not None
    return Image(volume, grid.spacing_mm, grid.origin_mm, grid.direction)


def _seen_by_all(breast: NDArray[np.bool_], geometry: Geometry, grid: Grid) -> NDArray[np.bool_]:
    """(z, y, x): voxels whose ray meets the breast's shadow (views, rows, columns), or no pixel, in every view.

    Slices lie parallel to the detector, so that a voxel's column hangs on x and z alone, its row on y and z.
    """
    inside = np.ones(grid.shape, np.bool_)
    first = (grid.world_from_voxel @ (0.0, 0.0, 0.0, 1.0))[:3]
    pitch = geometry.pixel_mm
    for view in range(len(geometry)):
        source = geometry.source_mm[view]
        u, v, n, centre = geometry.u[view], geometry.v[view], geometry.normal[view], geometry.centre_mm[view]
        height = float((centre - source) @ n)
        for z in range(grid.shape[0]):
            corner = first + z * grid.spacing_mm[2] * np.array(grid.direction[2]) - source
            scale = height / float(corner @ n)
            places = []
            for axis, count, step, size, foot in ((u, grid.shape[2], grid.spacing_mm[0], geometry.columns, pitch[0]),
                                                  (v, grid.shape[1], grid.spacing_mm[1], geometry.rows, pitch[1])):
                across = (float(corner @ axis) + step * np.arange(count)) * scale - float((centre - source) @ axis)
                places.append(np.floor(across / foot + 0.5 * size).astype(int))
            columns, rows = places
            seen = breast[view][np.clip(rows, 0, geometry.rows - 1)][:, np.clip(columns, 0, geometry.columns - 1)]
            beside = ((rows < 0) | (rows >= geometry.rows))[:, None] | ((columns < 0) | (columns >= geometry.columns))
            inside[z] &= seen | beside
    return inside


def slice_window(volume: Image) -> Window:
    """What a reader sees first: percentiles 0.5 and 99.8 of the breast without its outer 8 mm."""
    from scipy import ndimage

    inside = volume.array > volume.array.min()
    steps = max(1, round(_SKIN_MM / volume.spacing_mm[0]))
    core = inside[:, ::_EVERY, ::_EVERY]
    core = ndimage.binary_erosion(core, np.ones((1, 3, 3)), iterations=max(1, steps // _EVERY), border_value=1)
    values = volume.array[:, ::_EVERY, ::_EVERY]
    return percentile_window(values[core][None] if core.any() else values[0], 0.5, 99.8)


def slice_truth(shot: Exposure, slice_mm: float = SLICE_MM, pixel_mm: float | None = None) -> ScanTruth:
    """The phantom's organs and lesions on the voxels of `breast_slices`."""
    return truth_on(shot.truth.volume, shot.truth.grid, slice_grid(shot, slice_mm, pixel_mm),
                    shot.truth.overlays)


def _point(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(value) + 0.0 for value in values)
    return x, y, z
