"""What is a noise network worth? Drawn noise against the detector's chain: errors, seconds, can they be told apart.

Run `python -m physsim._benchmarks.noise_network [--weights FILE] [--out FILE.json]`: some minutes of CPU, one thread.

Three questions. A chest that no training saw, behind an anti-scatter grid, with scatter: variance by blocks of 16
pixels and noise power by band, of many readings of the chain and as many by the network (the chain against itself says
how far chance goes). Patches of even exposures: a linear classifier, fixed before, of eight bands of power, variance,
skewness and kurtosis, trained on half of 5,000 and judged on the other half; 0.5 is chance. Seconds of CPU per
megapixel, of quanta alone and of the whole reading. Why it is honest: both sides get the same expected images and the
same readout, the chain is the fastest that physsim has, and the network is timed with what it needs beside its drawing.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from physsim._benchmarks.machine import describe

import physsim as ps
from physsim.imaging.beam_rays import central_fluence
from physsim.imaging.detected import detected
from physsim.imaging.hardness import hardness
from physsim.imaging.network_noise import NetworkNoise, network_noise
from physsim.imaging.noise_cases import periodogram
from physsim.imaging.reading import take_reading
from physsim.spec.protocol import Protocol
from physsim.surrogate.noise_training import banded

Floats = NDArray[np.float64]
Images = NDArray[np.float32]

READINGS, BLOCK = 32, 16
PATCHES, SIDE = 5000, 64
_QUANTA = (20.0, 3000.0)  # a pixel, of the patches that are told apart


class Chest:
    """One expected chest radiograph: what both kinds of noise are drawn for."""

    def __init__(self) -> None:
        self.protocol = ps.protocols.chest_pa(pixel_mm=0.6)
        seen: dict[str, Images] = {}

        def look(signal: Images, square: Images, first_view: int) -> Images:
            seen.update(signal=signal.copy(), square=square.copy())
            return signal

        shot = ps.simulate(ps.thorax(spacing_mm=4.0), self.protocol, scatter="kernel", seed=1,
                           stages=ps.Stages(noise=look), threads=1)
        self.signal, self.square, self.opened = seen["signal"], seen["square"], shot["open_field"]

    def noise(self, seed: int, network: NetworkNoise | None) -> Floats:
        """(rows, columns) keV of one reading, of the whole chain."""
        return noise_of(self.protocol, self.signal, self.square, self.opened, seed, network)[0]


def noise_of(protocol: Protocol, signal: Images, square: Images, opened: Images, seed: int,
             network: NetworkNoise | None) -> Floats:
    """(views, rows, columns) keV of a reading by the chain, or with a network's quanta."""
    energies = protocol.spectrum.sample().energies_kev
    quanta = None if network is None else network.quanta(signal, opened, seed=seed, threads=1)
    read = take_reading(protocol.detector, energies, central_fluence(protocol, energies), signal, square, opened,
                        noise=True, seed=seed, quanta=quanta, threads=1)
    return (read.image - read.expected).astype(np.float64)


def chest_errors(network: str | None) -> dict[str, Any]:
    """RMS over blocks of the relative difference of variances, chance taken off, and of noise power by band."""
    chest = Chest()
    known = network_noise(ps.NoiseSurrogate(weights=network), chest.protocol)
    sides = {"chain": [chest.noise(seed, None) for seed in range(READINGS)],
             "chain again": [chest.noise(1000 + seed, None) for seed in range(READINGS)],
             "network": [chest.noise(2000 + seed, known) for seed in range(READINGS)]}
    maps = {name: _blocks(np.mean([one**2 for one in some], axis=0)) for name, some in sides.items()}
    power = {name: banded(np.mean([periodogram(one / np.sqrt(_spread(maps["chain"], one.shape))) for one in some],
                                  axis=0)[None])[0] for name, some in sides.items()}
    chance, found = (float(((maps[name] / maps["chain"] - 1.0) ** 2).mean()) for name in ("chain again", "network"))
    return {"readings": READINGS, "blocks": maps["chain"].size, "variance": float(np.sqrt(max(found - chance, 0.0))),
            "variance_by_chance": float(np.sqrt(chance)),
            "variance_bias": float((maps["network"] / maps["chain"] - 1.0).mean()),
            "bands": (power["network"] / power["chain"] - 1.0).tolist(),
            "bands_by_chance": (power["chain again"] / power["chain"] - 1.0).tolist(),
            "mean_over_error": float(np.mean(sides["network"]) / np.sqrt(
                power["network"][0] * maps["network"].mean() / (READINGS * sides["network"][0].size))),
            "stated": {"variance": known.variance_error, "power": known.power_error}}


