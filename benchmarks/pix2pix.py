"""Scatter by an image-to-image GAN (Pix2Pix), by its U-Net alone and by physsim's networks, of the same data.

Honest because: all are trained on the views that the weights' card names (their hash is compared), see the same maps
and numbers, in the same order, with the same swaps and weights of views; all are judged on the same patients, whom none
has seen, by the function that writes the card (`errors_of`): e_S at the places, the truth's noise taken off the mean
square. The U-Net by L1 alone shows what the critic adds, without dropout what that costs, in the network's form with
its loss what these are worth; `guesses` what the physical guesses are worth that all are given (times one number, as an
untrained network has it); Monte Carlo what few photons do. The second job trains on every fourth patient and leaves out
the tenth of largest body mass index: `outside` is e_S on these, the like of whom no training has seen. Settings are
those of the paper but for what pix2pix_networks.py names; none was sought on patients held out. Times are CPU time of
one thread, one view at a time; what all need (maps, 12 ms) is left out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.spec.training import HELD_OUT, ScatterTraining
from physsim.surrogate.ensemble import load_ensemble, shipped_family
from physsim.surrogate.network import ScatterNet
from physsim.surrogate.scatter_training import body_mass_index, errors_of, root_mean, squared_errors
from physsim.surrogate.shards import PATIENT, digest_of, read_shards, shard_files
from physsim.surrogate.training import NEEDED, Arrays, guesses, train

from . import machine
from .pix2pix_networks import Comparator, trained

ALL, THINNER = "all patients", "without the heaviest tenth"
GUESSES_ALONE = "guesses"
WORST = 0.01  # of the views
OUTSIDE, EVERY = 0.9, 4  # quantile of body mass index that the second job trains below, on every so many patients
COMPARATORS = (Comparator("U-Net, L1, no dropout", dropout=0.0), Comparator("U-Net, L1"),
               Comparator("Pix2Pix", adversarial=True),
               Comparator("U-Net, the network's form and loss", dropout=0.0, physical=True))  # fmt: skip
_TIMED = 64  # views
_JUDGED = (*NEEDED, "drawn", "person", "technique", PATIENT)


def measure(data: Path, family: str = "chest", weights: Path | None = None, epochs: int = 40,
            kept: Path | None = None, say: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Train the comparators, and judge them beside `weights` (default: those shipped for the family). `data`: folder of
    the .h5 files that the weights were trained on; `kept`: folder where trainings that were stopped go on.

    Raises InvalidInput where there are no weights of the family, and for data that are not theirs.
    """
    told = say or (lambda text: print(text, file=sys.stderr))
    path = weights or shipped_family(family)
    if path is None:
        raise InvalidInput(message(f"family {family!r}", "no weights of it come with physsim", "Give --weights."))
    ensemble, threads = load_ensemble(path), torch.get_num_threads()
    spec = ensemble.spec
    seen, unseen = _files(data, spec, ensemble.card)
    if kept is not None:  # by what trainings hang on, so that none goes on with another's
        kept = kept / f"{ensemble.card['data_sha256'][:16]}_{epochs}"
        kept.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {
        "kind": "pix2pix", "machine": machine.describe(),
        "settings": {"threads": 1, "rounds": 1, "family": spec.family, "epochs": epochs, "network": ensemble.digest,
                     "data_sha256": ensemble.card["data_sha256"],
                     "held_out_sha256": ensemble.card["held_out_sha256"]},
        "rows": [], "figures": {}, "notes": {}, "failed": [],
    }  # fmt: skip
    torch.set_num_threads(1)
    try:
        known, judged = read_shards(seen, _JUDGED), read_shards(unseen, (*_JUDGED, "batches"))
        result["rows"] += _photons(judged, spec) + _nets(ALL, [untrained(known, spec)], judged, GUESSES_ALONE)
        result["rows"] += _comparators(ALL, known, judged, None, spec, epochs, kept, told)
        result["rows"] += _nets(ALL, ensemble.nets[:1], judged, "network, one member")
        result["rows"] += _nets(ALL, ensemble.nets, judged, f"network, {len(ensemble.nets)} members")
        result["rows"] += _without_the_heaviest(known, judged, spec, epochs, kept, told)
    finally:
        torch.set_num_threads(threads)
    rows = {row["estimator"]: row for row in result["rows"] if row["job"] == ALL}
    for name in ("U-Net, L1", "Pix2Pix"):
        result["figures"][f"e_S of {name} over that of one network"] = \
            rows[name]["e_s"] / max(rows["network, one member"]["e_s"], 1e-9)  # fmt: skip
    return result


def untrained(data: Arrays, spec: ScatterTraining) -> ScatterNet:
    """The physical guesses times the one number that fits the training's mean scatter."""
    maps, conditions, scatter = (torch.from_numpy(np.asarray(data[name], np.float32)) for name in NEEDED[:3])
    net = ScatterNet(maps.shape[1], conditions.shape[1], spec.width, spec.stride)
    net.learn_scales(maps, conditions, scatter)
    return net.eval()


