"""The comparator of the noise network: a small diffusion model of patches, conditioned on signal and hardness.

A U-Net of two scales predicts v (Salimans and Ho, ICLR 2022) on a cosine schedule; images by DDIM (Song et al., ICLR
2021). It knows the exposure as the noise network does, by logarithms of the signal and of sum of squares over signal,
and sees noise in units of sqrt(signal x mean energy), so that it need not learn the law of Poisson.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

Floats = NDArray[np.float64]
CROP = 32  # pixels along the side of what it trains on: four times the reach of any detector's blur
_CHANNELS, _EMBEDDED, _KEPT = 16, 32, 0.998


class _Block(nn.Module):  # type: ignore[misc,unused-ignore]
    """Two convolutions, scaled and shifted by what is known of time and exposure."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(n, outside, 3, padding=1) for n in (inside, outside))
        self.known = nn.Linear(_EMBEDDED, 2 * outside)
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Any, known: Any) -> Any:
        scale, shift = self.known(known)[:, :, None, None].chunk(2, dim=1)
        inner = functional.silu(self.first(x) * (1.0 + scale) + shift)
        return self.skip(x) + self.second(inner)


class Denoiser(nn.Module):  # type: ignore[misc,unused-ignore]
    """v of noisy patches (n, 1, rows, columns) at times (n,) in (0, 1) with conditions (n, 2), both near 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        c = _CHANNELS
        self.known = nn.Sequential(nn.Linear(10, _EMBEDDED), nn.SiLU(), nn.Linear(_EMBEDDED, _EMBEDDED), nn.SiLU())
        self.enter, self.leave = nn.Conv2d(1, c, 3, padding=1), nn.Conv2d(c, 1, 3, padding=1)
        self.fine, self.coarse, self.joined = _Block(c, c), _Block(2 * c, 2 * c), _Block(2 * c, c)
        self.down, self.up = nn.Conv2d(c, 2 * c, 4, stride=2, padding=1), nn.ConvTranspose2d(2 * c, c, 4, 2, 1)
        nn.init.zeros_(self.leave.weight)

    def forward(self, x: Any, when: Any, told: Any) -> Any:
        turns = when[:, None] * math.pi * torch.tensor([0.5, 1.0, 2.0, 4.0])
        known = self.known(torch.cat([torch.sin(turns), torch.cos(turns), told], dim=1))
        fine = self.fine(self.enter(x), known)
        coarse = self.up(self.coarse(self.down(fine), known))
        return self.leave(self.joined(torch.cat([fine, coarse], dim=1), known))


class Diffusion:
    """Trained on exposures' noise (n, side, side) in units of `unit`, with `told` (n, 2) of each."""

    def __init__(self, noise: Floats, told: Floats, *, batches: int, batch: int = 32, rate: float = 3e-3, seed: int = 1,
                 say: Callable[[str], None] = print) -> None:
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        began, side = time.process_time(), noise.shape[1]
        self._mean, self._spread = told.mean(axis=0), told.std(axis=0) + 1e-6
        net, given, patches = Denoiser(), self._given(told), torch.from_numpy(noise.astype(np.float32))
        self.net = Denoiser()  # the running mean of the weights
        optimiser = torch.optim.Adam(net.parameters(), lr=rate)
        course = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=batches, pct_start=0.1)
        for number in range(batches):
            which = rng.integers(len(noise), size=batch)
            corners = rng.integers(side - CROP + 1, size=(batch, 2))
            clean = torch.stack([patches[n, i:i + CROP, j:j + CROP] for n, (i, j) in
                                 zip(which, corners, strict=True)])[:, None]  # fmt: skip
            when, added = torch.rand(batch), torch.randn_like(clean)
            cosine, sine = (f(0.5 * math.pi * when)[:, None, None, None] for f in (torch.cos, torch.sin))
            guess = net(cosine * clean + sine * added, when, given[which])
            loss = functional.mse_loss(guess, cosine * added - sine * clean)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            course.step()
            kept = min(_KEPT, number / (number + 10.0))
            with torch.no_grad():
                for mine, its in zip(self.net.parameters(), net.parameters(), strict=True):
                    mine.lerp_(its, 1.0 - kept)
            if number % 500 == 0:
                say(f"diffusion, batch {number} of {batches}: loss {loss.item():.4f}")
        self.cpu_seconds = time.process_time() - began

    def _given(self, told: Floats) -> Any:
        return torch.from_numpy(((told - self._mean) / self._spread).astype(np.float32))

    def drawn(self, told: Floats, side: int, steps: int, seed: int) -> Floats:
        """(n, side, side) of exposures `told` (n, 2)."""
        given, chance = self._given(told), torch.Generator().manual_seed(seed)
        x = torch.randn((len(told), 1, side, side), generator=chance)
        times = np.linspace(1.0, 0.0, steps + 1)
        with torch.inference_mode():
            for now, then in pairwise(times):
                v = self.net(x, torch.full((len(told),), float(now)), given)
                cosine, sine = math.cos(0.5 * math.pi * now), math.sin(0.5 * math.pi * now)
                clean, added = cosine * x - sine * v, sine * x + cosine * v
                x = math.cos(0.5 * math.pi * then) * clean + math.sin(0.5 * math.pi * then) * added
        return np.asarray(x[:, 0].double().numpy())
