"""Training of an ensemble of scatter networks on noisy Monte Carlo: the Poisson deviance finds the mean all the same.

Reference: J. Lehtinen et al., "Noise2Noise", ICML 2018: of many noisy targets a mean-seeking loss learns the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from physsim.spec.training import ScatterTraining
from physsim.surrogate.checkpoints import keep, resume, share_of_rate, training_digest, training_seed
from physsim.surrogate.network import ScatterNet

Arrays = dict[str, NDArray[Any]]
Progress = Callable[[str, float], None]
NEEDED = ("maps", "conditions", "scatter", "error")
_NOISE = 0.03  # relative: views that let expect more noise count less
_WEIGHT_DECAY = 1e-4


def train(data: Arrays, spec: ScatterTraining, member: int, checkpoint: Path | None = None,
          progress: Progress | None = None) -> tuple[ScatterNet, list[float]]:
    """One member of the ensemble, and its loss by epoch. `data`: NEEDED of all training views (see ScatterCases).

    Goes on from `checkpoint` where there is one (InvalidInput where it is of another training), which is written after
    each epoch. Views are mirrored at random. Needs the same build of torch and the same number of threads for
    the same bits.
    """
    tell = progress or (lambda stage, share: None)
    torch.manual_seed(_seed(spec, member, 0))
    maps, conditions, scatter = (torch.from_numpy(np.asarray(data[name], np.float32)) for name in NEEDED[:3])
    weight = torch.from_numpy(weights_of(data).astype(np.float32))
    net = ScatterNet(maps.shape[1], conditions.shape[1], spec.width, spec.stride)
    net.learn_scales(maps, conditions, scatter)
    optimiser = torch.optim.AdamW(net.parameters(), lr=spec.learning_rate, weight_decay=_WEIGHT_DECAY)
    losses: list[float] = []
    of = training_digest(data, NEEDED, spec, member)
    if checkpoint is not None and checkpoint.exists():
        losses = resume(checkpoint, net, optimiser, of)
    for epoch in range(len(losses), spec.epochs):
        total, done = 0.0, 0
        for some, seen, wanted in shuffled(maps, scatter, spec, member, epoch):
            loss = (weight[some] * deviance(net(seen, conditions[some]), wanted)).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            for group in optimiser.param_groups:
                group["lr"] = spec.learning_rate * share_of_rate(epoch + done / len(maps), spec.epochs)
            optimiser.step()
            total += float(loss.detach()) * len(some)
            done += len(some)
        losses.append(total / len(maps))
        tell(f"member {member}", (epoch + 1) / spec.epochs)
        if checkpoint is not None:
            keep(checkpoint, net, optimiser, losses, of)
    return net.eval(), losses


def shuffled(maps: Any, scatter: Any, spec: ScatterTraining, member: int, epoch: int) -> Iterator[tuple[Any, Any, Any]]:
    """Batches of an epoch in random order: numbers of the views, their maps and their scatter; in half of them left and
    right are swapped, in half of them top and bottom: maps hold the beam too, and physics knows no side."""
    order = torch.randperm(len(maps), generator=torch.Generator().manual_seed(_seed(spec, member, 2 * epoch + 1)))
    flips = torch.Generator().manual_seed(_seed(spec, member, 2 * epoch + 2))
    for some in order.split(spec.batch):
        seen, wanted = maps[some], scatter[some]
        for axis in (-1, -2):
            swapped = torch.rand(len(some), generator=flips) < 0.5
            seen = torch.where(swapped[:, None, None, None], seen.flip(axis), seen)
            wanted = torch.where(swapped[:, None, None], wanted.flip(axis), wanted)
        yield some, seen, wanted


def weights_of(data: Arrays) -> NDArray[np.float64]:
    """(n,) what each view counts, 1 on average: less where its conditions let expect more noise.

    Of its own noise it must not hang: a view that happens to see bright photons finds itself noisier, and a mean
    that trusts it less is too low.
    """
    noise = np.sqrt((data["error"].astype(np.float64) ** 2).mean(axis=(1, 2)))
    relative = noise / np.maximum(data["scatter"].astype(np.float64).mean(axis=(1, 2)), 1e-12)
    known = np.column_stack([np.ones(len(relative)), data["conditions"]])
    expected = np.exp(known @ np.linalg.lstsq(known, np.log(np.maximum(relative, 1e-6)), rcond=None)[0])
    weight = 1.0 / (1.0 + (expected / _NOISE) ** 2)
    return np.asarray(weight / weight.mean())


def deviance(guess: Any, told: Any) -> Any:
    """(n,) Poisson deviance of images `told` (n, rows, columns) about `guess`, over the guess's mean: near half of
    twice the squared relative error. Its mean is least where the guess is the mean of what is told."""
    guess = guess.clamp_min(1e-12)
    of_each = guess - told + torch.where(told > 0.0, told * torch.log(told.clamp_min(1e-30) / guess), torch.zeros(()))
    return 2.0 * of_each.mean(dim=(1, 2)) / guess.detach().mean(dim=(1, 2))


def guesses(nets: Sequence[ScatterNet], maps: NDArray[Any], conditions: NDArray[Any]) -> NDArray[np.float32]:
    """(members, n, rows, columns) of maps (n, channels, rows, columns) and conditions (n, conditions)."""
    with torch.inference_mode():
        given = (torch.from_numpy(np.asarray(maps, np.float32)), torch.from_numpy(np.asarray(conditions, np.float32)))
        return np.stack([net(*given).numpy() for net in nets])


def _seed(spec: ScatterTraining, member: int, number: int) -> int:
    """Of a member's weights (0), and of the order and the flips of each epoch."""
    return training_seed(spec, f"scatter training {member}", number)
