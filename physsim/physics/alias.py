"""Alias tables: discrete distributions that one random word and one look-up draw from.

Reference: A. J. Walker, ACM Trans. Math. Softw. 3 (1977) 253, doi:10.1145/355744.355749; kernels/physics/alias.h draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim import _engine

CHANCE_BITS = 23  # kernels/physics/alias.h


def alias_tables(probability: NDArray[np.float64]) -> NDArray[np.int32]:
    """Tables of the last axis, int32 of the same shape, of distributions that need not be normalised; 256 bins at most.

    The smallest bin left is filled up by the largest, again and again; of equal ones the first. An entry holds the
    other bin (upper 8 bits) and the chance of the own one times 2^23; rounding moves less than 2^-24 of a bin.
    """
    bins = probability.shape[-1]
    return np.asarray(_engine.alias_tables(probability.reshape(-1, bins)).reshape(probability.shape))


def alias_probability(table: NDArray[np.int32]) -> NDArray[np.float64]:
    """The probability of each bin, (rows, bins): what the tables draw from."""
    words = table.view(np.uint32)
    chance, other = (words & 0xFFFFFF) / 2.0**CHANCE_BITS, (words >> 24).astype(np.int64)
    rows, bins = table.shape
    probability = chance.copy()
    for bin_ in range(bins):
        probability[np.arange(rows), other[:, bin_]] += 1.0 - chance[:, bin_]
    return np.asarray(probability / bins)
