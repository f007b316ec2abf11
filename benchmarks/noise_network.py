"""What is a noise network worth? Drawn noise against the detector's chain: errors, time, can the two be told apart.

Even exposures that no training saw (beam, matter, scatter and signal drawn as in training; the protocol's own kVp and
pixels), and a chest behind its grid whose signal is anything but even. Rows: the chain again (how far chance goes),
white Gaussian noise of each exposure's own variance, the network, and a small diffusion model (noise_diffusion.py).
Errors are RMS over exposures, what two readings of the chain differ by taken off. The classifier is fixed: a linear
discriminant of eleven figures of a patch, fitted on a quarter of the exposures, judged on the others. Time is CPU of
one thread at the median signal, of quanta alone for chain and network, of all noise for the others.

Why it is honest: chain and network get the same expected images and the same readout; the chain is the fastest that
physsim has, and the network is timed with what it needs beside its drawing. The diffusion learns the chest protocol
alone, from exposures of its own at that kVp and those pixels, in units that take Poisson's law off its hands, and has
over a minute of one core for it, as the network has for four detectors; a larger one, trained longer, would do better.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import machine
from . import noise_patches as patches

Floats = NDArray[np.float64]
JOBS = ("mammogram", "chest_pa")
DIFFUSED = ("chest_pa",)
EXPOSURES, FITTED = 210, 4  # one in so many exposures is what the classifier is fitted on
LEARNT, BATCHES, STEPS = 160, 1500, 20  # exposures, batches and steps of the diffusion, on half of the exposures
READINGS, BLOCK = 16, 16  # of the chest, and pixels of which a variance is made
_WIDE = 1024


def measure(quick: bool = False, weights: str | None = None, diffusion: bool = True,
            say: Callable[[str], None] | None = None) -> dict[str, Any]:
    """All rows of both protocols; `quick`: a miniature, whose figures mean nothing. `diffusion`: train one too."""
    told = say or (lambda text: print(text, file=sys.stderr))
    result: dict[str, Any] = {
        "kind": "noise network", "machine": machine.describe(),
        "settings": {"threads": 1, "rounds": 3, "quick": quick, "diffusion_batches": 20 if quick else BATCHES,
                     "diffusion_steps": 2 if quick else STEPS, "exposures": 6 if quick else EXPOSURES},
        "rows": [], "figures": {}, "notes": {}, "failed": [],
    }  # fmt: skip
    told("chest, reading by reading")
    result["figures"] |= chest_errors(weights, 2 if quick else READINGS)
    for name in JOBS:
        result["rows"] += _rows(name, result, weights, diffusion, told)
    return result


def _rows(name: str, result: dict[str, Any], weights: str | None, diffusion: bool, told: Callable[[str], None]
          ) -> list[dict[str, Any]]:
    count, quick = result["settings"]["exposures"], result["settings"]["quick"]
    told(f"{name}: {count} exposures by the chain")
    given, known = patches.given(name, count), patches.known_noise(name, weights)
    truth, again, third = (given.chain(reading) for reading in (1, 2, 3))
    deviation = third.std(axis=(1, 2), keepdims=True)
    rng = np.random.default_rng(5)

    def row(drawn_by: str, noise: Floats, nanoseconds: float) -> dict[str, Any]:
        chance, some = again if noise is not again else third, len(noise)
        return {"job": name, "drawn_by": drawn_by, **patches.compared(noise, truth[:some], chance[:some]),
                **patches.told_apart(noise, truth[:some], deviation[:some], some // FITTED),
                "ns_a_pixel": nanoseconds}  # fmt: skip

    usual = sorted(given.exposures, key=lambda one: one.signal_kev)[count // 2]
    times = _times(usual.with_side(256 if quick else _WIDE), known)
    rows = [row("chain again", again, times["chain"]), row("network", given.network(known, 4), times["network"]),
            row("white Gaussian", deviation * rng.normal(size=truth.shape), times["white"])]  # fmt: skip
    if diffusion and name in DIFFUSED:
        try:
            rows.append(row("diffusion", *_diffused(name, given, result, told)))
        except ModuleNotFoundError as error:
            result["notes"]["diffusion"] = str(error)
    result["figures"] |= {f"{name}: stated variance": known.variance_error, f"{name}: stated power": known.power_error,
                          f"{name}: reading by the chain, ns": times["chain, whole reading"],
                          f"{name}: reading with the network, ns": times["network, whole reading"]}  # fmt: skip
    return rows


def _diffused(name: str, given: patches.Given, result: dict[str, Any], told: Callable[[str], None]
              ) -> tuple[Floats, float]:
    """Noise (n, SIDE, SIDE) of the first half of the exposures by a diffusion trained on others, and nanoseconds a
    pixel."""
    import torch

    from .noise_diffusion import Diffusion

    torch.set_num_threads(1)
    settings = result["settings"]
    others = patches.learnt_from(name, 6 if settings["quick"] else LEARNT)
    model = Diffusion(others.chain(5) / others.units(), others.told(), batches=settings["diffusion_batches"], say=told)
    result["figures"][f"{name}: diffusion's training, CPU s"] = model.cpu_seconds
    told(f"{name}: drawn by the diffusion")
    before = patches.cpu_seconds()
    noise = [model.drawn(one[None], patches.SIDE, settings["diffusion_steps"], number)[0]
             for number, one in enumerate(given.told()[: len(given.exposures) // 2])]  # fmt: skip
    spent = patches.cpu_seconds() - before
    made = np.stack(noise) * given.units()[: len(noise)]
    return made, 1e9 * spent / made.size


def _times(even: Any, known: Any) -> dict[str, float]:
    """CPU nanoseconds a pixel: quanta alone, and a whole reading."""
    from physsim.imaging.detected import detected
    from physsim.imaging.hardness import hardness

    law = hardness(even.detector, even.beam.energies_kev, even.beam.fluence)
    signal, square, _ = even.images()
    pixels, rng = signal.size, np.random.default_rng(1)

    def quanta() -> Any:
        return known.quanta(signal, square, seed=1, threads=1)

    def chain(noise: bool) -> float:
        return patches.nanoseconds(lambda: detected(even.detector, law, signal, square, noise=noise, seed=1, threads=1),
                                   pixels)  # fmt: skip

    return {"chain": chain(True) - chain(False), "network": patches.nanoseconds(quanta, pixels),
            "white": patches.nanoseconds(lambda: rng.standard_normal(signal.shape, np.float32), pixels),
            "chain, whole reading": patches.nanoseconds(lambda: even.noise(1), pixels),
            "network, whole reading": patches.nanoseconds(lambda: even.noise(1, quanta=quanta()), pixels)}  # fmt: skip


def chest_errors(weights: str | None, readings: int) -> dict[str, float]:
    """Of a whole chest behind its grid, with scatter: RMS over blocks of the relative difference of variances, chance
    taken off, and the worst difference of noise power by band, in units of the chain's local deviation."""
    from .noise_chest import Chest

    chest = Chest(weights)
    sides = {side: [chest.noise(seed, side == "network") for seed in range(first, first + readings)]
             for side, first in (("chain", 0), ("again", 1000), ("network", 2000))}  # fmt: skip
    maps = {side: _blocks(np.mean([one**2 for one in some], axis=0)) for side, some in sides.items()}
    deviation = np.sqrt(_spread(maps["chain"], sides["chain"][0].shape))
    power = {side: np.mean([patches.bands(one / deviation) for one in some], axis=0) for side, some in sides.items()}
    chance, found = (float(((maps[side] / maps["chain"] - 1.0) ** 2).mean()) for side in ("again", "network"))
    worst = {side: float(np.abs(power[side] / power["chain"] - 1.0).max()) for side in ("again", "network")}
    return {"chest: variance by block": float(np.sqrt(max(found - chance, 0.0))),
            "chest: variance by block, chance": float(np.sqrt(chance)),
            "chest: variance, mean": float((maps["network"] / maps["chain"] - maps["again"] / maps["chain"]).mean()),
            "chest: power, worst band": worst["network"], "chest: power, chance": worst["again"]}  # fmt: skip