def _files(folder: Path, spec: ScatterTraining, card: Any) -> tuple[list[Path], list[Path]]:
    """Of the patients trained on, and of those held out."""
    files = shard_files(folder, spec)
    lacking = [path.name for path in files if not path.exists()]
    if lacking:
        raise InvalidInput(message(str(folder), f"{len(lacking)} files of the training are missing: {lacking[0]}, ...",
                                   "Give the folder `data` beside the weights."))  # fmt: skip
    parts = [[path for path in files if (files[path][0] >= HELD_OUT) == held] for held in (False, True)]
    if [digest_of(part) for part in parts] != [card["data_sha256"], card["held_out_sha256"]]:
        raise InvalidInput(message(str(folder), "its files are not those that the weights were trained on",
                                   "Give the folder `data` beside the weights."))  # fmt: skip
    return parts[0], parts[1]


def _without_the_heaviest(known: Arrays, judged: Arrays, spec: ScatterTraining, epochs: int, kept: Path | None,
                          told: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rows of the second job."""
    most = float(np.quantile(_by_patient(body_mass_index(known), known), OUTSIDE))
    inside, within = body_mass_index(known) <= most, body_mass_index(judged) <= most
    some = np.unique(known[PATIENT][inside])[::EVERY]
    taught = _part(known, np.isin(known[PATIENT], some))
    outside = {name: np.concatenate([_part(known, ~inside)[name], _part(judged, ~within)[name]]) for name in _JUDGED}
    judged = _part(judged, within)
    rows = _nets(THINNER, [untrained(taught, spec)], judged, GUESSES_ALONE, outside)
    rows += _comparators(THINNER, taught, judged, outside, spec, epochs, kept, told)
    told(f"{THINNER}: network")
    began = time.process_time()
    path = kept / "network.safetensors" if kept else None
    whole = path is None or not path.exists()
    net, _ = train(taught, spec.replace(epochs=epochs), 0, path)
    minutes = (time.process_time() - began) / 60.0 if whole else None
    return rows + _nets(THINNER, [net], judged, "network, one member", outside, cpu_minutes=minutes)


def _comparators(job: str, data: Arrays, judged: Arrays, outside: Arrays | None, spec: ScatterTraining, epochs: int,
                 kept: Path | None, told: Callable[[str], None]) -> list[dict[str, Any]]:
    """Rows of all COMPARATORS; of Pix2Pix without dropout and, as published, with it."""
    rows = []
    for number, how in enumerate(COMPARATORS):
        told(f"{job}: {how.name}")
        path = kept / f"{job}_{number}.pt" if kept else None
        net, minutes = trained(data, spec, epochs, how, path)
        rows += _nets(job, [net], judged, how.name, outside, cpu_minutes=minutes)
        if how.adversarial:
            net.dropout.train()
            torch.manual_seed(spec.seed)
            rows += _nets(job, [net], judged, f"{how.name}, dropout on", outside, cpu_minutes=minutes)
    return rows


def _photons(judged: Arrays, spec: ScatterTraining) -> list[dict[str, Any]]:
    """Rows of the first few photons at the views held out."""
    return [_row(ALL, f"Monte Carlo, {histories} photons", judged["batches"][:, look].mean(axis=1, dtype=np.float64),
                 judged) for look, histories in enumerate(spec.looks) if look % 2 == 0]  # fmt: skip


def _nets(job: str, nets: Sequence[Any], judged: Arrays, name: str, outside: Arrays | None = None, **more: Any
          ) -> list[dict[str, Any]]:
    """The row of the mean of networks."""
    def mean(of: Arrays) -> NDArray[np.float64]:
        return np.asarray(guesses(nets, of["maps"], of["conditions"]).mean(axis=0, dtype=np.float64))

    beyond = None if outside is None else root_mean(squared_errors(mean(outside), outside)[1])
    size = 1 if name == GUESSES_ALONE else sum(one.numel() for net in nets for one in net.parameters())
    return [_row(job, name, mean(judged), judged, outside=beyond, ms=_milliseconds(nets, judged), parameters=size,
                 **more)]  # fmt: skip


def _row(job: str, estimator: str, guess: NDArray[np.float64], judged: Arrays, **more: Any) -> dict[str, Any]:
    """Errors of a guess (views, rows, columns)."""
    found, (square, clean) = errors_of(guess, judged), squared_errors(guess, judged)
    worst = np.argsort(-square)[: max(1, round(WORST * len(square)))]
    truth = judged["scatter"].mean(axis=(1, 2), dtype=np.float64)
    return {"job": job, "estimator": estimator, "views": found["views"], "patients": found["patients"],
            "e_s": found["mean_clean"], "worst_subgroup": found["worst_subgroup"],
            "worst_views": root_mean(clean[worst]), "bias": float((guess.mean(axis=(1, 2)) / truth).mean() - 1.0),
            "outside": None, "parameters": None, "ms": None, "cpu_minutes": None, **more}  # fmt: skip


def _milliseconds(nets: Sequence[Any], judged: Arrays) -> float:
    """CPU, a view: the median of views guessed one by one."""
    spent = []
    for view in range(min(_TIMED, len(judged["maps"]))):
        began = time.process_time()
        guesses(nets, judged["maps"][view : view + 1], judged["conditions"][view : view + 1])
        spent.append(1e3 * (time.process_time() - began))
    return float(np.median(spent))


def _by_patient(values: NDArray[np.float64], data: Arrays) -> NDArray[np.float64]:
    """(patients,) of values that a patient's views share."""
    return values[np.unique(data[PATIENT], return_index=True)[1]]


def _part(data: Arrays, some: NDArray[np.bool_]) -> Arrays:
    return {name: values[some] for name, values in data.items()}
