"""A compressed breast on its support in a mammography unit: one view of it, or the views of a tomosynthesis scan."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pydantic

from physsim.errors import InvalidInput, message
from physsim.spec.base import Spec
from physsim.spec.detector import Detector
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid


class BreastPositioning(Spec):
    """A breast between paddle and support; the source stands above the edge at the chest wall (half a cone).

    `view`: "CC" or "MLO"; `side`: the patient's "L" or "R"; the breast in the beam must be of both. `angle_deg`: of the
    beam of patients whose breast is made for it (None: 0 in CC, 45 in MLO); `thickness_mm`: between the plates,
    likewise (None: usual for her density). `source_detector_mm`: focus to detector, above the chest wall's edge.
    `support_detector_mm`: from the breast's lower face to the detector: support, grid and air. `compression_n`,
    `tube_current_ma`: for the record (DICOM). `views`, `arc_deg`: of tomosynthesis: the source turns over `arc_deg`,
    from minus half of it to plus half, about an axis from chest wall to nipple `pivot_mm` above the detector, which
    stands still. `seconds`: from the first view to the last.

    Images are as hung: chest wall left and nipple right for a left breast, the other way round for a right one, lateral
    (CC) or axilla (MLO) on top. The breast lies in the middle of the detector (CC), or so that the ray to the
    detector's upper edge meets the breast's support where the voxels end in the axilla (MLO).

    Neglects: the detector's dead edge at the chest wall; a paddle that tilts.

    >>> BreastPositioning(views=25, arc_deg=50.0).is_sweep
    True
    """

    view: Literal["CC", "MLO"] = "CC"
    side: Literal["L", "R"] = "L"
    angle_deg: float | None = None
    thickness_mm: pydantic.PositiveFloat | None = None
    source_detector_mm: float = pydantic.Field(default=650.0, gt=0.0)
    support_detector_mm: float = pydantic.Field(default=15.0, ge=0.0)
    compression_n: float = pydantic.Field(default=100.0, gt=0.0)
    tube_current_ma: float = pydantic.Field(default=100.0, gt=0.0)
    views: int = pydantic.Field(default=1, ge=1)
    arc_deg: float = pydantic.Field(default=0.0, ge=0.0, lt=180.0)
    pivot_mm: float = pydantic.Field(default=0.0, ge=0.0)
    seconds: float = pydantic.Field(default=1.0, gt=0.0)

    @pydantic.model_validator(mode="after")
    def _sweep(self) -> BreastPositioning:
        if (self.views > 1) != (self.arc_deg > 0.0):
            raise ValueError(message(f"views={self.views} over arc_deg={self.arc_deg:g}",
                                     "one view has no arc, and several need one", "Give for example 25 over 50."))
        if self.pivot_mm > 0.0 and self.views == 1:
            raise ValueError(message(f"pivot_mm={self.pivot_mm:g}", "it has no effect: one view does not turn",
                                     "Leave it out."))
        if not self.source_detector_mm > max(self.support_detector_mm, self.pivot_mm):
            raise ValueError(message(f"source_detector_mm={self.source_detector_mm:g}",
                                     f"support ({self.support_detector_mm:g} mm above the detector) and pivot "
                                     f"({self.pivot_mm:g} mm) lie between detector and source",
                                     "Give for example 650."))
        return self

    @property
    def is_sweep(self) -> bool:
        """Whether the source turns (tomosynthesis)."""
        return self.views > 1

    @property
    def chest_wall(self) -> Literal["u-", "u+"]:
        """The side of the detector at the chest wall, where the tube's cathode lies."""
        return "u-" if self.side == "L" else "u+"

    def geometry(self, detector: Detector, grid: Grid) -> Geometry:
        """The poses for a breast on `grid`: x from the chest wall, y across, z from the lower plate against the beam.

        Raises InvalidInput where the breast reaches up to the source.
        """
        x_axis, y_axis, z_axis = (np.array(axis) for axis in grid.direction)
        nz, ny, _ = grid.shape
        dx, dy, dz = grid.spacing_mm
        thickness = nz * dz
        if self.support_detector_mm + thickness >= self.source_detector_mm:
            raise InvalidInput(message(
                f"source_detector_mm={self.source_detector_mm:g}",
                f"the breast is {thickness:.0f} mm thick and lies {self.support_detector_mm:g} mm above the detector, "
                "so that the source lies inside or below it", "Give for example 650."))
        across = y_axis if self.side == "L" else -y_axis  # towards lateral or axilla
        width, height = detector.columns * detector.pixel_mm[0], detector.rows * detector.pixel_mm[1]
        edge = np.array(grid.origin_mm) - 0.5 * (dx * x_axis + dz * z_axis) + 0.5 * (ny - 1) * dy * y_axis
        if self.view == "MLO":
            shrunk = (self.source_detector_mm - self.support_detector_mm) / self.source_detector_mm
            edge = edge + (0.5 * ny * dy - 0.5 * height * shrunk) * across
        edge = edge - self.support_detector_mm * z_axis
        middle = edge + 0.5 * width * x_axis
        arm = self.source_detector_mm - self.pivot_mm
        turns = [(n / (self.views - 1) - 0.5) * self.arc_deg for n in range(self.views)] if self.is_sweep else [0.0]
        source = [edge + (self.pivot_mm + arm * math.cos(math.radians(turn))) * z_axis
                  + arm * math.sin(math.radians(turn)) * across for turn in turns]
        return Geometry(source_mm=np.array(source), centre_mm=middle, u=x_axis if self.side == "L" else -x_axis,
                        v=-across, rows=detector.rows, columns=detector.columns, pixel_mm=detector.pixel_mm)
