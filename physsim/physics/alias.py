"""Alias tables: discrete distributions that one random word and one look-up draw from.

Reference: A. J. Walker, ACM Trans. Math. Softw. 3 (1977) 253, doi:10.1145/355744.355749; kernels/physics/alias.h draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CHANCE_BITS = 23  # kernels/physics/alias.h


def alias_tables(probability: NDArray[np.float64]) -> NDArray[np.int32]:
    """One table a row, (rows, bins) int32, of distributions (rows, bins) that need not be normalised; at most 256 bins.

    The smallest bin left is filled up by the largest, again and again, all rows at once. An entry holds the other bin
    (upper 8 bits) and the chance of the own one times 2^23; rounding moves less than 2^-24 of a bin.
    """
    rows, bins = probability.shape
    left = probability * (bins / np.cumsum(probability, axis=1)[:, -1:])
    chance, other = np.ones((rows, bins)), np.tile(np.arange(bins), (rows, 1))
    small = left.copy()  # infinite where done
    every = np.arange(rows)
    for _ in range(bins - 1):
        low, high = np.argmin(small, axis=1), np.argmax(left, axis=1)
        part = left[every, low]
        full = part >= 1.0 - 1e-12
        chance[every, low] = np.where(full, 1.0, np.maximum(part, 0.0))
        other[every, low] = np.where(full, low, high)
        left[every, high] -= np.where(full, 0.0, 1.0 - part)
        left[every, low] = np.where(low == high, left[every, low], -1.0)
        small[every, high] = left[every, high]
        small[every, low] = np.inf
        if full.all():
            break
    word = np.rint(chance * 2.0**CHANCE_BITS).astype(np.int64) | other.astype(np.int64) << 24
    return word.astype(np.uint32).view(np.int32)


def alias_probability(table: NDArray[np.int32]) -> NDArray[np.float64]:
    """The probability of each bin, (rows, bins): what the tables draw from."""
    words = table.view(np.uint32)
    chance, other = (words & 0xFFFFFF) / 2.0**CHANCE_BITS, (words >> 24).astype(np.int64)
    rows, bins = table.shape
    probability = chance.copy()
    for bin_ in range(bins):
        probability[np.arange(rows), other[:, bin_]] += 1.0 - chance[:, bin_]
    return np.asarray(probability / bins)
