"""How a mammogram is shown: thickness evened out, edges lifted, a window with a soft shoulder.

What the processing of a mammography unit does before a reader sees the image, in five steps: (1) the skin line's fall
in thickness is taken out ring by ring of equal depth; (2) bands of 3 mm and 0.6 mm are raised; (3) a window from fat to
the densest gland; (4) a logistic curve; (5) the outermost millimetres dimmed, so that the skin is a line and no halo.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

BREAST = 0.08  # ln(open field / signal) of what counts as breast
_RING_MM = 0.8
_PLATEAU_MM = (11.0, 32.0)  # depths whose level stands for the full thickness
_NIPPLE_MM = 18.0  # opening radius that takes the nipple off the mask
_BANDS_MM, _GAINS = (3.0, 0.6), (1.25, 1.5)
_BEYOND_REACH = 4.0  # of it, beyond which nothing is carried
_SIGMAS_A_BLOCK = 4.0  # pixels of a Gaussian's width for each pixel of a block
_BEYOND_MM = 4.0  # how far the breast's edge is carried on beside it
_LEAST_SPAN = 0.55  # of the log signal: a breast of fat alone is not stretched to black and white
_LOGISTIC, _MIDDLE = 4.2, 0.52


def mammogram_levels(log_attenuation: npt.NDArray[Any], pixel_mm: float, *, chest_wall: str = "left",
                     thickness_mm: float = 50.0) -> npt.NDArray[np.float32]:
    """Display levels 0..1 (rows, columns) of ln(open field / signal) (rows, columns), dense parts white.

    chest_wall: the side of the image that the breast leaves, "left" or "right". thickness_mm: between the plates; depth
    at which the fall of thickness towards the skin has ended is half of it.

    Errors: InvalidInput for another side, or an image without breast.
    """
    from scipy import ndimage

    even, mask, depth, nipple = _evened(_walled(log_attenuation, chest_wall), pixel_mm, thickness_mm)
    outside = ~mask
    filled = np.where(outside, np.median(even[mask]), even)
    sharp = even.copy()
    for band, gain in zip(_BANDS_MM, _GAINS, strict=True):
        wide = ndimage.gaussian_filter(filled, band / pixel_mm, mode="nearest")
        narrow = ndimage.gaussian_filter(filled, 0.6 / pixel_mm, mode="nearest") if band > 1 else filled
        sharp += (gain - 1.0) * (narrow - wide) * (depth > 2.0)
    core = sharp[mask & (depth > 4.0)]
    low, high = np.percentile(core, [0.4, 99.2]) if core.size else (0.0, 1.0)
    high = max(high, low + _LEAST_SPAN)
    level = (sharp - low) / (high - low)
    curve = 1.0 / (1.0 + np.exp(-_LOGISTIC * (level - _MIDDLE)))
    bottom, top = (1.0 / (1.0 + np.exp(-_LOGISTIC * (edge - _MIDDLE))) for edge in (-0.1, 1.05))
    shown = np.clip((curve - bottom) / (top - bottom), 0.0, 1.0)
    dim = 0.5 + 0.5 * np.clip(depth / 3.5, 0.0, 1.0)
    shown *= np.where(nipple, np.maximum(dim, 0.62), dim)
    shown[outside] = 0.0
    return np.asarray(shown if chest_wall == "left" else shown[:, ::-1], np.float32)


def evened_attenuation(log_attenuation: npt.NDArray[Any], pixel_mm: float, *, chest_wall: str = "left",
                       thickness_mm: float = 50.0) -> tuple[Floats, Mask]:
    """ln(open field / signal) (rows, columns) as of a breast equally thick to its edge and beyond; where the breast is.

    Step 1 of `mammogram_levels`; beside the breast its surroundings go on. Errors and parameters: as there.
    """
    image = _walled(log_attenuation, chest_wall)
    part = _around_breast(image, pixel_mm)
    inside, breast, _, _ = _evened(image[part], pixel_mm, thickness_mm)
    level = float(np.median(inside[breast]))
    near = _smooth(np.where(breast, inside - level, 0.0), _BEYOND_MM / pixel_mm)
    near /= np.maximum(_smooth(breast.astype(np.float64), _BEYOND_MM / pixel_mm), 0.1)
    even, mask = np.full(image.shape, level), np.zeros(image.shape, np.bool_)
    even[part], mask[part] = np.where(breast, inside, level + near), breast
    return (even, mask) if chest_wall == "left" else (even[:, ::-1], mask[:, ::-1])


def _around_breast(image: Floats, pixel_mm: float) -> tuple[slice, slice]:
    """Rows and columns of the breast, and as far around as it is carried on."""
    reach = math.ceil(_BEYOND_REACH * _BEYOND_MM / pixel_mm)
    found = []
    for axis in (1, 0):
        hit = np.flatnonzero((image > BREAST).any(axis=axis))
        first, last = (int(hit[0]), int(hit[-1]) + 1) if len(hit) else (0, image.shape[1 - axis])
        found.append(slice(max(0, first - reach), min(image.shape[1 - axis], last + reach)))
    return found[0], found[1]


def _smooth(image: Floats, sigma: float) -> Floats:
    """By a Gaussian of `sigma` pixels; a wide one on means of blocks of pixels, linear between their middles.

    Blocks and the lines between them widen a point by (n^2 - 1) / 12 and n^2 / 6 pixels squared, which the Gaussian
    has less. Neglects: that this is no Gaussian: 0.5 % of an edge's height.
    """
    from scipy import ndimage

    n = int(sigma / _SIGMAS_A_BLOCK)
    if n < 2:
        return np.asarray(ndimage.gaussian_filter(image, sigma, mode="nearest"))
    rows, columns = image.shape
    whole = np.pad(image, ((0, -rows % n), (0, -columns % n)), mode="edge")
    blocks = whole.reshape(whole.shape[0] // n, n, whole.shape[1] // n, n).mean(axis=(1, 3))
    rest = math.sqrt(sigma**2 - (n**2 - 1) / 12.0 - n**2 / 6.0) / n
    wide = ndimage.zoom(ndimage.gaussian_filter(blocks, rest, mode="nearest"), n, order=1, mode="nearest",
                        grid_mode=True)
    return np.asarray(wide[:rows, :columns])


def _walled(log_attenuation: npt.NDArray[Any], chest_wall: str) -> Floats:
    """The image with the chest wall on the left."""
    if chest_wall not in ("left", "right"):
        raise InvalidInput(message(f"chest_wall={chest_wall!r}", "it is left or right", "Give 'left' or 'right'."))
    image = np.asarray(log_attenuation, np.float64)
    return image if chest_wall == "left" else image[:, ::-1]


def _evened(image: Floats, pixel_mm: float, thickness_mm: float) -> tuple[Floats, Mask, Floats, Mask]:
    """The image with its fall in thickness taken out, the breast, its depth (mm) and the nipple."""
    mask = image > BREAST
    if not mask.any():
        raise InvalidInput(message("log_attenuation", "nothing in it attenuates by more than 8 %",
                                   "Give ln(open field / signal) of a breast."))
    depth, nipple = _depth_mm(mask, pixel_mm)
    even = _even_thickness(image, mask & ~nipple, np.where(nipple, 1.5, depth), thickness_mm, pixel_mm)
    return _nipple_in_reach(even, mask, nipple, pixel_mm), mask, depth, nipple


def _depth_mm(mask: Mask, pixel_mm: float) -> tuple[Floats, Mask]:
    """Depth below the outline without nipple (mm), and the nipple's pixels; chest wall and cut edges are no edge."""
    from scipy import ndimage

    reach = round(2 * _NIPPLE_MM / pixel_mm)
    padded = np.pad(mask, ((reach, reach), (reach, 1)), mode="edge")
    inside = ndimage.distance_transform_edt(padded) * pixel_mm
    kept = inside >= _NIPPLE_MM
    opened = ndimage.distance_transform_edt(~kept) * pixel_mm < _NIPPLE_MM
    depth = ndimage.distance_transform_edt(opened) * pixel_mm
    own = (slice(reach, reach + mask.shape[0]), slice(reach, reach + mask.shape[1]))
    beyond = mask & ~opened[own]
    labels, count = ndimage.label(beyond)
    nipple = np.zeros_like(mask)
    if count:
        sizes = ndimage.sum_labels(beyond, labels, np.arange(1, count + 1))
        nipple = labels == 1 + int(np.argmax(sizes))
    return np.asarray(depth[own]), nipple


