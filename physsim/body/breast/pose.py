"""Where source and detector stand in mammography."""

from __future__ import annotations

import math

import numpy as np

from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry

SOURCE_DETECTOR_MM, GAP_MM = 650.0, 15.0  # usual in mammography units; from the lower plate's face to the detector


def mammography_geometry(phantom: Phantom, pixel_mm: float = 0.1, *, source_detector_mm: float = SOURCE_DETECTOR_MM,
                         gap_mm: float = GAP_MM, side: str = "L") -> Geometry:
    """The one view of a compressed breast: source above the chest wall's edge, detector under the breast.

    The image is as hung: chest wall left and nipple right for a left breast, the other way round for a right one (give
    `side`), lateral (CC) or axilla (MLO) on top. `phantom`: one made by `ps.breast`.
    """
    grid = phantom.grid
    nz, ny, nx = grid.shape
    h = grid.spacing_mm[0]
    x_axis, y_axis, z_axis = (np.array(axis) for axis in grid.direction)
    across = y_axis if side == "L" else -y_axis  # towards lateral or axilla
    corner = np.array(grid.origin_mm) - 0.5 * h * (x_axis + z_axis) + (0.5 * ny - 0.5) * h * y_axis
    source = corner + (source_detector_mm - gap_mm) * z_axis
    enlarged = source_detector_mm / (source_detector_mm - gap_mm - nz * h)
    columns = math.ceil(nx * h * enlarged / pixel_mm)
    slanted = abs(float(z_axis[0])) > 1e-6
    low, high = 0.5 * ny * h * enlarged, 0.5 * ny * h * enlarged  # from the middle, on the detector
    if slanted:  # MLO: no ray above the voxels' end, where the breast goes on into the axilla
        high = 0.5 * ny * h * source_detector_mm / (source_detector_mm - gap_mm)
    rows = math.floor((low + high) / pixel_mm)
    centre = corner - gap_mm * z_axis + 0.5 * columns * pixel_mm * x_axis + 0.5 * (high - low) * across
    return Geometry(source_mm=source, centre_mm=centre, u=x_axis if side == "L" else -x_axis, v=-across, rows=rows,
                    columns=columns, pixel_mm=(pixel_mm, pixel_mm))
