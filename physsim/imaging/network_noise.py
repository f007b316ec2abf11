"""Noise of quanta by a network, from signal, sum of squares and protocol alone: docs/hybrid.md.

The network knows each component's share of the sum of squares and its third cumulant, by the beam's hardness, and the
kernel that spreads it. Drawn as the chain draws its depth layers: white noise of each component, blurred by its kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.detected import layer_quanta
from physsim.imaging.detector.blur import BlurKernel, blurred
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

_NODES = 8  # of hardness, between which gains are linear
_CLASSES = 64  # of what quanta deposit, for the law of their sum where quanta are few
_FEW = 10.0  # quanta of all components together: three cumulants know the distribution within 1e-3, before it is spread
_STRANGER = 0.01  # of the pixels may be of a beam that is softer or harder than was trained
_NEAR = 0.02  # of what a quantum deposits: so little beyond what was trained changes no share by 0.01
_LEFT_OUT = 2e-4  # of a transfer function


@dataclass(frozen=True, eq=False)
class NetworkNoise:
    """Of one protocol. law: as that of the chain's layers, of components; kernels: of each. variance_error,
    power_error: stated, relative (RMS), 1 where nothing is known; unknown: why that is, empty within what was trained.
    network: hash of the weights."""

    law: Hardness
    kernels: tuple[BlurKernel, ...]
    variance_error: float
    power_error: float
    unknown: str
    network: str

    def quanta(self, signal: Images, square: Images, *, seed: int, threads: int | None = None) -> Images:
        """Noise (views, rows, columns) keV of a signal (keV) and of the sum of squares of what photons add (keV^2).

        Neglects: that equal signals and squares come of beams of different shape (bone or fat, scatter), cumulants
        beyond the third. The same bits for any threads.
        """
        signal, square = (np.ascontiguousarray(one, np.float32) for one in (signal, square))
        mean, drawn = np.empty_like(signal), np.empty_like(signal)
        spread = np.zeros_like(signal)
        shares = self.law.counts_per_kev.sum(axis=2).mean(axis=0)
        few = _FEW * shares / shares.sum()
        for number, kernel in enumerate(self.kernels):
            layer_quanta(self.law, number, signal, square, mean, drawn, stream=f"quanta of component {number}",
                         seed=seed, few=float(few[number]), threads=threads)
            blurred(drawn, kernel, onto=spread, threads=threads)
        return spread

    def judged(self, signal: Images, square: Images) -> NetworkNoise:
        """With what is stated of this image: nothing, where much of it is of a beam that was not trained."""
        low, high = self.law.ratio_kev[0], self.law.ratio_kev[-1]
        deposit = np.divide(square, signal, out=np.full_like(signal, low), where=signal > 0.0)
        beyond = float(((deposit < low * (1.0 - _NEAR)) | (deposit > high * (1.0 + _NEAR))).mean())
        if self.unknown or beyond <= _STRANGER:
            return self
        why = f"in {100.0 * beyond:.2g} % of the pixels the beam is softer or harder than was trained"
        return replace(self, variance_error=1.0, power_error=1.0, unknown=why)

    def record(self) -> dict[str, Any]:
        """Fields of Provenance."""
        known = (f"variance within {100.0 * self.variance_error:.2g} %, power within {100.0 * self.power_error:.2g} % "
                 "(RMS)") if not self.unknown else f"nothing is known of its error: {self.unknown}"
        return {"noise": f"quanta by a network ({known}), charge, electronics", "noise_network": self.network,
                "noise_variance_error": self.variance_error, "noise_power_error": self.power_error}


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
    told = noise_conditions(protocol.spectrum.sample(), detector, peak_kv(protocol), absorbers)
    variance, power = (stated["variance"], max(stated["bands"])) if stated else (1.0, 1.0)
    return NetworkNoise(_law(weights, told, *weights.card["hardness"][kind]), _kernels(weights.rows(told)), variance,
                        power, unknown, weights.digest)


def _law(weights: NoiseWeights, told: Floats, low: float, high: float) -> Hardness:
    """Quanta of a component are all alike: so many as have its variance and third cumulant."""
    nodes = np.linspace(low, high, _NODES)
    gains, bends = weights.noise(told, nodes)  # (nodes, components)
    deposit = gains.sum(axis=1, keepdims=True)
    classes = 1.01 * bends.max() / _CLASSES * np.arange(1.0, _CLASSES + 1.0)
    above = np.clip(np.searchsorted(classes, bends), 1, _CLASSES - 1)
    upper = (bends - classes[above - 1]) / (classes[above] - classes[above - 1])
    counts = np.zeros((*gains.shape, _CLASSES))
    for place, share in ((above, upper), (above - 1, 1.0 - upper)):
        np.put_along_axis(counts, place[..., None], (gains / bends**2 * share)[..., None], 2)
    parts = np.stack([gains / bends, gains / deposit, gains * bends / deposit], axis=2)
    return Hardness(deposit[:, 0], parts, classes, counts)


def _kernels(rows: Floats) -> tuple[BlurKernel, ...]:
    """Of each component, without terms and ends that pass next to nothing; rows (components, terms, radius + 1)."""
    found = []
    for terms in rows:
        beyond = 2.0 * np.cumsum(np.abs(terms[:, :0:-1]), axis=1)[:, ::-1]  # (terms, radius)
        kept = (2.0 * beyond[:, 0]) ** 2 > _LEFT_OUT
        kept[0] = True
        beside = terms[kept, 1 : 1 + int((beyond[kept].max(axis=0) > _LEFT_OUT).sum())]
        middle = np.eye(len(beside))[:, :1] - 2.0 * beside.sum(axis=1, keepdims=True)
        row = np.concatenate([middle, beside], axis=1)
        found.append(BlurKernel(row.astype(np.float32), row.astype(np.float32)))
    return tuple(found)


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
