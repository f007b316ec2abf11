"""A few energies of a spectrum in place of all, with weights that give the same signals."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim import _engine
from physsim.portable import exp
from physsim.transport.basis import (
    BasisFunctions,
    checked_table,
    checked_weights,
    hardened,
    in_order,
    mixtures,
    normalised,
    soft_to_hard,
)

Floats = NDArray[np.float64]

# Greatest multiple of attenuation 1 of the hardened beam at which rays are looked at, and how often it is halved: it
# reaches a transmission of exp(-12) also behind a material that hardens the beam much.
DEEPEST, HALVINGS = 40.0, 11
# Transmissions below are none: far below any signal's digits, far above where floating point slows down.
LEAST_TRANSMISSION = 1e-40
# Of the tolerance, what fitted weights may use up on the rays that are looked at; others are a little worse off.
FITTED = 0.75
MOST_RAYS, MOST_BETWEEN = 2000, 16
CHOSEN_BY = 150  # rays that energies are chosen by: more than energies that could be needed


def few_energies(
    mass_attenuation_cm2_g: ArrayLike,
    weights: ArrayLike,
    basis: BasisFunctions,
    tolerance: float,
    *,
    limits_g_cm2: ArrayLike | None = None,
) -> tuple[NDArray[np.int64], Floats]:
    """Numbers of some energies, (few), and their weights, (..., few), for which any ray's signals stay within
    `tolerance` (absolute error of the log).

    Arguments as `basis_functions`, whose result for them is `basis`; weights (..., energies), each row of which must
    hold the tolerance by itself. Rays looked at: single materials and pairs of them in equal parts, from none to a
    transmission below exp(-12), at most limits_g_cm2 of each material. A weight may be negative.

    The transmissions of all energies, functions of the ray, are interpolated from those of the chosen ones: the energy
    whose transmission is worst off is chosen next, until the residuals, summed over energies without their signs and
    weighted for the worst of the spectra, are within the tolerance on each ray. Of these some are not needed for sums:
    one after the other is dropped, and the weights of the rest are fitted anew by least squares, as long as each
    spectrum's signal stays within FITTED of the tolerance on each ray. The same bits on every CPU.

    Reference: interpolative decomposition, H. Cheng et al., SIAM J. Sci. Comput. 26 (2005) 1389.

    >>> from physsim.transport.basis import basis_functions
    >>> table = [[0.5, 0.5, 0.2], [2.0, 2.0, 0.4]]
    >>> chosen, weights = few_energies(table, [1.0, 3.0, 2.0], basis_functions(table, [1.0, 3.0, 2.0]), 1e-6)
    >>> len(chosen), float(weights.sum().round(6))
    (2, 6.0)
    """
    table = checked_table(mass_attenuation_cm2_g)
    all_weights = checked_weights(weights, table.shape[1])
    used, spectra = normalised(all_weights.reshape(-1, table.shape[1]))
    inside = np.ascontiguousarray(table[:, used])
    scale = hardened(inside, soft_to_hard(inside, spectra))[1]
    areal = mixtures(scale, basis.coefficients / scale[:, None])
    limits = np.full(len(table), np.inf) if limits_g_cm2 is None else np.asarray(limits_g_cm2, np.float64)
    most = np.min(np.where(areal > 0, limits, np.inf) / np.where(areal > 0, areal, 1.0), axis=1)
    thinnest = np.minimum(DEEPEST, most)[:, None] * 0.5**HALVINGS * in_order(areal.T[:, :, None] * inside[:, None, :])
    largest = spectra.max(0)

    def rays(most: int) -> Floats:
        """Some `most` of them, by lengths between the doubled ones: few could be fitted by chance."""
        between = max(1, min(MOST_BETWEEN, -(-most // (len(thinnest) * HALVINGS))))
        steps = [thinnest * 2.0 ** (-step / between) for step in range(between)]
        return np.concatenate([_relative(_transmissions(step), spectra) for step in steps])

    chosen = _engine.interpolative(rays(CHOSEN_BY), tolerance)[0]
    relative = rays(MOST_RAYS)
    signals = _sums(relative, spectra / largest)
    kept, fitted = _engine.fewest_columns(np.ascontiguousarray(relative[:, chosen]), signals, FITTED * tolerance)
    chosen = chosen[kept]
    rows = all_weights.reshape(-1, table.shape[1])
    few = np.zeros((len(rows), len(chosen)))
    lit = rows.any(axis=1)
    few[lit] = fitted.T * largest[chosen] * in_order(rows[lit].T)[:, None]
    return np.flatnonzero(used)[chosen], few.reshape(np.shape(weights)[:-1] + few.shape[-1:])


def _transmissions(thinnest: Floats) -> Floats:
    """(rays x (1 + HALVINGS) + 1, energies) transmissions of nothing and of the log attenuations (rays, energies), each
    doubled HALVINGS times."""
    parts = [np.ones((1, thinnest.shape[1])), exp(-np.minimum(thinnest, 600.0))]
    for _ in range(HALVINGS):
        parts.append(parts[-1] * parts[-1])  # twice as thick
        parts[-1][parts[-1] < LEAST_TRANSMISSION] = 0.0
    return np.concatenate(parts)


def _relative(transmission: Floats, spectra: Floats) -> Floats:
    """What each energy adds at most to the signal of each ray, over the least signal of the spectra."""
    least = _sums(transmission, spectra).min(axis=1)
    return np.asarray(transmission * (spectra.max(0) / np.maximum(least, 1e-300)[:, None]))


def _sums(rays: Floats, spectra: Floats) -> Floats:
    """(rays, spectra) of (rays, energies) and (spectra, energies), over energies in order."""
    found = _engine.ordered_product(np.ascontiguousarray(rays), np.ascontiguousarray(spectra.T))
    return np.asarray(found)
