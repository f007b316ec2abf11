"""What many images say together: a CT scan's views, or the patients of a cohort.

Views (patients) have independent noise, so an error that all of them share shows after few photons in each.
Scatter changes slowly with the angle, and so does what a network errs by: a scan's views are delivered as
S = NN + w P (MC - NN), P the projection on the lowest modes over the views (waves of a full turn, cosines of an arc),
so that noise falls by the share of modes kept. The network's error in the modes kept is held by the bound of bound.py,
from P r; of what it errs by in faster modes nothing is known but what the caller says (`roughness`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from physsim.errors import InvalidInput, message
from physsim.surrogate.batches import Batches, Floats, checked_batches, checked_prior
from physsim.surrogate.blend import mean_for_truth
from physsim.surrogate.bound import LEVEL, error_bound, error_bound_of, noise_bound_of, over_truth


@dataclass(frozen=True, eq=False, kw_only=True)
class BoundedScan:
    """Views delivered, and the bound of their error that assumes nothing of the network.

    image: (views, rows, columns); weight: w; kept: modes over the views in which photons count; bound: of e_S over all
    views (RMS error over the mean of the truth, both over all pixels of all views), with probability `level` that it is
    larger; network_bound: the same with w = 0; montecarlo_bound: with w = 1.
    """

    image: Floats
    weight: float
    kept: int
    bound: float
    network_bound: float
    montecarlo_bound: float
    level: float


@dataclass(frozen=True, kw_only=True)
class BoundedCohort:
    """A network's error over a cohort: root of the mean over patients of the mean square, each relative to the mean of
    the network's own image.

    bound: with probability `level` that it is larger; error: its estimate, the root of the mean of |r|^2 - tr(Sigma)/n
    (0 where that is below 0). patients; units: of work in all.
    """

    bound: float
    error: float
    level: float
    patients: int
    units: float


def blend_scan(prior: ArrayLike, batches: ArrayLike, network_variance: float, *, kept: int | None = None,
               roughness: float = 0.0, periodic: bool = False, level: float = LEVEL) -> BoundedScan:  # fmt: skip
    """Blend a scan's views with the network's and bound the error.

    prior: (views, rows, columns); batches: (views, n, rows, columns) in one unit, of equal work; network_variance: b2
    over scans, relative and squared; `kept`: modes over the views in which photons correct the network, None: all;
    `roughness`: root mean square of the network's error in the others, over the mean of the truth, or more;
    `periodic`: views evenly around a full turn.

    Raises InvalidInput for shapes that do not fit, fewer than 8 batches, b2 not above 0, kept not 1 to views, roughness
    below 0 or without effect.
    """
    views = len(np.asarray(prior))
    if kept is not None and not 1 <= kept <= views:
        raise InvalidInput(message(f"kept={kept}", f"modes are 1 to {views}", "Change it."))
    low = None if kept is None else low_modes_over_views(views, kept, periodic)
    pooled = PooledScan.of(prior, batches, low=low, roughness=roughness)
    if not 0.0 < network_variance < np.inf:
        raise InvalidInput(message(f"network_variance={network_variance}", "a network's mean square error is above 0",
                                   "Give b2 of its calibration."))
    weight = pooled.weight(network_variance)
    return BoundedScan(image=pooled.image(weight), weight=weight, kept=pooled.kept, bound=pooled.bound(weight, level),
                       network_bound=pooled.bound(0.0, level), montecarlo_bound=pooled.bound(1.0, level), level=level)


@dataclass(frozen=True, eq=False, kw_only=True)
class PooledScan:
    """A scan's views by a network and by batches, which may be blended by any weight and bounded at any level.

    prior: (views, rows, columns); seen: P (MC - NN), likewise; scale: mean of MC; noise: root mean square of P MC's
    noise over the scale; modes: of that noise; roughness: see blend_scan.
    """

    prior: Floats
    seen: Floats
    kept: int
    scale: float
    noise: float
    modes: tuple[tuple[Floats, float], ...]
    roughness: float

    @classmethod
    def of(cls, prior: ArrayLike, batches: ArrayLike, *, low: Floats | None = None, roughness: float = 0.0
           ) -> PooledScan:
        """See blend_scan; low: (views, views) projection on the modes kept, None: on all."""
        images = np.asarray(batches, np.float64)
        if images.ndim != 4:
            raise InvalidInput(message(f"batches of shape {images.shape}", "a scan has (views, batches, rows, columns)",
                                       "Stack the views."))
        for one in images:
            checked_batches(one)
        views, mean = len(images), np.asarray(images.mean(axis=1))
        network = checked_prior(prior, mean.shape)
        low = np.eye(views) if low is None else low
        kept = round(float(np.trace(low)))
        if not 0.0 <= roughness < 1.0 or (roughness > 0.0 and kept == views):
            raise InvalidInput(message(f"roughness={roughness} with {kept} of {views} modes",
                                       "it is what the network errs by in modes left out",
                                       "Give 0 where all are kept."))
        scale = mean_for_truth(mean)
        variances = images.var(axis=1, ddof=1).mean(axis=(1, 2)) / images.shape[1]
        noise = float(np.sqrt(max(float(np.diagonal(low) @ variances), 0.0) / views)) / scale
        return cls(prior=network, seen=np.tensordot(low, mean - network, 1), kept=kept, scale=scale, noise=noise,
                   modes=filtered_modes(images, low), roughness=roughness)

    def weight(self, network_variance: float) -> float:
        """Of the photons, for a network of that b2."""
        return network_variance / (network_variance + self.noise**2)

    def image(self, weight: float) -> Floats:
        """(views, rows, columns) blended."""
        return np.asarray(self.prior + weight * self.seen)

    def bound(self, weight: float, level: float, mean_square: float | None = None) -> float:
        """Of the blend's e_S. Modes kept and left are orthogonal. `mean_square`: |P r|^2 over the squared scale to take
        in place of the one seen, so that the bound follows from the spread of batches alone."""
        square = float(np.mean(self.seen**2)) if mean_square is None else mean_square * self.scale**2
        length = (1.0 - weight) * error_bound_of(square, self.modes, level) if weight < 1.0 else 0.0
        length += weight * noise_bound_of(self.modes, level)
        mean = float(self.image(weight).mean()) if mean_square is None else self.scale
        return float(np.hypot(over_truth(length, mean), self.roughness))


def bound_cohort(priors: Sequence[ArrayLike], batches: Sequence[Batches], *, level: float = LEVEL) -> BoundedCohort:
    """Bound a network's error over patients from few photons in each; it needs no held-out patients.

    priors: the network's images, batches: of the same patients, in the same order; any shapes and numbers of batches.

    Raises InvalidInput for none or unequal numbers of them, or a network's image whose mean is not above 0.
    Neglects: that the truth's mean is not the network's (they differ by the bounded error at most).
    """
    if not batches or len(priors) != len(batches):
        raise InvalidInput(message(f"{len(priors)} images of the network, {len(batches)} of Monte Carlo",
                                   "a cohort has both of each patient", "Give as many."))
    residuals, squares = [], []
    for prior, one in zip(priors, batches, strict=True):
        network = checked_prior(prior, one.images.shape[1:])
        scale = mean_for_truth(network)
        residuals.append((one.images - network) / scale)
        squares.append((float(np.mean((one.mean - network) ** 2)) - one.variance) / scale**2)
    return BoundedCohort(bound=error_bound(residuals, level=level), error=max(float(np.mean(squares)), 0.0) ** 0.5,
                         level=level, patients=len(batches), units=float(sum(one.units for one in batches)))


def low_modes_over_views(views: int, kept: int, periodic: bool = False) -> Floats:
    """(views, views) projection on the lowest `kept` modes over the views: of DCT-II, or waves of a full turn, of which
    an even number of modes keeps one less."""
    place = (np.arange(views) + 0.5) / views
    if periodic:
        waves = np.arange(1, (min(kept, views - 1) - 1) // 2 + 1)[:, None]
        parts = [np.ones((1, views)), *(np.sqrt(2.0) * turn(2.0 * np.pi * waves * place) for turn in (np.cos, np.sin))]
        if kept == views:
            return np.eye(views)
        modes = np.concatenate(parts) / np.sqrt(views)
    else:
        modes = np.cos(np.pi * np.arange(kept)[:, None] * place) * np.sqrt(2.0 / views)
        modes[0] /= np.sqrt(2.0)
    return np.asarray(modes.T @ modes)


def filtered_modes(images: Floats, over_views: Floats) -> tuple[tuple[Floats, float], ...]:
    """Modes of a linear map over views (views, views) of the noise of the means of batches (views, n, rows, columns).

    As in `noise_modes`; the leading mode has as many degrees of freedom as the views in it give, (n - 1) / sum of
    squares of their shares, the others those of their sum (Satterthwaite).
    """
    views, count = images.shape[:2]
    free = count - 1
    apart = (images - images.mean(axis=1, keepdims=True)).reshape(views * count, -1)
    product = np.repeat(np.repeat(over_views.T @ over_views, count, axis=0), count, axis=1)
    gram = product * (apart @ apart.T) / (apart.shape[1] * count * free * views)
    squares, vectors = np.linalg.eigh(gram)
    shares = (vectors[:, -1] ** 2).reshape(views, count).sum(axis=1)
    of_views = np.diagonal(gram).reshape(views, count).sum(axis=1)
    together = free * of_views.sum() ** 2 / max(float(np.sum(of_views**2)), np.finfo(float).tiny)
    squares = np.maximum(squares[::-1], 0.0)
    others = squares[1:]
    return ((squares[:1], float(free / np.sum(shares**2))), (others[others > 1e-9 * squares[0]], float(together)))
