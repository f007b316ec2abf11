"""One-sided limits of a share, of tries that are independent or that come in patients whose tries are alike.

References: C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404; E. L. Korn, B. I. Graubard, Surv. Methodol. 24
(1998) 193, for tries in clusters: as many independent ones as would give the share the error that it has.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message

Limits = tuple[float | None, float | None]
CONFIDENCE = 0.95


def limits(found: float, tried: float, confidence: float = CONFIDENCE) -> Limits:
    """One-sided lower and upper limit of a probability, each at `confidence`; None where nothing was tried.

    >>> tuple(round(one, 4) for one in limits(1890, 2000))
    (0.9359, 0.9531)
    """
    from scipy.special import betaincinv

    if not 0 <= found <= tried:
        raise InvalidInput(message(f"{found} of {tried}", "a share counts some of all", "Give 0 to all."))
    if not tried:
        return None, None
    low = 0.0 if not found else float(betaincinv(found, tried - found + 1, 1.0 - confidence))
    high = 1.0 if found == tried else float(betaincinv(found + 1, tried - found, confidence))
    return low, high


def limits_over(clusters: int, share: float, error: float, tried: int) -> Limits:
    """The same of a share with a standard error over `clusters` patients, found of so many tries.

    Its error has clusters - 1 degrees of freedom. No more is said of patients than so many of them could show: where
    none fails, a share of them that all would miss with 5 % may still fail in all.

    >>> tuple(round(one, 4) for one in limits_over(125, 0.945, 0.0051, 2000))
    (0.9358, 0.9532)
    """
    from scipy.special import stdtrit

    if not tried:
        return None, None
    if clusters < 2:
        return limits(share, 1.0)
    worth = share * (1.0 - share) / error**2 if error > 0.0 and 0.0 < share < 1.0 else float(tried)
    shrunk = (stdtrit(tried - 1.0, CONFIDENCE) / stdtrit(clusters - 1.0, CONFIDENCE)) ** 2
    worth = min(worth * shrunk, float(tried))
    low, high = limits(share * worth, worth)
    all_of, none_of = limits(clusters, clusters)[0], limits(0, clusters)[1]
    return min(low or 0.0, all_of or 0.0), max(high or 0.0, none_of or 0.0)


def share_over(holds: NDArray[np.bool_], patient: NDArray[np.int64]) -> Limits:
    """Limits of the share of `holds` among the tries of patients, (tries,) each."""
    patients, whose = np.unique(patient, return_inverse=True)
    count = len(patients)
    if not count:
        return None, None
    share = float(holds.mean())
    apart = np.bincount(whose, weights=holds - share)
    error = float(np.sqrt((apart**2).sum() * count / max(count - 1, 1))) / len(holds)
    return limits_over(count, share, error, len(holds))
