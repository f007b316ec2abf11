"""Training of a noise network on periodograms of few patches: Whittle's likelihood finds their mean.

Reference: P. Whittle, Ark. Mat. 2 (1953) 423; debiased: A. M. Sykulski et al., Biometrika 106 (2019) 251.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from physsim.spec.noise_training import NoiseTraining
from physsim.surrogate.checkpoints import keep, resume, share_of_rate, training_digest, training_seed
from physsim.surrogate.noise_network import NoiseNet, noise_power

Arrays = dict[str, NDArray[Any]]
Progress = Callable[[str, float], None]
NEEDED = ("conditions", "depth", "signal_kev", "white_kev2", "power")
_WEIGHT_DECAY = 1e-5


def fit_noise(data: Arrays, spec: NoiseTraining, checkpoint: Path | None = None, progress: Progress | None = None
              ) -> tuple[NoiseNet, list[float]]:
    """The network and its loss by epoch. `data`: NEEDED of all training exposures (see imaging.noise_cases).

    Goes on from `checkpoint` where there is one (InvalidInput where it is of another training), which is written after
    each epoch. Needs the same build of torch and the same number of threads for the same bits.
    """
    tell = progress or (lambda stage, share: None)
    torch.manual_seed(training_seed(spec, "noise training", 0))
    conditions, depth, white, power = _tensors(data)
    net = NoiseNet(conditions.shape[1], spec.components, spec.radius, spec.width)
    net.learn_scales(conditions, depth)
    optimiser = torch.optim.AdamW(net.parameters(), lr=spec.learning_rate, weight_decay=_WEIGHT_DECAY)
    losses: list[float] = []
    of = training_digest(data, NEEDED, spec, 0)
    if checkpoint is not None and checkpoint.exists():
        losses = resume(checkpoint, net, optimiser, of)
    for epoch in range(len(losses), spec.epochs):
        order = torch.randperm(len(depth), generator=torch.Generator().manual_seed(
            training_seed(spec, "noise training", epoch + 1)))
        total = 0.0
        for start in range(0, len(depth), spec.batch):
            some = order[start : start + spec.batch]
            guess = noise_power(net.kernels(conditions[some]), net.gains(conditions[some], depth[some]), white[some],
                                power.shape[-1])
            loss = whittle(guess, power[some]).mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            for group in optimiser.param_groups:
                group["lr"] = spec.learning_rate * share_of_rate(epoch + start / len(depth), spec.epochs)
            optimiser.step()
            total += float(loss.detach()) * len(some)
        losses.append(total / len(depth))
        tell("network", (epoch + 1) / spec.epochs)
        if checkpoint is not None:
            keep(checkpoint, net, optimiser, losses, of)
    return net.eval(), losses


def whittle(guess: Any, power: Any) -> Any:
    """(n,) deviance of periodograms (n, rows, columns) about the expected ones: 0 where they agree, near half of the
    squared relative difference, least where the guess is the mean of what is told."""
    ratio = power / guess
    return (ratio - 1.0 - torch.log(ratio.clamp_min(1e-12))).mean(dim=(1, 2))


def expected_power(net: NoiseNet, data: Arrays) -> NDArray[np.float64]:
    """(n, PATCH, PATCH) keV^2: the network's periodograms of exposures."""
    with torch.inference_mode():
        conditions, depth, white, power = _tensors(data)
        found = noise_power(net.kernels(conditions), net.gains(conditions, depth), white, power.shape[-1])
    return np.asarray(found.double().numpy() * data["signal_kev"].astype(np.float64)[:, None, None])


def _tensors(data: Arrays) -> tuple[Any, Any, Any, Any]:
    """conditions, depth; readout's variance and power over the signal."""
    signal = data["signal_kev"].astype(np.float64)
    arrays = (data["conditions"], data["depth"], data["white_kev2"] / signal, data["power"] / signal[:, None, None])
    conditions, depth, white, power = (torch.from_numpy(np.asarray(one, np.float32)) for one in arrays)
    return conditions, depth, white, power
