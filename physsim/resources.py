"""Where the data files are: kernels/ and phantoms/ of the source tree, installed as physsim._kernels, _phantoms."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def phantoms_path() -> Path:
    """Folder of the phantom library (TOML, JSON and CSV data)."""
    return _folder("physsim._phantoms")


def kernels_path() -> Path:
    """Folder of the kernel sources (C++17 headers, also compiled for CUDA at run time)."""
    return _folder("physsim._kernels")


def _folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed. Run `pip install .` in the source tree.")
    return Path(found.origin).parent
