"""Rectified areas under the ROC curve, and their differences, from placements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physsim.cohort.rectified import Rectified, interval
from physsim.evaluate.roc import auc_variance, placements, score_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Placed:
    """value: an AUC or a difference; present, absent: (cases,) placements, whose means are the value."""

    value: float
    present: Floats
    absent: Floats

    @classmethod
    def of(cls, present: Floats, absent: Floats, *, difference: bool) -> Placed:
        """From scores (cases, 1), or (cases, 2) of a and b whose difference is meant."""
        parts = [placements(present[:, column], absent[:, column]) for column in range(2 if difference else 1)]
        above, below = (parts[0][kind] - (parts[1][kind] if difference else 0.0) for kind in (0, 1))
        return cls(value=float(above.mean()), present=above, absent=below)

    @property
    def variance(self) -> float:
        """DeLong's, of the value."""
        return float(self.present.var(ddof=1) / len(self.present) + self.absent.var(ddof=1) / len(self.absent))


def rectified_auc(full: Placed, fast: Placed, others: Placed, *, confidence: float, difference: bool) -> Rectified:
    """theta = A_full - lambda (A_fast - A_others); lambda is the covariance of the first two over the variance of the
    bracket.

    Residual placements lose one degree of freedom for lambda; of an AUC they are widened where the few full cases
    happen to vary less than so many cases of the rectified AUC would (Newcombe's variance). An AUC's interval is
    Student's on the logit's scale, a difference's on its own. Where the full scores part the cases wholly, the network
    has nothing to rectify and the interval is Newcombe's of the full cases alone, as in `evaluate.auc`.
    """
    from scipy.special import ndtri

    together = sum(float(np.cov(a, b)[0, 1]) / len(a)
                   for a, b in ((full.present, fast.present), (full.absent, fast.absent)))  # fmt: skip
    variance = fast.variance
    weight = together / (variance + others.variance) if variance + others.variance > 0.0 else 0.0
    value = full.value - weight * (fast.value - others.value)
    parts = [(kind.var(ddof=1) * (len(kind) - 1) / (len(kind) - 2) / len(kind), len(kind) - 2)
             for kind in (full.present - weight * fast.present, full.absent - weight * fast.absent)]  # fmt: skip
    own = sum(float(part) for part, _ in parts)
    if not difference and full.variance > 0.0:
        inside = min(max(value, _least(full)), 1.0 - _least(full))
        own *= max(1.0, auc_variance(inside, len(full.present), len(full.absent)) / full.variance)
    total = own + weight**2 * others.variance
    spread = sum(float(part) ** 2 / freedom for part, freedom in parts)
    freedom = total**2 / spread if spread > 0.0 else np.inf
    error = float(np.sqrt(total))
    if not difference and full.variance == 0.0:
        normal = float(ndtri(0.5 + 0.5 * confidence))
        low, high = score_interval(full.value, len(full.present), len(full.absent), normal)
    elif difference:
        low, high = interval(value, error, freedom, confidence)
        low, high = max(low, -1.0), min(high, 1.0)
    else:
        slope = 1.0 / (inside * (1.0 - inside))
        ends = interval(float(np.log(inside / (1.0 - inside))), error * slope, freedom, confidence)
        low, high = (float(1.0 / (1.0 + np.exp(-end))) for end in ends)
        value = min(max(value, 0.0), 1.0)
    return Rectified(value=value, error=error, low=low, high=high, confidence=confidence, weight=weight,
                     alone=full.value, alone_error=float(np.sqrt(full.variance)),
                     full=len(full.present) + len(full.absent), others=len(others.present) + len(others.absent))


def _least(full: Placed) -> float:
    """Half of the smallest step of an AUC of so many cases."""
    return 0.5 / (len(full.present) * len(full.absent))
