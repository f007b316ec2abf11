"""From a training's spec to weights with their card: data, ensemble, what it errs by on patients it never saw."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.spec.training import HELD_OUT, SCANNED, ScatterTraining
from physsim.surrogate.calibration import Calibration
from physsim.surrogate.ensemble import (
    ScatterEnsemble,
    as_stored,
    calibration_file,
    load_ensemble,
    save_ensemble,
    scan_calibration_file,
)
from physsim.surrogate.scan_calibration import NEEDED as SCANNED_LAYERS
from physsim.surrogate.scan_calibration import calibrated_scans
from physsim.surrogate.scatter_calibration import NEEDED as CALIBRATED
from physsim.surrogate.scatter_calibration import SEEN, calibrated, with_novelty
from physsim.surrogate.shards import (
    PATIENT,
    Cases,
    digest_of,
    engine_of,
    make_files,
    make_shards,
    numbered_files,
    read_shards,
    shard_files,
)

Arrays = dict[str, NDArray[Any]]
Progress = Callable[[str, float], None]


def train_scatter(spec: ScatterTraining, cases: Cases, folder: Path, weights: Path, *,
                  inputs: Mapping[str, Sequence[str]], scans: Cases | None = None, workers: int = 1, command: str = "",
                  overwrite: bool = False, progress: Progress | None = None) -> dict[str, Any]:
    """Makes what is missing in `folder` (data and checkpoints), writes `weights` (.safetensors) and, where there are
    held-out views enough for one, their calibration beside them (`calibration_file`); the card.

    cases(number): see ScatterCases; other processes must be able to import it. inputs: names of "channels" and
    "conditions". Stopped at any time it goes on where it was when called again.
    """
    from physsim.surrogate.members import trained_members
    from physsim.surrogate.training import NEEDED

    files = make_shards(folder / "data", spec, cases, workers=workers, progress=progress)
    scanned = make_scans(folder / "data", spec, scans, workers=workers, progress=progress)
    numbers = shard_files(folder / "data", spec)
    seen = [path for path in files if numbers[path][0] < HELD_OUT]
    unseen = [path for path in files if numbers[path][0] >= HELD_OUT]
    engine = engine_of([*files, *scanned])
    known = read_shards(seen, ("conditions", PATIENT))
    patient, ends = known[PATIENT], [known["conditions"].min(axis=0), known["conditions"].max(axis=0)]
    if (patient >= HELD_OUT).any():
        raise AssertionError("held-out patients among the training data")
    found, losses = trained_members(seen, spec, folder, workers, progress)
    nets = as_stored(found)
    card = {
        "spec": json.loads(spec.to_json()), "inputs": {name: list(words) for name, words in inputs.items()},
        "command": command, "data_sha256": digest_of(seen), "held_out_sha256": digest_of(unseen),
        **engine,
        "views": len(patient), "condition_ends": np.transpose(ends).tolist(), "losses": losses,
        "held_out": held_out_errors(nets, read_shards(unseen, (*NEEDED, "drawn", "person", "technique", PATIENT))),
    }
    save_ensemble(weights, nets, card, overwrite)
    made = load_ensemble(weights)
    judged = read_shards(unseen, CALIBRATED)
    members = made.scatter(judged["maps"], judged["conditions"])
    calibration = calibrated(members, judged, spec, made.digest, str(card["held_out_sha256"]))
    if calibration is not None:
        calibration = with_novelty(calibration, read_shards(seen, SEEN))
        calibration.save(calibration_file(weights), overwrite=overwrite)
    if scanned:
        of_scans = scans_calibration(made, scanned, spec)
        if of_scans is not None:
            of_scans.save(scan_calibration_file(weights), overwrite=overwrite)
    return card


def make_scans(folder: Path, spec: ScatterTraining, scans: Cases | None, *, workers: int = 1,
               progress: Progress | None = None) -> list[Path]:
    """The files of the held-out scans of `spec`, those missing made by `scans(number)` (see ScanCases).

    Raises InvalidInput where the spec asks for scans and nobody makes them.
    """
    if not spec.held_out_scans:
        return []
    if scans is None:
        raise InvalidInput(message(f"held_out_scans={spec.held_out_scans}", f"{spec.family} is no family of scans",
                                   "Leave held_out_scans out."))
    files = numbered_files(folder, "scans", SCANNED, spec.held_out_scans, spec.shard_patients)
    return make_files(files, spec.scan_data_json(), scans, workers=workers, progress=progress)


def scans_calibration(ensemble: ScatterEnsemble, files: Sequence[Path], spec: ScatterTraining) -> Calibration | None:
    """What held-out scans say of an ensemble; None where they are too few."""
    data = read_shards(files, SCANNED_LAYERS)
    scans, views = data["maps"].shape[:2]
    maps, conditions = (data[name].reshape(scans * views, *data[name].shape[2:]) for name in ("maps", "conditions"))
    members = ensemble.scatter(maps, conditions)
    return calibrated_scans(members.reshape(len(members), scans, views, *members.shape[2:]), data, spec,
                            ensemble.digest, digest_of(files))


def held_out_errors(nets: Sequence[Any], data: Arrays) -> dict[str, Any]:
    """`errors_of` the ensemble's mean, of views of patients that it never saw."""
    from physsim.surrogate.training import guesses

    return errors_of(guesses(nets, data["maps"], data["conditions"]).mean(axis=0, dtype=np.float64), data)


