"""Rectified quantiles: the thresholds that the rectified share of cases below them does not speak against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.cohort.rectified import Rectified
from physsim.errors import InvalidInput, message

Floats = NDArray[np.float64]
_HALF_CASE = 0.5  # added to each cell of the 2 x 2 table of "full below", "fast below": so few cases never agree wholly


def rectified_quantile(full: Floats, fast: Floats, others: Floats, quantile: float, confidence: float) -> Rectified:
    """Of full figures (m,), the network's on the same cases (m,) and on the others (M - m,).

    At each threshold the share of full figures below it is rectified as a mean is; its variance is that of the true
    quantile, quantile (1 - quantile), less what the network tells. The interval is from the first to the last threshold
    at which the share differs from `quantile` by no more than Student's t allows; it is infinite to the side where
    even the outermost case does not speak against it.
    """
    from scipy.special import stdtrit

    if not 0.0 < quantile < 1.0:
        raise InvalidInput(message(f"quantile={quantile}", "lies between 0 and 1", "Give for example 0.9."))
    count, total = len(full), len(fast) + len(others)
    thresholds = np.unique(np.concatenate([full, fast, others]))
    below, guessed, elsewhere = (np.searchsorted(np.sort(values), thresholds, side="right").astype(np.float64)
                                 for values in (full, fast, others))  # fmt: skip
    both = (np.maximum(full, fast)[:, None] <= thresholds).sum(axis=0)
    slope, explained = _agreement(both, below - both, guessed - both, count)
    shift = (guessed + elsewhere) / total - guessed / count
    share = below / count + slope * shift
    spread = quantile * (1.0 - quantile)
    guess = (guessed + elsewhere) / total
    variance = spread * (1.0 - explained) * (count - 1) / (count - 2) / count + slope**2 * guess * (1.0 - guess) / total
    accepted = np.abs(share - quantile) <= float(stdtrit(count - 2, 0.5 + 0.5 * confidence)) * np.sqrt(variance)
    value = float(thresholds[_first(share >= quantile)])
    ends = np.flatnonzero(accepted)
    low, high = value, value
    if len(ends):
        low = min(value, float(thresholds[ends[0]])) if ends[0] > 0 else -np.inf
        high = max(value, float(thresholds[ends[-1] + 1])) if ends[-1] + 1 < len(thresholds) else np.inf
    return Rectified(value=value, error=np.nan, low=low, high=high, confidence=confidence,
                     weight=float(slope[_first(share >= quantile)]) * len(others) / total,
                     alone=float(np.sort(full)[max(int(np.ceil(quantile * count)) - 1, 0)]), alone_error=np.nan,
                     full=count, others=len(others))


def _agreement(both: Floats, first: Floats, second: Floats, count: int) -> tuple[Floats, Floats]:
    """Slope of "full below" on "fast below" and the square of their correlation, from tables with half a case more in
    each cell."""
    cells = [part + _HALF_CASE for part in (both, first, second, count - both - first - second)]
    total = count + 4.0 * _HALF_CASE
    of_full, of_fast = (cells[0] + cells[1]) / total, (cells[0] + cells[2]) / total
    covariance = cells[0] / total - of_full * of_fast
    slope = covariance / (of_fast * (1.0 - of_fast))
    return slope, slope * covariance / (of_full * (1.0 - of_full))


def _first(true: NDArray[np.bool_]) -> int:
    found = np.flatnonzero(true)
    return int(found[0]) if len(found) else len(true) - 1
