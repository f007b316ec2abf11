"""Blur of images by a detector's depth layers: small kernels from the transfer functions, applied in C++.

The kernel of each layer, for signal and for noise, is the transform of what transfer.py wants below the Nyquist
frequency, cut where it stays within 0.5 % (1.5 % in the last tenth below Nyquist, where it has a kink), and written as
a sum of few products of a row and a column.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import instruction_set, thread_count
from physsim.errors import InvalidInput, message
from physsim.imaging.detector.transfer import (
    aperture_transfer,
    cosine_of_turns,
    crosstalk_transfer,
    layer_transfer,
    noise_transfer,
)
from physsim.spec.absorber import IdealAbsorber
from physsim.spec.detector import Detector

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_GRID = 64  # frequencies of a whole period, each way
_LARGEST = 24  # radius in pixels
_CLOSE = 0.45  # cycles a pixel: beyond lies a kink at Nyquist
_ERROR, _ERROR_AT_NYQUIST = (5e-4, 5e-3), (1e-3, 1.5e-2)  # absolute + relative, of the transfer function


@dataclass(frozen=True, eq=False)
class BlurKernel:
    """Symmetric kernel: sum over terms of across[t, |i|] x along[t, |j|]; (terms, radius + 1) float32 each, sum 1."""

    across: NDArray[np.float32]
    along: NDArray[np.float32]

    @property
    def is_identity(self) -> bool:
        """Whether it changes nothing."""
        return bool(self.across.shape[1] == 1)

    def whole(self) -> Floats:
        """(2 radius + 1, 2 radius + 1), columns along the second axis."""
        along, across = (np.concatenate([one[:, :0:-1], one], axis=1).astype(np.float64)
                         for one in (self.along, self.across))
        return np.asarray((along[:, :, None] * across[:, None, :]).sum(axis=0))


def blur_kernel(detector: Detector, layer: int = 0, *, noise: bool = False) -> BlurKernel:
    """The kernel of a depth layer for images of independent pixels: of the signal, or of the noise in it.

    Raises InvalidInput for a layer that the detector has not, and for a spread over too many pixels.
    """
    if not 0 <= layer < detector.depth_layers:
        raise InvalidInput(message(f"layer={layer}", f"this detector has {detector.depth_layers} depth layers",
                                   "Count them from 0."))
    return _kernel(detector, layer, noise)


def kernel_of(quarter: Floats) -> BlurKernel:
    """A symmetric kernel from a quarter of it (radius + 1, radius + 1), its middle first; it is cut as all are. Its
    transfer function may change its sign."""
    radius = len(quarter) - 1
    places = np.zeros((_LARGEST + 2, _LARGEST + 2))
    places[:radius + 1, :radius + 1] = quarter
    cosine = _cosine()
    wanted = _transform(places, cosine)
    return BlurKernel(*_cut(places, wanted, _allowed(np.abs(wanted)), cosine, "the kernel"))


def blur(
    images: Images, detector: Detector, layer: int = 0, *, noise: bool = False, threads: int | None = None
) -> Images:
    """Images (views, rows, columns) blurred by a depth layer's kernel; mirrored at the edges, so sums are kept."""
    kernel = blur_kernel(detector, layer, noise=noise)
    return blurred(images, kernel, threads=threads)


def blurred(
    images: Images, kernel: BlurKernel, *, onto: Images | None = None, threads: int | None = None
) -> Images:
    """Images (views, rows, columns) float32 blurred by `kernel`; the same bits for any threads and CPU.

    `onto`: C-contiguous float32 images that they are added to, and which are returned. Raises InvalidInput for other
    shapes.
    """
    array = np.ascontiguousarray(images, np.float32)
    if kernel.is_identity:
        if onto is None:
            return array.copy()
        onto += array
        return onto
    radius = kernel.across.shape[1] - 1
    if array.ndim != 3:
        raise InvalidInput(message(f"images of shape {array.shape}", "blur takes views of a detector",
                                   "Give (views, rows, columns)."))
    out = np.empty_like(array) if onto is None else onto
    if out.shape != array.shape:
        raise InvalidInput(message(f"images of shape {out.shape} to add to", f"those to blur are {array.shape}",
                                   "Give the same shape."))
    if min(array.shape[1:]) < radius:  # few rows, as of a fan: mirrored more than once
        aside = [radius if count < radius else 0 for count in array.shape[1:]]
        wide = np.pad(array, ((0, 0), *((one, one) for one in aside)), mode="symmetric")
        rows, columns = (slice(one, one + count) for one, count in zip(aside, array.shape[1:], strict=True))
        found = blurred(wide, kernel, threads=threads)[:, rows, columns]
        np.add(out, found, out=out) if onto is not None else np.copyto(out, found)
        return out
    _engine.blur(array, kernel.across, kernel.along, out, onto is not None, thread_count(threads), instruction_set())
    return out


