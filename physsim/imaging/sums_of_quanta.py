"""Tables by which the sums of few quanta are drawn from their own law: kernels/detect/sums_of_quanta.h.

Quanta that deposit k steps arrive as a Poisson count of their own, so their sum is compound Poisson. Sums of
independent ones are so too, with the counts added: hence any mean count is made of a few tabulated ones, and a pixel
between two beams of a table has the sum of a part of both. Each law is exact (Panjer's recursion) and its table has it
to whole numbers of 2^-32, so that each distribution function is within 2^-33.

Reference: H. H. Panjer, ASTIN Bulletin 12 (1981) 22, doi:10.1017/S0515036100006796.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.errors import InvalidInput, message
from physsim.portable import exp
from physsim.transport.basis import in_order

Floats = NDArray[np.float64]

MEAN_COUNTS = (0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 4.0, 8.0, 12.0, 16.0)  # of tables 1 to 10; 0 is of single quanta
_BEYOND = 2.0**-34  # of a law may lie outside of its table
_MOST_BINS = 2**16


@dataclass(frozen=True, eq=False)
class SumsOfQuanta:
    """tables: (beams, 11, bins) int32, of one quantum and of MEAN_COUNTS, in steps; counts_per_kev: (beams,) mean
    counts by signal; step_kev."""

    tables: NDArray[np.int32]
    counts_per_kev: NDArray[np.float32]
    step_kev: float


NO_SUMS = SumsOfQuanta(np.zeros((0, 0, 0), np.int32), np.zeros(0, np.float32), 1.0)  # where no noise is drawn


def sums_of_quanta(counts_per_kev: Floats, deposits_kev: Floats) -> SumsOfQuanta:
    """Of beams with mean counts (beams, classes) by signal of quanta that deposit (classes,) keV: 1, 2, .. steps.

    Raises InvalidInput for deposits that are no such multiples, and for so many steps that a table is too long.
    """
    if not deposits_kev.size:
        counts_per_kev, deposits_kev = np.zeros((len(counts_per_kev), 1)), np.ones(1)
    beams, classes = counts_per_kev.shape
    step = float(deposits_kev[0])
    if not np.allclose(deposits_kev, step * np.arange(1, classes + 1), rtol=1e-6, atol=0.0):
        raise InvalidInput(message("deposits_kev", "sums of quanta are tabulated in whole steps",
                                   "Give 1, 2, 3, .. times the first."))
    counts = np.maximum(counts_per_kev, 0.0)
    total = in_order(counts.T)
    single = counts / np.where(total > 0.0, total, 1.0)[:, None]  # rows of sum 1, or 0
    laws = _laws(single)
    one = np.zeros((beams, 1, laws.shape[2]))
    one[:, 0, 1 : 1 + classes] = single
    one[total == 0.0, 0, 0] = 1.0
    whole = np.concatenate([one, laws], axis=1)
    tables = _engine.exact_alias_tables(whole.reshape(-1, whole.shape[2])).reshape(whole.shape)
    return SumsOfQuanta(tables, total.astype(np.float32), step)


def _laws(single: Floats) -> Floats:
    """(beams, MEAN_COUNTS, bins): chances of sums of 0, 1, .. steps, in as many bins as hold all."""
    counts = np.multiply.outer(MEAN_COUNTS, single).transpose(1, 0, 2)
    means = np.ascontiguousarray(counts.reshape(-1, single.shape[1]))
    none = exp(-in_order(means.T))
    most = slice(len(MEAN_COUNTS) - 1, None, len(MEAN_COUNTS))
    bins = 1 << int(single.shape[1]).bit_length()
    while bins <= _MOST_BINS:
        widest = _engine.laws_of_sums(np.ascontiguousarray(means[most]), np.ascontiguousarray(none[most]), bins)
        if (1.0 - in_order(widest.T)).max() < _BEYOND:
            return _engine.laws_of_sums(means, none, bins).reshape(*counts.shape[:2], bins)
        bins *= 2
    raise InvalidInput(message(f"{single.shape[1]} classes of deposits", f"sums need more than {_MOST_BINS} steps",
                               "Take longer steps."))
