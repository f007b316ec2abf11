"""The only unit conversions in physsim.

Outside units are mm, keV, g/cm3, mAs, kVp, degrees, mGy (uGy for air kerma) and eV per history; a name's suffix says
its unit. Sources: exact SI definitions (CODATA 2018) where a constant carries digits.
"""

from __future__ import annotations

MM_PER_CM = 10.0
CM_PER_MM = 0.1
CM2_PER_MM2 = 0.01
CM3_PER_MM3 = 0.001
G_PER_KG = 1000.0
EV_PER_KEV = 1000.0
J_PER_KEV = 1.602176634e-16  # exact: SI 2019, e = 1.602176634e-19 C
UGY_PER_KEV_PER_G = J_PER_KEV * G_PER_KG * 1e6  # keV/g -> uGy (uJ/kg)
MM_PER_M = 1000.0
CM_PER_M = 100.0
UAS_PER_MAS = 1000.0
MS_PER_S = 1000.0
MGY_PER_UGY = 1e-3
MGY_PER_GY = 1e3
MG_PER_G = 1e3


def per_mm_from_per_cm(value):  # type: ignore[no-untyped-def]
    """Linear attenuation in 1/mm from 1/cm; scalar or array."""
    return value * CM_PER_MM


def g_per_cm2_from_mm_g_per_cm3(value):  # type: ignore[no-untyped-def]
    """Areal density in g/cm2 from a line integral of density in mm g/cm3; scalar or array."""
    return value * CM_PER_MM
