"""Filtered backprojection of parallel, fan and cone beams (Feldkamp, Davis and Kress) on the CPU's lanes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.imaging.reconstruction.kernels import cosine_sine, fourier_length, fourier_table, response
from physsim.imaging.reconstruction.orbit import Orbit, orbit_of
from physsim.portable import arctan
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

Floats = NDArray[np.float64]

_FILTERED_BYTES = 32 << 20  # of filtered views at a time: new pages cost more than more passes over the volume
_LANES = 16


def fdk(
    projections: ArrayLike, geometry: Geometry, grid: Grid, *, kernel: str = "ramp", threads: int | None = None
) -> NDArray[np.float32]:
    """A volume (z, y, x), float32 in 1/mm, from line integrals (views, rows, columns), -ln(signal / air).

    For circular scans with a flat or curved detector whose columns are parallel to the axis, shifted aside or not, over
    whole turns or at least half a turn and the fan, and for parallel beams over half turns. `kernel`: "ramp",
    "shepp_logan", "cosine", "hann", "hamming", "smooth" or "sharp". The grid's axes may lie anyhow, if one is parallel
    to the rotation axis. The same bits for any number of `threads`.

    Neglects: what a circle does not measure: off its plane, an object that changes along the axis is smeared along it,
    the more the larger the cone's angle (Feldkamp 1984; exact where the object does not change along the axis). Rays
    outside the detector count as 0: an object that reaches out of the field is cut off, and bright at the edge.
    Raises InvalidInput for shapes that do not match, another kernel, and scans that are incomplete or not circular.
    """
    images = np.ascontiguousarray(projections, np.float32)
    if images.shape != geometry.shape:
        raise InvalidInput(
            message(
                f"projections of shape {images.shape}",
                f"the geometry has (views, rows, columns) = {geometry.shape}",
                "Give the geometry that they were made with.",
            )
        )
    orbit = orbit_of(geometry)
    lane_axis = _lane_axis(geometry, grid)
    across, along = (axis for axis in range(3) if axis != lane_axis)
    count = thread_count(threads)
    shape = grid.shape[::-1]
    height = -(-shape[lane_axis] // _LANES) * _LANES
    sums = np.zeros((shape[along], shape[across], height), np.float32)
    aside = _columns_aside(orbit)
    filtering = _Filter(geometry, orbit, kernel, aside)
    sights = _sights(geometry, orbit, grid, (lane_axis, across, along))
    sights[:, 6] += aside[0]
    columns = geometry.columns + sum(aside)
    chunk = max(4, _FILTERED_BYTES // (4 * filtering.size) // 4 * 4)
    filtered = np.zeros((min(chunk, len(geometry)), filtering.size), np.float32)
    for first in range(0, len(geometry), chunk):
        own = slice(first, min(first + chunk, len(geometry)))
        part = filtered[: own.stop - first]
        filtering(images[own], orbit.weights[own], part, count)
        _engine.backproject_views(
            part, sights[own], geometry.rows, columns, geometry.radius_mm is not None, sums, count,
            instruction_set(),
        )
    places = {lane_axis: 2, across: 1, along: 0}
    volume = sums[:, :, : shape[lane_axis]].transpose(places[2], places[1], places[0])
    return np.ascontiguousarray(volume)


def _columns_aside(orbit: Orbit) -> tuple[int, int]:
    """Columns of zeros before and behind those of a detector that is shifted aside.

    What the kernel carries there counts for voxels that lie behind the shorter side.
    """
    low, high = -float(orbit.fan.min()), float(orbit.fan.max())
    pitch = (low + high) / max(1, len(orbit.fan) - 1)
    missing = round((high - low) / pitch) if pitch > 0.0 else 0
    return max(missing, 0), max(-missing, 0)


class _Filter:
    """Weights and filters views of one geometry; `size` floats a view. `aside`: columns of zeros to add."""

    def __init__(self, geometry: Geometry, orbit: Orbit, kernel: str, aside: tuple[int, int]) -> None:
        parallel, curved = geometry.beam == "parallel", geometry.radius_mm is not None
        self.aside = aside
        columns = geometry.columns + sum(aside)
        length = fourier_length(columns)
        self.cosine, self.sine = (one.astype(np.float32) for one in fourier_table(length))
        rows = np.asarray((np.arange(geometry.rows) - 0.5 * (geometry.rows - 1)) * geometry.pixel_mm[1], np.float64)
        if parallel:
            pitch, scale = geometry.pixel_mm[0], 1.0
            tangents: list[Floats] = [np.zeros(geometry.columns), np.zeros(geometry.rows)]
            self.own_weight = np.ones(geometry.columns)
        else:
            distance, drop = _distance(geometry, orbit)
            pitch, scale = geometry.pixel_mm[0] / distance, orbit.radius_mm
            tangents = [np.zeros(geometry.columns) if curved else _tangent(orbit.fan), (rows + drop) / distance]
            self.own_weight = cosine_sine(orbit.fan)[0] if curved else np.ones(geometry.columns)
        self.across = np.pad(tangents[0] ** 2, aside).astype(np.float32)
        self.along = (tangents[1] ** 2).astype(np.float32)
        self.own_weight = self.own_weight / (pitch * scale)
        self.response = response(kernel, length, pitch if curved else 0.0).astype(np.float32)
        margin, group = _engine.FILTERED_MARGIN, _engine.FILTERED_ROWS
        self.size = (2 * margin + -(-geometry.rows // group) * group) * (columns + 2)

    def __call__(
        self, images: NDArray[np.float32], weights: Floats, out: NDArray[np.float32], threads: int
    ) -> None:
        column_weight = np.pad(weights * self.own_weight, ((0, 0), self.aside)).astype(np.float32)
        if any(self.aside):
            images = np.pad(images, ((0, 0), (0, 0), self.aside))
        _engine.filter_views(
            images, column_weight, self.across, self.along, self.response, self.cosine, self.sine, out, threads,
            instruction_set(),
        )


def _tangent(angle: Floats) -> Floats:
    cosine, sine = cosine_sine(angle)
    return sine / cosine


def _distance(geometry: Geometry, orbit: Orbit) -> tuple[float, float]:
    """How far the detector lies from the source along the ray through the axis, a curved one in the plane of the orbit
    (mm), and how far along v its centre lies from that plane (mm)."""
    travel = geometry.centre_mm[0] - geometry.source_mm[0]
    ahead = geometry.radius_mm if geometry.radius_mm is not None else (travel * orbit.toward[0]).sum()
    return float(ahead), float((travel * geometry.v[0]).sum())


def _lane_axis(geometry: Geometry, grid: Grid) -> int:
    """The axis of voxels (0 x, 1 y, 2 z) along the detector's columns."""
    alike = np.abs((np.array(grid.direction) * geometry.v[0]).sum(axis=1))
    axis = int(alike.argmax())
    if alike[axis] < 1.0 - 1e-8:
        raise InvalidInput(
            message(
                f"the grid's axes lie {np.degrees(np.arccos(min(1.0, alike[axis]))):.3g} degrees off the rotation axis",
                "one of them must be parallel to it",
                "Turn the grid's direction.",
            )
        )
    return axis


