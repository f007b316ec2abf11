"""An anti-scatter grid as the photon transport reads it."""

from __future__ import annotations

from typing import Any

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.physics.tables import ENERGY_MAX_KEV, ENERGY_MIN_KEV
from physsim.spec.anti_scatter_grid import AntiScatterGrid
from physsim.spec.geometry import Geometry
from physsim.units import CM_PER_MM, MM_PER_CM

GRID = "anti-scatter grid"  # the region that its absorbed energy is counted in
STEP_KEV = 0.125  # of the attenuation, straight between: absorption edges are smeared that much


def pack_grid(grid: AntiScatterGrid | None, geometry: Geometry | None, region: int) -> dict[str, Any]:
    """The fields of kernels/transport/anti_scatter_grid.h; `region`: number of the region that is called GRID.

    Raises InvalidInput where there is no flat detector behind the grid.
    """
    if grid is None:
        return {
            "attenuation": None,
            "energy_low": 0.0,
            "per_kev": 0.0,
            "across": (1.0, 0.0),
            "height": 0.0,
            "period": 1.0,
            "strip": 0.0,
            "inverse_focus": 0.0,
            "gap": 0.0,
            "offset": 0.0,
            "region": 0,
        }
    if geometry is None or geometry.radius_mm is not None:
        raise InvalidInput(
            message(
                "anti_scatter_grid",
                "it stands before a flat detector, and this is " + ("none" if geometry is None else "a curved one"),
                "Leave the grid out, or give a flat detector.",
            )
        )
    energies = np.arange(ENERGY_MIN_KEV, ENERGY_MAX_KEV + 0.5 * STEP_KEV, STEP_KEV)
    strip, space, cover = grid.attenuation(energies)
    focus = grid.focal_distance_mm
    return {
        "attenuation": np.stack([strip * MM_PER_CM, space * MM_PER_CM, cover], axis=1).astype(np.float32),
        "energy_low": float(energies[0]),
        "per_kev": 1.0 / STEP_KEV,
        "across": grid.across,
        "height": grid.height_mm * CM_PER_MM,
        "period": grid.pitch_mm * CM_PER_MM,
        "strip": grid.strip_mm * CM_PER_MM,
        "inverse_focus": 0.0 if focus is None else 1.0 / (focus * CM_PER_MM),
        "gap": (grid.gap_mm + 0.5 * grid.height_mm) * CM_PER_MM,
        "offset": grid.offset_mm * CM_PER_MM,
        "region": region,
    }