def errors_of(guess: NDArray[Any], data: Arrays) -> dict[str, Any]:
    """e_S by view of `guess` (views, rows, columns), the noise of the truth taken off in the mean: over all views, by
    subgroup (mean and number of views), and the worst views.

    `mean` is the mean over views of e_S with noise in it, `mean_clean` the root of the mean square without.
    """
    square, clean = squared_errors(guess, data)

    def told(some: NDArray[np.bool_]) -> dict[str, float]:
        return {"views": int(some.sum()), "e_s": root_mean(clean[some])}

    groups = {name: told(some) for name, some in subgroups(data).items() if some.any()}
    order = np.argsort(-square)[:5]
    return {
        "views": len(square), "patients": len(np.unique(data[PATIENT])), "mean": float(np.sqrt(square).mean()),
        "mean_clean": root_mean(clean), "subgroups": groups,
        "worst_subgroup": max(one["e_s"] for one in groups.values()),
        "worst_views": [{"patient": int(data[PATIENT][n]), "e_s": float(np.sqrt(square[n]))} for n in order],
    }


def squared_errors(guess: NDArray[Any], data: Arrays) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(views,) e_S squared of `guess` (views, rows, columns): with the truth's noise in it, and with what that noise
    adds in the mean taken off."""
    truth, noise = data["scatter"].astype(np.float64), data["error"].astype(np.float64)
    scale = truth.mean(axis=(1, 2))
    square = ((guess - truth) ** 2).mean(axis=(1, 2)) / scale**2
    return square, square - (noise**2).mean(axis=(1, 2)) / scale**2


def root_mean(squares: NDArray[np.float64]) -> float:
    """Root of the mean of squared errors, 0 where noise taken off leaves less than nothing."""
    return float(np.sqrt(max(squares.mean(), 0.0)))


def subgroups(data: Arrays) -> dict[str, NDArray[np.bool_]]:
    """Views by sex, age, size, tube potential, grid and technique."""
    female, age = data["person"].T[:2]
    kvp, grid = data["drawn"][:, 0], data["drawn"][:, 5]
    size = body_mass_index(data)
    found = {"women": female > 0.5, "men": female < 0.5, "under 40": age < 40.0,
             "40 to 65": (age >= 40.0) & (age < 65.0), "65 and over": age >= 65.0, "BMI under 25": size < 25.0,
             "BMI 25 to 30": (size >= 25.0) & (size < 30.0), "BMI 30 and over": size >= 30.0,
             "lower kVp": kvp < np.median(kvp), "higher kVp": kvp >= np.median(kvp),
             "grid": grid > 0.0, "no grid": grid == 0.0}
    for kind in np.unique(data["technique"]).tolist():
        found[f"technique {kind}"] = data["technique"] == kind
    return found


def body_mass_index(data: Arrays) -> NDArray[np.float64]:
    """(views,) kg/m2 of each view's person."""
    height, weight = data["person"].T[2:]
    return np.asarray(weight / (height / 100.0) ** 2)
