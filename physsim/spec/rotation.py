"""A scan about the patient's long axis: axial turns side by side, or a helix."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pydantic
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.spec.base import Spec
from physsim.spec.detector import Detector
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box, Vector

Floats = NDArray[np.float64]

_MOST_STOPS = 200
WIDEST = 0.97  # of a helix's radius, up to which rows are continued and voxels made
_SPARE_VIEWS = 8  # of a helix, for the interpolation between views


class CurrentModulation(Spec):
    """Tube current that follows the body: mA of a view ~ (open field / signal in the beam's middle) ** exponent.

    `exponent`: 0.5 gives the least noise for a dose; 1 the same signal in all views. `least`, `most`: of the mean
    current over the scan. Reference: M. Gies et al., Med. Phys. 26 (1999) 2235.
    """

    exponent: float = pydantic.Field(default=0.5, gt=0.0, le=1.0)
    least: float = pydantic.Field(default=0.25, gt=0.0, le=1.0)
    most: float = pydantic.Field(default=4.0, ge=1.0)


class Rotation(Spec):
    """Tube and detector turn about the world's z axis; see Geometry.circular for angles and axes.

    `views`: of a whole turn, which takes `turn_s` seconds. `arc_deg`: of an axial scan; less than 360 is a short scan.
    `pitch`: table feed of a turn over the collimation at the axis; None: axial turns. `stops`: how many of these;
    None: as many as cover the range, side by side. `curved`: the detector's arc is about the focus. `offset_mm`: shift
    of the detector along (u, v); a quarter of a pixel along u doubles the sampling of a whole turn, half a detector
    its field. `range_mm`: (low, high) world z to be reconstructed; None: the body's box, of it what `stops` turns
    measure whole. `aim_mm`: (x, y) of the axis; None: the middle of the body's box. `organs`: words in the names of
    organs about whose middle, in place of the body's, a scan with `stops` is taken, where the phantom has them.
    `modulation`: of the tube's current; None: constant. `flying_spot_mm`: between
    the two places of a flying focal spot, to which it springs from view to view along u: rays of one lie between those
    of the other (half an element apart at the axis where it is pixel / 2 x source_axis / (source_detector -
    source_axis)). `flying_spot_z_mm`: the same along z, where rays of one row come to lie between those of rows (pixel
    along v in that formula); with both it springs along u from view to view, along z after every two.
    Reference: T. G. Flohr et al., Med. Phys. 32 (2005) 2536.

    Neglects: that a spot that slides up the target for its way along z moves towards the axis too; that the beam has
    another shape from each place (it has the first one's).
    """

    source_axis_mm: float = pydantic.Field(gt=0.0)
    source_detector_mm: float = pydantic.Field(gt=0.0)
    views: int = pydantic.Field(ge=8)
    turn_s: float = pydantic.Field(default=0.5, gt=0.0)
    arc_deg: float = pydantic.Field(default=360.0, gt=0.0, le=360.0)
    start_deg: float = 0.0
    pitch: float | None = pydantic.Field(default=None, gt=0.0)
    stops: int | None = pydantic.Field(default=None, ge=1, le=_MOST_STOPS)
    curved: bool = True
    offset_mm: tuple[float, float] = (0.0, 0.0)
    range_mm: tuple[float, float] | None = None
    aim_mm: tuple[float, float] | None = None
    organs: tuple[str, ...] = ()
    modulation: CurrentModulation | None = None
    flying_spot_mm: float = pydantic.Field(default=0.0, ge=0.0, le=10.0)
    flying_spot_z_mm: float = pydantic.Field(default=0.0, ge=0.0, le=10.0)

    @pydantic.model_validator(mode="after")
    def _possible(self) -> Rotation:
        if self.source_axis_mm >= self.source_detector_mm:
            raise ValueError(message(
                f"source_axis_mm={self.source_axis_mm:g} with source_detector_mm={self.source_detector_mm:g}",
                "the detector lies behind the axis as seen from the source", "Give a larger source_detector_mm."))
        if self.pitch is not None:
            for name, value, usual in (("arc_deg", self.arc_deg, 360.0), ("stops", self.stops, None)):
                if value != usual:
                    raise ValueError(message(f"{name}={value} with pitch={self.pitch:g}",
                                             "it has no effect on a helix", f"Leave {name} out."))
        if self.organs and (self.stops is None or (self.range_mm is not None and self.aim_mm is not None)):
            why = "without stops a scan runs over its range" if self.stops is None else "range_mm and aim_mm are given"
            raise ValueError(message(f"organs={self.organs}", f"they have no effect: {why}", "Leave organs out."))
        if self.spot_places > 1 and (not self.curved or self.views % self.spot_places or self.arc_deg != 360.0):
            raise ValueError(message(
                " and ".join(f"{name}={getattr(self, name):g}" for name in ("flying_spot_mm", "flying_spot_z_mm")
                             if getattr(self, name) > 0.0),
                f"it springs between {'two' if self.spot_places == 2 else 'four'} sets of views, each a whole turn of "
                "a curved detector", f"Give views that {self.spot_places} divides, curved and no arc_deg."))
        if self.range_mm is not None and not self.range_mm[0] < self.range_mm[1]:
            raise ValueError(message(f"range_mm={self.range_mm}", "it begins below its end", "Give (low, high) in mm."))
        return self

    @property
    def spot_places(self) -> int:
        """Places of the focal spot that views take in turns: 1, 2 or 4."""
        return (1 + (self.flying_spot_mm > 0.0)) * (1 + (self.flying_spot_z_mm > 0.0))

    def collimation_mm(self, detector: Detector) -> float:
        """Height of the beam at the axis (mm)."""
        return detector.rows * detector.pixel_mm[1] * self.source_axis_mm / self.source_detector_mm

    def measured_diameter_mm(self, detector: Detector) -> float:
        """Of the circle about the axis that a turn measures: the fan's side that reaches farther sees all of it."""
        half = (0.5 * detector.columns * detector.pixel_mm[0] + abs(self.offset_mm[0])) / self.source_detector_mm
        return 2.0 * self.source_axis_mm * math.sin(half if self.curved else math.atan(half))

    def complete_mm(self, detector: Detector, away_mm: Floats) -> tuple[Floats, Floats]:
        """Heights above a turn's sources between which all its views see what lies `away_mm` from the axis (mm)."""
        (low, high), near, far = self._slopes(detector), self.source_axis_mm - away_mm, self.source_axis_mm + away_mm
        up = 0.5 * self.flying_spot_z_mm  # low rays of the spot's upper place are the higher ones up to the detector
        low, high = low - up / self.source_detector_mm, high + up / self.source_detector_mm
        return up + low * (near if low < 0.0 else far), high * (near if high > 0.0 else far) - up

    def seen_mm(self, detector: Detector, body_box_mm: Box, field_mm: float, away_mm: float) -> tuple[float, float]:
        """World z (mm) between which the scan's rays meet what lies up to `away_mm` from the axis; see `turns`.

        With `organs`, wherever in the box these may lie.
        """
        ends, up = [*range(self.spot_places), *range(-self.spot_places, 0)], 0.5 * self.flying_spot_z_mm
        heights = [float(z) for part in self.turns(detector, body_box_mm, field_mm) for z in part.source_mm[ends, 2]]
        if self.organs and self.range_mm is None:
            heights += [body_box_mm[0][2] - up, body_box_mm[1][2] + up]
        (low, high), near, far = self._slopes(detector), self.source_axis_mm - away_mm, self.source_axis_mm + away_mm
        low, high = low + up / self.source_detector_mm, high - up / self.source_detector_mm
        return min(heights) + low * (far if low < 0.0 else near), max(heights) + high * (far if high > 0.0 else near)

    def _slopes(self, detector: Detector) -> tuple[float, float]:
        """mm of height that the lowest and the highest ray of a view rise by in a mm across the axis."""
        half = 0.5 * detector.rows * detector.pixel_mm[1]
        return ((self.offset_mm[1] - half) / self.source_detector_mm,
                (self.offset_mm[1] + half) / self.source_detector_mm)

    def whole_mm(self, detector: Detector, field_mm: float) -> float:
        """Height that a turn measures whole within a circle of `field_mm` about the axis; 0 where none is."""
        low, high = self.complete_mm(detector, np.array([0.5 * field_mm]))
        return max(float(high[0] - low[0]), 0.0)

    def range_of(self, body_box_mm: Box) -> tuple[float, float]:
        """World z (mm) to be reconstructed."""
        return (body_box_mm[0][2], body_box_mm[1][2]) if self.range_mm is None else self.range_mm

    def turns(self, detector: Detector, body_box_mm: Box, field_mm: float) -> tuple[Geometry, ...]:
        """The views of each axial turn, or of the helix, for a body that fills `body_box_mm`.

        Axial turns stand as far apart as is measured whole at the edge of a field of diameter `field_mm`; a helix runs
        so far beyond the range that it is complete there (see imaging.reconstruction.helical).
        Raises InvalidInput for a field that reaches the source, a pitch that leaves gaps in it, and for more than 200
        turns.
        """
        low, high = self.range_of(body_box_mm)
        x, y = self.aim_mm or tuple(0.5 * (a + b) for a, b in zip(*(corner[:2] for corner in body_box_mm), strict=True))
        middle, height = 0.5 * (low + high), self.collimation_mm(detector)
        if 0.5 * field_mm >= self.source_axis_mm:
            raise InvalidInput(message(f"field_mm={field_mm:g}", f"the source turns at {self.source_axis_mm:g} mm, "
                                       "inside of it", "Give a smaller field_mm."))
        if self.pitch is not None:
            feed = self.pitch * height
            radius = self._reconstructed_mm(detector, body_box_mm, field_mm, (x, y))
            aside = math.asin(radius / self.source_axis_mm)
            up = 0.5 * self.flying_spot_z_mm
            tilt = up * radius / self.source_detector_mm  # by which rays of one place end lower behind the axis (mm)
            most = 2.0 * math.pi * (math.cos(aside) - 2.0 * tilt / height) / (math.pi + 2.0 * aside)
            if self.pitch > most:
                raise InvalidInput(message(
                    f"pitch={self.pitch:g}", f"the helix leaves gaps within the field of {field_mm:g} mm",
                    f"Give at most {math.floor(1000.0 * most) / 1000.0:g}, or a smaller field_mm."))
            fan = 0.5 * detector.columns * detector.pixel_mm[0] / self.source_detector_mm
            late = feed * (0.5 + (fan + aside) / (2.0 * math.pi))
            early = 0.5 * height * (1.0 - radius / self.source_axis_mm) - 2.0 * up
            spare = _SPARE_VIEWS * self.spot_places
            turns = (high - low + 2.0 * max(late - early, 0.0)) / feed + spare / self.views
            views = math.ceil(turns * self.views - 1e-9)
            helix = self._circle(detector, views, 360.0 * views / self.views, feed, (x, y, middle))
            return (helix,)
        whole = self.whole_mm(detector, field_mm)
        if whole <= 0.0:
            raise InvalidInput(message(f"offset_mm={self.offset_mm}", "no slice of the field is seen from all sides",
                                       "Shift the detector less along v, or give a smaller field_mm."))
        count = self.stops or max(1, math.ceil((high - low) / whole - 1e-9))
        if count > _MOST_STOPS:
            raise InvalidInput(message(f"range of {high - low:.0f} mm", f"it takes {count} turns of {whole:.1f} mm",
                                       "Give a smaller range_mm, a helix (pitch), or more rows."))
        views = round(self.views * self.arc_deg / 360.0)
        return tuple(self._circle(detector, views, self.arc_deg, 0.0, (x, y, middle + whole * (n - 0.5 * (count - 1))))
                     for n in range(count))

    def _reconstructed_mm(self, detector: Detector, body_box_mm: Box, field_mm: float, aim_mm: tuple[float, float]
                          ) -> float:
        """Radius about the axis in which a helix must be complete: of the field, or of its corners for a body that
        reaches beyond what is measured, for then all of its square is reconstructed."""
        reach = max(abs(corner[axis] - aim_mm[axis]) for corner in body_box_mm for axis in range(2))
        if reach <= 0.5 * self.measured_diameter_mm(detector):
            return 0.5 * field_mm
        return min(math.sqrt(0.5) * field_mm, WIDEST * self.source_axis_mm)

    def geometry(self, detector: Detector, body_box_mm: Box, field_mm: float) -> Geometry:
        """All views of the scan, one after the other; see `turns`."""
        parts = self.turns(detector, body_box_mm, field_mm)
        source, centre, u, v = (np.concatenate([getattr(part, name) for part in parts])
                                for name in ("source_mm", "centre_mm", "u", "v"))
        return dataclasses.replace(parts[0], source_mm=source, centre_mm=centre, u=u, v=v)

    def views_at_the_origin(self, detector: Detector) -> Geometry:
        """A whole turn of views about the world's origin: what does not hang on the body."""
        return self._circle(detector, self.views, 360.0, 0.0, (0.0, 0.0, 0.0))

    def _circle(self, detector: Detector, views: int, arc_deg: float, feed_mm: float, centre: Vector) -> Geometry:
        made = Geometry.circular(
            views=views, source_axis_mm=self.source_axis_mm, source_detector_mm=self.source_detector_mm,
            rows=detector.rows, columns=detector.columns, pixel_mm=detector.pixel_mm, start_deg=self.start_deg,
            arc_deg=arc_deg, curved=self.curved, offset_mm=self.offset_mm, centre_mm=centre, pitch_mm=feed_mm)
        if self.spot_places == 1:
            return made
        view, every = np.arange(views)[:, None], 2 if self.flying_spot_mm > 0.0 else 1
        side = np.where(view % 2, 0.5, -0.5) * self.flying_spot_mm
        up = np.where(view // every % 2, 0.5, -0.5) * self.flying_spot_z_mm
        return dataclasses.replace(made, source_mm=made.source_mm + side * made.u + up * made.v)