def _sights(geometry: Geometry, orbit: Orbit, grid: Grid, axes: tuple[int, int, int]) -> Floats:
    """(views, 11): what kernels/reconstruct/filtered_views.h reads, in numbers of voxels."""
    lane, across, along = axes
    steps = np.array(grid.direction) * np.array(grid.spacing_mm)[:, None]
    pitch_u, pitch_v = geometry.pixel_mm
    parallel = geometry.beam == "parallel"
    travel = geometry.centre_mm - geometry.source_mm
    shift = (travel * orbit.aside).sum(axis=1)
    found = np.zeros((len(geometry), 11))
    if parallel:
        start = np.array(grid.origin_mm) - geometry.centre_mm
        unit, distance, drop = 1.0, 1.0, 0.0
        found[:, 0] = 1.0
        shift = np.zeros(len(geometry))
    else:
        start = np.array(grid.origin_mm) - geometry.source_mm
        unit, (distance, drop) = orbit.radius_mm, _distance(geometry, orbit)
        for place, vector in enumerate((start, steps[across], steps[along])):
            found[:, place] = (vector * orbit.toward).sum(axis=1) / unit
        if geometry.radius_mm is not None:
            shift = distance * arctan(shift / (travel * orbit.toward).sum(axis=1))
    for place, vector in enumerate((start, steps[across], steps[along])):
        found[:, 3 + place] = (vector * orbit.aside).sum(axis=1) / unit
    found[:, 6] = 0.5 * (geometry.columns - 1) - shift / pitch_u
    found[:, 7] = distance / pitch_u
    found[:, 8] = 0.5 * (geometry.rows - 1) - drop / pitch_v
    for place, vector in enumerate((start, steps[lane])):
        found[:, 9 + place] = (vector * geometry.v).sum(axis=1) / unit * distance / pitch_v
    return found
