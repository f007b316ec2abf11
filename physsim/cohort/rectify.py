"""A figure of a whole cohort from fast images of all its cases, rectified by full ones of a random few.

A network images M cases, full Monte Carlo a random m of them. Prediction-powered inference adds to the network's figure
of the M - m others what it errs by on the m, tuned:
theta = theta_full(m) - lambda (theta_fast(m) - theta_fast(others)).
lambda is the regression of the one error on the other, so that a network that says nothing gets lambda near 0 and the m
cases stand alone. The two sets do not overlap, which their variances want.

For a mean this is the regression estimator of double sampling; its variance holds the price of estimating lambda too.
AUC and differences of AUC go by their placements (the influence function of a U-statistic), quantiles by turning round
the test of each threshold.
Neglects: the draw of readers; cases that are not independent; that the normal law is approximate for few cases
(coverage from m = 20 on: docs/hybrid.md).
Reference: A. N. Angelopoulos, J. C. Duchi, T. Zrnic, PPI++, arXiv:2311.01453 (2023); A. N. Angelopoulos et al., Science
382 (2023) 669; double sampling: W. G. Cochran, Sampling Techniques, 3rd ed. (1977), section 12.6; placements: E. R.
DeLong et al., Biometrics 44 (1988) 837.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from physsim.cohort.rectified import Rectified, interval
from physsim.cohort.rectify_auc import Placed, rectified_auc
from physsim.cohort.rectify_quantile import rectified_quantile
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.randomness import Stream

Floats = NDArray[np.float64]
Statistic = Literal["mean", "auc", "auc difference", "quantile"]
Score = float | tuple[float, float]

LEAST_FULL = 10  # full cases (of each kind, for an AUC half of that)


class RectifiableCase(Protocol):
    """What `rectify` reads of a case: a `Case`, or any object with these attributes."""

    @property
    def fast(self) -> Score:
        """The figure from the network's image; two (of a and b) for a difference."""

    @property
    def full(self) -> Score | None:
        """The same from the full Monte Carlo image; None where there is none."""

    @property
    def present(self) -> bool | None:
        """Whether the finding is there, for an AUC."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A case of a cohort: its figure from the fast image, that from the full one or None, whether it has the finding.

    >>> Case(fast=0.31, full=0.29, present=True).full
    0.29
    """

    fast: Score
    full: Score | None = None
    present: bool | None = None


def rectify(cases: Sequence[RectifiableCase], statistic: Statistic = "mean", *, quantile: float | None = None,
            confidence: float = 0.95) -> Rectified:  # fmt: skip
    """Mean, AUC, difference of AUC (a less b) or `quantile` of the full figure over the population of the cases.

    cases: those that have a `full` must be a random part of all (`cohort_subset`). Scores are larger where the finding
    is likelier. For "auc difference", `fast` and `full` are pairs (a, b).

    Raises InvalidInput for fewer than 10 cases with a full figure or without one (for an AUC 5 of each kind), figures
    that are missing or not finite, a quantile that has no effect or is not between 0 and 1.

    >>> import physsim as ps
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.normal(5.0, 1.0, 400)
    >>> fast = truth + 0.4 + rng.normal(0.0, 0.2, 400)
    >>> part = set(ps.cohort_subset(400, 40, seed=1))
    >>> mean = ps.rectify([ps.Case(fast=f, full=t if i in part else None) for i, (f, t) in enumerate(zip(fast, truth))])
    >>> mean.low < truth.mean() < mean.high and mean.worth > 100
    True
    """
    if statistic not in ("mean", "auc", "auc difference", "quantile"):
        raise InvalidInput(message(f"statistic={statistic!r}", "is none that can be rectified",
                                   did_you_mean(str(statistic), ("mean", "auc", "auc difference", "quantile"))))
    if not 0.0 < confidence < 1.0:
        raise InvalidInput(message(f"confidence={confidence}", "lies between 0 and 1", "Give for example 0.95."))
    if (quantile is not None) != (statistic == "quantile"):
        raise InvalidInput(message(f"quantile={quantile}", f'with statistic="{statistic}"',
                                   'Give quantile=0.9 with "quantile", else leave it out.'))
    width = 2 if statistic == "auc difference" else 1
    full = _scores([case.full for case in cases if case.full is not None], width, "full")
    fast = _scores([case.fast for case in cases], width, "fast")
    chosen = np.array([case.full is not None for case in cases], bool)
    if statistic in ("auc", "auc difference"):
        present = np.array([case.present is True for case in cases], bool)
        if any(case.present is None for case in cases):
            raise InvalidInput(message("present", "is missing in a case", "Say of each whether it has the finding."))
        for kind in (True, False):
            for part, name in ((chosen, "with"), (~chosen, "without")):
                _check_count(int((part & (present == kind)).sum()), LEAST_FULL // 2,
                             f"cases {name} a full figure where present={kind}")
        placed = [Placed.of(*_split(values, held), difference=width == 2) for values, held in (
            (full, present[chosen]), (fast[chosen], present[chosen]), (fast[~chosen], present[~chosen]))]  # fmt: skip
        return rectified_auc(*placed, confidence=confidence, difference=width == 2)
    for count, name in ((int(chosen.sum()), "with"), (int((~chosen).sum()), "without")):
        _check_count(count, LEAST_FULL, f"cases {name} a full figure")
    if quantile is not None:
        return rectified_quantile(full[:, 0], fast[chosen, 0], fast[~chosen, 0], quantile, confidence)
    return rectified_mean(full[:, 0], fast[chosen, 0], fast[~chosen, 0], confidence)


