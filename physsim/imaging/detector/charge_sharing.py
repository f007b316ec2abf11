"""How pixels share the charge of a deposit, and the counts that result in bins of energy.

A cloud of charge is a normal distribution across the pixels when it arrives. Its standard deviation grows by diffusion:
sigma^2 = sigma0^2 + 2 (k T / q) (way x electrodes' distance / bias), as charge drifts at mobility x field and spreads
by mobility x k T / q. A deposit is anywhere in a pixel with equal chance; each pixel sees its part of the cloud with
noise, and registers it in the bin of its height.

Neglects: repulsion of charge, the size of the electron's track beyond `cloud_um`, signals induced in pixels that
collect nothing. Reference: K. Iniewski et al., IEEE Nucl. Sci. Symp. Conf. Rec. (2007) 4608 (diffusion in CdZnTe).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from physsim.spec.absorber import Photoconductor
from physsim.spec.detector import Detector
from physsim.spec.readout import CountingReadout
from physsim.units import EV_PER_KEV

Floats = NDArray[np.float64]

THERMAL_VOLTAGE = 0.025693  # k T / q in V at 298.15 K (CODATA 2018: k / q = 8.617333e-5 V/K)
_CLOSE, _REACH = 2.2, 5.0  # sigma from a pixel's border: 26 places up to the first, 5 more up to the second
_PLACES = np.concatenate([(np.arange(26) + 0.5) * _CLOSE / 26, _CLOSE + (np.arange(5) + 0.5) * (_REACH - _CLOSE) / 5])
_WIDTHS = np.repeat([_CLOSE / 26, (_REACH - _CLOSE) / 5], [26, 5])


def cloud_sigma_mm(detector: Detector, readout: CountingReadout, depth_mm: Floats) -> Floats:
    """(n,) standard deviation of the clouds of deposits at depth_mm (n,) when they arrive at the pixels."""
    begins = (readout.cloud_um * 1e-3) ** 2
    if readout.bias_v is None or not isinstance(detector.absorber, Photoconductor):
        return np.full(np.shape(depth_mm), math.sqrt(begins))
    between = detector.absorber.thickness_mm if readout.drift_mm is None else readout.drift_mm
    way = between - depth_mm if readout.drift_mm is None else np.full(np.shape(depth_mm), 0.5 * between)
    return np.asarray(np.sqrt(begins + 2.0 * THERMAL_VOLTAGE * np.maximum(way, 0.0) * between / readout.bias_v))


def pulse_sigma_kev(detector: Detector, readout: CountingReadout, deposit_kev: Floats) -> Floats:
    """(...,) standard deviation of the height of a pulse: electronics, pairs by Fano, and spread of equal deposits."""
    variance = np.full(np.shape(deposit_kev), readout.noise_kev**2)
    layer = detector.absorber
    if isinstance(layer, Photoconductor):
        pairs = layer.fano * (layer.pair_energy_ev / EV_PER_KEV) * deposit_kev
        variance = variance + pairs + (1.0 / layer.charge_swank - 1.0) * deposit_kev**2
    return np.asarray(np.sqrt(variance))


def shared_fractions(pixel_mm: tuple[float, float], sigma_mm: float) -> tuple[Floats, Floats]:
    """Parts of a cloud that pixels get, (places, pixels), and the chances (places,) of the places in a pixel."""
    (x, chance_x), (y, chance_y) = (_along(pitch, sigma_mm) for pitch in pixel_mm)
    parts = x[:, None, :, None] * y[None, :, None, :]
    return parts.reshape(len(x) * len(y), -1), (chance_x[:, None] * chance_y[None, :]).ravel()


def _along(pitch: float, sigma: float) -> tuple[Floats, Floats]:
    """Parts (places, 3 or 2 pixels) along one axis, and chances (places,) of half a pixel's places."""
    if sigma == 0.0:
        return np.ones((1, 1)), np.ones(1)
    near = min(_REACH * sigma, 0.5 * pitch)
    place = 0.5 * pitch - near / _REACH * _PLACES
    chance = 2.0 * near / _REACH / pitch * _WIDTHS
    if near < 0.5 * pitch:
        place, chance = np.append(place, 0.0), np.append(chance, 1.0 - 2.0 * near / pitch)
    pixels = np.arange(2) if pitch > 2.0 * _REACH * sigma else np.arange(-2, 3)
    edges = (np.append(pixels, pixels[-1] + 1) - 0.5) * pitch
    passed = ndtr((edges[None, :] - place[:, None]) / sigma)
    return np.diff(passed, axis=1), chance


def over_chances(chance: Floats, values: Floats) -> Floats:
    """Sum over the first axis of chance (n,) x values (n, ...), in order: a matrix product's bits depend on the CPU."""
    if values.size == 0:
        return np.zeros(values.shape[1:])
    weighted = values * chance.reshape(-1, *([1] * (values.ndim - 1)))
    return np.asarray(np.cumsum(weighted, axis=0)[-1])


def counts_of_deposits(
    detector: Detector, readout: CountingReadout, deposits_kev: Floats, sigma_mm: float, *,
    pairs: bool = True,
) -> tuple[Floats, Floats]:
    """Mean counts (deposits, bins) of one deposit in all pixels, and pairs (deposits, bins, bins): the mean number of
    ordered pairs of counts of the two bins in different pixels; (deposits, 0, 0) without `pairs`."""
    parts, chance = shared_fractions(detector.cell_mm, sigma_mm)
    bins = len(readout.thresholds_kev)
    kept = bins if pairs else 0
    mean, found = np.zeros((len(deposits_kev), bins)), np.zeros((len(deposits_kev), kept, kept))
    thresholds = np.array(readout.thresholds_kev)
    for n, deposit in enumerate(deposits_kev):
        if deposit + 6.0 * float(pulse_sigma_kev(detector, readout, deposit)) < thresholds[0]:
            continue
        heights = parts * deposit
        spread = np.maximum(pulse_sigma_kev(detector, readout, heights), 1e-9)
        above = ndtr((heights[:, :, None] - thresholds) / spread[:, :, None])
        above[heights <= 0.0] = 0.0
        inside = above - np.append(above[:, :, 1:], np.zeros((*above.shape[:2], 1)), axis=2)
        total = inside.sum(axis=1)  # (places, bins)
        mean[n] = over_chances(chance, total)
        if pairs:
            both = total[:, :, None] * total[:, None, :]
            for pixel in range(inside.shape[1]):
                both -= inside[:, pixel, :, None] * inside[:, pixel, None, :]
            found[n] = over_chances(chance, both)
    return mean, found
