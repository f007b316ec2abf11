"""Bounds on an image's error that assume nothing of the network: only that batches are independent and about normal.

Let r = MC - NN be the mean of n batches less the network's image, delta its expectation (the network's error), Sigma
the covariance of a batch, estimated from the n batches. |.| is the root of the mean square over pixels.
The bound on |delta| is the largest D such that, were delta of length D along the least detectable direction (that of
most noise, the leading eigenvector u1), a |r| as small as the one seen would come with probability `level`:

    P( D + t s1 g1 <= sqrt(|r|^2 - t^2 sum_{i>1} s_i^2 g_i^2) ) = level,   t = sqrt((n - 1) / chi2_{n-1})

with g normal and s_i^2 the eigenvalues of Sigma / n. In one dimension this is D = |r| + t_{0.95} s, and as |r| >= D + z
it covers at least 1 - level exactly. It differs from the two-sided form P(|D u1 + noise|^2 <= |r|^2) only where |r| is
within the noise: that one is somewhat narrower there, but covers only 93.5 % in one dimension at n = 8, and gives
D = 0 where |r| happens to be small.

The n batches have rank n - 1: all comes from the dual n x n problem. Sample eigenvalues spread more than the true ones,
which widens the bound where the noise has many independent parts and n is small; pooling (`residuals` of several
independent views or patients) uses that these are independent.
The probability is an average over 2,048 fixed draws of t and g_i, i > 1, exact in g1: the same input gives the same
bound. Coverage over directions, spectra, n and skewed batches: docs/hybrid.md, `python -m physsim._benchmarks.bounds`.
Neglects: that batches are not normal. Skewed ones whose few histories miss rare large scores make every error
estimate too small, this one too.
Reference: for one dimension Student (1908); for the dual problem, e.g. I. T. Jolliffe, Principal Component Analysis,
2nd ed. (2002), section 3.5.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message
from physsim.randomness import Stream
from physsim.surrogate.batches import Floats, checked_batches

LEVEL = 0.05
_DRAWS = 2048
_FIRST_LOOK = 0.8  # of what is left of the level is spent at a look



def error_bound(residuals: ArrayLike | Sequence[ArrayLike], *, level: float = LEVEL) -> float:
    """The bound on the root mean square of the residuals' expectation: it is larger with probability `level` at most.

    residuals: (n, rows, columns) batches less the network's image (or any fixed linear map of that difference), in any
    unit, which is the bound's too; or a sequence of such arrays of independent noise, one a view of a scan or a patient
    of a cohort: the bound is then on the root of the mean over them of the mean square, each counted alike. Where they
    are to be compared relative to their own mean, divide them first.

    Raises InvalidInput for fewer than 8 batches, or a level that is not between 0 and 1/2.

    >>> rng = np.random.default_rng(1)
    >>> batches = 100.0 + rng.normal(0.0, 8.0, (16, 1, 1)) + np.zeros((16, 4, 5))     # the noise of one mode
    >>> 3.0 < error_bound(batches - 97.0) < 8.0
    True
    """
    groups = _groups(residuals)
    return error_bound_of(_mean_square(groups), noise_modes(groups), level)


def noise_bound(residuals: ArrayLike | Sequence[ArrayLike], *, level: float = LEVEL) -> float:
    """The bound on the root mean square of the batches' mean's own error, with probability `level` that it is larger.

    residuals: as in `error_bound`; the network's image has no effect.
    """
    return noise_bound_of(noise_modes(_groups(residuals)), level)


def blend_bound(residuals: ArrayLike | Sequence[ArrayLike], weight: float, *, level: float = LEVEL) -> float:
    """The bound on the error of the image delivered, NN + w (MC - NN): (1 - w) D + w Q.

    D and Q, the bounds on the network's error and on the noise, are each at the whole `level`: the blend errs by
    w noise - (1 - w) delta, which is long only where the noise opposes delta, and there r is short by no more than what
    D allows for. Covers 95 % or more in simulation for w from 0 to 1, and so does the limit of one dimension.
    """
    if not 0.0 <= weight <= 1.0:
        raise InvalidInput(message(f"weight={weight}", "a weight lies between 0 and 1", "Give w of the blend."))
    groups = _groups(residuals)
    modes = noise_modes(groups)
    noise = weight * noise_bound_of(modes, level) if weight > 0.0 else 0.0
    return noise + ((1.0 - weight) * error_bound_of(_mean_square(groups), modes, level) if weight < 1.0 else 0.0)


def over_truth(bound: float, mean: float) -> float:
    """A bound on e_S = error / mean of the truth, from one on the error and the `mean` of the image that has it.

    The mean of an image errs by no more than its root mean square error, so the truth's mean is `mean - bound` or more:
    bound / (mean - bound), infinite where that is not above 0. No further probability is spent.

    >>> round(over_truth(2.0, 100.0), 4)
    0.0204
    """
    return bound / (mean - bound) if mean > bound else np.inf


def spent(level: float, look: int) -> float:
    """The part of `level` that look 0, 1, 2, ... may spend: 0.8 of what is left, so that all looks together keep it.

    The first look spends most, for looks that cannot succeed are not made (physsim/surrogate/verdict.py).

    >>> round(sum(spent(0.05, look) for look in range(60)), 6)
    0.05
    """
    return level * _FIRST_LOOK * (1.0 - _FIRST_LOOK) ** look


def noise_modes(groups: Sequence[Floats]) -> tuple[tuple[Floats, float], ...]:
    """For each group of batches (n, ...): mean squares s_i^2 (n - 1,) of its mean's noise, largest first, and n - 1.

    Counted so that they add up over all groups to the mean square of the noise, every group weighing alike.
    """
    modes = []
    for batches in groups:
        apart = (batches - batches.mean(axis=0)).reshape(len(batches), -1)
        free = len(batches) - 1
        gram = apart @ apart.T / (apart.shape[1] * len(batches) * free * len(groups))
        modes.append((np.maximum(np.linalg.eigvalsh(gram)[:0:-1], 0.0), free))
    return tuple(modes)


def error_bound_of(mean_square: float, modes: tuple[tuple[Floats, float], ...], level: float = LEVEL) -> float:
    """`error_bound` from the mean square of the mean residual and the noise's modes."""
    _check_level(level)
    drawn = drawn_noise(modes)
    longest = float(np.sqrt(mean_square))
    if not drawn[0].any():
        return longest
    return _crossing(lambda length: error_chance(mean_square, length, drawn) - level,
                     longest + 2.0 * float(np.sqrt(np.mean(drawn[0] ** 2))))


