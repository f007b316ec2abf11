"""The network that knows a detector's noise: components, each white noise spread by a kernel it learned.

Noise power = sum of squares x sum over components of share x |transfer|^2 + what the readout adds: positive definite,
linear in the signal at any hardness of the beam, the sum of squares at frequency 0, and the readout's alone without
signal, all by construction. The third cumulant has a gain of its own by component.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

Tensor = Any
_ENERGY, _PIXEL = 1, 3  # among the conditions: mean energy of the beam (keV), logarithm of pixel_mm
_WIDTHS = (0.4, 1.5)  # pixels: standard deviations of the components' kernels before training
_BROADER, _SMALLER = 1.5, 0.3  # each further term than the first
_FALL = 0.7  # a pixel: logarithm by which what is learned of a row has to do with less


class NoiseNet(nn.Module):
    """From conditions (n, conditions), see imaging.noise_cases, and hardness (n,) of what the beam has become: kernels
    of `components`, each a sum of `terms` products of rows of `radius` pixels with themselves, and their noise.

    Kernels are told pixel and absorber alone: light or charge knows not by what energy it was freed. What conditions
    and hardness are on average, and how much they vary, is kept with the weights (`learn_scales`).
    """

    def __init__(self, conditions: int, components: int, terms: int, radius: int, width: int) -> None:
        super().__init__()
        self.components, self.terms, self.radius = components, terms, radius
        fall = torch.exp(-_FALL * torch.arange(1, radius + 1))
        self.register_buffer("fall", fall, persistent=False)
        self.shape = _layers(conditions - _PIXEL, width, components * terms * radius)
        self.noise = _layers(conditions, width, 2 * components)  # hardness in place of pixels
        for name, count in (("condition", conditions), ("hardness", 1)):
            self.register_buffer(f"{name}_mean", torch.zeros(count))
            self.register_buffer(f"{name}_scale", torch.ones(count))
        with torch.no_grad():
            self.shape[-1].weight.mul_(0.1)
            self.shape[-1].bias.copy_((_first_rows(components, terms, radius) / fall).flatten())
            self.noise[-1].bias.zero_()

    def learn_scales(self, conditions: Tensor, hardness: Tensor) -> None:
        """From training data: means and deviations."""
        self.condition_mean.copy_(conditions.mean(dim=0))
        self.condition_scale.copy_(conditions.std(dim=0).clamp_min(1e-6))
        self.hardness_mean.copy_(hardness.mean()[None])
        self.hardness_scale.copy_(hardness.std().clamp_min(1e-6)[None])

    def rows(self, conditions: Tensor) -> Tensor:
        """(n, components, terms, radius + 1), their middle first: a kernel is the sum of its rows' products with
        themselves. A whole row adds up to 1 in the first term, to 0 in the others."""
        beside = self.shape(self._scaled(conditions)[:, _PIXEL:])
        beside = beside.reshape(len(conditions), self.components, self.terms, self.radius) * self.fall
        wanted = torch.zeros(self.terms)
        wanted[0] = 1.0
        return torch.cat([(wanted - 2.0 * beside.sum(dim=-1))[..., None], beside], dim=-1)

    def kernels(self, conditions: Tensor) -> Tensor:
        """(n, components, radius + 1, radius + 1) a quarter of each symmetric kernel, its middle first; the whole's sum
        is 1, so a component's noise power at frequency 0 is that of its white noise."""
        rows = self.rows(conditions)
        return torch.einsum("ncti,nctj->ncij", rows, rows)

    def gains(self, conditions: Tensor, hardness: Tensor) -> Tensor:
        """(n, components) keV: variance of each component's white noise per signal of a pixel. Together they are what
        quanta deposit, which `hardness` tells: noise power at frequency 0 is the sum of squares."""
        return self._deposit(conditions, hardness) * torch.softmax(self._noise(conditions, hardness)[0], dim=-1)

    def bends(self, conditions: Tensor, hardness: Tensor) -> Tensor:
        """(n, components) keV: third cumulant of each component's white noise over its variance."""
        return self._deposit(conditions, hardness) * torch.exp(self._noise(conditions, hardness)[1])

    def _noise(self, conditions: Tensor, hardness: Tensor) -> tuple[Tensor, Tensor]:
        told = self._scaled(conditions)
        hard = (hardness[:, None] - self.hardness_mean) / self.hardness_scale
        found = self.noise(torch.cat([told[:, :_PIXEL], told[:, _PIXEL + 1 :], hard], dim=1))
        return found[:, : self.components], found[:, self.components :]

    def _scaled(self, conditions: Tensor) -> Tensor:
        return (conditions - self.condition_mean) / self.condition_scale

    @staticmethod
    def _deposit(conditions: Tensor, hardness: Tensor) -> Tensor:
        return (conditions[:, _ENERGY] * torch.exp(hardness))[:, None]


def third_cumulant(kernels: Tensor, gains: Tensor, bends: Tensor) -> Tensor:
    """(n,) keV^2: third cumulant of a pixel by quanta over the signal."""
    twice = 1.0 + (torch.arange(kernels.shape[-1]) > 0)
    return (gains * bends * (kernels**3 * twice[:, None] * twice[None, :]).sum(dim=(-1, -2))).sum(dim=1)


def noise_power(kernels: Tensor, gains: Tensor, white: Tensor, pixels: int) -> Tensor:
    """(n, pixels, pixels) expected periodogram, unshifted, over the signal (keV) of patches of so many pixels; its mean
    is the variance over the signal. white (n,): variance of the readout over the signal (keV).

    A patch sees a spectrum through its window: autocovariance times the share of pairs so far apart. Reference: A. M.
    Sykulski et al., Biometrika 106 (2019) 251 (the debiased Whittle likelihood).
    """
    along = torch.arange(pixels + 1)  # of frequencies and of places: all is alike either way from the middle
    waves = torch.cos(torch.pi * torch.outer(along, along) / pixels).to(kernels.dtype)
    twice = 1.0 + ((along > 0) & (along < pixels))
    turn = waves[:, : kernels.shape[-1]] * twice[: kernels.shape[-1]]
    power = (gains[:, :, None, None] * (turn @ kernels @ turn.T).square()).sum(dim=1) + white[:, None, None]
    back = (1.0 - along / pixels)[:, None] * waves * twice / (2.0 * pixels)
    there = waves[::2] * twice
    found = there @ (back @ power @ back.T) @ there.T
    whole = torch.minimum(torch.arange(pixels), pixels - torch.arange(pixels))
    return found[:, whole][:, :, whole].clamp_min(1e-12)


def _first_rows(components: int, terms: int, radius: int) -> Tensor:
    """(components, terms, radius) before training, without the middles."""
    widths = torch.tensor(np.geomspace(*_WIDTHS, components)[:, None] * _BROADER ** np.arange(terms))
    rows = torch.exp(-torch.arange(radius + 1) ** 2 / (2.0 * widths[..., None] ** 2))
    rows = (rows / (2.0 * rows.sum(dim=-1, keepdim=True) - rows[..., :1]))[..., 1:]
    rows[:, 1:] *= _SMALLER
    return rows.float()


def _layers(inside: int, width: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inside, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
                         nn.Linear(width, outside))
