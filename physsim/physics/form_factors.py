"""F^2 and S of materials against momentum transfer: free atoms, or measured molecular form factors.

Between free atoms (independent-atom model) F^2 and S add up. In matter the waves of neighbouring atoms interfere below
x = 1/angstrom: forward scattering is suppressed and rings appear (fat at 0.11, water at 0.16/angstrom). Molecular
form factors measured on whole materials hold that; above 1/angstrom atoms scatter as if free.

Neglects: mixtures of measured materials (give a measured material for the whole), temperature, order in solids.
Reference: J. H. Hubbell et al., J. Phys. Chem. Ref. Data 4 (1975) 471 (free atoms); D. E. Peplow, K. Verghese,
Phys. Med. Biol. 43 (1998) 2431, doi:10.1088/0031-9155/43/9/001 (molecules).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.physics.elements import element
from physsim.physics.tables import DATA, scattering_tables

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class FormFactor:
    """A measured form factor per gram, F^2 / molar mass in mol/g, that replaces the free atoms' up to its last x.

    momentum_transfer_per_angstrom: (n,) ascending, first 0; squared_mol_g: (n,) not negative. `name` tells them apart.
    Raises InvalidInput for arrays that are not so.
    """

    name: str
    momentum_transfer_per_angstrom: Floats
    squared_mol_g: Floats

    def __post_init__(self) -> None:
        x, squared = (np.array(values, dtype=np.float64) for values in (
            self.momentum_transfer_per_angstrom, self.squared_mol_g))
        if x.ndim != 1 or x.shape != squared.shape or x.size < 2 or x[0] != 0.0 or not (np.diff(x) > 0.0).all():
            raise InvalidInput(message(
                f"form factor {self.name!r} with x of shape {x.shape} from {x.flat[0] if x.size else 'nothing'}",
                "x rises from 0 and F^2 has its shape", "Give x in 1/angstrom, first 0, two points or more."))
        if not (np.isfinite(squared).all() and (squared >= 0.0).all() and squared.any()):
            raise InvalidInput(message(
                f"form factor {self.name!r}: F^2 from {squared.min():g} to {squared.max():g}",
                "squares are finite, not negative and not all 0", "Give F^2 / molar mass in mol/g."))
        for field, array in (("momentum_transfer_per_angstrom", x), ("squared_mol_g", squared)):
            array.flags.writeable = False
            object.__setattr__(self, field, array)


@cache
def molecular_form_factor(name: str) -> FormFactor:
    """The shipped form factor of that name: water, pmma, polycarbonate, fat, breast, muscle, blood or liver.

    >>> molecular_form_factor("water").squared_mol_g.max().round(2)
    np.float64(3.52)
    """
    table = _measured()
    if name not in table:
        raise InvalidInput(message(f"form_factor={name!r}", "no measured form factor has this name",
                                   did_you_mean(name, table)))
    x, root = table[name]
    return FormFactor(name=name, momentum_transfer_per_angstrom=x, squared_mol_g=root * root)


def molecular_form_factor_names() -> tuple[str, ...]:
    """Names that `molecular_form_factor` knows."""
    return tuple(_measured())


def coherent_mol_g(fractions: Mapping[str, float], x: Floats, measured: FormFactor | None = None) -> Floats:
    """F^2 per gram (mol/g) at momentum transfers x (1/angstrom, not negative), of the shape of x."""
    return with_measured(mixed_mol_g(fractions, lambda symbol: element_coherent(symbol, x)), x, measured)


def incoherent_mol_g(fractions: Mapping[str, float], x: Floats, *, binding: bool = True) -> Floats:
    """S per gram (mol/g); without binding S = Z."""
    return mixed_mol_g(fractions, lambda symbol: element_incoherent(symbol, x, binding=binding))


def mixed_mol_g(fractions: Mapping[str, float], of_element: Callable[[str], Floats]) -> Floats:
    """Values per gram of a mixture from those per atom of its elements; sums in the order of the fractions."""
    return np.asarray(sum(fraction / element(symbol).atomic_weight * of_element(symbol)
                          for symbol, fraction in fractions.items()))


def with_measured(free: Floats, x: Floats, measured: FormFactor | None) -> Floats:
    """F^2 of free atoms, replaced up to the last x of a measured form factor."""
    if measured is None:
        return free
    last = measured.momentum_transfer_per_angstrom[-1]
    return np.where(x < last, np.interp(x, measured.momentum_transfer_per_angstrom, measured.squared_mol_g), free)


def element_coherent(symbol: str, x: Floats) -> Floats:
    """F^2 of a free atom at momentum transfers x (1/angstrom)."""
    return np.asarray(_log_log(scattering_tables().form_factor[element(symbol).atomic_number - 1], x) ** 2)


def element_incoherent(symbol: str, x: Floats, *, binding: bool = True) -> Floats:
    """S of a free atom, Z without binding."""
    z = element(symbol).atomic_number
    return _log_log(scattering_tables().incoherent_function[z - 1], x) if binding else np.full(np.shape(x), float(z))


def _log_log(values: Floats, x: Floats) -> Floats:
    """Power laws between the knots of the scattering tables, a parabola below, the last law beyond."""
    knots = scattering_tables().momentum_transfer_per_angstrom
    logs, places = _logs(values[1:]), portable.log(knots[1:])
    at = portable.log(np.maximum(x, knots[1]))
    beyond = np.maximum(at - places[-1], 0.0) * (logs[-1] - logs[-2]) / (places[-1] - places[-2])
    law = portable.exp(np.interp(at, places, logs) + beyond)
    near = values[0] + (values[1] - values[0]) * (x / knots[1]) ** 2
    return np.where(x < knots[1], near, law)


def _logs(values: Floats) -> Floats:
    return portable.log(np.maximum(values, 1e-30))


@cache
def _measured() -> dict[str, tuple[Floats, Floats]]:
    with (DATA / "molecular_form_factors.csv").open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(line for line in file if not line.startswith("#"))
    values = np.array(rows, dtype=np.float64)
    return {name: (values[:, 0], values[:, column]) for column, name in enumerate(names) if column > 0}
