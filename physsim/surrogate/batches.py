"""Independent batches of Monte Carlo: what the blend, the gate and the bounds know of an image's truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, message

Floats = NDArray[np.float64]

LEAST_BATCHES = 8  # the t distribution of fewer is so wide that a bound says little


@dataclass(frozen=True, eq=False, kw_only=True)
class Batches:
    """n independent, equally distributed estimates of one image, which together took `units` units of work.

    images: (n, rows, columns) float64, or any shape behind n, in one unit. A unit of work is a photon history, a Sobol
    point, ... : whatever the variance of the mean falls with as 1 / units.

    Raises InvalidInput for fewer than 8 batches, values that are not finite, units that are not above 0.

    >>> batches = Batches(images=np.arange(16.0).reshape(8, 2), units=8e3)
    >>> batches.mean
    array([7., 8.])
    """

    images: Floats
    units: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", checked_batches(self.images))
        if not 0.0 < self.units < np.inf:
            raise InvalidInput(message(f"units={self.units}", "batches took some work", "Give the number of photons."))

    @property
    def count(self) -> int:
        """The number n of batches."""
        return len(self.images)

    @property
    def mean(self) -> Floats:
        """(rows, columns): the Monte Carlo estimate."""
        return np.asarray(self.images.mean(axis=0))

    @property
    def variance(self) -> float:
        """Mean over pixels of the variance of `mean`, tr(Sigma) / n, from the spread of batches: unbiased."""
        return float(self.images.var(axis=0, ddof=1).mean() / self.count)


def checked_batches(images: ArrayLike) -> Floats:
    """`images` as (n, ...) float64, or InvalidInput where they are no 8 finite batches of an image."""
    values = np.asarray(images, np.float64)
    if values.ndim < 2 or len(values) < LEAST_BATCHES or not values.size:
        raise InvalidInput(message(f"batches of shape {values.shape}",
                                   f"an error needs {LEAST_BATCHES} independent images or more",
                                   "Give (batches, rows, columns)."))
    if not np.isfinite(values).all():
        raise InvalidInput(message("batches", "hold values that are not finite", "Look at the run that made them."))
    return values


def checked_prior(prior: ArrayLike, shape: tuple[int, ...]) -> Floats:
    """A network's image as float64 of `shape`, or InvalidInput."""
    image = np.asarray(prior, np.float64)
    if image.shape != shape or not np.isfinite(image).all():
        raise InvalidInput(message(f"prior image of shape {image.shape}",
                                   f"it must be finite and of the shape of a batch, {shape}",
                                   "Give the network's image on the pixels of the batches."))
    return image
