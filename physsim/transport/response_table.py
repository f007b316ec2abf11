"""What a detector makes of scattered photons, as the kernels read it: a table by energy and angle of arrival."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.physics.tables import ENERGY_MAX_KEV, ENERGY_MIN_KEV

Floats = NDArray[np.float64]

STEP_KEV = 0.5  # absorption edges are smeared that much
COSINES = 17
_GRAZING = 0.05  # cosine below which a ray is taken as slant as this


@dataclass(frozen=True, eq=False)
class ResponseTable:
    """Share of a photon's energy that counts, (energies, cosines): rows every STEP_KEV from ENERGY_MIN_KEV to
    ENERGY_MAX_KEV, columns at equal steps of the cosine to the detector's normal, from 0 to 1.

    With any moment of the signal over the energy as the share, scatter images hold that moment.
    """

    share: Floats

    def __post_init__(self) -> None:
        if self.share.shape != (len(response_energies_kev()), COSINES) or not (
            np.isfinite(self.share).all() and (self.share >= 0.0).all()
        ):
            raise InvalidInput(
                message(
                    f"share of shape {self.share.shape}",
                    f"a response is ({len(response_energies_kev())}, {COSINES}) finite numbers from 0 on",
                    "Make it by ResponseTable.of(...).",
                )
            )

    @classmethod
    def of(cls, signal_per_photon: Callable[[Floats, float], Floats]) -> ResponseTable:
        """Of a function that gives, for energies (n,) in keV and a slant (1 / cos), what a photon adds on average."""
        energies = response_energies_kev()
        slants = 1.0 / np.maximum(np.linspace(0.0, 1.0, COSINES), _GRAZING)
        return cls(np.stack([signal_per_photon(energies, slant) / energies for slant in slants.tolist()], axis=1))

    def fields(self) -> dict[str, Any]:
        """The fields of kernels/transport/detector_response.h."""
        return {"share": self.share.astype(np.float32), "energy_low": ENERGY_MIN_KEV, "per_kev": 1.0 / STEP_KEV}


def response_energies_kev() -> Floats:
    """Of a table's rows, keV."""
    return np.arange(ENERGY_MIN_KEV, ENERGY_MAX_KEV + 0.5 * STEP_KEV, STEP_KEV)