def told_apart(protocol: Protocol, network: str | None) -> dict[str, Any]:
    """Area under the curve of a fixed linear classifier between patches of the chain and of the network."""
    known = network_noise(ps.NoiseSurrogate(weights=network), protocol)
    detector = protocol.detector.replace(rows=SIDE * 10, columns=SIDE * 10)
    small = protocol.replace(detector=detector)
    energies = protocol.spectrum.sample().energies_kev
    law = hardness(detector, energies, central_fluence(protocol, energies))
    rng = np.random.default_rng(4)
    features = []
    for number in range(PATCHES // 100):
        quanta = float(np.exp(rng.uniform(*np.log(_QUANTA))))
        ratio = float(law.ratio_kev[0])
        signal = np.full((1, SIDE * 10, SIDE * 10), quanta * ratio, np.float32)
        pair = [noise_of(small, signal, signal * np.float32(ratio), signal, 3 * number + side,
                         known if side else None)[0] for side in (0, 1)]
        scale = np.sqrt(pair[0].var())
        features.append([_features(one / scale) for one in pair])
    made = np.array(features)  # (exposures, sides, patches, features)
    half = len(made) // 2
    train, test = made[:half], made[half:]
    apart = train[:, 1].mean(axis=(0, 1)) - train[:, 0].mean(axis=(0, 1))
    within = np.cov((train - train.mean(axis=2, keepdims=True)).reshape(-1, made.shape[-1]).T)
    direction = np.linalg.solve(within, apart)
    scores = [(test[:, side] @ direction).ravel() for side in (0, 1)]
    return {"patches": PATCHES, "side": SIDE, "auc": float(ps.evaluate.auc(scores[1], scores[0]).value)}


def seconds_a_megapixel(protocol: Protocol, network: str | None, side: int = 1024, rounds: int = 5) -> dict[str, float]:
    """CPU seconds, the least of `rounds`: quanta alone, and the whole reading."""
    known = network_noise(ps.NoiseSurrogate(weights=network), protocol)
    detector = protocol.detector.replace(rows=side, columns=side)
    small = protocol.replace(detector=detector)
    energies = protocol.spectrum.sample().energies_kev
    law = hardness(detector, energies, central_fluence(protocol, energies))
    ratio = np.float32(law.ratio_kev[len(law.ratio_kev) // 2])
    signal = np.full((1, side, side), 2e4, np.float32)
    image = {"signal": signal, "square": signal * ratio, "opened": signal * np.float32(4.0)}
    jobs = {
        "chain: expected": lambda: detected(detector, law, signal, image["square"], noise=False, threads=1),
        "chain: expected and quanta": lambda: detected(detector, law, signal, image["square"], seed=1, threads=1),
        "network: quanta": lambda: known.quanta(signal, image["opened"], seed=1, threads=1),
        "whole reading, chain": lambda: noise_of(small, signal, image["square"], image["opened"], 1, None),
        "whole reading, network": lambda: noise_of(small, signal, image["square"], image["opened"], 1, known),
        "network: kernels and gains, an exposure": lambda: network_noise(ps.NoiseSurrogate(weights=network), protocol),
    }
    found = {}
    for name, job in jobs.items():
        job()
        times = []
        for _ in range(rounds):
            before = time.process_time()
            job()
            times.append(time.process_time() - before)
        found[name] = min(times) / (1.0 if name.endswith("exposure") else signal.size / 1e6)
    return found


def _blocks(image: Floats) -> Floats:
    rows, columns = (size // BLOCK for size in image.shape)
    return image[:rows * BLOCK, :columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3))


def _spread(blocks: Floats, shape: tuple[int, ...]) -> Floats:
    """Blocks on pixels again; those at the edge go on."""
    wide = blocks.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    return np.pad(wide, [(0, size - had) for size, had in zip(shape, wide.shape, strict=True)], mode="edge")


def _features(noise: Floats) -> Floats:
    """(patches, 11) of noise in units of its standard deviation."""
    rows = noise.shape[0] // SIDE
    cut = noise.reshape(rows, SIDE, -1, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)
    power = np.abs(np.fft.fft2(cut)) ** 2 / SIDE**2
    flat = (cut - cut.mean(axis=(1, 2), keepdims=True)).reshape(len(cut), -1)
    variance = flat.var(axis=1)
    skew, kurtosis = ((flat**n).mean(axis=1) / variance ** (n / 2) for n in (3, 4))
    return np.column_stack([np.log(banded(power)), np.log(variance), skew, kurtosis])


def main() -> int:
    """Print the figures as JSON, and write them where asked."""
    def given(name: str) -> str | None:
        return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None

    weights, out = given("--weights"), given("--out")
    chest, breast = ps.protocols.chest_pa(pixel_mm=0.2), ps.protocols.mammogram()
    figures = {"machine": describe(), "chest": chest_errors(weights),
               "told_apart": {one.name: told_apart(one, weights) for one in (chest, breast)},
               "seconds_a_megapixel": {one.name: seconds_a_megapixel(one, weights) for one in (chest, breast)}}
    text = json.dumps(figures, indent=1)
    print(text)
    if out is not None:
        Path(out).write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
