"""Patches of noise of the same exposures, by the detector's chain and by those that stand in for it, and how a fixed
classifier tells them apart."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import physsim as ps
from physsim.imaging.drawn_cases import Draw
from physsim.imaging.network_noise import NetworkNoise, network_noise
from physsim.imaging.noise_cases import EvenExposure, even_exposure, periodogram
from physsim.spec.noise_training import NoiseTraining
from physsim.spec.protocol import Protocol
from physsim.surrogate.noise_training import banded
from physsim.surrogate.noise_weights import shipped_noise_specs

Floats = NDArray[np.float64]
SIDE, PATCH = 256, 64  # pixels of an exposure, and of a patch
SEED = 20_261_123  # of exposures; trainings have seed 1
_MANY = 100_000  # exposures that the diffusion learns from are numbered from here


@dataclass(frozen=True)
class Given:
    """Exposures of one protocol, drawn as a training draws them, at the protocol's own tube potential and pixels."""

    protocol: Protocol
    exposures: list[EvenExposure]

    def told(self) -> Floats:
        """(n, 2) logarithms of signal, and of sum of squares over signal."""
        return np.array([[np.log(one.signal_kev), np.log(one.square_kev2 / one.signal_kev)] for one in self.exposures])

    def units(self) -> Floats:
        """(n, 1, 1) keV: sqrt(signal x mean energy of the beam)."""
        energy = self.exposures[0].beam.mean_energy_kev
        return np.sqrt([one.signal_kev * energy for one in self.exposures])[:, None, None]

    def chain(self, reading: int) -> Floats:
        """(n, SIDE, SIDE) keV."""
        return np.stack([one.noise(_MANY * reading + n) for n, one in enumerate(self.exposures)])

    def network(self, known: NetworkNoise, reading: int) -> Floats:
        """The same, the quanta by a network."""
        made = []
        for number, one in enumerate(self.exposures):
            signal, square, _ = one.images()
            seed = _MANY * reading + number
            made.append(one.noise(seed, quanta=known.quanta(signal, square, seed=seed, threads=1)))
        return np.stack(made)


def given(name: str, exposures: int, first: int = 0) -> Given:
    """So many exposures of a shipped protocol."""
    spec = NoiseTraining.from_toml(shipped_noise_specs()["radiographs"])
    technique = next(one for one in spec.techniques if one.protocol == name and one.detector is None)
    protocol = ps.protocols[name]
    detector, beam = protocol.detector.replace(rows=SIDE, columns=SIDE), protocol.spectrum.sample()
    return Given(protocol, [even_exposure(detector, beam, technique, Draw(SEED, number, "noise benchmark"), "")
                            for number in range(first, first + exposures)])  # fmt: skip


def learnt_from(name: str, exposures: int) -> Given:
    """Others of the same kind."""
    return given(name, exposures, _MANY)


def known_noise(name: str, weights: str | None) -> NetworkNoise:
    """The network of a shipped protocol."""
    return network_noise(ps.NoiseSurrogate(weights=weights), ps.protocols[name])


def compared(noise: Floats, truth: Floats, again: Floats) -> dict[str, Any]:
    """Relative errors of variance and of noise power by band, RMS over exposures, what two readings of the chain
    (`truth`, `again`) differ by taken off the mean square; and their means. Arrays (n, SIDE, SIDE)."""
    found: dict[str, Any] = {}
    for what, of in (("variance", _variances), ("bands", _powers)):
        wanted = of(truth)
        off, chance = of(noise) / wanted - 1.0, of(again) / wanted - 1.0
        square = np.maximum((off**2).mean(axis=0) - (chance**2).mean(axis=0), 0.0)
        found |= {what: np.sqrt(square).tolist(), f"{what}_mean": (off - chance).mean(axis=0).tolist()}
    found = {name: one[0] if name.startswith("variance") else one for name, one in found.items()}
    return found | {"worst_band": max(found["bands"])}


def told_apart(noise: Floats, truth: Floats, unit: Floats, fitted: int) -> dict[str, Any]:
    """Area under the curve of a fixed linear classifier between patches of two kinds of noise (n, SIDE, SIDE), in units
    (n, 1, 1) that neither knows; fitted on the first exposures, judged on the others. 0.5 is chance.

    Features: logarithms of variance and of power in eight bands, skewness and kurtosis; `auc_squares`: with their
    squares, so that noise whose variance errs either way is found.
    """
    sides = [_features(one / unit) for one in (noise, truth)]
    found: dict[str, Any] = {"patches": int(2 * (len(noise) - fitted) * (SIDE // PATCH) ** 2)}
    for name, squares in (("auc", False), ("auc_squares", True)):
        made = [np.concatenate([one, one**2], axis=-1) if squares else one for one in _alike(sides, fitted)]
        scores = _scores([one[:fitted].reshape(-1, one.shape[-1]) for one in made],
                         [one[fitted:].reshape(-1, one.shape[-1]) for one in made])  # fmt: skip
        auc = ps.evaluate.auc(*scores)
        found |= {name: auc.value, f"{name}_low": auc.low, f"{name}_high": auc.high}
    return found


def cpu_seconds() -> float:
    """Of this process."""
    return time.process_time()


def nanoseconds(job: Callable[[], Any], pixels: int, rounds: int = 3) -> float:
    """CPU time a pixel, the least of some rounds after one that is not counted."""
    job()
    times = []
    for _ in range(rounds):
        before = cpu_seconds()
        job()
        times.append(cpu_seconds() - before)
    return 1e9 * min(times) / pixels


def _variances(noise: Floats) -> Floats:
    return np.asarray((noise**2).mean(axis=(1, 2))[:, None])


def _powers(noise: Floats) -> Floats:
    return np.stack([bands(one) for one in noise])


def bands(noise: Floats) -> Floats:
    """(BANDS,) noise power of noise (rows, columns)."""
    return np.asarray(banded(periodogram(noise)[None])[0])


def _features(noise: Floats) -> Floats:
    """(n, patches, 11) of noise (n, SIDE, SIDE) in its units."""
    count = SIDE // PATCH
    cut = noise.reshape(-1, count, PATCH, count, PATCH).swapaxes(2, 3).reshape(-1, PATCH, PATCH)
    power = np.abs(np.fft.fft2(cut)) ** 2 / PATCH**2
    flat = (cut - cut.mean(axis=(1, 2), keepdims=True)).reshape(len(cut), -1)
    variance = flat.var(axis=1)
    skew, kurtosis = ((flat**n).mean(axis=1) / variance ** (n / 2) for n in (3, 4))
    made = np.column_stack([np.log(banded(power)), np.log(variance), skew, kurtosis])
    return made.reshape(len(noise), count**2, made.shape[1])


def _alike(sides: list[Floats], fitted: int) -> list[Floats]:
    """In units of their spread about their mean in what is fitted on."""
    some = np.concatenate([one[:fitted].reshape(-1, one.shape[-1]) for one in sides])
    return [(one - some.mean(axis=0)) / some.std(axis=0) for one in sides]


def _scores(fit: list[Floats], judged: list[Floats]) -> list[Floats]:
    """Fisher's linear discriminant."""
    within = sum(np.cov(one.T) for one in fit)
    direction = np.linalg.solve(within, fit[0].mean(axis=0) - fit[1].mean(axis=0))
    return [one @ direction for one in judged]
