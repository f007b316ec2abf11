"""Noise of quanta by a network, from signal, open field and protocol alone: docs/hybrid.md.

The network knows each component's variance per signal, by how much the beam was attenuated, and the kernel that spreads
it. Drawn as the chain draws its depth layers: white noise of each component, blurred by its kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.detected import layer_quanta
from physsim.imaging.detector.blur import BlurKernel, blurred, kernel_of
from physsim.imaging.hardness import Hardness
from physsim.imaging.noise_cases import absorbers_of, detector_of, noise_conditions
from physsim.spec.noise import NoiseSurrogate
from physsim.spec.noise_training import NoiseTechnique, NoiseTraining
from physsim.spec.protocol import Protocol
from physsim.spec.protocol_library import protocols
from physsim.spec.spectrum import Spectrum
from physsim.surrogate.noise_weights import NoiseWeights, load_noise, shipped_noise

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

_NODES = 16  # of depth, between which gains are linear
_OFFSET = 16.0  # added to depths: the drawing wants positive ones, and gains over them are near linear
_CLASSES = 8  # of what quanta deposit, for exact counts where quanta are few
_LEAST_DEPTH = -0.5
_DEEPER = 0.01  # of the lit pixels may lie beyond the trained depths


@dataclass(frozen=True, eq=False)
class NetworkNoise:
    """Of one protocol. law: as that of the chain's layers, by _OFFSET + depth in place of square over signal; kernels:
    of each component. variance_error, power_error: stated, relative (RMS), 1 where nothing is known; unknown: why that
    is, empty within what was trained. network: hash of the weights."""

    law: Hardness
    kernels: tuple[BlurKernel, ...]
    deepest: float
    variance_error: float
    power_error: float
    unknown: str
    network: str

    def quanta(self, signal: Images, opened: Images, *, seed: int, threads: int | None = None) -> Images:
        """Noise (views, rows, columns) keV of a signal (keV) and the signal without object at the same exposure.

        Neglects: that equal signals of one depth come by beams of different hardness (bone or fat, scatter), more of
        each deposit than its mean square where quanta are few. The same bits for any threads.
        """
        signal = np.ascontiguousarray(signal, np.float32)
        square = signal * (np.float32(_OFFSET) + depths(signal, opened))
        mean, drawn = np.empty_like(signal), np.empty_like(signal)
        spread = np.zeros_like(signal)
        for number, kernel in enumerate(self.kernels):
            layer_quanta(self.law, number, signal, square, mean, drawn, stream=f"quanta of component {number}",
                         seed=seed, threads=threads)
            blurred(drawn, kernel, onto=spread, threads=threads)
        return spread

    def judged(self, signal: Images, opened: Images) -> NetworkNoise:
        """With what is stated of this image: nothing, where much of it is behind more than was trained."""
        beyond = float((depths(signal, opened) > self.deepest).mean())
        if self.unknown or beyond <= _DEEPER:
            return self
        why = f"{100.0 * beyond:.2g} % of the pixels are behind more than was trained"
        return NetworkNoise(self.law, self.kernels, self.deepest, 1.0, 1.0, why, self.network)

    def record(self) -> dict[str, Any]:
        """Fields of Provenance."""
        known = (f"variance within {100.0 * self.variance_error:.2g} %, power within {100.0 * self.power_error:.2g} % "
                 "(RMS)") if not self.unknown else f"nothing is known of its error: {self.unknown}"
        return {"noise": f"quanta by a network ({known}), charge, electronics", "noise_network": self.network,
                "noise_variance_error": self.variance_error, "noise_power_error": self.power_error}


def depths(signal: Images, opened: Images) -> Images:
    """Logarithms of open field over signal, _LEAST_DEPTH at least; 0 without signal or open field."""
    lit = (signal > 0.0) & (opened > 0.0)
    ratio = np.divide(opened, signal, out=np.ones_like(signal), where=lit)
    return np.asarray(np.maximum(np.log(ratio), np.float32(_LEAST_DEPTH)), np.float32)


def network_noise(run: NoiseSurrogate, protocol: Protocol) -> NetworkNoise:
    """Of a protocol of radiographs. Raises InvalidInput for others, without torch, and for a detector, beam or pixels
    that the weights were not trained for; FileFormatError for damaged weights."""
    if protocol.rotation is not None or protocol.energy_bins:
        raise InvalidInput(message(f"noise='surrogate' of {protocol.name}", "networks know radiographs so far",
                                   "Take noise=True."))
    weights = load_noise(shipped_noise() if run.weights is None else Path(run.weights))
    spec = weights.spec
    absorbers = absorbers_of(spec)
    detector = protocol.detector
    if detector.absorber not in absorbers:
        known = ", ".join(dict.fromkeys(one.detector or one.protocol for one in spec.techniques))
        raise InvalidInput(message(f"noise by a network of the detector of {protocol.name}",
                                   f"its absorber is not among those that were trained ({known})",
                                   "Take noise=True, or train weights with physsim train noise."))
    kind, outside = _technique(spec, protocol)
    if outside:
        raise InvalidInput(message(f"noise by a network of {protocol.name}", f"not trained for {outside}",
                                   "Take noise=True, or train weights with physsim train noise."))
    stated = weights.card["held_out"]["subgroups"].get(f"technique {kind}")
    unknown = "" if stated else "no exposure of this kind was held out"
    low, high = weights.card["depths"][kind]
    told = noise_conditions(protocol.spectrum.sample(), detector, peak_kv(protocol), absorbers)
    variance, power = (stated["variance"], max(stated["bands"])) if stated else (1.0, 1.0)
    return NetworkNoise(_law(weights, told, max(low, _LEAST_DEPTH), high),
                        tuple(kernel_of(one) for one in weights.kernels(told)), high, variance, power, unknown,
                        weights.digest)


def _law(weights: NoiseWeights, told: Floats, low: float, high: float) -> Hardness:
    nodes = np.linspace(low, high, _NODES)
    gains = weights.gains(told, nodes)  # (nodes, components)
    whole = gains.sum(axis=1, keepdims=True)  # keV that a quantum deposits, were all alike
    share, ratio = gains / whole, (nodes + _OFFSET)[:, None]
    deposits = np.geomspace(0.99 * whole.min(), 1.01 * whole.max(), _CLASSES)
    above = np.clip(np.searchsorted(deposits, whole), 1, _CLASSES - 1)
    upper = (whole - deposits[above - 1]) / (deposits[above] - deposits[above - 1])
    counts = np.zeros((*gains.shape, _CLASSES))
    np.put_along_axis(counts, np.broadcast_to(above, gains.shape)[..., None], (share / whole * upper)[..., None], 2)
    np.put_along_axis(counts, np.broadcast_to(above - 1, gains.shape)[..., None],
                      (share / whole * (1.0 - upper))[..., None], 2)
    parts = np.stack([share, gains / ratio, gains * whole / ratio], axis=2)
    return Hardness(nodes + _OFFSET, parts, deposits, counts)


def _technique(spec: NoiseTraining, protocol: Protocol) -> tuple[int, str]:
    """The technique of this detector that the protocol is of, or is nearest to, and what lies outside of it."""
    found = [(number, _outside(one, protocol)) for number, one in enumerate(spec.techniques)
             if detector_of(one).absorber == protocol.detector.absorber]
    return min(found, key=lambda one: len(one[1]))


def _outside(technique: NoiseTechnique, protocol: Protocol) -> str:
    """What of a protocol was not trained, in words; empty where all was."""
    base, spectrum = protocols[technique.protocol].spectrum, protocol.spectrum
    values: Mapping[str, tuple[Sequence[float], tuple[float, float] | None]] = {
        "kvp": ((peak_kv(protocol),), technique.kvp), "pixel_mm": (protocol.detector.pixel_mm, technique.pixel_mm),
        "copper_mm": ((_copper_mm(spectrum),), technique.copper_mm)}
    wrong = [f"{name}={max(some):g} (from {ends[0]:g} to {ends[1]:g} was)" for name, (some, ends) in values.items()
             if ends is not None and not (ends[0] * 0.999 <= min(some) and max(some) <= ends[1] * 1.001)]
    if _plain(base, technique.copper_mm is not None) != _plain(spectrum, technique.copper_mm is not None):
        wrong.append("another tube or filter")
    return ", ".join(wrong)


def _copper_mm(spectrum: Spectrum) -> float:
    return sum(one.thickness_mm for one in spectrum.filters if one.material == "Cu")


def _plain(spectrum: Spectrum, without_copper: bool) -> Spectrum:
    """Without what a training draws."""
    filters = tuple(one for one in spectrum.filters if not (without_copper and one.material == "Cu"))
    return spectrum.replace(filters=filters, **({} if spectrum.kvp is None else {"kvp": 60.0}))
