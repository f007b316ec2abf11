"""A network's image and few photons in one image, each weighed by its precision.

`S = NN + w (MC - NN)`, one scalar `w = b2 / (b2 + s2/N)`: b2 is the network's mean square relative error on held-out
patients like this one, s2/N the relative variance of the mean of N units of work, from this image's own batches. The
mean square error is then `1 / (1/b2 + N/s2)`: the network is worth a constant number of units, EP = s2/b2.
Reference: the precision-weighted mean of two estimates, W. G. Cochran, J. R. Stat. Soc. Suppl. 4 (1937) 102.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from physsim.errors import InvalidInput, message
from physsim.surrogate.batches import Batches, Floats, checked_prior


@dataclass(frozen=True, eq=False, kw_only=True)
class Blend:
    """S = NN + w (MC - NN) and what is expected of its error.

    image: (rows, columns) in the batches' unit. weight: w, 0 the network alone, 1 Monte Carlo alone. error: root of the
    expected mean square error over the mean of the truth (e_S), were the network's the b2 that was given.
    `weight_error`: standard error of w, for s2 is estimated from n batches. `equivalent_units`: EP = s2 / b2, the units
    of work that the network is worth. `noise`: root of s2 / N. `scale`: what stands for the mean of the truth.
    """

    image: Floats
    weight: float
    weight_error: float
    error: float
    equivalent_units: float
    noise: float
    scale: float


def blend(prior: ArrayLike, batches: Batches, network_variance: float, *, beside: float = 0.0) -> Blend:
    """Blend a network's image with the mean of batches; `network_variance` is b2, relative and squared (0.03^2).

    Errors are relative to the mean over pixels of the true image, which nobody knows: the mean of the Monte Carlo
    image stands for it, which is unbiased whatever the network does. `beside`: mean over pixels, in the same unit, of
    scatter that is known apart and not in these images (single scatter, where the network gives the multiple one);
    errors are then relative to both.

    Raises InvalidInput for a prior of another shape, a b2 that is not above 0, a Monte Carlo image of mean 0 or less.
    Neglects: the error of that stand-in (it is that of the mean of the image, a part of `noise`) and of s2: w errs by
    `weight_error`, which raises the mean square error by half of 1 / (n - 1) of itself at most.

    >>> rng = np.random.default_rng(1)
    >>> batches = Batches(images=rng.normal(100.0, 8.0, (16, 4, 5)), units=1.6e4)
    >>> mixed = blend(np.full((4, 5), 101.0), batches, 0.02**2)
    >>> 0.4 < mixed.weight < 0.6
    True
    """
    image = batches.mean
    network = checked_prior(prior, image.shape)
    if not 0.0 < network_variance < np.inf:
        raise InvalidInput(message(f"network_variance={network_variance}", "a network's mean square error is above 0",
                                   "Give b2 of the calibration, for example 0.03**2."))
    scale = mean_for_truth(image, beside)
    noise = batches.variance / scale**2
    weight = network_variance / (network_variance + noise)
    relative = np.sqrt(2.0 / ((batches.count - 1) * effective_freedom(batches)))  # of the variance's estimate
    return Blend(image=network + weight * (image - network), weight=weight,
                 weight_error=float(weight * (1.0 - weight) * relative),
                 error=float(np.sqrt(weight * noise)), equivalent_units=batches.units * noise / network_variance,
                 noise=float(np.sqrt(noise)), scale=scale)


def mean_for_truth(image: Floats, beside: float = 0.0) -> float:
    """The mean over pixels that stands for the truth's; InvalidInput where it is not above 0."""
    scale = float(image.mean()) + beside
    if not scale > 0.0:
        raise InvalidInput(message(f"mean of the Monte Carlo image {scale:.3g}",
                                   "errors are relative to it, so it must be above 0",
                                   "Ask for more photons, or leave the scatter out."))
    return scale


def effective_freedom(batches: Batches) -> float:
    """How many independent pixels the noise is worth, tr(Sigma)^2 / tr(Sigma^2), from 1 to the number of pixels.

    Both by their unbiased estimates for normal batches, so that the rank n - 1 does not bound it.
    Reference: Z. Bai, H. Saranadasa, Stat. Sinica 6 (1996) 311, for tr(Sigma^2).
    """
    deviations = (batches.images - batches.mean).reshape(batches.count, -1)
    free = batches.count - 1
    gram = deviations @ deviations.T / free
    trace, square = float(np.trace(gram)), float((gram * gram).sum())
    if trace <= 0.0:
        return 1.0
    unbiased = free**2 / ((free - 1) * (free + 2)) * (square - trace**2 / free)
    ratio = trace**2 / unbiased - 2.0 / free if unbiased > 0.0 else np.inf
    return float(np.clip(ratio, 1.0, deviations.shape[1]))
