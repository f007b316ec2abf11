"""Gaussians on pixels: what of each falls on which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Floats = NDArray[np.float64]


def caught(spreads: Floats, half_mm: float, away_mm: Floats) -> Floats:
    """(SPREADS, n) of Gaussians of these spreads, the part within `half_mm` of a place `away_mm` (n,) off."""
    scale = spreads[:, None] * np.sqrt(2.0)
    return np.asarray(0.5 * (erf((away_mm + half_mm) / scale) - erf((away_mm - half_mm) / scale)))
