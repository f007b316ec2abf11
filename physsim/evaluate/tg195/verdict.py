"""When a figure agrees with the report.

| figure | agrees within | standard error at most |
|---|---|---|
| case 1 | 0.2 % | 0.1 % |
| totals of cases 2 and 3 | the codes' lowest and highest | 0.1 % |
| regions above 20 eV a history | 1 % | 0.3 % |
| other regions | 1 % | 1 % |

The difference counts as it is: a standard error is no excuse. A figure with a larger error than that has a verdict
only where it cannot agree: more than three standard errors outside; else it is undecided, and the command fails. VOIs
1 and 5 of case 3 have none (public codes put them in different places), nor have figures without a reference.
"""

from __future__ import annotations

from physsim.evaluate.tg195.published import Reference
from physsim.transport.montecarlo_result import Estimate

LARGE_EV = 20.0  # figures above it are to be known better
LARGE_ERROR, SMALL_ERROR, TOTAL_ERROR = 0.003, 0.01, 0.001  # largest relative standard errors
LAYER_LIMIT, REGION_LIMIT = 0.002, 0.01  # largest relative differences
DOUBTFUL = {("3", "VOI 1"), ("3", "VOI 5")}
_SIGMAS = 3.0


def passes(case: str, region: str, found: Estimate, known: Reference) -> bool | None:
    """Whether a figure agrees with its reference; None: no verdict."""
    if (case, region) in DOUBTFUL:
        return None
    if known.low is not None and known.high is not None:
        low, high, error = known.low, known.high, TOTAL_ERROR
    else:
        limit = LAYER_LIMIT if case == "1" else REGION_LIMIT
        low, high = (1.0 - limit) * known.mean, (1.0 + limit) * known.mean
        error = TOTAL_ERROR if case == "1" else LARGE_ERROR if known.mean > LARGE_EV else SMALL_ERROR
    if found.error <= error * found.value:
        return low <= found.value <= high
    outside = max(low - found.value, found.value - high)
    return False if outside > _SIGMAS * found.error else None
