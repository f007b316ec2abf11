"""How a radiograph is shown to a reader: the logarithm by scales, small contrasts raised and large ones held down.

What the processing of any radiography unit does before a reader sees the image, without a vendor's secrets: the
logarithm is split into bands of scale (Laplacian pyramid); within each, contrasts go with a power below 1, so that
faint ones gain and edges of bone and skin do not overshoot; noise's own scales keep theirs; what is left at the
coarsest scale is compressed; a curve with soft shoulders spans the body.
Reference: P. J. Burt, E. H. Adelson, IEEE Trans. Commun. 31 (1983) 532; P. Vuylsteke, E. Schoeters, Proc. SPIE 2167
(1994) 551.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message

Floats = npt.NDArray[np.float64]

COARSEST_MM = 60.0  # larger structures are held down
FINEST_MM = 0.7  # smaller ones, where noise is, keep their contrast
_HELD = 0.62  # of the contrast at the coarsest scale
_REFERENCE = 0.35  # contrast (ln) that keeps its size
_MOST_GAIN = 2.0
_SHOULDER = 1.1


def displayed(
    log_attenuation: npt.NDArray[Any], pixel_mm: float, body: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Levels 0..1, (rows, columns), of ln(open field / signal) (rows, columns), dense parts white.

    `body`: (rows, columns) the pixels behind it, whose levels span black to white. Only additions, multiplications,
    divisions and square roots: the same bits on any CPU. Raises InvalidInput for shapes that differ and missing values.
    """
    image = np.asarray(log_attenuation, np.float64)
    if image.ndim != 2 or body.shape != image.shape or not np.isfinite(image).all():
        raise InvalidInput(message(
            f"image of shape {image.shape}, body of {body.shape}",
            f"a radiograph is (rows, columns), of finite numbers; {int((~np.isfinite(image)).sum())} are not",
            "Give one view's ln(open field / signal)."))
    bands, scale = [], pixel_mm
    rest = image
    while scale < COARSEST_MM and min(rest.shape) > 4:
        smaller = _reduced(rest)
        band = rest - _expanded(smaller, rest.shape)
        bands.append(band if scale < FINEST_MM else _raised(band))
        rest, scale = smaller, 2.0 * scale
    seen = rest[_sampled(body, rest.shape)]
    middle = float(np.median(seen)) if seen.size else float(np.median(rest))
    rest = middle + _HELD * (rest - middle)
    for band in reversed(bands):
        rest = np.add(_expanded(rest, band.shape), band, out=band)
    low, high = np.percentile(rest[body] if body.any() else rest, [1.0, 99.5])
    half = max(0.5 * (high - low), 0.1)
    place = rest - 0.5 * (low + high)
    place *= _SHOULDER
    place /= half
    most = _SHOULDER / np.sqrt(1.0 + _SHOULDER**2)
    root = np.multiply(place, place)
    root += 1.0
    np.sqrt(root, out=root)
    place *= 0.5
    place /= root
    place /= most
    place += 0.5
    return np.asarray(np.clip(place, 0.0, 1.0, out=place), np.float32)


def _raised(band: Floats) -> Floats:
    """Contrast c becomes c^(3/4) of the reference, at most _MOST_GAIN times as much."""
    root = np.abs(band)
    root /= _REFERENCE
    np.sqrt(np.sqrt(root, out=root), out=root)
    np.maximum(root, 1.0 / _MOST_GAIN, out=root)
    return np.multiply(band, np.divide(1.0, root, out=root), out=root)


def _reduced(image: Floats) -> Floats:
    """Smoothed by (1, 4, 6, 4, 1) / 16 along both axes, every second pixel."""
    for axis in (0, 1):
        padded = np.pad(image, [(2, 2) if one == axis else (0, 0) for one in (0, 1)], mode="reflect")
        parts = [_along(padded, slice(k, k + image.shape[axis], 2), axis) for k in range(5)]
        image, near = parts[0] + parts[4], parts[1] + parts[3]
        near *= 4.0
        image += near
        image += np.multiply(parts[2], 6.0, out=near)
        image /= 16.0
    return image


def _expanded(image: Floats, shape: tuple[int, ...]) -> Floats:
    """Twice as many pixels between those of `image`, by the same weights."""
    for axis, size in enumerate(shape):
        padded = np.pad(image, [(1, 1) if one == axis else (0, 0) for one in (0, 1)], mode="edge")
        before, here, after = (_along(padded, slice(k, k + image.shape[axis]), axis) for k in range(3))
        wide = np.empty([2 * image.shape[axis] if one == axis else image.shape[one] for one in (0, 1)])
        even, odd = (_along(wide, slice(k, None, 2), axis) for k in (0, 1))
        part = np.multiply(here, 6.0)
        part += before
        part += after
        np.divide(part, 8.0, out=even)
        np.multiply(np.add(here, after, out=part), 0.5, out=odd)
        image = _along(wide, slice(0, size), axis)
    return image


def _along(image: Floats, part: slice, axis: int) -> Floats:
    """Pixels of `part` of an axis, not copied."""
    return image[part] if axis == 0 else image[:, part]


def _sampled(body: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """The mask on a coarser grid of pixels."""
    rows, columns = (np.minimum(np.arange(n) * max(1, round(size / n)), size - 1)
                     for n, size in zip(shape, body.shape, strict=True))
    return np.asarray(body[np.ix_(rows, columns)])