def _blocks(image: Floats) -> Floats:
    rows, columns = (size // BLOCK for size in image.shape)
    return image[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).mean(axis=(1, 3))


def _spread(blocks: Floats, shape: tuple[int, ...]) -> Floats:
    """Blocks on pixels again; those at the edge go on."""
    wide = blocks.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
    return np.pad(wide, [(0, size - had) for size, had in zip(shape, wide.shape, strict=True)], mode="edge")


def markdown(result: dict[str, Any]) -> str:
    """The page of one machine."""
    lines = [f"## Noise drawn in place of the chain's on {result['machine']['cpu']}, one thread", "",
             machine.line(result["machine"], result["settings"]), "",
             "| job | drawn by | variance % | worst band % | AUC | AUC with squares | ns a pixel |",
             "|---|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    for row in result["rows"]:
        auc, harder = (f"{row[one]:.3f} ({row[f'{one}_low']:.3f} to {row[f'{one}_high']:.3f})"
                       for one in ("auc", "auc_squares"))  # fmt: skip
        lines.append(f"| {row['job']} | {row['drawn_by']} | {100 * row['variance']:.2g} | "
                     f"{100 * row['worst_band']:.2g} | {auc} | {harder} | {row['ns_a_pixel']:.3g} |")  # fmt: skip
    lines += ["", *(f"- {name}: {value:.3g}" for name, value in result["figures"].items())]
    lines += [f"- {name}: {reason}" for name, reason in result["notes"].items()]
    return "\n".join(lines).rstrip() + "\n"
