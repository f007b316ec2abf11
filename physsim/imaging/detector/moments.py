"""What single photons add to the signal of a detector: moments for fast noise, classes for exact noise.

A photon deposits energy at a depth (physics/layer_response.py); light or charge from there is collected with a gain, of
mean 1 over the layer's thickness, so that signals are keV; equal deposits give light that varies (Swank). The septa
between elements stop what falls on them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.physics.layer_response import LayerResponse, layer_response
from physsim.portable import exp
from physsim.spec.absorber import IdealAbsorber, Photoconductor, Scintillator
from physsim.spec.detector import Detector

Floats = NDArray[np.float64]

_ONE_LAYER: dict[str, dict[str, Any]] = {"scintillator": {"depth_layers": 1}, "photoconductor": {}}
_FINE = 24  # steps of depth in which the gain is told apart


def signal_moments(detector: Detector, energies_kev: Floats, slant: float = 1.0) -> Floats:
    """(depth layers, 3, E) expected sums of s, s^2, s^3 (keV, keV^2, keV^3) per photon that arrives at a pixel's cell.

    s: what the photon adds to the signal, of the pixel and its neighbours together. `slant`: 1 / cos of the angle of
    incidence. The layers are those whose blur differs, from the face where photons arrive on. Raises InvalidInput for
    energies outside 1-150 keV and slant below 1.

    >>> one = Detector(rows=1, columns=1, pixel_mm=1, absorber=IdealAbsorber())
    >>> signal_moments(one, np.array([10.0]))[0, :, 0].tolist()
    [10.0, 100.0, 1000.0]
    """
    energies = np.asarray(energies_kev, np.float64)
    layer = detector.absorber
    if isinstance(layer, IdealAbsorber):
        return np.stack([energies, energies**2, energies**3])[None]
    law, gain = _response(layer, energies, slant, detector.depth_layers)
    spread = _light_moments(layer)
    fine = np.stack([law.moments(n, gain) * spread[n - 1] for n in (1, 2, 3)])  # (3, E, fine)
    per_layer = fine.reshape(3, energies.size, detector.depth_layers, -1)
    total = np.cumsum(per_layer, axis=3)[..., -1]
    return np.asarray(np.moveaxis(total, 2, 0) * detector.fill_factor)


def deposit_classes(
    detector: Detector, energies_kev: Floats, slant: float = 1.0, step_kev: float | None = None
) -> tuple[Floats, Floats]:
    """Deposits (classes,) in keV of signal and chances (depth layers, E, classes) that a photon adds each.

    For noise that is exact where quanta are few: each deposit is shared by the two nearest classes so that its mean is
    kept. `step_kev`: between classes, a 24th of the highest energy if left out; adds at most step^2 / 4 to the second
    moment of a photon.
    """
    energies = np.asarray(energies_kev, np.float64)
    layer = detector.absorber
    if isinstance(layer, IdealAbsorber):
        signal, chance = energies[None, :, None], np.ones((1, energies.size, 1))
    else:
        law, gain = _response(layer, energies, slant, detector.depth_layers)
        values, weights = gamma_values(_light_moments(layer)[1] - 1.0)
        signals = law.deposits_kev[:, :, None, None] * gain[None, None, :, None] * values
        chances = law.chances[..., None] * weights
        shape = (energies.size, law.deposits_kev.shape[1], detector.depth_layers, -1)
        signal, chance = (
            np.moveaxis(one.reshape(shape), 2, 0).reshape(detector.depth_layers, energies.size, -1)
            for one in (np.maximum(signals, 0.0), chances * detector.fill_factor)
        )
    step = float(energies.max()) / 24.0 if step_kev is None else step_kev
    place = signal / step
    below = np.floor(place).astype(int)
    above = place - below
    count = int(below.max()) + 2
    found = np.zeros((*signal.shape[:2], count))
    rows = np.arange(signal.shape[0])[:, None, None], np.arange(signal.shape[1])[None, :, None]
    np.add.at(found, (*rows, below), chance * (1.0 - above))
    np.add.at(found, (*rows, below + 1), chance * above)
    return step * np.arange(1.0, count), np.asarray(found[..., 1:])


def _response(
    layer: Scintillator | Photoconductor, energies: Floats, slant: float, layers: int
) -> tuple[LayerResponse, Floats]:
    law = _law(layer.replace(spread=None, **_ONE_LAYER[layer.kind]), tuple(energies.tolist()), slant,
               layers * -(-_FINE // layers))
    return law, gain_by_depth(layer, 0.5 * (law.depths_mm[1:] + law.depths_mm[:-1]))


@lru_cache(maxsize=32)
def _law(
    layer: Scintillator | Photoconductor, energies: tuple[float, ...], slant: float, depths: int
) -> LayerResponse:
    return layer_response(layer.substance, layer.thickness_mm, energies, packing=layer.packing, slant=slant,
                          depths=depths)


def gain_by_depth(layer: Scintillator | Photoconductor, depth_mm: Floats) -> Floats:
    """(n,) light or charge collected from `depth_mm` (n,), below the face where photons arrive, over the mean."""
    share = depth_mm / layer.thickness_mm
    if isinstance(layer, Scintillator):
        return np.asarray(1.0 + layer.gain_slope * (share - 0.5))
    to_pixels, to_front = (
        (layer.hole_range_mm, layer.electron_range_mm)
        if layer.pixels_collect == "holes"
        else (layer.electron_range_mm, layer.hole_range_mm)
    )

    def collected(at: Floats) -> Floats:
        return _hecht(1.0 - at, to_pixels, layer.thickness_mm) + _hecht(at, to_front, layer.thickness_mm)

    steps = (np.arange(256) + 0.5) / 256
    return np.asarray(collected(share) / (np.cumsum(collected(steps))[-1] / 256))


def _hecht(way: Floats, range_mm: float | None, thickness_mm: float) -> Floats:
    """Share of the whole induced charge that carriers give whose way to their face is `way` of the thickness."""
    if range_mm is None:
        return way
    scale = range_mm / thickness_mm
    return np.asarray(scale * (1.0 - exp(-np.minimum(way / scale, 700.0))))


def gamma_values(variance: float) -> tuple[Floats, Floats]:
    """Three values, none negative, and their chances, with the first five moments of a gamma variate of mean 1: the
    Gauss-Laguerre rule, by Newton's steps on its polynomial (the same bits on every CPU)."""
    if variance == 0.0:
        return np.ones(3), np.array([0.0, 1.0, 0.0])
    v = variance  # orthogonal polynomials: p_{n+1} = (x - 1 - 2 n v) p_n - n v (1 + (n - 1) v) p_{n-1}

    def cubic(x: float) -> tuple[float, float]:
        before, now, slope_before, slope = 0.0, 1.0, 0.0, 0.0
        for n in range(3):
            middle, width = x - 1.0 - 2.0 * n * v, n * v * (1.0 + (n - 1) * v)
            before, now, slope_before, slope = (now, middle * now - width * before,
                                                slope, now + middle * slope - width * slope_before)
        return now, slope

    roots: list[float] = []
    for start in (0.0, 1.0 + 2.0 * v, 1.0 + 6.0 * v + 4.0 * math.sqrt(v)):
        x = start
        for _ in range(60):
            value, slope = cubic(x)
            x -= value / (slope - value * sum(1.0 / (x - one) for one in roots if x != one))  # Maehly: a new root
        roots.append(x)
    values = np.array(sorted(roots))
    low, middle, high = values.tolist()
    second = 1.0 + v  # chances by Lagrange: the moments of the products of two factors
    chances = [(second - (one + other) + one * other) / ((own - one) * (own - other))
               for own, one, other in ((low, middle, high), (middle, low, high), (high, low, middle))]
    return values, np.array(chances)


def _light_moments(layer: Scintillator | Photoconductor) -> tuple[float, float, float]:
    """First three moments of the light or charge of equal deposits over its mean, distributed as a gamma variate."""
    variance = 1.0 / (layer.light_swank if isinstance(layer, Scintillator) else layer.charge_swank) - 1.0
    return 1.0, 1.0 + variance, (1.0 + variance) * (1.0 + 2.0 * variance)
