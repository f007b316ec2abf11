"""How often guarantees hold, found from truths that have noise of their own.

A view is judged by x, its mean square error over that of its guarantee, of which the truth leaves an unbiased estimate
m. To count m <= 1 finds too few: most views lie within, and of those near 1 more are moved out than in. So the
distribution of x is looked for that would give the m found, a density whose logarithm is a polynomial of log(x), by
penalised likelihood, and its share below 1 is stated. Its error is from fits to patients drawn again with replacement,
all views of one together.
Reference: B. Efron, Biometrika 103 (2016) 1. Extrapolation from more noise to none (J. R. Cook, L. A. Stefanski, J. Am.
Stat. Assoc. 89 (1994) 1314) asks nothing of the noise, but a third of its variance and twice the error: docs/hybrid.md.
Neglects: what such a polynomial cannot follow, and that an error may lie along another part of the truth's noise than
errors of other views do: of both docs/hybrid.md has what they cost in simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim.surrogate.batches import Batches

Floats = NDArray[np.float64]

TRUTH_RATIO = 0.16  # noise of an e_S as large as its guarantee, over that: the largest tried with a bias below 0.2 %
_DEGREE, _PENALTY = 7, 1.0
_LEAST, _MOST, _POINTS = 0.05, 3.0, 160  # of e_S over the guarantee; beyond, no noise makes doubtful what was missed
_DRAWS = 200


@dataclass(frozen=True, eq=False, kw_only=True)
class Judged:
    """Views by what the truth says of them. square: (views,) m; noise: (views,) mean square of the truth's standard
    errors; along: (views,) `along` of the image; in units of the guarantee. freedom: (views,) how many independent
    parts the noise has (pooled_freedom); patient: (views,) whose views they are."""

    square: Floats
    noise: Floats
    freedom: Floats
    along: Floats
    patient: NDArray[np.int64]

    def some(self, mask: NDArray[np.bool_]) -> Judged:
        """Those of `mask`."""
        return Judged(square=self.square[mask], noise=self.noise[mask], freedom=self.freedom[mask],
                      along=self.along[mask], patient=self.patient[mask])

    @property
    def lean(self) -> float:
        """How much of the noise lies along the errors, over its mean part: one number, little is known of a view."""
        part = self.noise / self.freedom
        usual = float((np.maximum(self.square, 0.0) * part).sum())
        return max(float((self.along - self.noise * part).sum()) / usual, 0.0) if usual > 0.0 else 1.0


def truth_noise(guarantee: float, freedom: float) -> float:
    """Standard error that a truth may have to judge a guarantee, both in e_S, where its noise has so many parts.

    m has the variance 4 x s^2/f + 2 s^4/f (s over the guarantee), and so e_S, where it is the guarantee, the error
    TRUTH_RATIO at s^2 = sqrt(1 + 2 f TRUTH_RATIO^2) - 1.

    >>> [round(truth_noise(1.0, freedom), 2) for freedom in (2.0, 10.0, 36.0)]
    [0.22, 0.48, 0.83]
    """
    return guarantee * float(np.sqrt(np.sqrt(1.0 + 2.0 * freedom * TRUTH_RATIO**2) - 1.0))


def pooled_freedom(noise: Floats, freedom: Floats, alike: NDArray[np.float64]) -> Floats:
    """(views,) of all views with one value of `alike` together: what the few batches of one view say errs by a third,
    which as a spread of the noise would pass for one of the errors (1.5 % of coverage in simulation)."""
    _, whose = np.unique(alike, return_inverse=True)
    whole, parts = (np.bincount(whose, weights=one) for one in (noise**2, noise**2 / freedom))
    return np.asarray((whole / np.maximum(parts, 1e-300))[whose])


def along(image: Floats, truth: Batches) -> float:
    """Variance of the mean over places of (image - truth) times the truth's noise: the noise along the error, and what
    the truth's own noise adds, s^4 / freedom in the mean."""
    axes = tuple(range(1, truth.images.ndim))
    return float(((image - truth.mean) * truth.images).mean(axis=axes).var(ddof=1) / truth.count)


