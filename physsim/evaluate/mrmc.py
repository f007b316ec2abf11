"""Multi-reader multi-case studies: the mean AUC of readers, and how it varies with the draw of readers and of cases.

Every reader reads every case. The variance is the one-shot estimate: a weighted sum of eight second moments of "rightly
ranked", each estimated without bias by a U-statistic.
Neglects: designs that are not fully crossed. Reference: B. D. Gallas, Acad. Radiol. 13 (2006) 353; B. D. Gallas et al.,
Commun. Stat. Theory 38 (2009) 2586; degrees of freedom: S. L. Hillis, Stat. Med. 26 (2007) 596.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mrmc:
    """A mean over readers (an AUC, or a difference of two) that holds for other readers and other cases.

    `value`; `variance`, without bias and so below 0 now and then in small studies; `error`: its root (0 then);
    interval `low` to `high` by Student's t with `degrees_of_freedom`; `p_value`: of no effect (0 for a difference, 0.5
    for an AUC). `by_reader`: (readers,). `variance_readers`: what would be left of the variance with endless cases;
    `variance_cases`: with endless readers (the two do not add up to `variance`: both kinds act together too).
    `moments`: (8,) Gallas' M1 to M8.
    """

    value: float
    error: float
    low: float
    high: float
    confidence: float
    degrees_of_freedom: float
    p_value: float
    by_reader: Floats
    variance: float
    variance_readers: float
    variance_cases: float
    moments: Floats


def mrmc_auc(present: ArrayLike, absent: ArrayLike, *, confidence: float = 0.95) -> Mrmc:
    """Mean AUC of readers from scores `present` (readers, cases with the finding) and `absent` (readers, without).

    Raises InvalidInput for fewer than two readers or cases of a kind, or missing scores.
    """
    return _study(_success(present, absent), 0.5, confidence)


def mrmc_difference(present_a: ArrayLike, absent_a: ArrayLike, present_b: ArrayLike, absent_b: ArrayLike, *,
                    confidence: float = 0.95) -> Mrmc:
    """Mean AUC of modality a less that of b, read by the same readers on the same cases, in the same order."""
    a, b = _success(present_a, absent_a), _success(present_b, absent_b)
    if a.shape != b.shape:
        raise InvalidInput(message(f"a has (readers, present, absent) {a.shape}, b {b.shape}",
                                   "both modalities need the same readers and cases", "Give every reading."))
    return _study(a - b, 0.0, confidence)


def _study(kernel: Floats, null: float, confidence: float) -> Mrmc:
    from scipy.special import stdtr, stdtrit

    if not 0.0 < confidence < 1.0:
        raise InvalidInput(message(f"confidence={confidence}", "lies between 0 and 1", "Give for example 0.95."))
    readers, present, absent = kernel.shape
    moments = _moments(kernel)
    by_reader = kernel.mean(axis=(1, 2))
    value, variance = float(by_reader.mean()), float(_weights(readers, present, absent) @ moments)
    between = float(by_reader.var(ddof=1)) / readers  # the part of the variance that falls as 1 / readers
    error = float(np.sqrt(max(variance, 0.0)))
    freedom = (readers - 1) * (max(variance, between) / between) ** 2 if between > 0.0 else np.inf
    freedom = float(min(freedom, 1e6))
    reach = float(stdtrit(freedom, 0.5 + 0.5 * confidence)) * error
    p_value = 2.0 * float(stdtr(freedom, -abs(value - null) / error)) if error > 0.0 else float(value == null)
    return Mrmc(value=value, error=error, low=value - reach, high=value + reach, confidence=confidence,
                degrees_of_freedom=freedom, p_value=p_value, by_reader=by_reader, variance=variance,
                variance_readers=float(moments[3] - moments[7]) / readers,
                variance_cases=float(_pairs(present, absent) @ moments[4:] - moments[7]), moments=moments)


def _moments(s: Floats) -> Floats:
    """Means of products of two entries of `s` (readers, present, absent), by what the two have in common.

    M1 to M4 of one reader: the same pair of cases; the same present, another absent case; the other way round; neither.
    M5 to M8 the same of two readers.
    """
    readers, present, absent = s.shape
    by_present, by_absent, by_reader = s.sum(2), s.sum(1), s.sum((1, 2))
    all_readers = s.sum(0)
    squares = float((s * s).sum())
    same_present, same_absent = float((by_present**2).sum()), float((by_absent**2).sum())
    one = np.array([squares, same_present - squares, same_absent - squares,
                    float((by_reader**2).sum()) - same_present - same_absent + squares])
    crossed = float((all_readers**2).sum())
    over_present, over_absent = float((all_readers.sum(1) ** 2).sum()), float((all_readers.sum(0) ** 2).sum())
    any_reader = np.array([crossed, over_present - crossed, over_absent - crossed,
                           float(all_readers.sum()) ** 2 - over_present - over_absent + crossed])
    pairs = np.array([1.0, absent - 1.0, present - 1.0, (absent - 1.0) * (present - 1.0)]) * readers * present * absent
    return np.concatenate([one / pairs, (any_reader - one) / (pairs * (readers - 1.0))])


def _weights(readers: int, present: int, absent: int) -> Floats:
    """Coefficients of the moments in the variance of the mean (Gallas 2006, equation 13)."""
    pairs = _pairs(present, absent)
    weights = np.concatenate([pairs, pairs * (readers - 1.0)]) / readers
    weights[7] -= 1.0
    return weights


def _pairs(present: int, absent: int) -> Floats:
    """How probable it is that two pairs of cases drawn from the study have in common what M1 to M4 say."""
    return np.array([1.0, absent - 1.0, present - 1.0, (absent - 1.0) * (present - 1.0)]) / (present * absent)


def _success(present: ArrayLike, absent: ArrayLike) -> Floats:
    """(readers, present, absent): 1 where the case with the finding has the higher score, 0.5 for a tie."""
    x, y = np.asarray(present, np.float64), np.asarray(absent, np.float64)
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or min(*x.shape, *y.shape) < 2:
        raise InvalidInput(message(f"scores of shapes {x.shape} and {y.shape}",
                                   "a study has two readers or more, who read two cases or more of each kind",
                                   "Give (readers, cases) twice."))
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise InvalidInput(message("scores", "hold NaN or infinity", "Every reader must have read every case."))
    return np.asarray((x[:, :, None] > y[:, None, :]) + 0.5 * (x[:, :, None] == y[:, None, :]), np.float64)
