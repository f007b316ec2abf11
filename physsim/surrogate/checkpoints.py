"""What trainings share: seeds, the course of the learning rate, checkpoints that know what they are of."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.io.atomic import written_whole
from physsim.randomness import Stream
from physsim.spec.training import Training

Arrays = dict[str, NDArray[Any]]


def training_seed(spec: Training, kind: str, number: int) -> int:
    """Of part `number` of the training `kind`: its weights (0), and what each epoch draws."""
    return Stream(spec.seed, kind).seed_for(number) >> 1


def share_of_rate(epoch: float, epochs: int) -> float:
    """Of the learning rate: rising over a tenth of all epochs, then half a cosine down to a thousandth."""
    begin = 0.1 * epochs
    if epoch < begin:
        return (epoch + 0.1) / (begin + 0.1)
    return 1e-3 + 0.999 * 0.5 * (1.0 + math.cos(math.pi * (epoch - begin) / (epochs - begin)))


def training_digest(data: Arrays, names: Sequence[str], spec: Training, member: int) -> str:
    """What a checkpoint is of: data and all that training hangs on."""
    total = hashlib.sha256(f"{spec.to_json()} {member}".encode())
    for name in names:
        total.update(np.ascontiguousarray(data[name]).data)
    return total.hexdigest()


def keep(path: Path, net: Any, optimiser: Any, losses: list[float], of: str) -> None:
    """Weights, the optimiser's state and losses by epoch, whole or not at all."""
    from safetensors.torch import save

    tensors = {f"net.{name}": value.contiguous() for name, value in net.state_dict().items()}
    for number, state in optimiser.state_dict()["state"].items():
        tensors |= {f"step.{number}.{name}": value.contiguous() for name, value in state.items()}
    with written_whole(path, True) as temporary:
        temporary.write_bytes(save(tensors, {"losses": json.dumps(losses), "training": of}))


def resume(path: Path, net: Any, optimiser: Any, of: str) -> list[float]:
    """Losses so far, net and optimiser as they were kept. InvalidInput for a checkpoint of another training."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        if file.metadata().get("training") != of:
            raise InvalidInput(message(str(path), "it is of another training: other data or another spec",
                                       "Delete it, or give another folder."))
        losses: list[float] = json.loads(file.metadata()["losses"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    net.load_state_dict({name[4:]: value for name, value in tensors.items() if name.startswith("net.")})
    state: dict[int, dict[str, Any]] = {}
    for name, value in tensors.items():
        if name.startswith("step."):
            _, number, part = name.split(".")
            state.setdefault(int(number), {})[part] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    return losses


def losses_of(checkpoint: Path) -> list[float]:
    """By epoch so far; none where nothing is kept yet."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(checkpoint, "pt") as file:
            return list(json.loads(file.metadata()["losses"]))
    except (OSError, SafetensorError):
        return []
