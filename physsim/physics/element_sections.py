"""Cross sections of elements at common energies, each interpolated once; those of mixtures are sums of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from physsim.physics.elements import element
from physsim.physics.interpolation import Side, brackets, power_law
from physsim.physics.tables import PROCESSES, element_table

Floats = NDArray[np.float64]


class ElementSections:
    """Mass attenuation (cm2/g) at `energy_kev`, of any shape within 1-150 keV, by element and process.

    At the very energy of an absorption edge `side` picks the value above or below. Sums run in the order of the mass
    fractions, so that the bits are the same on every CPU and do not depend on what was asked before. One object serves
    one thread.
    """

    def __init__(self, energy_kev: Floats, side: Side = "above") -> None:
        self.energy_kev, self.side = energy_kev, side
        self._found: dict[str, dict[str, Floats]] = {}

    def element(self, symbol: str) -> dict[str, Floats]:
        """Process -> mass attenuation of an element, of the energies' shape."""
        if symbol not in self._found:
            table = element_table(element(symbol).atomic_number)
            index, along = brackets(table.energy_kev, table.log_energy, self.energy_kev, self.side)
            self._found[symbol] = {name: power_law(table.log_mass_attenuation[name], index, along)
                                   for name in PROCESSES}
        return self._found[symbol]

    def mixture(self, fractions: Mapping[str, float], process: str = "total") -> Floats:
        """Mass attenuation of mass fractions, by one process or all together ("total")."""
        total = np.zeros(self.energy_kev.shape)
        for symbol, fraction in fractions.items():
            parts = self.element(symbol)
            for name in PROCESSES if process == "total" else (process,):
                total += fraction * parts[name]
        return total