@lru_cache(maxsize=64)
def _kernel(detector: Detector, layer: int, noise: bool) -> BlurKernel:
    cells = np.arange(_GRID // 2 + 1) / _GRID
    u, v = cells[:, None] / detector.pixel_mm[0], cells[None, :] / detector.pixel_mm[1]
    if noise:
        wanted = np.sqrt(noise_transfer(detector, layer, u, v))
    else:
        wanted = layer_transfer(detector, layer, np.sqrt(u * u + v * v)) * crosstalk_transfer(detector, u, v)
        if not isinstance(detector.absorber, IdealAbsorber) and detector.fill_factor < 1.0:
            whole = detector.replace(absorber=detector.absorber.replace(fill_factor=1.0))
            wanted = wanted * aperture_transfer(detector, u, v) / aperture_transfer(whole, u, v)
    weight = np.where((cells == 0.0) | (cells == 0.5), 1.0, 2.0) / _GRID
    cosine = _cosine()
    half = sum(weight[n] * cosine[n, :, None] * wanted[n][None, :] for n in range(len(cells)))  # (place, frequency)
    places = np.asarray(sum(weight[n] * half[:, n, None] * cosine[n][None, :] for n in range(len(cells))))
    return BlurKernel(*_cut(places, wanted, _allowed(wanted), cosine, f"{detector.pixel_mm[0]:g} mm"))


def _cosine() -> Floats:
    """(frequencies, places) cos(2 pi frequency place)."""
    return cosine_of_turns((np.arange(_GRID // 2 + 1) / _GRID)[:, None] * np.arange(_LARGEST + 2)[None, :])


def _allowed(wanted: Floats) -> Floats:
    """Errors of a transfer function."""
    cells = np.arange(_GRID // 2 + 1) / _GRID
    beyond = np.maximum(cells[:, None], cells[None, :]) > _CLOSE
    return np.where(beyond, *(whole + part * wanted for whole, part in (_ERROR_AT_NYQUIST, _ERROR)))


def _cut(
    places: Floats, wanted: Floats, allowed: Floats, cosine: Floats, pixel: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The smallest kernel, then the fewest products, whose transfer function is as near as allowed to the wanted."""
    for radius in range(_LARGEST + 1):
        kernel = places[: radius + 1, : radius + 1]
        if (np.abs(_transform(kernel, cosine) - wanted) <= 0.7 * allowed).all():
            across, along = _products(kernel)
            for terms in range(1, len(across) + 1):
                first, second = across[:terms], along[:terms]
                product = np.cumsum(first[:, :, None] * second[:, None, :], axis=0)[-1]
                if (np.abs(_transform(product, cosine) - wanted) <= allowed).all():
                    sums = [2.0 * np.cumsum(one, axis=1)[:, -1] - one[:, 0] for one in (first, second)]
                    total = float(np.cumsum(sums[0] * sums[1])[-1])
                    return first.astype(np.float32) / np.float32(total), second.astype(np.float32)
    raise InvalidInput(message(f"spread over more than {_LARGEST} pixels of {pixel}",
                               "blur is applied by kernels of so many pixels",
                               "Give larger pixels or a smaller spread."))


def _transform(kernel: Floats, cosine: Floats) -> Floats:
    """Transfer function of a kernel's quadrant, 1 at frequency 0."""
    twice = np.where(np.arange(len(kernel)) > 0, 2.0, 1.0)
    part, c = kernel * twice[:, None] * twice[None, :], cosine[:, : len(kernel)]
    half = np.asarray(sum(c[:, n, None] * part[n][None, :] for n in range(len(kernel))))
    found = np.asarray(sum(half[:, n, None] * c[:, n][None, :] for n in range(len(kernel))))
    return np.asarray(found / found[0, 0])


def _products(kernel: Floats) -> tuple[Floats, Floats]:
    """Rows and columns whose products add up to the kernel: cross approximation with full pivoting."""
    left = kernel.copy()
    across: list[Floats] = []
    along: list[Floats] = []
    for _ in range(len(kernel)):
        worst = np.unravel_index(int(np.argmax(np.abs(left))), left.shape)
        if across and abs(left[worst]) < 1e-9 * abs(kernel[0, 0]):
            break
        column, row = left[:, worst[1]].copy(), left[worst[0], :] / left[worst]
        across.append(column)
        along.append(row)
        left = left - column[:, None] * row[None, :]
    return np.stack(across), np.stack(along)
