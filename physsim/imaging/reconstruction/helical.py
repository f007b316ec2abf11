"""Weighted filtered backprojection of helical scans with detectors of many rows.

Fans are rebinned to rays that are parallel as seen along the axis, so that a ray and the one against it half a turn
later have the same filtered value; each voxel then takes, angle by angle, the mean of all half turns that see it,
weighted by how far from the detector's edges its rays end. Every row is used at every pitch, and a body that does not
change along the axis is exact.

Reference: K. Stierstorfer, A. Rauscher, J. Boese, H. Bruder, S. Schaller, T. Flohr, Phys. Med. Biol. 49 (2004) 2209.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set
from physsim.errors import InvalidInput, message
from physsim.imaging.reconstruction.filtering import RowFilter, tangent
from physsim.imaging.reconstruction.kernels import cosine_sine
from physsim.imaging.reconstruction.layout import Columns, aligned_zeros, detector_distance
from physsim.imaging.reconstruction.orbit import Orbit, orbit_of
from physsim.imaging.reconstruction.truncation import continued
from physsim.portable import arctan
from physsim.spec.geometry import Geometry
from physsim.spec.rotation import WIDEST

Floats = NDArray[np.float64]

_BYTES = 128 << 20  # of filtered views at a time: each time the whole volume goes by
_FLAT_SHARE = 0.4  # of the detector's half height, over which rows count in full; more makes windmills stronger


@dataclass(frozen=True, eq=False)
class Helix:
    """A helix of views about the axis along v, and the detector that turns with it.

    radius_mm, feed_mm: of the source's path; its travel along v a turn (signed). height_mm, raised_mm: of the detector
    as seen at the axis; its middle above the source along v. fan (columns,): as in Orbit. lag (columns,): views by
    which the view whose central ray is parallel to a column's ray comes after it. half_turn: views in it.
    """

    radius_mm: float
    feed_mm: float
    height_mm: float
    raised_mm: float
    fan: Floats
    lag: Floats
    half_turn: float
    views: int
    rise_mm: float

    @property
    def pitch(self) -> float:
        """Travel a turn over the detector's height at the axis."""
        return abs(self.feed_mm) / self.height_mm

    @property
    def reach_mm(self) -> float:
        """Radius of the field that every view sees (mm)."""
        return self.radius_mm * float(cosine_sine(np.array([min(-self.fan.min(), self.fan.max())]))[1][0])

    def largest_pitch(self, reach_mm: float) -> float:
        """At which each voxel up to `reach_mm` from the axis is still seen from every angle.

        Half a turn and twice the fan's angle may pass between the two sources on a voxel's ray.
        """
        angle, ahead = self._sights(reach_mm)
        seen = np.cos(angle) - 2.0 * np.abs(self.raised_mm * ahead) / self.height_mm
        return float((2.0 * np.pi * seen / (np.pi + 2.0 * np.abs(angle))).min())

    def range_mm(self, reach_mm: float) -> tuple[float, float]:
        """Heights along v, from the middle of the source's path, between which slices are complete up to `reach_mm`."""
        angle, ahead = self._sights(reach_mm)
        distance = np.cos(angle) + ahead
        turned = np.pi + float(np.abs(self.fan).max()) + angle
        half, late = 0.5 * abs(self.rise_mm) * (self.views - 1), abs(self.feed_mm) * turned / (2.0 * np.pi)
        begin = half - 2.0 * abs(self.rise_mm) - late  # of the first and the last source on a ray that are there
        low = -begin - (0.5 * self.height_mm - self.raised_mm) * distance
        high = begin + (0.5 * self.height_mm + self.raised_mm) * distance
        return float(low.max()), float(high.min())

    def _sights(self, reach_mm: float) -> tuple[Floats, Floats]:
        """How voxels at `reach_mm` from the axis may lie: angles of their rays with the axis's, and their distance
        behind it, over the radius."""
        turned = np.linspace(-np.pi, np.pi, 721)
        part = reach_mm / self.radius_mm
        across = part * np.sin(turned)
        return arctan(across / np.sqrt(1.0 - across**2)), part * np.cos(turned)


def _helix(geometry: Geometry, orbit: Orbit) -> Helix:
    distance, drop = detector_distance(geometry, orbit)
    half_turn, scale = math.pi / orbit.step, orbit.radius_mm / distance
    lag = orbit.sense * orbit.fan / orbit.step
    shift = abs(float(orbit.fan.min() + orbit.fan.max()))
    if shift > 1.01 * np.ptp(orbit.fan) / max(1, len(orbit.fan) - 1):
        raise InvalidInput(
            message(
                f"the detector is shifted aside by {np.degrees(0.5 * shift):.4g} degrees of the fan",
                "a helical scan needs both sides of the axis",
                "Shift it by at most half a column.",
            )
        )
    return Helix(
        orbit.radius_mm, 2.0 * half_turn * orbit.rise_mm, geometry.rows * geometry.pixel_mm[1] * scale, drop * scale,
        orbit.fan, lag, half_turn, len(geometry), orbit.rise_mm,
    )


