"""How a pixel's aperture, spread light and crosstalk pass on frequencies, for signal and for noise.

What arrives at x is smeared by the spread T, integrated over the sensitive part of a pixel and sampled. A signal of
frequency f is passed by T x aperture (the presampled MTF). Noise is sampled too: what it has at f + n / pitch appears
at f, so that its power is passed by the sum over n of (T x aperture)^2 (aliasing). An image of independent pixels has
both the aperture and all of this folding in it already, for T = 1; blur by pixels has then to do the rest:
signal x T, noise x the root of sum (T x aperture)^2 / sum aperture^2. All but square roots and divisions is exact
arithmetic on portable functions, so that kernels have the same bits on every CPU.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physsim.portable import exp, log
from physsim.spec.absorber import Spread
from physsim.spec.detector import Detector
from physsim.spec.readout import IntegratingReadout

Floats = NDArray[np.float64]

_FOLDED = 8  # orders of aliasing each way


def spread_transfer(spread: Spread, way: float, frequency_mm: Floats) -> Floats:
    """T at frequencies (1/mm) of light from `way` (0 beside the sensor, 1 at the other face)."""
    x = spread.width_mm(way) * np.abs(frequency_mm)
    if spread.power == 2.0:
        return np.asarray(1.0 / (1.0 + x * x))
    lit = np.maximum(x, 1e-12)
    return np.asarray(1.0 / (1.0 + exp(spread.power * log(lit))))


def layer_transfer(detector: Detector, layer: int, frequency_mm: Floats) -> Floats:
    """T of one of the detector's depth layers, at its middle."""
    if detector.spread is None:
        return np.ones_like(np.asarray(frequency_mm, np.float64))
    share = (layer + 0.5) / detector.depth_layers
    from_sensor = share if getattr(detector.absorber, "sensor", "exit") == "entrance" else 1.0 - share
    return spread_transfer(detector.spread, from_sensor, np.asarray(frequency_mm, np.float64))


def aperture_transfer(detector: Detector, across_mm: ArrayLike, along_mm: ArrayLike = 0.0) -> Floats:
    """What the sensitive part of a pixel, a square share of it, passes at frequencies (1/mm) along rows and columns."""
    part = np.sqrt(detector.fill_factor)
    return _sinc(across_mm, detector.pixel_mm[0] * part) * _sinc(along_mm, detector.pixel_mm[1] * part)


def crosstalk_transfer(detector: Detector, across_mm: ArrayLike, along_mm: ArrayLike = 0.0) -> Floats:
    """What is left when each neighbour gets its part."""
    part = detector.readout.crosstalk if isinstance(detector.readout, IntegratingReadout) else 0.0
    x, y = (cosine_of_turns(np.asarray(f, np.float64) * pitch)
            for f, pitch in zip((across_mm, along_mm), detector.pixel_mm, strict=True))
    return np.asarray(1.0 - 4.0 * part + 2.0 * part * (x + y))


def signal_transfer(detector: Detector, layer: int, across_mm: ArrayLike, along_mm: ArrayLike = 0.0) -> Floats:
    """Presampled MTF of one depth layer."""
    radius = np.sqrt(np.asarray(across_mm, np.float64) ** 2 + np.asarray(along_mm, np.float64) ** 2)
    passed = layer_transfer(detector, layer, radius) * aperture_transfer(detector, across_mm, along_mm)
    return np.asarray(passed * crosstalk_transfer(detector, across_mm, along_mm))


def noise_transfer(detector: Detector, layer: int, across_mm: ArrayLike, along_mm: ArrayLike = 0.0) -> Floats:
    """Noise power of one depth layer over that of independent pixels: folded (T x aperture)^2, 1 without spread.

    Neglects: septa, as far as light is spread within a pixel (the aperture is the whole pixel's here).
    """
    x, y = np.asarray(across_mm, np.float64), np.asarray(along_mm, np.float64)
    beyond = crosstalk_transfer(detector, x, y) ** 2
    if detector.spread is None:
        return np.asarray(beyond)
    passed, whole = np.zeros(beyond.shape), np.zeros(beyond.shape)
    across, along = ([(f, _sinc(f, pitch)) for f in (at + n / pitch for n in range(-_FOLDED, _FOLDED + 1))]
                     for at, pitch in zip((x, y), detector.pixel_mm, strict=True))
    for u, opened_across in across:
        for v, opened_along in along:
            opened = (opened_across * opened_along) ** 2
            passed += opened * layer_transfer(detector, layer, np.sqrt(u * u + v * v)) ** 2
            whole += opened
    last = layer_transfer(detector, layer, np.array((_FOLDED + 0.5) / max(detector.pixel_mm))) ** 2
    return np.asarray((passed + (1.0 - whole) * last) * beyond)  # the orders left out pass no more than the last


def cosine_of_turns(turns: Floats) -> Floats:
    """cos(2 pi x) by its series on an eighth of a turn: the same bits on every CPU."""
    x = np.abs(turns - np.rint(turns))  # 0 ..= 1/2
    flip = x > 0.25
    x = np.where(flip, 0.5 - x, x)
    by_sine = x > 0.125
    angle = 2.0 * np.pi * np.where(by_sine, 0.25 - x, x)
    square = angle * angle
    cosine, sine = np.ones_like(square), np.ones_like(square)
    for order in range(18, 0, -2):
        cosine = 1.0 - cosine * square / (order * (order - 1))
        sine = 1.0 - sine * square / (order * (order + 1))
    value = np.where(by_sine, angle * sine, cosine)
    return np.asarray(np.where(flip, -value, value))


def _sinc(frequency_mm: ArrayLike, width_mm: float) -> Floats:
    x = np.asarray(frequency_mm, np.float64) * width_mm
    small = np.abs(x) < 1e-6
    angle = np.pi * np.where(small, 1.0, x)
    return np.asarray(np.where(small, 1.0, cosine_of_turns(0.5 * np.where(small, 1.0, x) - 0.25) / angle))
