"""What lies within the places of a detector where scatter is known: a shape made by physics, brought to their means."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from physsim.imaging.scattered import pixel_weights
from physsim.transport.ordered import product

Floats = NDArray[np.float64]

_NEAR, _MOST_ROUNDS, _STEP = 1e-3, 50, 2.0
_EVEN = 1e-3  # of the shape's mean
_HALF = 0.5  # of a width of places: what edges within them are missed by


def fitted_shapes(places: Floats, guesses: Floats) -> Floats:
    """(views, rows, columns) of each view the mixture of its `guesses` (views, n, rows, columns) whose means over
    places are nearest to `places` (views, places down, places across) in least squares; none counts less than nothing.
    """
    views, count, rows, columns = guesses.shape
    down, across = places.shape[1:]
    means = guesses.reshape(views, count, down, rows // down, across, columns // across).mean(axis=(3, 5))
    found = [nnls(seen.reshape(count, -1).T, wanted.ravel())[0] for seen, wanted in zip(means, places, strict=True)]
    return np.asarray(np.einsum("vn,vnrc->vrc", np.array(found), guesses))


def with_means(delivered: Floats, shapes: Floats) -> Floats:
    """(views, rows, columns) of `shapes`, each times a smooth field, whose means over places are `delivered` (views,
    places down, places across) within _NEAR of their mean; where a shape holds nothing, beside a breast, an even one
    stands for it."""
    views, rows, columns = shapes.shape
    down, across = delivered.shape[1:]
    to_rows, to_columns = pixel_weights(down, rows), np.ascontiguousarray(pixel_weights(across, columns).T)
    found = shapes + _EVEN * shapes.mean(axis=(1, 2), keepdims=True)
    wanted = np.maximum(delivered, 0.0)
    near = _NEAR * wanted.mean(axis=(1, 2))
    left = np.arange(views)
    for _ in range(_MOST_ROUNDS):
        means = found[left].reshape(-1, down, rows // down, across, columns // across).mean(axis=(2, 4))
        far = np.abs(means - wanted[left]).max(axis=(1, 2)) > near[left]
        left, means = left[far], means[far]
        if not left.size:
            break
        ratio = np.clip(wanted[left] / np.maximum(means, 1e-300), 1.0 / _STEP, _STEP)
        half = product(to_rows, np.ascontiguousarray(ratio.transpose(1, 0, 2)))  # (rows, views, places across)
        field = product(half.reshape(-1, across), to_columns).reshape(rows, len(left), columns)
        found[left] *= np.maximum(field.transpose(1, 0, 2), 0.0)
    return np.asarray(found)


def missed_structure(places: Floats, shapes: Floats) -> Floats:
    """(views,) e_S that is stated of what lies within places (views, places down, places across): the larger of how far
    images are from those without the shapes, and of half of what places twice as wide and high would miss of these
    (edges, as of shadows at the skin, are missed in proportion to a place).

    Neglects: that what is smooth is missed less: behind a grid it is 0.7 to 1.6 times the error found, without one more
    than it (docs/hybrid.md).
    """
    views, down, across = places.shape
    rows, columns = shapes.shape[1:]
    plain = with_means(places, np.ones_like(shapes))
    added = ((with_means(places, shapes) - plain) ** 2).mean(axis=(1, 2))
    wide = places.reshape(views, down // 2, 2, across // 2, 2).mean(axis=(2, 4))
    told = with_means(wide, shapes).reshape(views, down, rows // down, across, columns // across).mean(axis=(2, 4))
    missed = _HALF**2 * ((told - places) ** 2).mean(axis=(1, 2))
    return np.asarray(np.sqrt(np.maximum(added, missed)) / np.maximum(places.mean(axis=(1, 2)), 1e-300))