def held_share(judged: Judged, draws: int = _DRAWS) -> tuple[float, float]:
    """Share of views with x <= 1, and its standard error from `draws` of patients (NaN of fewer than two)."""
    near = judged.square <= _MOST**2
    if not near.any():
        return 0.0, 0.0
    likelihood, best = _fitted(judged.some(near))
    share = _below(best) * float(near.mean())
    patients, whose = np.unique(judged.patient, return_inverse=True)
    count = len(patients)
    if count < 2:
        return share, np.nan
    rng, found = np.random.default_rng(count), []
    for _ in range(draws):
        times = rng.multinomial(count, np.full(count, 1.0 / count))[whose].astype(np.float64)
        some = times[near]
        held = _below(_fit(likelihood, some, best)) if some.any() else 0.0
        found.append(held * float(some.sum() / times.sum()))
    return share, float(np.std(found) * np.sqrt(count / (count - 1.0)))


def root_factor(judged: Judged) -> float:
    """Mean of e_S over that of the roots of m (of 0 where m is less), which noise makes too small: by a twentieth with
    truths of the law."""
    near, found = judged.square <= _MOST**2, np.sqrt(np.maximum(judged.square, 0.0))
    if not near.any() or not found.any():
        return 1.0
    likelihood, best = _fitted(judged.some(near))
    weights = likelihood * _density(best)
    true = found.copy()
    true[near] = (weights @ np.sqrt(_points()[0])) / weights.sum(axis=1)
    return float(true.mean() / found.mean())


def _fitted(judged: Judged) -> tuple[Floats, Floats]:
    likelihood = _likelihood(judged)
    return likelihood, _fit(likelihood, np.ones(len(likelihood)), np.zeros(_DEGREE))


@lru_cache(maxsize=1)
def _points() -> tuple[Floats, Floats]:
    """(points,) of x, evenly in its logarithm; (points, degree) polynomials of that, of mean 0 and mean square 1."""
    values = np.polynomial.legendre.legvander(np.linspace(-1.0, 1.0, _POINTS), _DEGREE)[:, 1:]
    values = values - values.mean(axis=0)
    return np.geomspace(_LEAST**2, _MOST**2, _POINTS), np.asarray(values / np.sqrt((values**2).mean(axis=0)))


def _likelihood(judged: Judged) -> Floats:
    """(views, points) density of m at each x, times any number of the view.

    m and the noise taken off it are a sum of squares of normal numbers, whose power h = 1 - mean third / (3 variance^2)
    is about normal (D. R. Jensen, H. Solomon, J. Am. Stat. Assoc. 67 (1972) 898).
    """
    x, noise, part = _points()[0], judged.noise[:, None], (judged.noise / judged.freedom)[:, None]
    cell = x * np.log(x[1] / x[0])  # between two points: told apart no better than that
    lean, mean = judged.lean, x + noise
    variance = 4.0 * lean * part * x + 2.0 * noise * part + cell**2 / 12.0
    third = 24.0 * (lean * part) ** 2 * x + 8.0 * noise * part**2
    power = 1.0 - mean * third / (3.0 * variance**2)
    spread = power * np.sqrt(variance) / mean
    found = np.maximum(judged.square[:, None] + noise, 1e-9) / mean
    away = (found**power - 1.0 - 0.5 * power * (power - 1.0) * variance / mean**2) / spread
    exponent = -0.5 * away**2 + (power - 1.0) * np.log(found) - 0.5 * np.log(variance)
    return np.asarray(np.exp(exponent - exponent.max(axis=1, keepdims=True)))


def _density(coefficients: Floats) -> Floats:
    exponent = _points()[1] @ coefficients
    found = np.exp(exponent - exponent.max())
    return np.asarray(found / found.sum())


def _fit(likelihood: Floats, times: Floats, first: Floats) -> Floats:
    """Coefficients of the largest likelihood less their length; `times`: how often each view is there."""
    from scipy.optimize import minimize

    polynomials, views = _points()[1], float(times.sum())

    def loss(coefficients: Floats) -> tuple[float, Floats]:
        density = _density(coefficients)
        each = likelihood @ density + 1e-300
        pull = density * ((times / each) @ likelihood) - views * density
        length = float(np.sqrt(coefficients @ coefficients + 1e-8))
        return (_PENALTY * length - float(times @ np.log(each)),
                _PENALTY * coefficients / length - polynomials.T @ pull)

    return np.asarray(minimize(loss, first, jac=True, method="BFGS", options={"maxiter": 200}).x)


def _below(coefficients: Floats) -> float:
    """The share of the density below x = 1; of the cell that 1 lies in, a part in proportion."""
    x, edges = _points()[0], np.append(0.0, np.cumsum(_density(coefficients)))
    return float(np.interp(0.5 - np.log(x[0]) / np.log(x[1] / x[0]), np.arange(_POINTS + 1), edges))
