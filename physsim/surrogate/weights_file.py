"""Weights with their card in one file (safetensors): written whole, refused when damaged, of another kind or newer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from physsim.errors import FileFormatError, InvalidInput, message
from physsim.io.atomic import written_whole
from physsim.io.elements import input_file


def write_weights(path: Path, tensors: Mapping[str, Any], card: Mapping[str, Any], *, kind: str, version: int,
                  overwrite: bool = False) -> None:
    """Tensors and card of a file of `kind`, as `version` of it, whole or not at all; equal ones give equal bytes."""
    from safetensors.torch import save

    text = {"format": kind, "format_version": str(version), "card": json.dumps(card, sort_keys=True)}
    with written_whole(path, overwrite) as temporary:
        temporary.write_bytes(_in_order(save({name: one.contiguous() for name, one in tensors.items()}, text)))


def _in_order(file: bytes) -> bytes:
    """The same with its head sorted: safetensors writes what a file tells of itself in an order of chance."""
    end = 8 + int.from_bytes(file[:8], "little")
    head = json.dumps(json.loads(file[8:end]), sort_keys=True, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head + file[end:]


def read_weights(path: str | Path, *, kind: str, version: int, instead: str
                 ) -> tuple[dict[str, Any], dict[str, str], str]:
    """Tensors, what the file tells of itself, and its SHA-256.

    Raises FileFormatError for a damaged file and one of another kind, InvalidInput without torch (`instead`: what to
    take then) and for a newer version.
    """
    path = input_file(path)
    try:
        from safetensors import SafetensorError, safe_open
        from torch import Tensor  # noqa: F401
    except ImportError as error:
        raise InvalidInput(message(f"weights {path.name}", f"{error.name} is not installed",
                                   f"pip install 'physsim[surrogate]', or use {instead}.")) from None
    try:
        with safe_open(path, "pt") as file:
            told = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FileFormatError(message(str(path), f"is no whole safetensors file ({error})", "Copy it again.")) from None
    if told.get("format") != kind:
        raise FileFormatError(message(str(path), f"holds no {kind.removeprefix('physsim ')} of physsim",
                                      "Give another file."))
    if int(told["format_version"]) > version:
        raise InvalidInput(message(f"{path}: version {told['format_version']}", f"this physsim reads {version}",
                                   "Update physsim."))
    return tensors, told, hashlib.sha256(path.read_bytes()).hexdigest()


def not_of_its_card(path: str | Path, error: Exception) -> FileFormatError:
    """The error for tensors that do not fit their card."""
    why = f"its tensors are not those of its card ({str(error).splitlines()[0]})"
    return FileFormatError(message(str(path), why, "Copy it again."))


def read_card(path: Path) -> dict[str, Any]:
    """The card of weights, without torch and without checks."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        card: dict[str, Any] = json.loads(json.loads(file.read(size))["__metadata__"]["card"])
    return card
