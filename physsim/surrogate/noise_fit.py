"""Training of a noise network: noise power by Whittle's likelihood, third cumulants by least squares.

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
from physsim.surrogate.noise_network import NoiseNet, noise_power, third_cumulant

Arrays = dict[str, NDArray[Any]]
Progress = Callable[[str, float], None]
NEEDED = ("conditions", "hardness", "signal_kev", "white_kev2", "power", "third_kev3")
_WEIGHT_DECAY = 1e-5
_THIRD = 0.05  # weight of third cumulants, which noise shows far less of than of its power


def fit_noise(data: Arrays, spec: NoiseTraining, checkpoint: Path | None = None, progress: Progress | None = None
              ) -> tuple[NoiseNet, list[float]]:
    """The network and its loss by epoch. `data`: NEEDED of all training exposures (see imaging.noise_cases).

    Goes on from `checkpoint` where there is one (InvalidInput where it is of another training), which is written after
    each epoch. Needs the same build of torch and the same number of threads for the same bits.
    """
    tell = progress or (lambda stage, share: None)
    torch.manual_seed(training_seed(spec, "noise training", 0))
    conditions, hardness, white, power, third = _tensors(data)
    net = NoiseNet(conditions.shape[1], spec.components, spec.terms, spec.radius, spec.width)
    net.learn_scales(conditions, hardness)
    optimiser = torch.optim.AdamW(net.parameters(), lr=spec.learning_rate, weight_decay=_WEIGHT_DECAY)
    losses: list[float] = []
    of = training_digest(data, NEEDED, spec, 0)
    if checkpoint is not None and checkpoint.exists():
        losses = resume(checkpoint, net, optimiser, of)
    for epoch in range(len(losses), spec.epochs):
        order = torch.randperm(len(hardness), generator=torch.Generator().manual_seed(
            training_seed(spec, "noise training", epoch + 1)))
        total = 0.0
        for start in range(0, len(hardness), spec.batch):
            some = order[start : start + spec.batch]
            kernels, gains = net.kernels(conditions[some]), net.gains(conditions[some], hardness[some])
            guess = noise_power(kernels, gains, white[some], power.shape[-1])
            skew = third_cumulant(kernels.detach(), gains.detach(), net.bends(conditions[some], hardness[some]))
            loss = whittle(guess, power[some]).mean() + _THIRD * torch.log(skew / third[some]).square().mean()
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            for group in optimiser.param_groups:
                group["lr"] = spec.learning_rate * share_of_rate(epoch + start / len(hardness), spec.epochs)
            optimiser.step()
            total += float(loss.detach()) * len(some)
        losses.append(total / len(hardness))
        tell("network", (epoch + 1) / spec.epochs)
        if checkpoint is not None:
            keep(checkpoint, net, optimiser, losses, of)
    return net.eval(), losses


def whittle(guess: Any, power: Any) -> Any:
    """(n,) deviance of periodograms (n, rows, columns) about the expected ones: 0 where they agree, near half of the
    squared relative difference, least where the guess is the mean of what is told."""
    ratio = power / guess
    return (ratio - 1.0 - torch.log(ratio.clamp_min(1e-12))).mean(dim=(1, 2))


def expected_noise(net: NoiseNet, data: Arrays) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The network's periodograms (n, PATCH, PATCH) keV^2 of exposures, and third cumulants (n,) keV^3 by quanta."""
    signal = data["signal_kev"].astype(np.float64)
    with torch.inference_mode():
        conditions, hardness, white, power, _ = _tensors(data)
        kernels, gains = net.kernels(conditions), net.gains(conditions, hardness)
        found = noise_power(kernels, gains, white, power.shape[-1]).double().numpy() * signal[:, None, None]
        third = third_cumulant(kernels, gains, net.bends(conditions, hardness)).double().numpy() * signal
    return np.asarray(found), np.asarray(third)


def _tensors(data: Arrays) -> tuple[Any, ...]:
    """conditions, hardness; readout's variance, power and third cumulant over the signal."""
    signal = data["signal_kev"].astype(np.float64)
    arrays = (data["conditions"], data["hardness"], data["white_kev2"] / signal, data["power"] / signal[:, None, None],
              data["third_kev3"] / signal)
    return tuple(torch.from_numpy(np.asarray(one, np.float32)) for one in arrays)
