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
)

Floats = NDArray[np.float64]

# Greatest multiple of attenuation 1 of the hardened beam at which rays are looked at, and how often it is halved: it
# reaches a transmission of exp(-12) also behind a material that hardens the beam much.
DEEPEST, HALVINGS = 40.0, 11
# Transmissions below are none: far below any signal's digits, far above where floating point slows down.
LEAST_TRANSMISSION = 1e-40


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
    weighted for the worst of the spectra, are within the tolerance on each ray. The same bits on every CPU.

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
    scale = hardened(inside, spectra)[1]
    areal = mixtures(scale, basis.coefficients / scale[:, None])
    limits = np.full(len(table), np.inf) if limits_g_cm2 is None else np.asarray(limits_g_cm2, np.float64)
    most = np.min(np.where(areal > 0, limits, np.inf) / np.where(areal > 0, areal, 1.0), axis=1)
    unit = np.minimum(DEEPEST, most)[:, None] * 0.5**HALVINGS
    parts = [
        np.ones((1, inside.shape[1])),
        exp(-np.minimum(unit * in_order(areal.T[:, :, None] * inside[:, None, :]), 600.0)),
    ]
    for _ in range(HALVINGS):
        parts.append(parts[-1] * parts[-1])  # twice as thick
        parts[-1][parts[-1] < LEAST_TRANSMISSION] = 0.0
    transmission = np.concatenate(parts)
    least = np.min([in_order((transmission * spectrum).T) for spectrum in spectra], axis=0)
    largest = spectra.max(0)
    chosen, transfer = _engine.interpolative(transmission * (largest / np.maximum(least, 1e-300)[:, None]), tolerance)
    share = all_weights[..., used] / largest
    few = in_order(np.moveaxis(share[..., None, :] * transfer, -1, 0)) * largest[chosen]
    return np.flatnonzero(used)[chosen], few.reshape(np.shape(weights)[:-1] + few.shape[-1:])
