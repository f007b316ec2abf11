"""What a spectrum amounts to: air kerma, half-value layers, effective energy, and fewer bins that say the same.

All functions take bins: energies (n,) keV and photons per bin (n,), with attenuation coefficients as arrays beside
them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from physsim import portable
from physsim.errors import InvalidInput, message
from physsim.units import UGY_PER_KEV_PER_G

Array = NDArray[np.float64]


def transmission(optical_depth: Array) -> Array:
    """exp(-optical_depth), with equal bits on every CPU; beyond 700 it is 1e-304, not 0."""
    return portable.exp(-np.minimum(optical_depth, 700.0))


def kerma_ugy(energies_kev: Array, photons_per_cm2: Array, mass_energy_absorption_cm2_g: Array) -> float:
    """Collision kerma (uGy) = sum of fluence x energy x mu_en/rho; equals air kerma within 0.1 % below 150 keV."""
    return float((photons_per_cm2 * energies_kev * mass_energy_absorption_cm2_g).sum() * UGY_PER_KEV_PER_G)


def layer_mm(weights: Array, attenuation_per_mm: Array, fraction: float) -> float:
    """Thickness (mm) that brings sum(weights x exp(-mu t)) to `fraction` of its value at t = 0, by Newton on its
    logarithm.

    The logarithm is convex and falls, so that Newton from t = 0 climbs to the root and never passes it.
    """
    used = weights > 0.0
    weight, mu = weights[used] / weights.sum(), attenuation_per_mm[used]
    thickness, goal = 0.0, math.log(fraction)
    for _ in range(200):
        left = weight * transmission(mu * thickness)
        total = float(left.sum())
        step = (math.log(total) - goal) * total / float((left * mu).sum())
        thickness += step
        if abs(step) <= 1e-12 * (thickness + 1e-12):
            return thickness
    raise ArithmeticError(f"no layer found for fraction {fraction}; mu from {mu.min()} to {mu.max()} per mm")


def energy_of_attenuation_kev(attenuation_per_mm: Callable[[Array], Array], wanted_per_mm: float) -> float:
    """Highest energy (keV), 1-150, at which a material has the attenuation wanted, by bisection within the tables'
    range.

    Errors: InvalidInput when no energy up to 150 keV has so small an attenuation.
    """
    grid = np.geomspace(1.0, 150.0, 1200)
    above = np.flatnonzero(attenuation_per_mm(grid) >= wanted_per_mm)
    if above.size == 0 or above[-1] == grid.size - 1:
        raise InvalidInput(message(f"effective energy for mu={wanted_per_mm:.4g}/mm", "no energy in 1-150 keV has it",
                                   "Ask for the effective energy in a material that attenuates the beam, such as Al."))
    low, high = float(grid[above[-1]]), float(grid[above[-1] + 1])
    for _ in range(60):
        middle = 0.5 * (low + high)
        if float(attenuation_per_mm(np.array([middle]))[0]) >= wanted_per_mm:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def group_bounds(photons: Array, groups: int) -> NDArray[np.intp]:
    """Cut n bins into contiguous groups of about equal sum of photons^(1/3) (the best density of levels for a
    quantiser).

    Returns (groups + 1,) indices, strictly rising from 0 to n. Reference: Panter and Dite, Proc IRE 39 (1951) 44.
    """
    share = np.cbrt(photons)
    cumulative = np.concatenate([[0.0], np.cumsum(share)]) / share.sum()
    bounds = np.searchsorted(cumulative, np.arange(1, groups) / groups)
    bounds = np.concatenate([[0], bounds, [photons.size]])
    for i in range(1, groups):  # no group may be empty
        bounds[i] = min(max(bounds[i], bounds[i - 1] + 1), photons.size - (groups - i))
    return bounds


def merged(energies_kev: Array, photons: Array, bounds: NDArray[np.intp]) -> tuple[Array, Array]:
    """One bin a group: its photons, and their mean energy, so that number and energy are conserved."""
    number = np.add.reduceat(photons, bounds[:-1])
    energy = np.add.reduceat(photons * energies_kev, bounds[:-1])
    middle = np.add.reduceat(energies_kev, bounds[:-1]) / np.diff(bounds)
    return np.where(number > 0.0, energy / np.where(number > 0.0, number, 1.0), middle), number
