"""Filtered backprojection of parallel, fan and cone beams (Feldkamp, Davis and Kress) on the CPU's lanes."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.imaging.reconstruction.filtering import FILTERED_BYTES, RowFilter, tangent
from physsim.imaging.reconstruction.helical import reconstruct_helix
from physsim.imaging.reconstruction.kernels import cosine_sine
from physsim.imaging.reconstruction.layout import Columns, aligned_zeros, checked_projections, detector_distance
from physsim.imaging.reconstruction.orbit import Orbit, line_weights, orbit_of
from physsim.imaging.reconstruction.truncation import check_body, columns_beyond, continued
from physsim.portable import arctan
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

Floats = NDArray[np.float64]


def fdk(
    projections: ArrayLike,
    geometry: Geometry,
    grid: Grid,
    *,
    kernel: str = "ramp",
    field_mm: float | None = None,
    body_per_mm: float | None = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """A volume (z, y, x), float32 in 1/mm, from line integrals (views, rows, columns), -ln(signal / air).

    For circular scans with a flat or curved detector whose columns are parallel to the axis, shifted aside or not, over
    whole turns or at least half a turn and the fan; for helical scans (Stierstorfer's weighted filtered backprojection:
    all rows count at every pitch); and for parallel beams over half turns. `kernel`: "ramp", "shepp_logan", "cosine",
    "hann", "hamming", "smooth" or "sharp". `field_mm`: diameter of what is wanted about the axis; voxels beyond are 0.
    The grid's axes may lie anyhow, if one is parallel to the rotation axis. The same bits for any number of `threads`.
    `body_per_mm`: attenuation of a body that reaches out of the field (water's, in the projections' unit): rows are
    continued by cylinders of it (Hsieh 2004).

    Neglects: what a circle does not measure: off its plane, an object that changes along the axis is smeared along it,
    the more the larger the cone's angle (Feldkamp 1984; exact where the object does not change along the axis). On a
    helix the rays' slope, in the same way: windmills about edges along the axis. Rays outside the detector count as 0
    unless `body_per_mm` is given: an object that reaches out of the field is cut off, and bright at the edge. On a
    circle rays above and below the outermost rows' pixels fall to 0 within half a row.
    Raises InvalidInput for shapes that do not match, another kernel, scans that are incomplete, neither circular nor
    helical, or whose pitch leaves gaps, and for slices that a helix does not cover whole.
    """
    images = checked_projections(projections, geometry)
    orbit = orbit_of(geometry)
    voxels, count = Columns(geometry, grid, field_mm), thread_count(threads)
    if body_per_mm is not None:
        check_body(body_per_mm)
    if orbit.rise_mm != 0.0:
        return reconstruct_helix(images, geometry, orbit, voxels, kernel, body_per_mm, count)
    weights, beyond = line_weights(geometry, orbit), 0
    if body_per_mm is not None:
        beyond, at_axis = columns_beyond(geometry), _pitch_at_axis(geometry, orbit)
        geometry = dataclasses.replace(geometry, columns=geometry.columns + 2 * beyond)
        orbit, weights = orbit_of(geometry), np.pad(weights, ((0, 0), (beyond, beyond)), mode="edge")
    aside = _columns_aside(orbit)
    filtering = _Filter(geometry, orbit, kernel, aside)
    sights = _sights(geometry, orbit, voxels)
    sights[:, 6] += aside[0]
    columns = geometry.columns + sum(aside)
    chunk = max(4, FILTERED_BYTES // (4 * filtering.size) // 4 * 4)
    filtered = aligned_zeros((min(chunk, len(geometry)), filtering.size))
    for first in range(0, len(geometry), chunk):
        own = slice(first, min(first + chunk, len(geometry)))
        part = filtered[: own.stop - first]
        seen = images[own]
        if body_per_mm is not None:
            seen = continued(seen, at_axis, beyond, body_per_mm)
        filtering(seen, weights[own], part, count)
        _engine.backproject_views(
            part, sights[own], geometry.rows, columns, geometry.radius_mm is not None, voxels.sums,
            count, instruction_set(),
        )
    voxels.cut(orbit)
    return voxels.volume()


def _pitch_at_axis(geometry: Geometry, orbit: Orbit) -> float:
    """Distance between the rays of neighbouring columns where they pass the axis (mm)."""
    if geometry.beam == "parallel":
        return geometry.pixel_mm[0]
    return geometry.pixel_mm[0] * orbit.radius_mm / detector_distance(geometry, orbit)[0]


def _columns_aside(orbit: Orbit) -> tuple[int, int]:
    """Columns of zeros before and behind those of a detector that is shifted aside.

    What the kernel carries there counts for voxels that lie behind the shorter side.
    """
    low, high = -float(orbit.fan.min()), float(orbit.fan.max())
    pitch = (low + high) / max(1, len(orbit.fan) - 1)
    missing = round((high - low) / pitch) if pitch > 0.0 else 0
    return max(missing, 0), max(-missing, 0)


class _Filter:
    """Weights and filters views of a circular or parallel scan. `aside`: columns of zeros to add."""

    def __init__(self, geometry: Geometry, orbit: Orbit, kernel: str, aside: tuple[int, int]) -> None:
        curved, columns = geometry.radius_mm is not None, geometry.columns
        self.aside, self.own_weight = aside, np.ones(columns)
        rows = np.asarray((np.arange(geometry.rows) - 0.5 * (geometry.rows - 1)) * geometry.pixel_mm[1], np.float64)
        across, along = np.zeros(columns), np.zeros(geometry.rows)
        if geometry.beam == "parallel":
            pitch, scale = geometry.pixel_mm[0], 1.0
        else:
            distance, drop = detector_distance(geometry, orbit)
            pitch, scale, along = geometry.pixel_mm[0] / distance, orbit.radius_mm, (rows + drop) / distance
            if curved:
                self.own_weight = cosine_sine(orbit.fan)[0]
            else:
                across = tangent(orbit.fan)
        self.own_weight = self.own_weight / (pitch * scale)
        self.rows = RowFilter(np.pad(across, aside), along, kernel, pitch if curved else 0.0)
        self.size = self.rows.size

    def __call__(
        self, images: NDArray[np.float32], weights: Floats, out: NDArray[np.float32], threads: int
    ) -> None:
        if any(self.aside):
            images = np.pad(images, ((0, 0), (0, 0), self.aside))
        self.rows(images, np.pad(weights * self.own_weight, ((0, 0), self.aside)), out, threads)


def _sights(geometry: Geometry, orbit: Orbit, voxels: Columns) -> Floats:
    """(views, 11): what kernels/reconstruct/filtered_views.h reads, in numbers of voxels."""
    lane, across, along, steps = voxels.lane, voxels.across, voxels.along, voxels.steps
    pitch_u, pitch_v = geometry.pixel_mm
    parallel = geometry.beam == "parallel"
    travel = geometry.centre_mm - geometry.source_mm
    shift = (travel * orbit.aside).sum(axis=1)
    found = np.zeros((len(geometry), 11))
    if parallel:
        start = voxels.start - geometry.centre_mm
        unit, distance, drop = 1.0, 1.0, 0.0
        found[:, 0] = 1.0
        shift = np.zeros(len(geometry))
    else:
        start = voxels.start - geometry.source_mm
        unit, (distance, drop) = orbit.radius_mm, detector_distance(geometry, orbit)
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
