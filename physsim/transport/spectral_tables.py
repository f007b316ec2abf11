"""Basis functions and few energies of a table of attenuation, kept for the tables met last.

The choice takes some 13 ms, as long as tracing two views: who projects the same body again (views, spectra of a scan)
need not wait for it again. Kept by content: for a table that differs in one bit it is made anew.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from physsim.transport.basis import BasisFunctions, basis_functions
from physsim.transport.energies import few_energies

Floats = NDArray[np.float64]
KEPT_TABLES = 8


def basis_and_energies(
    table: Floats, weights: Floats, limits_g_cm2: Floats, tolerance: float, share: float
) -> tuple[BasisFunctions, NDArray[np.int64], Floats]:
    """`basis_functions` of a table (materials, energies) and the `few_energies` that then suffice, with their weights.

    share: of the tolerance, what fewer energies may bring in. The arrays are the caches' own: not to be written to.
    """
    return _chosen(_content(table), _content(weights), _content(limits_g_cm2), tolerance, share)


_Content = tuple[tuple[int, ...], bytes]


def _content(array: Floats) -> _Content:
    return array.shape, np.ascontiguousarray(array, np.float64).tobytes()


@functools.lru_cache(maxsize=KEPT_TABLES)
def _chosen(
    table: _Content, weights: _Content, limits_g_cm2: _Content, tolerance: float, share: float
) -> tuple[BasisFunctions, NDArray[np.int64], Floats]:
    values, spectrum, limits = (np.frombuffer(data).reshape(shape) for shape, data in (table, weights, limits_g_cm2))
    basis = basis_functions(values, spectrum, tolerance, limits_g_cm2=limits)
    few, some = few_energies(values, spectrum, basis, share * tolerance, limits_g_cm2=limits)
    for array in (basis.coefficients, basis.functions, few, some):
        array.setflags(write=False)
    return basis, few, some
