"""Fluorescence of K and L shells: which vacancies absorption leaves, and which lines they emit.

Vacancies: above an edge with the step J = mu above / mu below (of physsim's own cross sections), a share 1 - 1/J of the
absorption that the shells above left over goes to that shell. A vacancy of L1 or L2 may move to L2 or L3
(Coster-Kronig) before it emits; a shell emits with its fluorescence yield, the lines in proportion to their rates.

Neglects: the change of J with energy, a second photon (L after K), lines below 1 keV, M lines.
Reference: M. O. Krause, J. Phys. Chem. Ref. Data 8 (1979) 307 (yields); J. H. Scofield, At. Data Nucl. Data Tables 14
(1974) 121 (rates); J. A. Bearden, Rev. Mod. Phys. 39 (1967) 78 (energies); through xraylib (see data/tables.json).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from physsim.physics.element_sections import ElementSections
from physsim.physics.elements import element
from physsim.physics.interpolation import Side
from physsim.physics.tables import ENERGY_MIN_KEV, element_table, fluorescence_arrays

Floats = NDArray[np.float64]

SHELLS = ("K", "L1", "L2", "L3")
SIDES: tuple[Side, Side] = ("above", "below")
SAME_EDGE = 3e-3  # relative: an edge of the cross sections is that shell's


@dataclass(frozen=True, kw_only=True, eq=False)
class ElementFluorescence:
    """Lines of one element from 1 keV on.

    line_kev: (n,). share: (4, n), probability of each line after a vacancy in K, L1, L2, L3 by absorption.
    edge_kev: (4,) keV, infinite for shells below 1 keV. step: (4,) mu above / mu below the edge, 1 for those.
    """

    line_kev: Floats
    share: Floats
    edge_kev: Floats
    step: Floats


@cache
def element_fluorescence(symbol: str) -> ElementFluorescence:
    """Lines of an element; none below sodium.

    >>> bool(abs(element_fluorescence("I").line_kev.max() - 33.04) < 0.05)
    True
    """
    z = element(symbol).atomic_number
    data = fluorescence_arrays()
    edge, step, yields = np.full(4, np.inf), np.ones(4), np.zeros(4)
    own = data["shell_atomic_number"] == z
    for number, at, value in zip(data["shell_number"][own], data["shell_edge_kev"][own], data["shell_yield"][own],
                                 strict=True):
        edges = element_table(z).edges_kev
        near = edges[np.abs(edges / at - 1.0) <= SAME_EDGE]
        if near.size:
            edge[number] = near[np.argmin(np.abs(near - at))]
            yields[number] = value
    known = np.isfinite(edge)
    above, below = (ElementSections(edge[known], side).element(symbol)["photoelectric"] for side in SIDES)
    step[known] = above / below
    f12, f13, f23 = data["coster_kronig"][z - 1]
    after = np.eye(4)  # vacancies in the columns' shells that one of the row's shell leads to
    after[1, 2], after[2, 3] = f12, f23
    after[1, 3] = f13 + f12 * f23
    lines = (data["line_atomic_number"] == z) & (data["line_kev"] >= ENERGY_MIN_KEV)
    shell = data["line_shell"][lines]
    share = after[:, shell] * (yields[shell] * data["line_rate"][lines])
    wanted = share.any(axis=0)
    return ElementFluorescence(
        line_kev=data["line_kev"][lines][wanted], share=share[:, wanted], edge_kev=edge, step=step)


def vacancy_shares(symbol: str, energy_kev: Floats, side: Side = "above") -> Floats:
    """(n, 4) share of photoelectric absorption that leaves a vacancy in K, L1, L2, L3, at energies (n,)."""
    lines = element_fluorescence(symbol)
    left, shares = np.ones(energy_kev.shape), np.zeros((energy_kev.size, 4))
    for shell in range(4):
        edge = lines.edge_kev[shell]
        open_ = energy_kev >= edge if side == "above" else energy_kev > edge
        shares[:, shell] = np.where(open_, left * (1.0 - 1.0 / lines.step[shell]), 0.0)
        left = left - shares[:, shell]
    return shares


class LineChances:
    """How likely absorption emits each line, at the energies of cross sections; an element's share is found once.

    One object serves one thread.
    """

    def __init__(self, sections: ElementSections) -> None:
        self.sections = sections
        self._lines: dict[str, Floats] = {}
        self._any: dict[str, Floats] = {}

    def of_lines(self, fractions: Mapping[str, float]) -> Floats:
        """(energies, lines): probability that photoelectric absorption in a material emits each of its lines."""
        parts = [np.zeros((self.sections.energy_kev.size, 0))]
        parts += [share[:, None] * self._element(symbol) for symbol, share in self._shares(fractions)]
        return np.concatenate(parts, axis=1)

    def of_any(self, fractions: Mapping[str, float]) -> Floats:
        """(energies,): probability that photoelectric absorption in a material emits a line."""
        total = np.zeros(self.sections.energy_kev.size)
        for symbol, share in self._shares(fractions):
            if symbol not in self._any:
                vacancies = vacancy_shares(symbol, self.sections.energy_kev, self.sections.side)
                after = np.cumsum(element_fluorescence(symbol).share, axis=1)[:, -1]
                self._any[symbol] = _over_shells(vacancies, after[:, None])[:, 0]
            total += share * self._any[symbol]
        return total

    def _shares(self, fractions: Mapping[str, float]) -> Iterator[tuple[str, Floats]]:
        """Of photoelectric absorption in a material: what falls to each element that has lines."""
        total = self.sections.mixture(fractions, "photoelectric")
        for symbol in _with_lines(fractions):
            yield symbol, fractions[symbol] * self.sections.element(symbol)["photoelectric"] / total

    def _element(self, symbol: str) -> Floats:
        """(energies, lines) after absorption in that element."""
        if symbol not in self._lines:
            vacancies = vacancy_shares(symbol, self.sections.energy_kev, self.sections.side)
            self._lines[symbol] = _over_shells(vacancies, element_fluorescence(symbol).share)
        return self._lines[symbol]


def _over_shells(vacancies: Floats, share: Floats) -> Floats:
    """(n, 4) vacancies times (4, m) shares, shell after shell: a matrix product's bits would depend on the CPU."""
    return np.asarray(sum(vacancies[:, shell:shell + 1] * share[shell] for shell in range(4)))


def material_line_kev(fractions: Mapping[str, float]) -> Floats:
    """Energies of the lines of a material given as mass fractions, element after element."""
    return np.concatenate([np.zeros(0), *(element_fluorescence(symbol).line_kev for symbol in _with_lines(fractions))])


def _with_lines(fractions: Mapping[str, float]) -> list[str]:
    return [symbol for symbol in fractions if element_fluorescence(symbol).line_kev.size]
