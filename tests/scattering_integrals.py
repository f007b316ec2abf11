"""Integrals of a law over bins of the scattering angle, by numpy's Gaussian points: apart from those of the tables."""

import numpy as np

POINTS, WEIGHTS = np.polynomial.legendre.leggauss(6)


def integrals(law, ends):
    """(bins,) integrals of law(half) over bins between `ends` (bins + 1,)."""
    low, width = ends[:-1, None], np.diff(ends)[:, None]
    return (law(low + width * (0.5 + 0.5 * POINTS)) @ (0.5 * WEIGHTS)) * width[:, 0]
