"""The network that knows a detector's noise: components, each white noise spread by a kernel it learned.

Noise power = signal x sum over components of gain x |transfer|^2 + what the readout adds: positive definite, linear in
the signal at any hardness of the beam, and the readout's alone without signal, all by construction.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

Tensor = Any
_ENERGY, _PIXEL = 1, 3  # among the conditions: mean energy of the beam (keV), logarithm of pixel_mm
_WIDTHS = (0.25, 3.0)  # pixels: standard deviations of the kernels before training


class NoiseNet(nn.Module):
    """From conditions (n, conditions), see imaging.noise_cases, and logarithms of open field over signal, depth (n,):
    kernels of `components`, of `radius` pixels, and their gains.

    What conditions and depth are on average, and how much they vary, is kept with the weights (`learn_scales`).
    """

    def __init__(self, conditions: int, components: int, radius: int, width: int) -> None:
        super().__init__()
        self.components, self.radius = components, radius
        numbers = {(i, j): n for n, (i, j) in enumerate((i, j) for i in range(radius + 1) for j in range(i + 1))}
        alike = [[numbers[max(i, j), min(i, j)] for j in range(radius + 1)] for i in range(radius + 1)]
        self.register_buffer("orbit", torch.tensor(alike), persistent=False)  # pixels that symmetry makes alike
        times = torch.tensor([(1 + (i > 0)) * (1 + (j > 0)) * (1 + (i != j)) for i, j in numbers], dtype=torch.float32)
        self.register_buffer("times", times, persistent=False)
        self.shape = _layers(conditions, width, components * len(numbers))
        self.gain = _layers(conditions, width, components)  # without pixels, with depth
        for name, count in (("condition", conditions), ("depth", 1)):
            self.register_buffer(f"{name}_mean", torch.zeros(count))
            self.register_buffer(f"{name}_scale", torch.ones(count))
        square = torch.tensor([float(i * i + j * j) for i, j in numbers])
        low, high = _WIDTHS
        first = [torch.log(times) - square / (2.0 * (low + (high - low) * k / max(components - 1, 1)) ** 2)
                 for k in range(components)]
        with torch.no_grad():
            self.shape[-1].weight.mul_(0.1)
            self.shape[-1].bias.copy_(torch.cat([one.clamp_min(-12.0) for one in first]))

    def learn_scales(self, conditions: Tensor, depth: Tensor) -> None:
        """From training data: means and deviations."""
        self.condition_mean.copy_(conditions.mean(dim=0))
        self.condition_scale.copy_(conditions.std(dim=0).clamp_min(1e-6))
        self.depth_mean.copy_(depth.mean()[None])
        self.depth_scale.copy_(depth.std().clamp_min(1e-6)[None])

    def kernels(self, conditions: Tensor) -> Tensor:
        """(n, components, radius + 1, radius + 1) a quarter of each symmetric kernel, its middle first; the whole's sum
        is 1, so a component's noise power at frequency 0 is that of its white noise."""
        found = self.shape(self._scaled(conditions)).reshape(len(conditions), self.components, -1)
        return (torch.softmax(found, dim=-1) / self.times)[:, :, self.orbit]

    def gains(self, conditions: Tensor, depth: Tensor) -> Tensor:
        """(n, components) keV: variance of each component's white noise per signal of a pixel. It is the noise power at
        frequency 0, where no pixel's size tells."""
        beam = self._scaled(conditions)
        beam = torch.cat([beam[:, :_PIXEL], beam[:, _PIXEL + 1 :]], dim=1)
        seen = torch.cat([beam, (depth[:, None] - self.depth_mean) / self.depth_scale], dim=1)
        return conditions[:, _ENERGY, None] * torch.exp(self.gain(seen))

    def _scaled(self, conditions: Tensor) -> Tensor:
        return (conditions - self.condition_mean) / self.condition_scale


def noise_power(kernels: Tensor, gains: Tensor, white: Tensor, pixels: int) -> Tensor:
    """(n, pixels, pixels) expected periodogram, unshifted, over the signal (keV) of patches of so many pixels; its mean
    is the variance over the signal. white (n,): variance of the readout over the signal (keV).

    A patch sees a spectrum through its window: autocovariance times the share of pairs so far apart. Reference: A. M.
    Sykulski et al., Biometrika 106 (2019) 251 (the debiased Whittle likelihood).
    """
    size = 2 * pixels
    radius = kernels.shape[-1] - 1
    whole = functional.pad(kernels, (0, size // 2 + 1 - radius - 1, 0, size // 2 + 1 - radius - 1))
    for axis in (-1, -2):
        rest = whole.narrow(axis, 1, size // 2 - 1).flip(axis)
        whole = torch.cat([whole, rest], dim=axis)
    transfer = torch.fft.rfft2(whole).real
    power = (gains[:, :, None, None] * transfer.square()).sum(dim=1) + white[:, None, None]
    along = torch.arange(size)
    seen = 1.0 - torch.minimum(along, size - along) / pixels
    covariance = torch.fft.irfft2(power, s=(size, size)) * (seen[:, None] * seen[None, :])
    return torch.fft.fft2(covariance).real[:, ::2, ::2].clamp_min(1e-12)


def _layers(inside: int, width: int, outside: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inside, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(),
                         nn.Linear(width, outside))
