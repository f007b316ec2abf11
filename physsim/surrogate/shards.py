"""Training data in files of some patients each: made by any callable, by several processes, resumed after a stop."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, PhyssimError, message
from physsim.io.hdf5 import Layer, read_layers, read_provenance, write_layers
from physsim.spec.provenance import kernels_sha256, tables_sha256
from physsim.spec.training import HELD_OUT, Training

Arrays = dict[str, NDArray[Any]]
Cases = Callable[[int], Arrays]
Progress = Callable[[str, float], None]
Files = Mapping[Path, tuple[int, ...]]  # and the patients that each holds

ENGINE = ("kernels_sha256", "tables_sha256")
PATIENT = "patient"  # the layer of each view's patient number


class PatientsFailed(PhyssimError, RuntimeError):
    """failed: what was raised for each patient, by number; files: those that are whole, in order."""

    def __init__(self, failed: Mapping[int, Exception], files: Sequence[Path]) -> None:
        self.failed, self.files = failed, files
        number, error = next(iter(failed.items()))
        super().__init__(message(f"{len(failed)} patients, number {number} first", f"{type(error).__name__}: {error}",
                                 "The other files are kept: the same command makes those missing."))
        self.__cause__ = error


def make_shards(folder: Path, spec: Training, cases: Cases, *, workers: int = 1,
                progress: Progress | None = None) -> list[Path]:
    """The files of all patients of `spec`; see make_files."""
    return make_files(shard_files(folder, spec), spec.data_json(), cases, workers=workers, progress=progress)


def make_files(files: Files, data: str, cases: Cases, *, workers: int = 1, progress: Progress | None = None
               ) -> list[Path]:
    """Files of numbered patients, those missing made by `cases(number)` (which other processes must be able to
    import), `workers` patients at a time. A file appears whole or not at all; the same for any number of workers.

    `data`: all that they follow from, in words. Raises InvalidInput for a file of other data, and PatientsFailed for
    patients that `cases` failed for, when all other files are made.
    """
    tell = progress or (lambda stage, share: None)
    for path in files:
        if path.exists():
            check_shard(path, data)
    missing = [path for path in files if not path.exists()]
    if not missing:
        return list(files)
    missing[0].parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        # All patients are handed in at once, so that no process waits for the last one of a file.
        waiting = [(path, {number: pool.submit(cases, number) for number in files[path]}) for path in missing]
        failed: dict[int, Exception] = {}
        for done, (path, patients) in enumerate(waiting):
            tell("data", 1.0 - (len(missing) - done) / len(files))
            errors = {number: error for number, one in patients.items() if (error := _failure(one)) is not None}
            failed |= errors
            if not errors:
                write_shard(path, data, files[path], [one.result() for one in patients.values()])
    tell("data", 1.0)
    if failed:
        raise PatientsFailed(failed, [path for path in files if path.exists()])
    return list(files)


def _failure(patient: Future[Arrays]) -> Exception | None:
    """What `cases` raised; a process that ended, or the user, ends all."""
    error = patient.exception()
    if error is None or (isinstance(error, Exception) and not isinstance(error, BrokenExecutor)):
        return error
    raise error


def shard_files(folder: Path, spec: Training) -> dict[Path, tuple[int, ...]]:
    """Files and the patients that each holds."""
    files = spec.files
    return {**numbered_files(folder, "train", 0, files.trained, files.in_one),
            **numbered_files(folder, "held", HELD_OUT, files.held_out, files.in_one)}


def numbered_files(folder: Path, kind: str, first: int, count: int, in_one: int) -> dict[Path, tuple[int, ...]]:
    """Files of `count` patients from number `first` on, and those that each holds."""
    found = {}
    for start in range(0, count, in_one):
        numbers = tuple(range(first + start, first + min(start + in_one, count)))
        found[folder / f"{kind}_{start:05d}_{len(numbers):03d}.h5"] = numbers
    return found


def write_shard(path: Path, data: str, numbers: Sequence[int], patients: list[Arrays]) -> None:
    """Views of all patients one after the other."""
    counts = [len(next(iter(one.values()))) for one in patients]
    layers = {}
    for name in patients[0]:
        joined = np.concatenate([one[name] for one in patients])
        layers[name] = Layer(joined, "1", ("view", *(f"axis{n}" for n in range(1, joined.ndim))))
    layers[PATIENT] = Layer(np.repeat(np.array(numbers, np.int64), counts), "1", ("view",))
    write_layers(path, layers, {"data": data, "kernels_sha256": kernels_sha256(),
                                "tables_sha256": tables_sha256()}, overwrite=True)


def check_shard(path: Path, data: str) -> None:
    """InvalidInput for data of another spec, FileFormatError for a damaged file."""
    if read_provenance(path).get("data") != data:
        raise InvalidInput(message(str(path), "it holds other data, of another spec",
                                   "Give another folder, or delete this one."))


def engine_of(files: Sequence[Path]) -> dict[str, str]:
    """Hashes of the kernels and tables that made the data; InvalidInput where files were made by several."""
    known = {tuple(str(read_provenance(path)[name]) for name in ENGINE) for path in files}
    if len(known) != 1:
        raise InvalidInput(message(f"{len(files)} files of data", f"they were made by {len(known)} builds of physsim",
                                   "Delete those of the older one."))
    return dict(zip(ENGINE, known.pop(), strict=True))


def read_shards(files: Sequence[Path], names: Sequence[str]) -> Arrays:
    """Arrays (views of all files, ...) by name."""
    parts = list(_each(files, names))
    return {name: np.concatenate([one[name] for one in parts]) for name in names}


def digest_of(files: Sequence[Path]) -> str:
    """SHA-256 of the files' bytes, in order."""
    total = hashlib.sha256()
    for path in files:
        total.update(path.read_bytes())
    return total.hexdigest()


def _each(files: Sequence[Path], names: Sequence[str]) -> Iterator[Arrays]:
    for path in files:
        found = read_layers(path, names).layers
        yield {name: np.array(found[name].array) for name in names}
