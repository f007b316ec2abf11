"""Where a line or a scattered photon is absorbed: in the same pixel or another, and what it leaves on its way.

A photon that flies on inside the layer is absorbed (and may emit a line that flies on) or scatters by Compton, leaving
the recoil's energy, and flies on; each flight leaves the layer with the chance of a photon born anywhere in it in any
direction, (1 - 2 E3(tau)) / (2 tau), tau its thickness in free ways. In a detector of pixels each place where energy is
left is a deposit of its own, unless the flight ended in the pixel where it began.

Neglects: that a later flight comes back to a pixel, Rayleigh scattering, lines of lines of lines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expn

from physsim.imaging.detector.charge_sharing import over_chances
from physsim.imaging.detector.transfer import cosine_of_turns
from physsim.physics.attenuation import linear_attenuation_per_mm
from physsim.physics.element_sections import ElementSections
from physsim.physics.fluorescence import LineChances, material_line_kev
from physsim.physics.layer_response import scattering_angles
from physsim.physics.scattering_law import ScatteringLaw
from physsim.portable import log
from physsim.spec.absorber import Photoconductor
from physsim.spec.detector import Detector

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]

_POLAR, _AZIMUTHS, _PATHS = 24, 12, 24


def together(one: Pair, other: Pair) -> Pair:
    """Means (..., bins) and pairs (..., bins, bins) of two deposits that are counted apart."""
    if one[1].shape[-1] == 0:  # pairs are not asked for
        return one[0] + other[0], one[1]
    crossed = one[0][..., :, None] * other[0][..., None, :]
    return one[0] + other[0], one[1] + other[1] + crossed + np.swapaxes(crossed, -1, -2)


def averaged(chances: Floats, of: Pair) -> Pair:
    """Means and pairs over chances (classes,) of (classes, bins) and (classes, bins, bins)."""
    return over_chances(chances, of[0]), over_chances(chances, of[1])


class Flights:
    """What photons of the energies of a grid (n,) meet on flights inside a layer; the grid begins above 0."""

    def __init__(self, detector: Detector, grid_kev: Floats) -> None:
        layer = detector.absorber
        assert isinstance(layer, Photoconductor)
        self.grid = grid_kev
        fractions = dict(layer.substance.mass_fractions)
        known = np.clip(grid_kev, 1.0, 150.0)
        sections = ElementSections(known)
        photoelectric, compton = (sections.mixture(fractions, name) for name in ("photoelectric", "compton"))
        self.absorbed = photoelectric / (photoelectric + compton)
        self.line_kev = material_line_kev(fractions)
        self.emitted = LineChances(sections).of_lines(fractions) * (known[:, None] > self.line_kev)
        law = ScatteringLaw(fractions, None, binding=True)
        _, self.share, self.angle_chance = scattering_angles(law.compton, known)
        free = 1.0 / linear_attenuation_per_mm(layer.substance, known)
        tau = layer.thickness_mm / free
        self.leaves = (1.0 - 2.0 * expn(3, tau)) / (2.0 * tau)
        ladder = np.geomspace(float(free.min()), float(free.max()), 80)
        self.same = np.interp(log(free), log(ladder), [_same_pixel(detector, one) for one in ladder])

    def at(self, values: Floats, energy_kev: Floats) -> Floats:
        """Rows of `values` (n, ...) at energies (...,), linear between those of the grid."""
        step = self.grid[1] - self.grid[0]
        place = np.clip((energy_kev - self.grid[0]) / step, 0.0, len(self.grid) - 1.001)
        low = place.astype(int)
        along = (place - low).reshape(*place.shape, *([1] * (values.ndim - 1)))
        return np.asarray(values[low] * (1.0 - along) + values[low + 1] * along)

    def of(self, tables: Pair, energy_kev: Floats) -> Pair:
        """Means and pairs at energies (m,)."""
        if tables[1].shape[-1] == 0:  # pairs are not asked for
            return self.at(tables[0], energy_kev), np.zeros((*np.shape(energy_kev), 0, 0))
        return self.at(tables[0], energy_kev), self.at(tables[1], energy_kev)

    def counts(self, deposits: Pair) -> Pair:
        """Means (n, bins) and pairs (n, bins, bins) of photons that are absorbed or scatter in the layer, from those of
        single deposits."""
        mean, pairs = np.zeros_like(deposits[0]), np.zeros_like(deposits[1])
        for n, energy in enumerate(self.grid):
            found = (mean[: n + 1], pairs[: n + 1])
            total = self._absorbed_at(n, energy, deposits, (mean, pairs))
            share = (1.0 - self.absorbed[n]) * self.angle_chance[n]
            recoil, onward = energy * (1.0 - self.share[n]), energy * self.share[n]
            stays = 1.0 - self.at(self.leaves, onward)
            same = self.at(self.same, onward)
            first = self.of(deposits, recoil)
            second = self.of((mean, pairs), onward)
            apart = together(first, second)
            for chance, counted in (
                (share * (1.0 - stays), first), (share * stays * (1.0 - same), apart),
                (share * stays * same, self.of(deposits, np.full_like(recoil, energy)))
            ):
                one = averaged(chance, counted)
                total = (total[0] + one[0], total[1] + one[1])
            found[0][n], found[1][n] = total
        return mean, pairs

    def _absorbed_at(self, n: int, energy: float, deposits: Pair, flights: Pair) -> Pair:
        """Part of `counts` of photons of grid energy n that are absorbed, with one line flying on or none."""
        emitted = self.absorbed[n] * self.emitted[n]
        total = averaged(np.array([self.absorbed[n] - emitted.sum()]), self.of(deposits, np.array([energy])))
        if not emitted.any():
            return total
        stays, same = 1.0 - self.at(self.leaves, self.line_kev), self.at(self.same, self.line_kev)
        rest = self.of(deposits, np.maximum(energy - self.line_kev, 0.0))
        apart = together(rest, self.of(flights, self.line_kev))
        whole = self.of(deposits, np.full_like(self.line_kev, energy))
        for chance, counted in ((emitted * (1.0 - stays), rest), (emitted * stays * (1.0 - same), apart),
                                (emitted * stays * same, whole)):
            one = averaged(chance, counted)
            total = (total[0] + one[0], total[1] + one[1])
        return total

    def line_again(self, energy_kev: Floats, second_kev: Floats, deposits: Pair) -> Pair:
        """Of photons (m,) whose second_kev (m,) was absorbed in the first pixel: one deposit, or the line that this
        emits flies to another pixel."""
        emitted = self.at(self.absorbed, second_kev)[:, None] * self.at(self.emitted, second_kev)
        emitted = emitted * (second_kev[:, None] > self.line_kev)
        away = emitted * ((1.0 - self.at(self.leaves, self.line_kev)) * (1.0 - self.at(self.same, self.line_kev)))
        whole = self.of(deposits, energy_kev)
        mean = (1.0 - away.sum(axis=1))[:, None] * whole[0]
        pairs = (1.0 - away.sum(axis=1))[:, None, None] * whole[1]
        emitting = np.flatnonzero(away.any(axis=0))
        lines = self.line_kev[emitting]
        apart = together(self.of(deposits, np.maximum(energy_kev[:, None] - lines, 0.0)), self.of(deposits, lines))
        for place, number in enumerate(emitting.tolist()):
            mean = mean + away[:, number, None] * apart[0][:, place]
            pairs = pairs + away[:, number, None, None] * apart[1][:, place]
        return mean, pairs


def _same_pixel(detector: Detector, free_mm: float) -> float:
    """Chance that a flight in any direction ends in the pixel where it began."""
    polar = (np.arange(_POLAR) + 0.5) / _POLAR
    azimuth = 0.25 * (np.arange(_AZIMUTHS) + 0.5) / _AZIMUTHS  # of a turn
    path = -free_mm * log(1.0 - (np.arange(_PATHS) + 0.5) / _PATHS)
    ways = np.sqrt(1.0 - polar**2)[:, None, None] * path
    inside = np.ones((_POLAR, _AZIMUTHS, _PATHS))
    directions = cosine_of_turns(azimuth), cosine_of_turns(azimuth - 0.25)
    for turned, pitch in zip(directions, detector.cell_mm, strict=True):
        inside *= np.maximum(0.0, 1.0 - ways * turned[:, None] / pitch)
    return float(np.cumsum(inside.ravel())[-1] / inside.size)
