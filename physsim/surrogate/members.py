"""The networks of an ensemble, each trained by a process of its own on one thread: the same bits on any machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import torch

from physsim.spec.training import ScatterTraining
from physsim.surrogate.checkpoints import losses_of
from physsim.surrogate.network import ScatterNet
from physsim.surrogate.shards import read_shards
from physsim.surrogate.training import NEEDED, train

Progress = Callable[[str, float], None]
_LOOK_S = 5.0


def trained_members(files: Sequence[Path], spec: ScatterTraining, folder: Path, workers: int = 1,
                    progress: Progress | None = None) -> tuple[list[ScatterNet], list[list[float]]]:
    """The networks and their losses by epoch, `workers` at a time; checkpoints of each lie in `folder`.

    `files`: shards of the views to train on, which every process reads for itself.
    """
    tell = progress or (lambda stage, share: None)
    checkpoints = [folder / f"checkpoint_{member}.safetensors" for member in range(spec.members)]
    with ProcessPoolExecutor(min(workers, spec.members), mp_context=multiprocessing.get_context("spawn")) as pool:
        coming = [pool.submit(_member, list(files), spec, member, path) for member, path in enumerate(checkpoints)]
        while wait(coming, _LOOK_S, FIRST_EXCEPTION).not_done:
            broken = [one for one in coming if one.done() and one.exception() is not None]
            if broken:
                pool.shutdown(wait=False, cancel_futures=True)
                broken[0].result()
            tell("networks", sum(len(losses_of(path)) for path in checkpoints) / (spec.members * spec.epochs))
        made = [one.result() for one in coming]
    tell("networks", 1.0)
    nets = []
    for tensors, _ in made:
        shapes = tensors["map_mean"].shape[0], tensors["condition_mean"].shape[0]
        net = ScatterNet(*shapes, spec.width, spec.stride)
        net.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
        nets.append(net.eval())
    return nets, [losses for _, losses in made]


def _member(files: list[Path], spec: ScatterTraining, member: int, checkpoint: Path
            ) -> tuple[dict[str, Any], list[float]]:
    """Weights by name, and losses."""
    torch.set_num_threads(1)
    net, losses = train(read_shards(files, NEEDED), spec, member, checkpoint)
    return {name: value.numpy() for name, value in net.state_dict().items()}, losses
