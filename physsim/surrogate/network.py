"""The network that guesses scatter: physical guesses, each times the exponential of a smooth field it learned.

Scatter is then positive and in proportion to the light by construction; fine structure comes from the guesses alone.
"""

from __future__ import annotations

from typing import Any

import torch
from scipy.optimize import nnls
from torch import nn
from torch.nn import functional

from physsim.spec.training import GUESSES

Tensor = Any
_GROUPS, _HIDDEN = 4, 64
_LEAST_SCALE = 1e-6  # a condition that never varied in training has it, and is not looked at
_LEAST_FACTOR = 0.02
_MOST_MAP, _MOST_CONDITION = 15.0, 6.0  # deviations: beyond all of training (11 and 4.6 at most in chest, abdomen, CT)


class _Block(nn.Module):
    """Two convolutions, each with features scaled and moved by the conditions (FiLM), and a way past them."""

    def __init__(self, inside: int, outside: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inside, outside, 3, padding=1)
        self.second = nn.Conv2d(outside, outside, 3, padding=1)
        self.norms = nn.ModuleList(nn.GroupNorm(_GROUPS, outside) for _ in range(2))
        self.film = nn.Linear(hidden, 4 * outside)
        self.past = nn.Identity() if inside == outside else nn.Conv2d(inside, outside, 1)

    def forward(self, image: Tensor, told: Tensor) -> Tensor:
        """(n, outside, rows, columns)."""
        scales = self.film(told)[:, :, None, None].chunk(4, dim=1)
        found = image
        for step, (layer, norm) in enumerate(zip((self.first, self.second), self.norms, strict=True)):
            found = functional.silu(norm(layer(found)) * (1.0 + scales[2 * step]) + scales[2 * step + 1])
        return found + self.past(image)


class ScatterNet(nn.Module):
    """U-Net from maps (n, channels, rows, columns) and conditions (n, conditions) to scatter over the open signal at
    places (n, rows / stride[0], columns / stride[1]).

    `width`: channels at half size; twice and four times as many below. `stride`: 4 or 2 along each side. What maps and
    conditions are on average, and how much they vary, is kept with the weights (`learn_scales`).
    """

    def __init__(self, channels: int, conditions: int, width: int, stride: tuple[int, int] = (4, 4)) -> None:
        super().__init__()
        self.stride, self.guessed = stride, [one for one in GUESSES if one < channels]
        self.told = nn.Sequential(nn.Linear(conditions, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.SiLU())
        self.enter = nn.Conv2d(channels, width, 4, stride=2, padding=1)
        self.fine = _Block(width, width, _HIDDEN)
        self.middle = _Block(width, 2 * width, _HIDDEN)
        self.coarse = _Block(2 * width, 4 * width, _HIDDEN)
        self.back = _Block(6 * width, 2 * width, _HIDDEN)
        finer = stride != (4, 4)
        self.last = _Block(3 * width, 2 * width, _HIDDEN) if finer else None
        self.leave = nn.Conv2d(2 * width, len(self.guessed), 3, padding=1)
        for name, count in (("map", channels), ("condition", conditions)):
            self.register_buffer(f"{name}_mean", torch.zeros(count))
            self.register_buffer(f"{name}_scale", torch.ones(count))

    def learn_scales(self, maps: Tensor, conditions: Tensor, scatter: Tensor) -> None:
        """From training data: means and deviations; the first factor of each guess from what fits `scatter` at the
        places, each view over its mean, in least squares (_LEAST_FACTOR of one factor for all at least)."""
        self.map_mean.copy_(maps.mean(dim=(0, 2, 3)))
        self.map_scale.copy_(maps.std(dim=(0, 2, 3)).clamp_min(_LEAST_SCALE))
        self.condition_mean.copy_(conditions.mean(dim=0))
        self.condition_scale.copy_(conditions.std(dim=0).clamp_min(_LEAST_SCALE))
        means = scatter.mean(dim=(1, 2), keepdim=True)
        guesses = functional.avg_pool2d(maps[:, self.guessed], self.stride) / means[:, None]
        found, _ = nnls(guesses.movedim(1, -1).reshape(-1, len(self.guessed)).double().numpy(),
                        (scatter / means).ravel().double().numpy())
        common = 1.0 / float(guesses.sum(dim=1).mean())
        with torch.no_grad():
            nn.init.zeros_(self.leave.weight)
            self.leave.bias.copy_(torch.log(torch.from_numpy(found).clamp_min(_LEAST_FACTOR * common)))

    def factors(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """(n, guesses, rows / stride[0], columns / stride[1]) logarithms of what the guesses are multiplied with."""
        scaled = ((maps - self.map_mean[:, None, None]) / self.map_scale[:, None, None]).clamp(-_MOST_MAP, _MOST_MAP)
        known = ((conditions - self.condition_mean) / self.condition_scale).clamp(-_MOST_CONDITION, _MOST_CONDITION)
        told = self.told(known * (self.condition_scale > 2.0 * _LEAST_SCALE))
        fine = self.fine(functional.silu(self.enter(scaled)), told)
        middle = self.middle(functional.avg_pool2d(fine, 2), told)
        coarse = self.coarse(functional.avg_pool2d(middle, 2, ceil_mode=True), told)
        wide = functional.interpolate(coarse, size=middle.shape[-2:], mode="bilinear", align_corners=False)
        found = self.back(torch.cat([middle, wide], dim=1), told)
        if self.last is not None:
            fine = functional.avg_pool2d(fine, (self.stride[0] // 2, self.stride[1] // 2))
            wide = functional.interpolate(found, size=fine.shape[-2:], mode="bilinear", align_corners=False)
            found = self.last(torch.cat([fine, wide], dim=1), told)
        return self.leave(found)

    def forward(self, maps: Tensor, conditions: Tensor) -> Tensor:
        """Scatter at the places."""
        guesses = functional.avg_pool2d(maps[:, self.guessed], self.stride)
        return (guesses * torch.exp(self.factors(maps, conditions))).sum(dim=1)
