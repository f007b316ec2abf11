"""CT numbers: accuracy in regions of known material, uniformity over a disc, contrast to noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.errors import InvalidInput, did_you_mean, message

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class HuRow:
    """One region: `mean` and `noise` (standard deviation of a pixel), HU; `error`: of the mean, from the slices' own
    means (None with one slice, as neighbouring pixels share noise); `difference`: mean less expected."""

    name: str
    expected: float
    mean: float
    noise: float
    error: float | None
    difference: float


@dataclass(frozen=True, kw_only=True)
class Uniformity:
    """Means of a disc's middle and of four regions near its edge (right, lower, left, upper in the image), HU.

    `largest_difference`: of an edge from the middle, with its sign (IEC 61223-3-5). `noise`: of the middle.
    """

    centre: float
    edges: tuple[float, float, float, float]
    largest_difference: float
    noise: float


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """Contrast of a region to its background, the background's noise, and their ratio `value` (CNR)."""

    value: float
    contrast: float
    noise: float


def disc(shape: tuple[int, int], pixel_mm: float, centre_mm: tuple[float, float], radius_mm: float) -> Mask:
    """(rows, columns) pixels whose centres lie in a disc; `centre_mm`: (x, y) from the image's middle, right and down.

    Raises InvalidInput for a disc without pixels.
    """
    y, x = ((np.arange(size) - 0.5 * (size - 1)) * pixel_mm for size in shape)
    inside = np.hypot(x[None, :] - centre_mm[0], y[:, None] - centre_mm[1]) <= radius_mm
    if not inside.any():
        raise InvalidInput(message(f"disc at {centre_mm} mm of radius {radius_mm:g} mm", "holds no pixel of the image",
                                   "Move it or make it larger."))
    return np.asarray(inside)


def hu_accuracy(volume_hu: ArrayLike, regions: Mapping[str, Mask], expected: Mapping[str, float]) -> list[HuRow]:
    """Mean CT numbers of `regions` (rows, columns) of slices (rows, columns) or (slices, rows, columns) by name.

    Raises InvalidInput for regions of another size, without pixels, or without an expected value.
    """
    slices = _slices(volume_hu)
    rows = []
    for name, region in regions.items():
        if name not in expected:
            raise InvalidInput(message(f"region {name!r}", "no value is expected for it", did_you_mean(name, expected)))
        pixels = slices[:, _region(region, slices.shape[1:])]
        means = pixels.mean(axis=1)
        error = float(means.std(ddof=1) / np.sqrt(len(means))) if len(means) > 1 else None
        rows.append(HuRow(name=name, expected=float(expected[name]), mean=float(means.mean()),
                          noise=float(np.sqrt(pixels.var(axis=1).mean())), error=error,
                          difference=float(means.mean() - expected[name])))
    return rows


def uniformity(volume_hu: ArrayLike, pixel_mm: float, radius_mm: float, *, centre_mm: tuple[float, float] = (0.0, 0.0),
               region_mm: float | None = None, inset_mm: float = 10.0) -> Uniformity:
    """CT numbers in the middle and near the edge of a uniform disc of `radius_mm` at `centre_mm` (x, y).

    Regions have `region_mm` diameter (a tenth of the disc's if left out); those at the edge end `inset_mm` inside it.
    """
    slices = _slices(volume_hu)
    size = 0.1 * 2.0 * radius_mm if region_mm is None else region_mm
    reach = radius_mm - inset_mm - 0.5 * size
    if not reach > size:
        raise InvalidInput(message(f"radius_mm={radius_mm:g}, region_mm={size:g}, inset_mm={inset_mm:g}",
                                   "middle and edge would overlap", "Give smaller regions."))
    means, noises = [], []
    for across, down in ((0.0, 0.0), (reach, 0.0), (0.0, reach), (-reach, 0.0), (0.0, -reach)):
        place = (centre_mm[0] + across, centre_mm[1] + down)
        shape = (slices.shape[1], slices.shape[2])
        pixels = slices[:, disc(shape, pixel_mm, place, 0.5 * size)]
        means.append(float(pixels.mean()))
        noises.append(float(np.sqrt(pixels.var(axis=1).mean())))
    right, lower, left, upper = means[1:]
    largest = max((edge - means[0] for edge in means[1:]), key=abs)
    return Uniformity(centre=means[0], edges=(right, lower, left, upper), largest_difference=largest, noise=noises[0])


def contrast_to_noise(image: ArrayLike, region: Mask, background: Mask) -> Contrast:
    """Mean of `region` less that of `background`, over the background's standard deviation.

    Raises InvalidInput for masks of another size or without pixels, and a background without noise.
    """
    slices = _slices(image)
    inside = slices[:, _region(region, slices.shape[1:])]
    outside = slices[:, _region(background, slices.shape[1:])]
    noise = float(np.sqrt(outside.var(axis=1).mean()))
    if not noise > 0.0:
        raise InvalidInput(message("background", "all its pixels are equal", "Without noise there is no such ratio."))
    contrast = float(inside.mean() - outside.mean())
    return Contrast(value=contrast / noise, contrast=contrast, noise=noise)


def _slices(volume: ArrayLike) -> Floats:
    array = np.asarray(volume, np.float64)
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or not np.isfinite(array).all():
        raise InvalidInput(message(f"volume of shape {array.shape}", "must be (slices,) rows, columns, finite",
                                   "Give slices."))
    return array


def _region(region: Mask, shape: tuple[int, ...]) -> Mask:
    mask = np.asarray(region)
    if mask.dtype != np.bool_ or mask.shape != shape or not mask.any():
        raise InvalidInput(message(f"region of shape {mask.shape} and dtype {mask.dtype}",
                                   f"must mark some of {shape} pixels by True", "Make it for example by disc(...)."))
    return mask
