"""Air kerma of the beam where it enters the body, and its product with the area of the field: no body, no grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.spec.breast_positioning import BreastPositioning
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Box
from physsim.spec.protocol import BEAMS, Protocol
from physsim.units import CM_PER_MM, MGY_PER_UGY

Images = npt.NDArray[Any]

REFERENCE_MM = 60.0  # from the chest wall, in mammography


def source_body_mm(protocol: Protocol, geometry: Geometry, box: Box, thickness_mm: float) -> float | None:
    """Source to the body's `box` along the central ray of a preset (to a breast: straight down); None for poses."""
    breast, middle = protocol.breast, len(geometry) // 2
    if breast is not None:
        return float(geometry.distance_mm[middle]) - breast.support_detector_mm - thickness_mm
    placed = protocol.positioning
    if placed is None:
        return None
    beam, (low, high) = np.array(BEAMS[placed.view]), np.array(box)
    near = np.where(beam > 0, low, high)
    return float((near - geometry.source_mm[0]) @ beam)


def entrance_air_kerma_mgy(open_air_kerma: Images, protocol: Protocol, geometry: Geometry, box: Box,
                           thickness_mm: float) -> float | None:
    """Air kerma (mGy) of the beam, all views, without backscatter, where it enters the body's box; presets only.

    `open_air_kerma`: (views, rows, columns) uGy at the detector. On the central ray; of a breast on the ray of the
    middle view to the detector 60 mm from the chest wall, or to its far edge (European protocol for dosimetry in
    mammography, EUR 16263, 1996: the reference point).
    """
    entrance = source_body_mm(protocol, geometry, box, thickness_mm)
    if entrance is None:
        return None
    if protocol.breast is not None:
        return _breast_kerma_mgy(open_air_kerma, protocol.breast, geometry, entrance)
    middle = (0, geometry.rows // 2, geometry.columns // 2)
    across, along = ((at - 0.5 * (count - 1)) * step
                     for at, count, step in zip(middle[:0:-1], geometry.shape[:0:-1], geometry.pixel_mm, strict=True))
    travel = geometry.surface_mm(0, across, along) - geometry.source_mm[0]
    distance = float(np.sqrt((travel * travel).sum()))
    return float(open_air_kerma[middle]) * (distance / entrance) ** 2 * MGY_PER_UGY


def dose_area_product_mgy_cm2(open_air_kerma: Images, geometry: Geometry) -> float:
    """Of one view's beam (rows, columns) uGy, over the detector."""
    area = geometry.pixel_mm[0] * geometry.pixel_mm[1] * CM_PER_MM**2
    return float(open_air_kerma.sum(dtype=np.float64)) * area * MGY_PER_UGY


def _breast_kerma_mgy(open_air_kerma: Images, placed: BreastPositioning, geometry: Geometry,
                      entrance_mm: float) -> float:
    view = len(geometry) // 2
    column = min(int(REFERENCE_MM / geometry.pixel_mm[0]), geometry.columns - 1)
    place = (geometry.rows // 2, column if placed.side == "L" else geometry.columns - 1 - column)
    scale = float(geometry.distance_mm[view]) / entrance_mm
    return float(open_air_kerma[(view, *place)]) * scale**2 * MGY_PER_UGY * len(geometry)
