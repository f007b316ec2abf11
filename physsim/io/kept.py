"""Results kept between processes: small JSON files in the user's cache folder, named by all that they hang on.

The folder is `PHYSSIM_CACHE` where set ("off": nothing is kept), else `physsim` in XDG_CACHE_HOME or ~/.cache. Files
appear whole or not at all, so that processes may share it; it can be deleted at any time. A result that cannot be read
or written there is made again: it is the same, only later.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = dict[str, float]


def cache_folder() -> Path | None:
    """Where results are kept, or None where they are not."""
    named = os.environ.get("PHYSSIM_CACHE", "")
    if named:
        return None if named == "off" else Path(named)
    try:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return None
    return Path(base) / "physsim"


def kept_numbers(kind: str, key: str, made: Callable[[], Numbers]) -> Numbers:
    """made(), or what it gave before for the same `kind` and `key`, in this process or another one.

    `key` says all that the numbers hang on; they come back bit for bit.
    """
    folder = cache_folder()
    if folder is None:
        return made()
    file = folder / kind / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    found = _read(file, key)
    if found is None:
        found = made()
        _write(file, {"key": key, "numbers": found})
    return found


def kept_array(kind: str, key: str, made: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64]:
    """The same for an array of float64."""

    def numbers() -> Numbers:
        array = made()
        sizes = {f"axis {n}": float(size) for n, size in enumerate(array.shape)}
        return sizes | {str(n): value for n, value in enumerate(array.ravel().tolist())}

    found = kept_numbers(kind, key, numbers)
    sizes = [int(value) for name, value in found.items() if name.startswith("axis")]
    return np.array(list(found.values())[len(sizes):]).reshape(sizes)


@cache
def digest_of_files(folders: tuple[Path, ...], suffixes: tuple[str, ...]) -> str:
    """SHA-256 of the names and bytes of all files in these folders, in theirs too, whose names end so."""
    total = hashlib.sha256()
    for folder in folders:
        for path in _files(folder, suffixes):
            total.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
            total.update(path.read_bytes())
    return total.hexdigest()


def _files(folder: Path, suffixes: tuple[str, ...]) -> Iterable[Path]:
    return sorted(path for path in folder.rglob("*") if path.name.endswith(suffixes) and path.is_file())


def _read(file: Path, key: str) -> Numbers | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["key"] != key:
            return None
        return {str(name): float(value) for name, value in found["numbers"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, not readable, or damaged
        return None


def _write(file: Path, content: dict[str, object]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, suffix=".part")
    except OSError:
        return
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as part:
            json.dump(content, part)
        Path(name).replace(file)
    except OSError:
        Path(name).unlink(missing_ok=True)