def rectified_mean(full: Floats, fast: Floats, others: Floats, confidence: float) -> Rectified:
    """Of full figures (m,), the network's on the same cases (m,) and on the others (M - m,).

    theta = mean(full) + b (mean of all fast - mean(fast)), b by least squares: lambda is b (M - m) / M. The residuals'
    part of the variance is HC3, which has the error of b in it; the interval is Student's with m - 2.
    Reference: J. G. MacKinnon, H. White, J. Econom. 29 (1985) 305.
    """
    count, everyone = len(full), np.concatenate([fast, others])
    apart = fast - fast.mean()
    square = float(apart @ apart)
    slope = float(apart @ full) / square if square > 0.0 else 0.0
    shift = float(everyone.mean() - fast.mean())
    residual = full - full.mean() - slope * apart
    lever = 1.0 / count + (apart * apart / square if square > 0.0 else 0.0)
    part = 1.0 / count + (apart * shift / square if square > 0.0 else 0.0)
    kept = np.maximum(1.0 - lever, 1.0 / count)  # a case that alone sets the slope has no residual of its own
    variance = float(np.sum((part * residual / kept) ** 2)) + slope**2 * float(everyone.var(ddof=1)) / len(everyone)
    value = float(full.mean()) + slope * shift
    error = float(np.sqrt(variance))
    low, high = interval(value, error, count - 2, confidence)
    return Rectified(value=value, error=error, low=low, high=high, confidence=confidence,
                     weight=slope * len(others) / len(everyone), alone=float(full.mean()),
                     alone_error=float(full.std(ddof=1) / np.sqrt(count)), full=count, others=len(others))


def cohort_subset(cases: int, full: int, *, seed: int) -> tuple[int, ...]:
    """Numbers of the `full` of `cases` cases that are to be run with full Monte Carlo: a random part, sorted.

    >>> cohort_subset(10, 3, seed=7) == cohort_subset(10, 3, seed=7)
    True
    """
    if not 0 < full <= cases:
        raise InvalidInput(message(f"{full} of {cases} cases", "is no part of them", "Ask for fewer."))
    order = np.argsort(Stream(seed, "cases with full Monte Carlo").uniform64(np.arange(cases))[:, 0])
    return tuple(sorted(int(number) for number in order[:full]))


def _split(values: Floats, present: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    return values[present], values[~present]


def _scores(values: Sequence[Score], width: int, name: str) -> Floats:
    try:
        scores = np.array([np.atleast_1d(np.asarray(one, np.float64)) for one in values]).reshape(len(values), -1)
    except (TypeError, ValueError):
        scores = np.full((1, width), np.nan)
    if scores.size and (scores.shape[1] != width or not np.isfinite(scores).all()):
        raise InvalidInput(message(f"{name} figures", f"are not {width} finite number(s) in each case",
                                   'A pair for "auc difference", else one number.'))
    return scores.reshape(-1, width)


def _check_count(found: int, least: int, name: str) -> None:
    if found < least:
        raise InvalidInput(message(f"{found} {name}", f"an error needs {least} or more", "Run more cases."))
