"""Polynomials between a few nodes, and inverses whose bits do not depend on the CPU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.physics.spectra.tube import takeoff_sine

Floats = NDArray[np.float64]


def lagrange(nodes: Floats, values: Floats) -> list[Floats]:
    """Weights of the polynomial through `nodes` at `values`, one array of their shape a node."""
    shares = []
    for i, node in enumerate(nodes):
        share = np.ones_like(values)
        for j, other in enumerate(nodes):
            if i != j:
                share = share * ((values - other) / (node - other))
        shares.append(share)
    return shares


def chebyshev(count: int) -> Floats:
    """`count` places in [0, 1], dense at the ends, which are among them: (1 - cos(pi k / (count - 1))) / 2."""
    sines = [float(takeoff_sine(90.0 - 180.0 * n / max(count - 1, 1))) for n in range(count)]
    return 0.5 - 0.5 * np.array(sines)


def inverse_of(matrix: Floats) -> Floats:
    """By Gauss and Jordan with row pivots: LAPACK's bits depend on the CPU."""
    n = len(matrix)
    work = np.concatenate([matrix, np.eye(n)], axis=1)
    for k in range(n):
        pivot = k + int(np.abs(work[k:, k]).argmax())
        work[[k, pivot]] = work[[pivot, k]]
        work[k] = work[k] / work[k, k]
        for row in range(n):
            if row != k:
                work[row] = work[row] - work[row, k] * work[k]
    return work[:, n:]