def _even_thickness(image: Floats, mask: Mask, depth: Floats, thickness_mm: float, pixel_mm: float) -> Floats:
    """The image with each ring's tenth percentile brought to that of the rings at full thickness."""
    from scipy import ndimage

    rings = np.minimum((depth / _RING_MM).astype(int), int(_PLATEAU_MM[1] / _RING_MM))
    levels = np.full(rings.max() + 1, np.nan)
    for ring in range(len(levels)):
        own = image[mask & (rings == ring)]
        if own.size > 50:
            levels[ring] = np.percentile(own, 10)
    known = np.isfinite(levels)
    if known.sum() < 2:
        return image.copy()
    places = np.arange(len(levels))
    levels = np.interp(places, places[known], levels[known])
    at_mm = (places + 0.5) * _RING_MM
    flat = (at_mm >= _PLATEAU_MM[0]) & (at_mm <= _PLATEAU_MM[1])
    plateau = float(levels[flat].mean()) if flat.any() else float(levels[-1])
    fade = np.clip((0.75 * thickness_mm - at_mm) / (0.25 * thickness_mm), 0.0, 1.0)
    correction = np.interp(depth, at_mm, (plateau - levels) * fade)
    return np.asarray(image + ndimage.gaussian_filter(correction, 0.6 / pixel_mm, mode="nearest"))


def _nipple_in_reach(even: Floats, mask: Mask, nipple: Mask, pixel_mm: float) -> Floats:
    """The image with nipple and areola brought towards the level of the breast behind them, smoothly.

    There the skin lies farther out than elsewhere at that depth, so the rings' correction leaves a dark band.
    """
    from scipy import ndimage

    if not nipple.any():
        return even
    wide = 1.5 / pixel_mm
    zone = _smooth((ndimage.distance_transform_edt(~nipple) * pixel_mm < 4.0).astype(np.float64), wide) * mask
    behind = mask & ~nipple & (zone < 0.02)
    level = float(np.percentile(even[behind], 75)) if behind.any() else 0.0
    weight = _smooth(mask.astype(np.float64), wide)
    local = _smooth(np.where(mask, even, 0.0), wide) / np.maximum(weight, 1e-6)
    return np.asarray(even + np.where(nipple, 1.0, zone) * 0.95 * (level - local))
