"""What `rectify` gives: a figure with its interval, and what the network was worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Rectified:
    """A cohort's figure for the full simulation: `value`, `error` (standard error), interval from `low` to `high`.

    weight: lambda, what share of the network's figure was used; `alone`, `alone_error`: from the cases with a full
    figure alone; `full`, `others`: numbers of cases with and without one. error is NaN for a quantile.
    """

    value: float
    error: float
    low: float
    high: float
    confidence: float
    weight: float
    alone: float
    alone_error: float
    full: int
    others: int

    @property
    def worth(self) -> float:
        """How many full cases alone would have this error."""
        return self.full * (self.alone_error / self.error) ** 2 if self.error > 0.0 else np.inf


def interval(value: float, error: float, freedom: float, confidence: float) -> tuple[float, float]:
    """Student's interval."""
    from scipy.special import stdtrit

    reach = float(stdtrit(max(freedom, 1.0), 0.5 + 0.5 * confidence)) * error
    return value - reach, value + reach
