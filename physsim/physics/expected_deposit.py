"""The mean share of its energy that a photon leaves in a collision (kernels/physics/expected_deposit.h).

Means of what the samplers of PhotonTables draw, from the same tables: the angle of Compton scattering, the electron's
momentum and the line of fluorescence. So the expected deposit has the mean of the analog one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.physics.doppler import INVERSE_FINE_STRUCTURE, LOWEST_AU
from physsim.physics.energy_rows import CELLS_PER_OCTAVE, cell_energies_kev
from physsim.physics.photon_tables import PhotonTables
from physsim.physics.scattering_law import ELECTRON_REST_ENERGY_KEV, HC_KEV_ANGSTROM
from physsim.physics.scattering_tables import rows_kev

Floats = NDArray[np.float64]

_NEAR_CUTOFF = 1.3  # up to here photons scattered by Compton may fall below the cutoff: nodes stand closer


def share_deposited(tables: PhotonTables, cutoff_kev: float) -> NDArray[np.float32]:
    """(materials, rows, 2): mean share left in a collision at the lower end of each row's cell, and its slope.

    Photons that go on with `cutoff_kev` or less count as left. Within 2e-4 of the samplers' means.
    """
    count = len(tables.row[0])
    cell = np.searchsorted(tables.cell_row, np.arange(count), side="right") - 1
    ends = cell_energies_kev()
    found = np.empty((tables.materials, count, 2), np.float32)
    for material in range(tables.materials):
        rows = tables.row[material].astype(np.float64)
        shares = [_share(tables, material, energy, thresholds, cutoff_kev)
                  for energy, thresholds in ((ends[cell], rows[:, 1:4]), (ends[cell + 1], rows[:, 1:4] + rows[:, 5:8]))]
        found[material] = np.stack([shares[0], shares[1] - shares[0]], axis=1)
    found.flags.writeable = False
    return found


def _share(tables: PhotonTables, material: int, energy_kev: Floats, thresholds: Floats, cutoff_kev: float) -> Floats:
    absorbed, photoelectric, rayleigh = thresholds.T
    line = _mean_line_kev(tables, material, energy_kev, cutoff_kev) / energy_kev
    compton = _kept_by_compton(tables, material, energy_kev, cutoff_kev)
    goes_on = (photoelectric - absorbed) * line + (rayleigh - photoelectric) + (1.0 - rayleigh) * compton
    return np.asarray(np.clip(1.0 - goes_on, 0.0, 1.0))


def _mean_line_kev(tables: PhotonTables, material: int, energy_kev: Floats, cutoff_kev: float) -> Floats:
    """Mean energy of the photon that is emitted, given that one is; (rows,)."""
    lines = tables.line_kev[material].astype(np.float64)
    chance = tables.emission_probability[material].astype(np.float64)[tables.emission_row]
    flies = (lines[None] > cutoff_kev) & (lines[None] < energy_kev[:, None])
    return np.asarray(np.cumsum(np.where(flies, chance * lines, 0.0), axis=1)[:, -1])


def _kept_by_compton(tables: PhotonTables, material: int, energy_kev: Floats, cutoff_kev: float) -> Floats:
    """Mean share of its energy that a photon goes on with after Compton scattering."""
    nodes = rows_kev(tables.compton.shape[1] - 1, 16)
    close = rows_kev(8 * CELLS_PER_OCTAVE, CELLS_PER_OCTAVE)
    close = close[(close >= 0.99 * cutoff_kev) & (close < _NEAR_CUTOFF * cutoff_kev)]
    nodes = np.unique(np.concatenate([nodes, close, [cutoff_kev]]))
    bins = alias_probability(tables.compton[material])
    lost = np.array([1.0 - _kept_at(tables, material, energy, bins, cutoff_kev) for energy in nodes])
    return np.asarray(1.0 - energy_kev * np.interp(energy_kev, nodes, lost / nodes))


def _kept_at(tables: PhotonTables, material: int, energy: float, bins: Floats, cutoff_kev: float) -> float:
    row, along = _row_of(energy, 16)
    angle = (1.0 - along) * bins[row] + along * bins[row + 1]
    number = np.arange(angle.size)
    half = (number * number + number + 0.5) / angle.size**2  # middle of the bin: (1 - cos theta) / 2
    share, chance = np.array(1.0 / (1.0 + 2.0 * energy * half / ELECTRON_REST_ENERGY_KEV))[:, None], np.ones((1, 1))
    if tables.doppler.shape[1]:
        share, chance = _broadened(tables, material, energy, half)
    flying = np.where(share * energy > cutoff_kev, share, 0.0) * chance
    return float(np.cumsum(np.cumsum(flying, axis=1)[:, -1] * angle)[-1])


def _broadened(tables: PhotonTables, material: int, energy: float, half: Floats) -> tuple[Floats, Floats]:
    """(angles, 2 x momenta): shares kept, and their chances, of sample_doppler (kernels/physics/doppler.h)."""
    root = np.sqrt(half)
    p0_au = energy * root * (INVERSE_FINE_STRUCTURE / ELECTRON_REST_ENERGY_KEV)
    x = np.maximum(energy * root / HC_KEV_ANGSTROM, 2.0**-7)
    row, along = _row_of(x * 2.0**7, 4)
    density = tables.doppler_density[material].astype(np.float64)
    count = density.shape[1]
    chance = ((1.0 - along)[:, None] * density[row] + along[:, None] * density[row + 1]) / count
    lowest = -LOWEST_AU / (1.0 + LOWEST_AU)
    s = lowest + (p0_au / (1.0 + p0_au) - lowest)[:, None] * ((np.arange(count) + 0.5) / count)
    p = s / (1.0 - np.abs(s)) / INVERSE_FINE_STRUCTURE
    h = half[:, None]
    free = 1.0 / (1.0 + 2.0 * energy * h / ELECTRON_REST_ENERGY_KEV)
    lost = 1.0 - free
    squared = lost * lost + 4.0 * free * h
    slope = (squared + free * (2.0 * h - lost)) / np.sqrt(np.maximum(squared, 1e-30))
    turns = (p < 0.0) & (-p < energy * root[:, None] / ELECTRON_REST_ENERGY_KEV)
    turned = np.where(turns, np.minimum(-p * slope, 1.0), 0.0)
    shares = np.concatenate([_share_of_momentum(free, lost, h, p), _share_of_momentum(free, lost, h, -p)], axis=1)
    return shares, np.concatenate([chance * (1.0 - turned), chance * turned], axis=1)


def _share_of_momentum(free: Floats, lost: Floats, half: Floats, p: Floats) -> Floats:
    """As share_of_momentum of kernels/physics/doppler.h."""
    squared = p * p
    of_free = squared * free
    root = np.sqrt(np.maximum(0.0, lost * lost + 4.0 * free * half * (1.0 - of_free * (1.0 - half))))
    share = free * (1.0 - of_free * (1.0 - 2.0 * half) + p * root) / (1.0 - of_free * free)
    return np.asarray(np.minimum(share, 1.0))


def _row_of(value: Any, per_octave: int) -> tuple[Any, Any]:
    """Table row at or below a value (1 begins row 0), and how far it is along to the next: linear in each octave."""
    mantissa, exponent = np.frexp(value)
    place = (2.0 * mantissa - 1.0) * per_octave
    below = np.floor(place)
    return ((exponent - 1) * per_octave + below).astype(int), place - below


def alias_probability(table: NDArray[np.int32]) -> Floats:
    """Probabilities of the bins (last axis) of alias tables as kernels/physics/alias.h draws them."""
    bins = table.shape[-1]
    flat = table.reshape(-1, bins)
    own, other = (flat & 0xFFFFFF).astype(np.int64), (flat >> 24) & 0xFF
    sums = own.copy()
    np.add.at(sums, (np.arange(len(flat))[:, None], other), (1 << 23) - own)
    return np.asarray((sums / (float(1 << 23) * bins)).reshape(table.shape))
