"""CT projections in the manner of DICOM-CT-PD, the open format of the Mayo Clinic's low-dose library: a file a view.

The frame is (x right, y anterior, z head) of the patient, which the azimuth runs in: x = -rho sin phi, y = rho cos phi.
Stored as in that library: a DICOM row is a detector column (columns rise towards the patient's right when the source is
in front), a DICOM column a detector row (rising towards the head); element indices begin at 1. Value = slope x stored +
intercept, a line integral without unit where `log` is set. physsim's own pose stands beside, to the last bit.
Reference: B. Chen et al., Med. Phys. 42 (2015) 6964; T. R. Moen et al., Med. Phys. 48 (2021) 902, table IV.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.imaging.dicom.attributes import (
    Subject,
    frame_of_reference_module,
    general_equipment_module,
    general_image_module,
    general_series_module,
    general_study_module,
    patient_module,
    patient_study_module,
    with_sop_common_module,
)
from physsim.imaging.dicom.codes import Module
from physsim.imaging.dicom.ct import SOP_CLASS, CtTechnique, exposure_module
from physsim.imaging.dicom.levels import TOP
from physsim.imaging.dicom.multiframe import pose_module
from physsim.io.atomic import check_output, write_series
from physsim.io.dicom import dicom_bytes
from physsim.io.dicom_encoding import elements
from physsim.io.dicom_identity import Identity
from physsim.spec.geometry import Geometry

Floats = npt.NDArray[np.float64]
RAS_FROM_LPS = np.array([-1.0, -1.0, 1.0])
_CREATORS = {0x7029: "DETECTOR SYSTEM ARRANGEMENT MODULE", 0x7031: "DETECTOR DYNAMICS MODULE",
             0x7033: "SOURCE DYNAMICS MODULE", 0x7037: "PROJECTION DATA DEFINITIONS",
             0x7039: "PREPROCESSING FLAGS MODULE", 0x7041: "WATER ATTENUATION MODULE"}
_STEADY_RAD, _STEADY_MM = 1e-9, 1e-6  # shifts of the focal spot below these are none


@dataclass(frozen=True, kw_only=True)
class ProjectionScan:
    """What the projections are: of which scan, in which state.

    `views_per_rotation`; `water_per_mm`: attenuation that counts as 0 HU; `axis_mm`: world x and y of the axis of
    rotation. Flags: which corrections were made; `log`: values are -ln(I / I0).
    """

    technique: CtTechnique
    views_per_rotation: int
    water_per_mm: float
    axis_mm: tuple[float, float] = (0.0, 0.0)
    beam_hardening: bool = False
    gain: bool = True
    dark: bool = True
    flat: bool = True
    dead_pixels: bool = True
    scatter: bool = False
    log: bool = True
    geometry_type: Literal["FANBEAM"] = "FANBEAM"

    def __post_init__(self) -> None:
        if not 1 <= self.views_per_rotation < 2**16:
            raise InvalidInput(message(f"views_per_rotation={self.views_per_rotation}", "a rotation has 1 to 65535",
                                       "Give the number of projections of a whole turn."))
        if not self.water_per_mm > 0:
            raise InvalidInput(message(f"water_per_mm={self.water_per_mm}", "water attenuates",
                                       "Give for example 0.02."))


def save_ct_projections(folder: str | Path, projections: npt.NDArray[Any], geometry: Geometry, scan: ProjectionScan,
                        subject: Subject, identity: Identity, *, photons: npt.ArrayLike | None = None, series: int = 6,
                        overwrite: bool = False) -> list[Path]:
    """Write `projections`, (views, rows, columns), into an existing `folder` as projection_00001.dcm and so on.

    16 bits span the values of the whole scan (a step of at most 1e-4 for line integrals up to 6). `photons`: (columns,)
    or (views, columns), quanta that a detector element would count without a patient. Returns the files. Raises
    InvalidInput for shapes that differ and poses that are no rotation about the patient's z axis.
    """
    values = np.asarray(projections)
    if values.shape != geometry.shape or geometry.beam != "cone":
        raise InvalidInput(message(f"projections of shape {values.shape}", f"the geometry's are {geometry.shape}, of a "
                                   f"{geometry.beam} beam", "Give (views, rows, columns) of a cone or fan."))
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(high - low):
        raise InvalidInput(message(f"projections from {low} to {high}", "16 bits hold finite values",
                                   "Mend them first, for example at pixels that saw nothing."))
    slope = (high - low) / TOP if high > low else 1.0
    folder = Path(folder)
    paths = [folder / f"projection_{number:05d}.dcm" for number in range(1, len(geometry) + 1)]
    for path in paths:
        check_output(path, overwrite)
    counts = None if photons is None else np.broadcast_to(
        np.asarray(photons, np.float64), (len(geometry), geometry.columns))
    poses = CylindricalPoses(geometry, scan.axis_mm)
    common: Module = elements(_common(geometry, scan, subject, identity, series, poses, slope, low))

    def one(view: int) -> bytes:
        stored = np.clip(np.rint((values[view].astype(np.float64) - low) / slope), 0, TOP).astype(np.uint16)
        pixels = np.ascontiguousarray(poses.ordered(view, stored).T)
        attributes: Module = {
            **common, **_plane(geometry, view, poses), **poses.module(view), **pose_module(geometry, view),
            (0x7033, 0x1063, "US"): 1,
            **general_image_module(identity, view + 1, ("ORIGINAL", "PRIMARY", "LOCALIZER"),
                                   scan.technique.scatter)}
        if counts is not None:
            order = counts[view] if poses.columns_as_stored[view] else counts[view][::-1]
            attributes[0x7033, 0x1065, "FL"] = order
        return dicom_bytes(with_sop_common_module(attributes, identity, SOP_CLASS, pixels), pixels)

    write_series(paths, one, overwrite)
    return paths


class CylindricalPoses:
    """The scan's poses as DICOM-CT-PD tells them: the detector's focal centre, and the focal spot's shift from it."""

    def __init__(self, geometry: Geometry, axis_mm: tuple[float, float]) -> None:
        normal = geometry.normal
        upright = np.abs(geometry.v[:, 2]) > 1.0 - 1e-9
        if not upright.all():
            raise InvalidInput(message(f"view {int(np.argmin(upright))}", "the detector's columns are not along z",
                                       "DICOM-CT-PD holds rotations about the patient's z axis."))
        self.geometry = geometry
        if geometry.radius_mm is None:  # a flat panel's focal centre is the focal spot
            focal = geometry.source_mm
        else:
            focal = geometry.centre_mm - geometry.radius_mm * normal
        axis = np.array([*axis_mm, 0.0])
        self.angle, self.distance, self.height = _cylindrical(focal - axis)
        angle, distance, height = _cylindrical(geometry.source_mm - axis)
        turn = angle - self.angle
        self.shift = (turn - 2.0 * np.pi * np.rint(turn / (2.0 * np.pi)), height - self.height,
                      distance - self.distance)
        right = np.stack([-normal[:, 1], normal[:, 0], np.zeros(len(geometry))], 1)  # the patient's, source in front
        self.columns_as_stored = (geometry.u * right).sum(1) > 0
        self.rows_as_stored = geometry.v[:, 2] > 0
        self.centre, self.radius = self._central(focal, axis)

    def ordered(self, view: int, image: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An image (rows, columns) with rows towards the head and columns towards the right, or back again."""
        flipped = image if self.rows_as_stored[view] else image[::-1]
        return flipped if self.columns_as_stored[view] else flipped[:, ::-1]

    def module(self, view: int) -> Module:
        """Detector and source dynamics of one view."""
        turn, height, distance = (float(shift[view]) for shift in self.shift)
        return {(0x7031, 0x1001, "FL"): float(self.angle[view] % (2.0 * np.pi)),
                (0x7031, 0x1002, "FL"): float(self.height[view]), (0x7031, 0x1003, "FL"): float(self.distance[view]),
                (0x7031, 0x1031, "FL"): float(self.radius[view]), (0x7031, 0x1033, "FL"): self.centre[view],
                (0x7033, 0x100B, "FL"): turn, (0x7033, 0x100C, "FL"): height, (0x7033, 0x100D, "FL"): distance}

    def focal_spot_mode(self) -> str:
        """Whether the focal spot flies, and where to."""
        turn, height, distance = (float(np.ptp(shift)) for shift in self.shift)
        plane = turn > _STEADY_RAD or distance > _STEADY_MM
        along = height > _STEADY_MM
        return "FFSXYZ" if plane and along else "FFSXY" if plane else "FFSZ" if along else "FFSNONE"

    def _central(self, focal: Floats, axis: Floats) -> tuple[Floats, Floats]:
        """The element (column, row from 1, as stored) in line with the axis and the focal centre, and its distance."""
        geometry, (columns, rows) = self.geometry, (self.geometry.columns, self.geometry.rows)
        inward = axis - focal
        inward[:, 2] = 0.0
        inward /= np.sqrt((inward**2).sum(1, keepdims=True))
        across, depth = (inward * geometry.u).sum(1), (inward * geometry.normal).sum(1)
        if geometry.radius_mm is None:
            reach = ((geometry.centre_mm - focal) * geometry.normal).sum(1) / depth
            along_u = ((focal + reach[:, None] * inward - geometry.centre_mm) * geometry.u).sum(1)
        else:
            reach = np.full(len(geometry), geometry.radius_mm)
            along_u = geometry.radius_mm * np.arctan2(across, depth)
        along_v = ((focal - geometry.centre_mm) * geometry.v).sum(1)
        column = along_u / geometry.pixel_mm[0] * np.where(self.columns_as_stored, 1, -1) + 0.5 * (columns + 1)
        row = along_v / geometry.pixel_mm[1] * np.where(self.rows_as_stored, 1, -1) + 0.5 * (rows + 1)
        return np.stack([column, row], 1), reach


def _common(geometry: Geometry, scan: ProjectionScan, subject: Subject, identity: Identity, series: int,
            poses: CylindricalPoses, slope: float, low: float) -> Module:
    technique = scan.technique
    yes_no = {True: "YES", False: "NO"}
    flags = (scan.beam_hardening, scan.gain, scan.dark, scan.flat, scan.dead_pixels, scan.scatter, scan.log)
    return {
        **patient_module(subject), **patient_study_module(subject),
        **general_study_module(identity, technique.description),
        **general_series_module(identity, "CT", series, f"projections: {technique.description}", technique.body_part),
        "PatientPosition": "HFS", **frame_of_reference_module(identity), **general_equipment_module(identity),
        "PhotometricInterpretation": "MONOCHROME2", "RescaleSlope": slope, "RescaleIntercept": low,
        "KVP": technique.kvp, "ScanOptions": "AXIAL" if technique.pitch is None else "HELICAL",
        **({} if technique.pitch is None else {"SpiralPitchFactor": technique.pitch}),
        **exposure_module(technique, technique.tube_current_ma), "FilterType": technique.filter_type,
        **{(group, 0x10, "LO"): creator for group, creator in _CREATORS.items()},
        (0x7029, 0x1010, "US"): geometry.rows, (0x7029, 0x1011, "US"): geometry.columns,
        (0x7029, 0x1002, "FL"): geometry.pixel_mm[0], (0x7029, 0x1006, "FL"): geometry.pixel_mm[1],
        (0x7029, 0x100B, "CS"): "FLAT" if geometry.radius_mm is None else "CYLINDRICAL",
        (0x7033, 0x100E, "CS"): poses.focal_spot_mode(), (0x7033, 0x1013, "US"): scan.views_per_rotation,
        (0x7033, 0x1061, "US"): 1, (0x7037, 0x1009, "CS"): "AXIAL" if technique.pitch is None else "HELICAL",
        (0x7037, 0x100A, "CS"): scan.geometry_type,
        **{(0x7039, 0x1003 + n, "CS"): yes_no[flag] for n, flag in enumerate(flags)},
        (0x7041, 0x1001, "DS"): scan.water_per_mm}


def _plane(geometry: Geometry, view: int, poses: CylindricalPoses) -> Module:
    """The detector's plane as an image plane: a CT image must have one. DICOM rows are detector columns here."""
    down = geometry.u[view] if poses.columns_as_stored[view] else -geometry.u[view]
    right = geometry.v[view] if poses.rows_as_stored[view] else -geometry.v[view]
    pitch = geometry.pixel_mm
    first = (geometry.centre_mm[view] - 0.5 * (geometry.columns - 1) * pitch[0] * down
             - 0.5 * (geometry.rows - 1) * pitch[1] * right)
    return {"PixelSpacing": [pitch[0], pitch[1]], "SliceThickness": "", "ImagePositionPatient": first.tolist(),
            "ImageOrientationPatient": [float(c) + 0.0 for c in (*right, *down)]}


def _cylindrical(points: Floats) -> tuple[Floats, Floats, Floats]:
    """Azimuth (rad), distance from the axis and height (mm) of world points (n, 3) in the frame of DICOM-CT-PD."""
    x, y, z = (points * RAS_FROM_LPS).T
    return np.arctan2(-x, y), np.sqrt(x * x + y * y), z
