"""What a detector makes of a photon: the energy that it absorbs, by the photon's energy and direction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.physics.spectra.quantities import transmission
from physsim.spec.detector import Detector, IdealAbsorber

Floats = NDArray[np.float64]


def absorbed_kev_per_photon(detector: Detector, energies_kev: Floats, slant: float) -> Floats:
    """Expected energy (keV) that the detector absorbs of one photon, (n,) for (n,) energies in keV.

    `slant`: 1 / cos of the angle between the ray and the detector's normal. Neglects: what the absorber's spec names.
    """
    layer = detector.absorber
    if isinstance(layer, IdealAbsorber):
        return np.array(energies_kev)
    depth = linear_attenuation_per_mm(layer.substance, energies_kev) * (layer.packing * layer.thickness_mm * slant)
    return np.asarray(energies_kev * (1.0 - transmission(depth)))


def depends_on_slant(detector: Detector) -> bool:
    """Whether the absorbed energy changes with the angle of incidence."""
    return not isinstance(detector.absorber, IdealAbsorber)