def error_chance(mean_square: float, length: float, drawn: tuple[Floats, Floats]) -> float:
    """The left side of the law above: how probable so small a mean square is, were the error `length` long."""
    from scipy.special import ndtr

    lead, rest = drawn
    reach = np.sqrt(np.maximum(mean_square - rest, 0.0))
    return float(np.mean(np.where(mean_square >= rest, ndtr((reach - length) / lead), 0.0)))


def noise_bound_of(modes: tuple[tuple[Floats, float], ...], level: float = LEVEL) -> float:
    """`noise_bound` from the noise's modes."""
    _check_level(level)
    lead, rest = drawn_noise(modes)
    if not lead.any():
        return 0.0
    from scipy.special import ndtr

    def excess(length: float) -> float:
        reach = np.sqrt(np.maximum(length * length - rest, 0.0))
        return 1.0 - float(np.mean(2.0 * ndtr(reach / lead) - 1.0)) - level

    return _crossing(excess, 2.0 * float(np.sqrt(np.mean(lead * lead) + rest.mean())))


def _crossing(excess: Callable[[float], float], upper: float) -> float:
    """Where a falling function passes 0; 0 where it is below from the start."""
    from scipy.optimize import brentq

    if excess(0.0) <= 0.0:
        return 0.0
    while excess(upper) > 0.0:
        upper *= 2.0
    return float(brentq(excess, 0.0, upper, xtol=1e-6 * upper, rtol=1e-6))


def drawn_noise(modes: tuple[tuple[Floats, float], ...]) -> tuple[Floats, Floats]:
    """(draws,) t s1 of the leading part, and (draws,) t^2 sum of s_i^2 g_i^2 of all others.

    The leading part has the t of its own group. The others have one t together, of as many degrees of freedom as their
    sum's estimate has (Satterthwaite): a t for each of many groups would raise that sum, whose estimate is unbiased.
    """
    leading = int(np.argmax([squares[0] if len(squares) else 0.0 for squares, _ in modes]))
    rest = np.zeros(_DRAWS)
    for number, (squares, _) in enumerate(modes):
        others = squares[1:] if number == leading else squares
        if len(others):  # groups are independent in a draw
            rest += np.roll(_squared_normals(len(others)) @ others, number - leading)
    sums = np.array([squares.sum() for squares, _ in modes])
    spread = float(np.sum(sums**2 / [freedom for _, freedom in modes]))
    squares, freedom = modes[leading]
    together = freedom if len(modes) == 1 or not spread > 0.0 else float(sums.sum() ** 2 / spread)
    return _t_scales(freedom) * np.sqrt(squares[0]), rest * _t_scales(together) ** 2


@lru_cache(maxsize=64)
def _t_scales(freedom: float) -> Floats:
    """(draws,) sqrt(f / chi2_f) at the middle of as many equal parts of its distribution, in a fixed random order."""
    from scipy.special import gammaincinv

    part = (np.argsort(Stream(0, "order of t scales").uniform64(np.arange(_DRAWS))[:, 0]) + 0.5) / _DRAWS
    scales: NDArray[np.float64] = np.sqrt(0.5 * freedom / gammaincinv(0.5 * freedom, part))
    return scales


@lru_cache(maxsize=64)
def _squared_normals(parts: int) -> Floats:
    """(draws, parts) squares of independent normal numbers, each column's mean 1 exactly."""
    from scipy.special import ndtri

    draws = Stream(0, "noise modes").uniform64(np.arange(_DRAWS)[:, None], np.arange((parts + 1) // 2)[None])
    squares = ndtri(draws.reshape(_DRAWS, -1)[:, :parts]) ** 2
    return np.asarray(squares / squares.mean(axis=0))


def _groups(residuals: ArrayLike | Sequence[ArrayLike]) -> tuple[Floats, ...]:
    """One array of batches is one group."""
    if isinstance(residuals, (list, tuple)):
        return tuple(checked_batches(one) for one in residuals)
    return (checked_batches(residuals),)  # type: ignore[arg-type]


def _mean_square(groups: Sequence[Floats]) -> float:
    return float(np.mean([np.mean(one.mean(axis=0) ** 2) for one in groups]))


def _check_level(level: float) -> None:
    if not 0.0 < level < 0.5:
        raise InvalidInput(message(f"level={level}", "a bound fails with a probability between 0 and 1/2",
                                   "Give 0.05 for a bound of 95 %."))
