"""From a noise training's spec to weights with their card: data, network, what it errs by on beams it never saw."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.spec.noise_training import NoiseTraining
from physsim.spec.training import HELD_OUT
from physsim.surrogate.noise_weights import save_noise
from physsim.surrogate.shards import PATIENT, Cases, digest_of, engine_of, make_shards, read_shards, shard_files

Arrays = dict[str, NDArray[Any]]
Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]

BANDS = 8  # of frequency, from 0 to the pixels' along an axis
_FEW, _MANY = 30.0, 1000.0  # quanta in a pixel
_JUDGED = ("drawn", "technique", "bias", "patches", PATIENT)


def train_noise(spec: NoiseTraining, cases: Cases, folder: Path, weights: Path, *, workers: int = 1, command: str = "",
                overwrite: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """Makes what is missing in `folder` (data and a checkpoint), writes `weights` (.safetensors); the card.

    cases(number): see imaging.noise_cases; other processes must be able to import it. Stopped at any time it goes on
    where it was when called again.
    """
    from physsim.surrogate.noise_fit import NEEDED, expected_noise, fit_noise

    files = make_shards(folder / "data", spec, cases, workers=workers, progress=progress)
    numbers = shard_files(folder / "data", spec)
    seen = [path for path in files if numbers[path][0] < HELD_OUT]
    unseen = [path for path in files if numbers[path][0] >= HELD_OUT]
    engine = engine_of(files)
    data = read_shards(seen, (*NEEDED, "technique", PATIENT))
    if (data[PATIENT] >= HELD_OUT).any():
        raise AssertionError("held-out beams among the training data")
    net, losses = fit_noise(data, spec, folder / "checkpoint.safetensors", progress)
    held_out = read_shards(unseen, (*NEEDED, *_JUDGED))
    card = {"spec": json.loads(spec.to_json()), "command": command,
            "data_sha256": digest_of(seen), "held_out_sha256": digest_of(unseen), **engine,
            "exposures": len(data[PATIENT]), "hardness": _hardness(data, len(spec.techniques)), "losses": losses,
            "held_out": noise_errors(*expected_noise(net, held_out), held_out)}
    save_noise(weights, net, card, overwrite)
    return card


def _hardness(data: Arrays, techniques: int) -> list[list[float]]:
    """Least and largest that was trained, by technique."""
    found = (data["hardness"][data["technique"] == kind] for kind in range(techniques))
    return [[float(one.min()), float(one.max())] if len(one) else [0.0, 0.0] for one in found]


def noise_errors(guess: Floats, third: Floats, data: Arrays) -> dict[str, Any]:
    """Relative errors (RMS) of exposures' variance, of their noise power by band and of their third cumulant, over all
    and by subgroup.

    What the truth, itself of finitely many patches, errs by is taken off in the mean square, and the standard error of
    that mean square over beams is added: few exposures never state too little.

    guess (n, PATCH, PATCH) keV^2, expected periodograms, third (n,) keV^3; data: `power`, `third_kev3`, `patches`,
    `bias`, `signal_kev`, `drawn`, `technique`, PATIENT. `bias`: |mean of noise| over the error of that mean, RMS: 1 for
    unbiased images.
    """
    truth = data["power"].astype(np.float64)
    found, told = banded(guess), banded(truth)
    bands = bands_of(truth.shape[-1])
    blur = _error_squared(truth, guess, data["patches"])
    members = np.array([[(bands == band).sum()] for band in range(BANDS)])[:, 0]
    own = 1.0 / (members * data["patches"][:, None] / 2.0)  # opposite frequencies are one
    band_square = (told / found - 1.0) ** 2 - own
    variance_square = (truth.mean(axis=(1, 2)) / guess.mean(axis=(1, 2)) - 1.0) ** 2 - blur
    third_square = (data["third_kev3"] / third - 1.0) ** 2
    mean_square = data["bias"] ** 2 * truth.shape[-1] ** 2 * data["patches"] / guess[:, 0, 0]

    def errors(some: NDArray[np.bool_]) -> dict[str, Any]:
        return {"exposures": int(some.sum()), "variance": _root_mean(variance_square[some], data[PATIENT][some]),
                "bands": [_root_mean(one, data[PATIENT][some]) for one in band_square[some].T],
                "third": _root_mean(third_square[some], data[PATIENT][some]),
                "bias": float(np.sqrt(mean_square[some].mean()))}

    groups = {name: errors(some) for name, some in noise_subgroups(data).items() if some.any()}
    whole = errors(np.ones(len(truth), np.bool_))
    return {"beams": len(np.unique(data[PATIENT])), **whole, "subgroups": groups,
            "worst_variance": max(one["variance"] for one in groups.values()),
            "worst_band": max(max(one["bands"]) for one in groups.values())}


def bands_of(pixels: int) -> NDArray[np.int64]:
    """(pixels, pixels) number of each unshifted frequency's band: rings up to the pixels' Nyquist frequency along an
    axis, the corners beyond in the last."""
    along = np.abs(np.fft.fftfreq(pixels))
    rings = np.hypot(along[:, None], along[None, :]) * 2 * BANDS
    return np.asarray(np.minimum(rings, BANDS - 1e-9), np.int64)


def banded(power: Floats) -> Floats:
    """(n, BANDS) means over the bands of power (n, pixels, pixels)."""
    bands = bands_of(power.shape[-1])
    return np.stack([power[:, bands == band].mean(axis=1) for band in range(BANDS)], axis=1)


def noise_subgroups(data: Arrays) -> dict[str, NDArray[np.bool_]]:
    """Exposures by technique, quanta in a pixel, tube potential and scatter."""
    kvp, _, quanta, scatter = data["drawn"].T
    found = {f"technique {kind}": data["technique"] == kind for kind in np.unique(data["technique"]).tolist()}
    return found | {
        f"under {_FEW:g} quanta": quanta < _FEW, f"{_FEW:g} to {_MANY:g} quanta": (quanta >= _FEW) & (quanta < _MANY),
        f"{_MANY:g} quanta and over": quanta >= _MANY, "kVp under 40": kvp < 40.0,
        "kVp 40 to 90": (kvp >= 40.0) & (kvp < 90.0), "kVp 90 and over": kvp >= 90.0,
        "little scatter": scatter < np.median(scatter), "much scatter": scatter >= np.median(scatter)}


def _error_squared(truth: Floats, guess: Floats, patches: NDArray[Any]) -> Floats:
    """(n,) squared relative error of the mean square over patches: of independent exponential powers at half of the
    frequencies."""
    squares, whole = (guess**2).sum(axis=(1, 2)), guess.sum(axis=(1, 2)) ** 2
    return np.asarray(2.0 * squares / whole / patches)


def _root_mean(squares: Floats, beams: NDArray[Any]) -> float:
    """Root of the mean over beams and its standard error; a lone beam's mean counts twice."""
    _, which = np.unique(beams, return_inverse=True)
    means = np.bincount(which, squares) / np.bincount(which)
    error = means.std(ddof=1) / np.sqrt(len(means)) if len(means) > 1 else abs(means[0])
    return float(np.sqrt(max(means.mean(), 0.0) + error))
