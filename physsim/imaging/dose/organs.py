"""Mean absorbed doses of organs: energy that photons leave in them over their mass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.transport.montecarlo_scene import Regions
from physsim.units import G_PER_KG, J_PER_KEV, MGY_PER_GY

Floats = NDArray[np.float64]

HISTORIES = 2**20


@dataclass(frozen=True, eq=False)
class OrganDoses:
    """names, mass_g, mgy, error_mgy: (organs,) mean absorbed dose and its standard error."""

    names: tuple[str, ...]
    mass_g: Floats
    mgy: Floats
    error_mgy: Floats

    @classmethod
    def of_energy(cls, regions: Regions, energy_kev: Floats, error_kev: Floats) -> OrganDoses:
        """Of energies (regions,) and their standard errors; regions without mass are left out."""
        there = np.flatnonzero(regions.mass_g > 0.0)
        mass = regions.mass_g[there]
        scale = J_PER_KEV * G_PER_KG * MGY_PER_GY / mass
        return cls(tuple(regions.names[n] for n in there), mass, energy_kev[there] * scale, error_kev[there] * scale)

    def of(self, *names: str) -> tuple[float, float]:
        """Dose (mGy) of an organ, or the mean over the mass of several, and its standard error (the sum of theirs)."""
        for name in names:
            if name not in self.names:
                raise InvalidInput(message(f"organ {name!r}", "it is not there", did_you_mean(name, self.names)))
        chosen = [self.names.index(name) for name in names]
        mass = self.mass_g[chosen]
        return float(self.mgy[chosen] @ mass / mass.sum()), float(self.error_mgy[chosen] @ mass / mass.sum())

    def table(self) -> list[dict[str, Any]]:
        """Rows of name, mass (g), dose and its error (mGy)."""
        rows = zip(self.names, self.mass_g.tolist(), self.mgy.tolist(), self.error_mgy.tolist(), strict=True)
        return [{"organ": name, "mass_g": mass, "dose_mgy": dose, "error_mgy": error}
                for name, mass, dose, error in rows]
