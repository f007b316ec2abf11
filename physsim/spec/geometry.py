"""Acquisition geometry: an explicit pose per view; presets only build such lists."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message

Vectors = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False, kw_only=True)
class Geometry:
    """Poses of source and detector in the world frame (LPS, mm), one row a view. The only spec that holds arrays.

    source_mm: (views, 3) float64, focal spot; for `beam="parallel"` any point on the central ray before the object.
    centre_mm: (views, 3) float64, centre of the detector.
    u, v: (views, 3) float64, unit vectors along a detector row (columns count along u) and along a column (rows count
        along v).
    rows, columns: pixels along v and u.  pixel_mm: (pitch along u, pitch along v); along the arc for a curved detector.
    beam: "cone" (all rays leave the source; a fan is a cone with one row) or "parallel" (all rays run along
        centre - source).
    radius_mm: None for a flat detector; else the radius of a cylinder whose axis is parallel to v, through the source
        when the radius is the source-detector distance. Pixel columns then lie at equal angles pixel_mm / radius_mm.

    Pixel (row, column) has its centre at
    ``centre + (column - (columns-1)/2) pixel_u u + (row - (rows-1)/2) pixel_v v``.
    Images are (views, rows, columns).
    """

    source_mm: Vectors
    centre_mm: Vectors
    u: Vectors
    v: Vectors
    rows: int
    columns: int
    pixel_mm: tuple[float, float]
    beam: str = "cone"
    radius_mm: float | None = None

    def __post_init__(self) -> None:
        poses = {}
        for name in ("source_mm", "centre_mm", "u", "v"):
            array = np.atleast_2d(np.array(getattr(self, name), dtype=np.float64))
            if array.ndim != 2 or array.shape[1] != 3:
                raise InvalidInput(message(
                    f"{name} of shape {array.shape}", "a pose list is (views, 3)", "Give one (x, y, z) a view."))
            if not np.isfinite(array).all():
                raise InvalidInput(message(f"{name}", "holds NaN or infinity", "Give finite coordinates in mm."))
            poses[name] = array
        views = max(len(array) for array in poses.values())
        if views == 0:
            raise InvalidInput(message("views=0", "a geometry has at least one view", "Give one pose or more."))
        for name, array in poses.items():
            if len(array) not in (1, views):
                raise InvalidInput(message(
                    f"{name} has {len(array)} views", f"the others have {views}", "Give as many poses for each."))
            array = np.ascontiguousarray(np.broadcast_to(array, (views, 3)))
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        pitch = np.broadcast_to(np.asarray(self.pixel_mm, np.float64), 2)
        object.__setattr__(self, "pixel_mm", (float(pitch[0]), float(pitch[1])))
        self._check()

    def _check(self) -> None:
        for name, count in (("rows", self.rows), ("columns", self.columns)):
            if int(count) != count or count < 1:
                raise InvalidInput(message(
                    f"{name}={count}", "the field of view is empty", "Give at least 1 pixel, for example 256."))
            object.__setattr__(self, name, int(count))
        if not (np.isfinite(self.pixel_mm).all() and min(self.pixel_mm) > 0):
            raise InvalidInput(message(
                f"pixel_mm={self.pixel_mm}", "pixels must be larger than 0 mm",
                "Give the pitch in mm, for example 0.2."))
        if self.beam not in ("cone", "parallel"):
            raise InvalidInput(message(
                f"beam={self.beam!r}", "known beams are 'cone' and 'parallel'", "A fan is a cone with rows=1."))
        for name in ("u", "v"):
            length = np.linalg.norm(getattr(self, name), axis=1)
            if np.abs(length - 1).max() > 1e-6:
                worst = int(np.abs(length - 1).argmax())
                raise InvalidInput(message(
                    f"|{name}|={length[worst]:.6g} in view {worst}", "detector axes are unit vectors",
                    f"Divide {name} by its length."))
        skew = np.abs((self.u * self.v).sum(1)).max()
        if skew > 1e-6:
            raise InvalidInput(message(
                f"u.v={skew:.3g}", "the detector's rows and columns are at right angles", "Make u and v orthogonal."))
        distance = self.distance_mm
        if distance.min() <= 1e-6:
            worst = int(distance.argmin())
            raise InvalidInput(message(
                f"source {tuple(self.source_mm[worst].tolist())} lies in the detector plane of view {worst}",
                "no ray can reach the pixels from there", "Move the source away from the detector, along u x v."))
        if self.radius_mm is not None:
            if not (np.isfinite(self.radius_mm) and self.radius_mm > 0):
                raise InvalidInput(message(
                    f"radius_mm={self.radius_mm}", "the detector's radius is larger than 0 mm",
                    "Give None for a flat detector."))
            if self.columns * self.pixel_mm[0] >= np.pi * self.radius_mm:
                raise InvalidInput(message(
                    f"{self.columns} columns of {self.pixel_mm[0]} mm on radius_mm={self.radius_mm}",
                    "the detector spans half a turn or more", "Use fewer columns, smaller pixels or a larger radius."))
            if self.beam == "parallel":
                raise InvalidInput(message(
                    "radius_mm with beam='parallel'", "a curved detector needs a source", "Use a flat detector."))

    def __len__(self) -> int:
        return len(self.source_mm)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the images: (views, rows, columns)."""
        return len(self), self.rows, self.columns

    @property
    def normal(self) -> Vectors:
        """(views, 3) unit vectors at right angles to the detector, away from the source."""
        normal = np.cross(self.u, self.v)
        side = ((self.centre_mm - self.source_mm) * normal).sum(1, keepdims=True)
        outward: Vectors = np.where(side < 0, -normal, normal)
        return outward

    @property
    def distance_mm(self) -> NDArray[np.float64]:
        """(views,) distance from the source to the detector's plane at its centre (mm)."""
        distance: NDArray[np.float64] = ((self.centre_mm - self.source_mm) * self.normal).sum(1)
        return distance

    def in_pixels(self, rows: int, columns: int) -> Geometry:
        """The same detector in rows x columns pixels."""
        width, height = self.columns * self.pixel_mm[0], self.rows * self.pixel_mm[1]
        return dataclasses.replace(self, rows=rows, columns=columns, pixel_mm=(width / columns, height / rows))

    def __getitem__(self, views: int | slice | Sequence[int] | NDArray[Any]) -> Geometry:
        """A subset of the views, in the order asked for."""
        chosen = np.arange(len(self))[views]
        chosen = np.atleast_1d(chosen)
        return dataclasses.replace(
            self, source_mm=self.source_mm[chosen], centre_mm=self.centre_mm[chosen],
            u=self.u[chosen], v=self.v[chosen])

    def moved(self, rotation: ArrayLike = ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
              translation_mm: ArrayLike = (0.0, 0.0, 0.0)) -> Geometry:
        """The whole geometry turned by `rotation` (3, 3) about the world's origin, then shifted."""
        turn, shift = np.asarray(rotation, np.float64), np.asarray(translation_mm, np.float64)
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-9):
            raise InvalidInput(message("rotation", "is not orthonormal", "Give a (3, 3) rotation matrix."))
        return dataclasses.replace(
            self, source_mm=self.source_mm @ turn.T + shift, centre_mm=self.centre_mm @ turn.T + shift,
            u=self.u @ turn.T, v=self.v @ turn.T)

    def pixel_centres_mm(self, view: int) -> Vectors:
        """(rows, columns, 3) world positions of the pixel centres of one view (mm)."""
        across = (np.arange(self.columns) - 0.5 * (self.columns - 1)) * self.pixel_mm[0]
        along = (np.arange(self.rows) - 0.5 * (self.rows - 1)) * self.pixel_mm[1]
        return self.surface_mm(view, across[None, :], along[:, None])

    def surface_mm(self, view: int, across_mm: ArrayLike, along_mm: ArrayLike) -> Vectors:
        """(..., 3) world points (mm) of a view's detector at distances from its centre that broadcast.

        `across_mm` counts along u, on a curved detector along its arc; `along_mm` along v.
        """
        across, along = np.asarray(across_mm, np.float64)[..., None], np.asarray(along_mm, np.float64)[..., None]
        centre, u, v = self.centre_mm[view], self.u[view], self.v[view]
        if self.radius_mm is None:
            row = centre + across * u
        else:
            angle, normal = across / self.radius_mm, self.normal[view]
            row = centre + self.radius_mm * ((np.cos(angle) - 1.0) * normal + np.sin(angle) * u)
        points: Vectors = row + along * v
        return points

    def rays_mm(self, view: int) -> tuple[Vectors, Vectors]:
        """Starts and ends (rows, columns, 3) of the rays of one view (mm), through the pixel centres."""
        ends = self.pixel_centres_mm(view)
        if self.beam == "parallel":
            travel = self.centre_mm[view] - self.source_mm[view]
            return ends - travel, ends
        return np.broadcast_to(self.source_mm[view], ends.shape), ends

    # Presets ---------------------------------------------------------------------------------------------------------

    @classmethod
    def radiograph(cls, *, source_detector_mm: float, detector_object_mm: float, rows: int, columns: int,
                   pixel_mm: float, view: str = "PA", centre_mm: Sequence[float] = (0.0, 0.0, 0.0)) -> Geometry:
        """One projection radiograph of an upright or lying patient.

        view: "PA" (source behind, +y), "AP" (source in front), "LAT" (left lateral: the left side at the detector) or
        "RLAT".
        `detector_object_mm` is from the detector to `centre_mm`, the point on the central ray (mm). Rows count from the
        head down, columns from the patient's right to left for PA and AP (as hung: the patient's right at the viewer's
        left).
        """
        views = {"PA": ((0, -1, 0), (1, 0, 0)), "AP": ((0, 1, 0), (1, 0, 0)),
                 "LAT": ((1, 0, 0), (0, 1, 0)), "RLAT": ((-1, 0, 0), (0, 1, 0))}
        if view not in views:
            raise InvalidInput(message(
                f"view={view!r}", "known views are " + ", ".join(views),
                "Or give the poses themselves: Geometry(...)."))
        if not 0 <= detector_object_mm < source_detector_mm:
            raise InvalidInput(message(
                f"detector_object_mm={detector_object_mm} with source_detector_mm={source_detector_mm}",
                "the object lies between source and detector",
                "Give 0 <= detector_object_mm < source_detector_mm."))
        beam, u = (np.array(axis, np.float64) for axis in views[view])
        centre = np.asarray(centre_mm, np.float64)
        return cls(source_mm=centre - (source_detector_mm - detector_object_mm) * beam,
                   centre_mm=centre + detector_object_mm * beam, u=u, v=np.array([0.0, 0.0, -1.0]),
                   rows=rows, columns=columns, pixel_mm=(pixel_mm, pixel_mm))

    @classmethod
    def circular(cls, *, views: int, source_axis_mm: float, source_detector_mm: float, rows: int, columns: int,
                 pixel_mm: float | tuple[float, float], start_deg: float = 0.0, arc_deg: float = 360.0,
                 curved: bool = False, offset_mm: tuple[float, float] = (0.0, 0.0),
                 centre_mm: Sequence[float] = (0.0, 0.0, 0.0), pitch_mm: float = 0.0) -> Geometry:
        """Cone-beam or fan-beam views on a circle, or on a helix when `pitch_mm` (table travel a turn) is not 0.

        At angle 0 the source is at -y (in front of the patient) and turns towards +x. `offset_mm` shifts the detector
        along (u, v); rows count towards +z. Views are equally spaced over `arc_deg`, the last one short of it. A helix
        is centred on `centre_mm`.
        """
        if not 0 < source_axis_mm < source_detector_mm:
            raise InvalidInput(message(
                f"source_axis_mm={source_axis_mm} with source_detector_mm={source_detector_mm}",
                "the detector lies behind the axis as seen from the source",
                "Give 0 < source_axis_mm < source_detector_mm."))
        if int(views) != views or views < 1:
            raise InvalidInput(message(f"views={views}", "a scan has at least one view", "Give for example 360."))
        turn = np.deg2rad(start_deg + arc_deg * np.arange(views) / views)
        beam = np.stack([-np.sin(turn), np.cos(turn), np.zeros(views)], 1)
        u = np.stack([np.cos(turn), np.sin(turn), np.zeros(views)], 1)
        v = np.broadcast_to([0.0, 0.0, 1.0], (views, 3))
        travel = pitch_mm * (arc_deg / 360.0) * ((np.arange(views) + 0.5) / views - 0.5)
        centre = np.asarray(centre_mm, np.float64) + travel[:, None] * v
        pitch = np.broadcast_to(np.asarray(pixel_mm, np.float64), 2)
        detector = centre + (source_detector_mm - source_axis_mm) * beam
        offset_u, offset_v = offset_mm
        if curved:  # shifting along the arc turns the detector about the source
            angle = offset_u / source_detector_mm
            source = centre - source_axis_mm * beam
            beam, u = np.cos(angle) * beam + np.sin(angle) * u, np.cos(angle) * u - np.sin(angle) * beam
            detector = source + source_detector_mm * beam
        else:
            source = centre - source_axis_mm * beam
            detector = detector + offset_u * u
        return cls(source_mm=source, centre_mm=detector + offset_v * v, u=u, v=v, rows=rows, columns=columns,
                   pixel_mm=(float(pitch[0]), float(pitch[1])), radius_mm=source_detector_mm if curved else None)

    @classmethod
    def parallel(cls, *, views: int, rows: int, columns: int, pixel_mm: float | tuple[float, float],
                 distance_mm: float = 1000.0, start_deg: float = 0.0, arc_deg: float = 180.0,
                 centre_mm: Sequence[float] = (0.0, 0.0, 0.0)) -> Geometry:
        """Parallel-beam views over `arc_deg`; rays run from `distance_mm` before `centre_mm` to as far behind."""
        circle = cls.circular(
            views=views, source_axis_mm=distance_mm, source_detector_mm=2 * distance_mm, rows=rows, columns=columns,
            pixel_mm=pixel_mm, start_deg=start_deg, arc_deg=arc_deg, centre_mm=centre_mm)
        return dataclasses.replace(circle, beam="parallel")

    @classmethod
    def tomosynthesis(cls, *, views: int, arc_deg: float, source_detector_mm: float, pivot_mm: float, rows: int,
                      columns: int, pixel_mm: float, centre_mm: Sequence[float] = (0.0, 0.0, 0.0)) -> Geometry:
        """Source on an arc above a detector at rest; it runs in the y-z plane about x, `pivot_mm` above the detector.

        The detector's centre is `centre_mm`; columns count along +y and rows along +x; the source is above, at +z.
        """
        if not 0 <= pivot_mm < source_detector_mm:
            raise InvalidInput(message(
                f"pivot_mm={pivot_mm}", f"the pivot lies between detector and source ({source_detector_mm} mm)",
                "Give a smaller pivot_mm."))
        if int(views) != views or views < 1:
            raise InvalidInput(message(f"views={views}", "a scan has at least one view", "Give for example 15."))
        if not 0 <= arc_deg < 180:
            raise InvalidInput(message(
                f"arc_deg={arc_deg}", "the source would reach the plane of the detector, or lie behind it",
                "Give 0 <= arc_deg < 180, for example 25."))
        turn = np.deg2rad(np.linspace(-0.5 * arc_deg, 0.5 * arc_deg, views)) if views > 1 else np.zeros(1)
        arm = source_detector_mm - pivot_mm
        source = np.stack([np.zeros(views), arm * np.sin(turn), pivot_mm + arm * np.cos(turn)], 1)
        centre = np.asarray(centre_mm, np.float64)
        return cls(source_mm=centre + source, centre_mm=centre, u=np.array([0.0, 1.0, 0.0]),
                   v=np.array([1.0, 0.0, 0.0]), rows=rows, columns=columns, pixel_mm=(pixel_mm, pixel_mm))
