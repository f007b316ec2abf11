"""Area under the ROC curve with its uncertainty, from the scores of cases with and without the finding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Auc:
    """Area under the ROC curve (AUC): `value`, `error` (standard error by DeLong), interval from `low` to `high`.

    `method`: of the interval: "logit" (DeLong's error on the logit's scale), or "score" (Newcombe) where the scores
    part the cases wholly, or are all equal, so that DeLong's error is 0. present, absent: numbers of cases.
    """

    value: float
    error: float
    low: float
    high: float
    confidence: float
    method: str
    present: int
    absent: int

    @property
    def d_prime(self) -> float:
        """Distance of two normal distributions of equal width with this AUC: sqrt(2) Phi^-1(AUC)."""
        from scipy.special import ndtri

        return float(np.sqrt(2.0) * ndtri(self.value))


@dataclass(frozen=True, kw_only=True)
class AucDifference:
    """AUC of a less that of b on the same cases; `p_value` of the hypothesis that they are equal (two-sided)."""

    value: float
    error: float
    low: float
    high: float
    confidence: float
    p_value: float


def auc(present: ArrayLike, absent: ArrayLike, *, confidence: float = 0.95) -> Auc:
    """AUC of scores `present` (n,) and `absent` (m,), ties counted half (Mann-Whitney).

    The interval covers the draw of cases. Raises InvalidInput for fewer than two cases of a kind or missing scores.

    Reference: E. R. DeLong et al., Biometrics 44 (1988) 837; R. G. Newcombe, Stat. Med. 25 (2006) 559 (method 5).

    >>> round(auc([2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 2.5, 0.0]).value, 4)
    0.9062
    """
    with_finding, without = _scores(present), _scores(absent)
    quantile = _quantile(confidence)
    placed, others = placements(with_finding, without)
    value = float(placed.mean())
    variance = float(placed.var(ddof=1) / len(placed) + others.var(ddof=1) / len(others))
    if variance > 0.0 and 0.0 < value < 1.0:
        logit, width = np.log(value / (1.0 - value)), quantile * np.sqrt(variance) / (value * (1.0 - value))
        low, high = (1.0 / (1.0 + np.exp(-(logit + side * width))) for side in (-1.0, 1.0))
        method = "logit"
    else:
        low, high = score_interval(value, len(placed), len(others), quantile)
        method = "score"
    return Auc(value=value, error=float(np.sqrt(variance)), low=float(low), high=float(high), confidence=confidence,
               method=method, present=len(placed), absent=len(others))


def auc_difference(present_a: ArrayLike, absent_a: ArrayLike, present_b: ArrayLike, absent_b: ArrayLike, *,
                   confidence: float = 0.95) -> AucDifference:
    """AUC of scores a less that of scores b, both of the same cases in the same order.

    The covariance of the two is DeLong's. Raises InvalidInput for other numbers of cases in a and b.
    """
    a, b = (_scores(present_a), _scores(absent_a)), (_scores(present_b), _scores(absent_b))
    if len(a[0]) != len(b[0]) or len(a[1]) != len(b[1]):
        raise InvalidInput(message(f"{len(a[0])} and {len(a[1])} cases in a, {len(b[0])} and {len(b[1])} in b",
                                   "a difference on the same cases needs equal numbers", "Give scores of every case."))
    quantile = _quantile(confidence)
    (placed_a, others_a), (placed_b, others_b) = placements(*a), placements(*b)
    apart, beside = placed_a - placed_b, others_a - others_b
    value = float(apart.mean())
    error = float(np.sqrt(apart.var(ddof=1) / len(apart) + beside.var(ddof=1) / len(beside)))
    from scipy.special import ndtr

    p_value = float(2.0 * ndtr(-abs(value) / error)) if error > 0.0 else float(value == 0.0)
    return AucDifference(value=value, error=error, low=value - quantile * error, high=value + quantile * error,
                         confidence=confidence, p_value=p_value)


def roc_curve(present: ArrayLike, absent: ArrayLike) -> tuple[Floats, Floats]:
    """False and true positive fractions (points,) from (0, 0) to (1, 1), a point a score."""
    with_finding, without = _scores(present), _scores(absent)
    thresholds = np.unique(np.concatenate([with_finding, without]))[::-1]
    false = [1.0 - np.searchsorted(np.sort(without), t) / len(without) for t in thresholds]
    true = [1.0 - np.searchsorted(np.sort(with_finding), t) / len(with_finding) for t in thresholds]
    return np.array([0.0, *false]), np.array([0.0, *true])


def placements(present: Floats, absent: Floats) -> tuple[Floats, Floats]:
    """For each case, the share of cases of the other kind that it is ranked rightly against."""
    ordered, other = np.sort(absent), np.sort(present)
    above = 0.5 * (np.searchsorted(ordered, present) + np.searchsorted(ordered, present, side="right")) / len(absent)
    below = 1.0 - 0.5 * (np.searchsorted(other, absent) + np.searchsorted(other, absent, "right")) / len(present)
    return np.asarray(above, np.float64), np.asarray(below, np.float64)


def auc_variance(a: float, present: int, absent: int) -> float:
    """Variance of the AUC of so many cases where the true one is a (Newcombe's method 5, after Hanley and McNeil)."""
    more = 0.5 * (present + absent) - 1.0
    return a * (1.0 - a) * (1.0 + more * (1.0 - a) / (2.0 - a) + more * a / (1.0 + a)) / (present * absent)


def score_interval(value: float, present: int, absent: int, quantile: float) -> tuple[float, float]:
    """Newcombe's interval: where an AUC a would lie `quantile` of its own standard errors off `value`."""
    def distance(a: float) -> float:
        return abs(a - value) - quantile * float(np.sqrt(auc_variance(a, present, absent)))

    def crossing(inner: float, outer: float) -> float:
        for _ in range(80):
            middle = 0.5 * (inner + outer)
            inner, outer = (middle, outer) if distance(middle) < 0.0 else (inner, middle)
        return 0.5 * (inner + outer)

    step = 1e-9
    low = 0.0 if value <= step else crossing(value - step, step)
    high = 1.0 if value >= 1.0 - step else crossing(value + step, 1.0 - step)
    return low, high


def _scores(values: ArrayLike) -> Floats:
    scores = np.asarray(values, np.float64)
    if scores.ndim != 1 or len(scores) < 2 or not np.isfinite(scores).all():
        raise InvalidInput(message(f"scores of shape {scores.shape}",
                                   "AUC wants a finite score of two cases or more of each kind", "Give (cases,)."))
    return scores


def _quantile(confidence: float) -> float:
    from scipy.special import ndtri

    if not 0.0 < confidence < 1.0:
        raise InvalidInput(message(f"confidence={confidence}", "lies between 0 and 1", "Give for example 0.95."))
    return float(ndtri(0.5 + 0.5 * confidence))
