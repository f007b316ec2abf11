"""Pix2Pix (a conditional GAN) for the places of scatter: its U-Net generator, its discriminator of patches, training.

Adapted from 256 x 256 pictures to grids of some 24 x 10 places: maps are halved four times, not eight; channels begin
at 16, not 64; a patch of the critic (the discriminator) is 7 x 7 places; batches are those of the training's spec, not
of 1, so norms are over a batch and not over an image, which would take away the conditions; the image is not cut at the
ends of its range (no tanh). Images want one brightness: scatter is told over the mean of the view's physical guesses,
which is given, so that views behind a grid and without one are alike.

Reference: P. Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017: losses,
weight of L1 (100), Adam's (0.5, 0.999), a rate that falls to 0 over the second half, dropout, weights drawn with 0.02.
The rate itself is 1e-3, not 2e-4: batches are 32 times as large (better in a trial on patients that are trained on).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from physsim.io.atomic import written_whole
from physsim.randomness import Stream
from physsim.spec.training import GUESSES, ScatterTraining
from physsim.surrogate.training import Arrays, deviance, shuffled, weights_of

Tensor = Any
WIDTH, CRITIC_WIDTH = 16, 32
_LEVELS = 4
DROPOUT, _DROPPED = 0.5, 2  # of the steps up, the deepest
_L1_WEIGHT, _RATE, _BETAS, _SPREAD = 100.0, 1e-3, (0.5, 0.999), 0.02
_BRIGHTEST = 0.999  # quantile of the training's places that is 1 in an image


@dataclass(frozen=True)
class Comparator:
    """How a generator is trained. `adversarial`: with a critic beside L1. `physical`: in ScatterNet's form and with its
    loss, the guesses times the exponential of an image by the Poisson deviance, in place of an image by L1."""

    name: str
    adversarial: bool = False
    dropout: float = DROPOUT
    physical: bool = False


class Known(nn.Module):
    """What is given: maps, and conditions as constant channels, each of mean 0 and deviation 1 in training."""

    def __init__(self, channels: int, conditions: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels + conditions, 1, 1))
        self.register_buffer("scale", torch.ones(channels + conditions, 1, 1))

    def learn(self, maps: Tensor, conditions: Tensor) -> None:
        """From training data."""
        for name, kind in (("mean", torch.mean), ("scale", torch.std)):
            both = torch.cat([kind(maps, dim=(0, 2, 3)), kind(conditions, dim=0)])[:, None, None]
            getattr(self, name).copy_(both if name == "mean" else both.clamp_min(1e-6))

    def forward(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """(n, channels + conditions, rows, columns)."""
        wide = conditions[:, :, None, None].expand(-1, -1, *maps.shape[-2:])
        return (torch.cat([maps, wide], dim=1) - self.mean) / self.scale


class Generator(nn.Module):
    """U-Net from maps (n, channels, rows, columns) and conditions (n, conditions), as constant channels, to scatter
    over the open signal at places (n, rows / stride[0], columns / stride[1])."""

    def __init__(self, channels: int, conditions: int, stride: tuple[int, int], how: Comparator,
                 width: int = WIDTH) -> None:
        super().__init__()
        self.stride, self.physical, self.guessed = stride, how.physical, [one for one in GUESSES if one < channels]
        widths = [width * min(2**level, 8) for level in range(_LEVELS)]
        self.known = Known(channels, conditions)
        inside = [channels + conditions, *widths[:-1]]
        self.down = nn.ModuleList(nn.Conv2d(one, other, 4, 2, 1) for one, other in zip(inside, widths, strict=True))
        self.down_norm = nn.ModuleList(nn.BatchNorm2d(one) if level else nn.Identity()
                                       for level, one in enumerate(widths))
        up = list(zip([widths[-1], *(2 * one for one in widths[-2:0:-1])], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.ConvTranspose2d(one, other, 4, 2, 1) for one, other in up)
        self.up_norm = nn.ModuleList(nn.BatchNorm2d(other) for _, other in up)
        self.dropout = nn.Dropout(how.dropout)
        self.leave = nn.Conv2d(2 * width, 1, 3, padding=1)
        self.register_buffer("brightest", torch.ones(()))
        self.apply(_drawn)

    def light(self, maps: Tensor) -> Tensor:
        """(n, 1, 1): mean of the view's physical guesses, which scatter is told over."""
        return maps[:, self.guessed].mean(dim=(2, 3)).sum(dim=1)[:, None, None]

    def learn_brightest(self, maps: Tensor, scatter: Tensor) -> None:
        """From training data: what is 1 in an image; nothing is -1."""
        self.brightest.copy_(torch.quantile((scatter / self.light(maps)).flatten()[:: 1 + scatter.numel() // 10**7],
                                            _BRIGHTEST))

    def image_of(self, scatter: Tensor, maps: Tensor) -> Tensor:
        """Scatter as an image, about -1 to 1."""
        return 2.0 * scatter / (self.light(maps) * self.brightest) - 1.0

    def image(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """(n, rows, columns) of places: the image guessed."""
        found, past = self.known(maps, conditions), []
        for level, (layer, norm) in enumerate(zip(self.down, self.down_norm, strict=True)):
            found = norm(layer(functional.leaky_relu(found, 0.2) if level else found))
            past.append(found)
        for step, (layer, norm) in enumerate(zip(self.up, self.up_norm, strict=True)):
            beside = past[-2 - step]
            found = norm(layer(functional.relu(found), output_size=beside.shape[-2:]))
            found = torch.cat([self.dropout(found) if step < _DROPPED else found, beside], dim=1)
        half = self.stride[0] // 2, self.stride[1] // 2
        return functional.avg_pool2d(self.leave(functional.relu(found)), half)[:, 0]

    def forward(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """Scatter at the places, as ScatterNet's: dropout only in training."""
        if self.physical:
            guess = functional.avg_pool2d(maps[:, self.guessed].sum(dim=1, keepdim=True), self.stride)[:, 0]
            return guess * self.brightest * torch.exp(self.image(maps, conditions))
        made = 0.5 * (self.image(maps, conditions) + 1.0) * self.light(maps) * self.brightest
        return made.clamp_min(0.0)


class Critic(nn.Module):
    """PatchGAN: of each patch of 7 x 7 places, given maps and conditions, the logit of being Monte Carlo's."""

    def __init__(self, channels: int, conditions: int, stride: tuple[int, int], width: int = CRITIC_WIDTH) -> None:
        super().__init__()
        self.stride = stride
        self.known = Known(channels, conditions)
        self.layers = nn.Sequential(
            nn.Conv2d(channels + conditions + 1, width, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.BatchNorm2d(2 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 1, 3, padding=1))
        self.apply(_drawn)

    def forward(self, maps: Tensor, conditions: Tensor, image: Tensor) -> Tensor:
        """(n, 1, rows, columns) of places."""
        known = self.known(functional.avg_pool2d(maps, self.stride), conditions)
        return self.layers(torch.cat([known, image[:, None]], dim=1))


def trained(data: Arrays, spec: ScatterTraining, epochs: int, how: Comparator, kept: Path | None = None
            ) -> tuple[Generator, float]:
    """A generator, and the CPU minutes that training took. Order, swaps and weights of the views are those of the
    network's first member. Goes on from `kept` where there is one.

    `data`: see `training.train`.
    """
    maps, conditions, scatter = (torch.from_numpy(np.asarray(data[name], np.float32))
                                 for name in ("maps", "conditions", "scatter"))
    weight = torch.from_numpy(weights_of(data).astype(np.float32))
    torch.manual_seed(_seed(spec, 0))
    sizes = maps.shape[1], conditions.shape[1], spec.stride
    net, critic = Generator(*sizes, how), Critic(*sizes)
    net.learn_brightest(maps, scatter)
    for one in (net, critic):
        one.known.learn(maps, conditions)
    steps = [torch.optim.Adam(one.parameters(), lr=_RATE, betas=_BETAS) for one in (net, critic)]
    parts = {"net": net, "critic": critic, "net step": steps[0], "critic step": steps[1]}
    done, minutes = _resumed(kept, parts)
    for epoch in range(done, epochs):
        began = time.process_time()
        torch.manual_seed(_seed(spec, epoch + 1))
        for step in steps:
            for group in step.param_groups:
                group["lr"] = _RATE * min(1.0, 2.0 * (1.0 - epoch / epochs))
        for some, seen, wanted in shuffled(maps, scatter, spec, 0, epoch):
            told, image = conditions[some], net.image_of(wanted, seen)
            if how.physical:
                _step(steps[0], (weight[some] * deviance(net(seen, told), wanted)).mean())
                continue
            made = net.image(seen, told)
            loss = _L1_WEIGHT * (weight[some] * (made - image).abs().mean(dim=(1, 2))).mean()
            if how.adversarial:
                _step(steps[1], 0.5 * (_called(critic(seen, told, image), 1.0)
                                       + _called(critic(seen, told, made.detach()), 0.0)))
                loss = loss + _called(critic(seen, told, made), 1.0)
            _step(steps[0], loss)
        minutes += (time.process_time() - began) / 60.0
        if kept is not None:
            with written_whole(kept, True) as temporary:
                torch.save({"epochs": epoch + 1, "minutes": minutes}
                           | {name: one.state_dict() for name, one in parts.items()}, temporary)
    return net.eval(), minutes


def _called(logits: Tensor, truth: float) -> Tensor:
    """Cross entropy of patches that are all Monte Carlo's (1), or the generator's (0)."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth))


def _step(optimiser: Any, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def _resumed(kept: Path | None, parts: dict[str, Any]) -> tuple[int, float]:
    """Epochs done and minutes they took."""
    if kept is None or not kept.exists():
        return 0, 0.0
    found = torch.load(kept, weights_only=True)
    for name, one in parts.items():
        one.load_state_dict(found[name])
    return int(found["epochs"]), float(found["minutes"])


def _drawn(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, _SPREAD)
        nn.init.zeros_(layer.bias)


def _seed(spec: ScatterTraining, number: int) -> int:
    """Of the weights (0), and of the dropout of each epoch."""
    return Stream(spec.seed, "pix2pix").seed_for(number) >> 1