def helix_of(geometry: Geometry) -> Helix:
    """What a helical scan covers: `helix_of(geometry).range_mm(reach_mm)`, `.pitch`, `.largest_pitch(reach_mm)`.

    Raises InvalidInput for a geometry that is not helical.
    """
    orbit = orbit_of(geometry)
    if orbit.rise_mm == 0.0:
        raise InvalidInput(message("the source", "does not move along the axis", "Give pitch_mm larger than 0."))
    return _helix(geometry, orbit)


def reconstruct_helix(
    images: NDArray[np.float32], geometry: Geometry, orbit: Orbit, voxels: Columns, kernel: str,
    body_per_mm: float | None, threads: int,
) -> NDArray[np.float32]:
    """The volume (z, y, x) of a helical scan. Raises InvalidInput for gaps and slices that are not complete."""
    helix = _helix(geometry, orbit)
    _check(helix, orbit, voxels, geometry, body_per_mm is not None)
    rays = _ParallelRays(helix, geometry, orbit, kernel, body_per_mm)
    count = round(helix.half_turn)
    low, high = float(helix.lag.max()), float(len(geometry) - 1 + helix.lag.min())
    upward = orbit.rise_mm * float(voxels.steps[voxels.lane] @ geometry.v[0]) > 0.0
    most = int((high - low) / helix.half_turn) + 1
    together = max(1, _BYTES // (4 * rays.size * most))
    filtered = aligned_zeros((together * most, rays.size))
    for first in range(0, count, together):
        angles = np.arange(first, min(first + together, count))
        begin: Floats = low + angles.astype(np.float64) * (helix.half_turn / count)
        turns = ((high - begin) / helix.half_turn).astype(np.int64) + 1
        at = np.concatenate([b + helix.half_turn * np.arange(n)[:: 1 if upward else -1]
                             for b, n in zip(begin, turns, strict=True)])
        opposite = np.concatenate([np.arange(n)[:: 1 if upward else -1] % 2 for n in turns]).astype(np.int32)
        part = filtered[: len(at)]
        rays(images, at, np.pi / count, part, threads)
        _engine.backproject_helix(
            part, rays.forms(begin, orbit, voxels), np.concatenate([[0], np.cumsum(turns)]).astype(np.int32),
            orbit.height_mm + orbit.rise_mm * at, opposite, rays.scan(voxels, geometry), geometry.rows,
            rays.places, geometry.radius_mm is None, voxels.sums, threads, instruction_set(),
        )
    return voxels.volume()


class _ParallelRays:
    """Rebins and filters views; where the rays lie."""

    def __init__(
        self, helix: Helix, geometry: Geometry, orbit: Orbit, kernel: str, body_per_mm: float | None
    ) -> None:
        self.helix, self.orbit, self.body_per_mm = helix, orbit, body_per_mm
        fan, columns = helix.fan, geometry.columns
        step = (fan[-1] - fan[0]) / (columns - 1)
        distance, drop = detector_distance(geometry, orbit)
        flat = geometry.radius_mm is None
        self.pitch = helix.radius_mm * (geometry.pixel_mm[0] / distance)
        edges = helix.radius_mm * cosine_sine(fan[[0, -1]])[1]
        self.places = int((edges[1] - edges[0]) / self.pitch) + 1
        self.first = 0.5 * (edges[0] + edges[1] - self.pitch * (self.places - 1))
        across = self.first + self.pitch * np.arange(self.places)
        slope: Floats = across / np.sqrt(helix.radius_mm**2 - across**2)
        if flat:
            ends = tangent(fan[[0, -1]])
            place = (slope - ends[0]) / (ends[1] - ends[0]) * (columns - 1)
        else:
            place = (arctan(slope) - fan[0]) / step
        base = np.clip(np.floor(place) - 1.0, 0, columns - _engine.REBINNING_TAPS)
        a, b, c, d = (place - base - n for n in range(4))
        self.column = base.astype(np.int32)
        self.share = np.stack([b * c * d / -6.0, a * c * d / 2.0, a * b * d / -2.0, a * b * c / 6.0], 1).astype(
            np.float32
        )
        rows = np.asarray((np.arange(geometry.rows) - 0.5 * (geometry.rows - 1)) * geometry.pixel_mm[1], np.float64)
        self.beyond = 0
        if body_per_mm is not None:
            room = int((WIDEST * helix.radius_mm - float(np.abs(across).max())) / self.pitch)
            self.beyond = max(1, min(len(across) // 2, room))
        self.measured = self.places
        self.places, self.first = self.places + 2 * self.beyond, self.first - self.beyond * self.pitch
        across = self.first + self.pitch * np.arange(self.places)
        cosine = np.sqrt(1.0 - (across / helix.radius_mm) ** 2) if flat else np.ones(self.places)
        self.own_weight = 1.0 / cosine / self.pitch
        slope = across / helix.radius_mm / cosine if flat else np.zeros(self.places)
        self.filter = RowFilter(slope, (rows + drop) / distance, kernel)
        self.size = self.filter.size
        self.drop, self.distance = drop, distance

    def __call__(
        self, images: NDArray[np.float32], at: Floats, weight: float, out: NDArray[np.float32], threads: int
    ) -> None:
        parallel = np.empty((len(at), images.shape[1], self.measured), np.float32)
        _engine.rebin_views(
            images, at, self.helix.lag, self.column, self.share, parallel, threads, instruction_set()
        )
        if self.body_per_mm is not None:
            parallel = continued(parallel, self.pitch, self.beyond, self.body_per_mm)
        self.filter(parallel, np.broadcast_to(self.own_weight * weight, (len(at), self.places)), out, threads)

    def forms(self, at: Floats, orbit: Orbit, voxels: Columns) -> Floats:
        """(angles, 6): linear forms of the place across and ahead over a column's numbers (mm)."""
        turn = np.abs(orbit.step) * at * (1.0 if orbit.angle[-1] > 0.0 else -1.0)
        # whole turns off, so that the series is short
        cosine, sine = (one[:, None] for one in cosine_sine(0.25 * np.remainder(turn, 2.0 * np.pi)))
        for _ in range(2):
            cosine, sine = cosine * cosine - sine * sine, 2.0 * sine * cosine
        first = orbit.toward[0]
        side = 1.0 if orbit.sense * orbit.angle[-1] > 0.0 else -1.0
        about = side * orbit.aside[0]  # toward turns to it
        ahead = cosine * first + sine * about
        aside = side * (cosine * about - sine * first)
        start = voxels.start - orbit.centre_mm
        vectors = (start, voxels.steps[voxels.across], voxels.steps[voxels.along])
        return np.stack([(axis * one).sum(axis=1) for axis in (aside, ahead) for one in vectors], 1)

    def scan(self, voxels: Columns, geometry: Geometry) -> list[float]:
        """What kernels/reconstruct/helical_views.h calls radius to step."""
        v, pitch_v = geometry.v[0], geometry.pixel_mm[1]
        lift = -self.orbit.rise_mm * self.orbit.sense / self.orbit.step
        field = math.inf if voxels.field_mm is None else 0.5 * voxels.field_mm
        return [
            self.helix.radius_mm, field, lift, float(self.first), 1.0 / self.pitch,
            0.5 * (geometry.rows - 1) - self.drop / pitch_v, self.distance / pitch_v, _FLAT_SHARE,
            float((voxels.start * v).sum()), float((voxels.steps[voxels.lane] * v).sum()),
        ]


def _check(helix: Helix, orbit: Orbit, voxels: Columns, geometry: Geometry, beyond: bool) -> None:
    """Refuse pitches that leave gaps in the grid, and slices that are not complete."""
    reach = min(voxels.reach_mm(orbit), WIDEST * helix.radius_mm if beyond else helix.reach_mm)
    largest = helix.largest_pitch(reach)
    if helix.pitch > largest:
        raise InvalidInput(
            message(
                f"pitch={helix.pitch:.4g} (pitch_mm={abs(helix.feed_mm):.5g})",
                f"leaves gaps between turns; the largest for voxels {reach:.4g} mm from the axis is {largest:.4g} "
                f"(pitch_mm={largest * helix.height_mm:.5g})",
                "Give a smaller pitch, grid or field_mm.",
            )
        )
    middle = orbit.height_mm + 0.5 * orbit.rise_mm * (len(geometry) - 1)
    v = geometry.v[0]
    start = float((voxels.start * v).sum()) - middle
    ends = sorted((start, start + float((voxels.steps[voxels.lane] * v).sum()) * (voxels.shape[voxels.lane] - 1)))
    low, high = helix.range_mm(reach)
    if len(geometry) - 1 - float(np.ptp(helix.lag)) < helix.half_turn:
        raise InvalidInput(
            message(
                f"the helix has {0.5 * len(geometry) / helix.half_turn:.4g} turns",
                "too short for any slice",
                f"Scan {0.5 * (1.0 + helix.half_turn + float(np.ptp(helix.lag))) / helix.half_turn:.4g} turns or more.",
            )
        )
    if ends[0] < low - 1e-6 or ends[1] > high + 1e-6:
        raise InvalidInput(
            message(
                f"slices from {ends[0] + middle:.5g} to {ends[1] + middle:.5g} mm along the axis",
                f"the scan is complete from {low + middle:.5g} to {high + middle:.5g} mm for voxels {reach:.4g} mm "
                "from the axis" if low < high else f"no slice is complete for voxels {reach:.4g} mm from the axis",
                "Scan further or give a grid with fewer slices.",
            )
        )
