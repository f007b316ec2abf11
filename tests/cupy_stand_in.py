"""cupy as far as physsim uses it, on numpy: arrays "on the GPU" have a type of their own, and tell who fetches them."""

from __future__ import annotations

import contextlib
import types
from typing import ClassVar

import numpy as np


class GpuArray(np.ndarray):
    """An array that physsim must take for one on the first GPU. `fetched`: shapes that were copied to the CPU."""

    fetched: ClassVar[list[tuple[int, ...]]] = []

    @property
    def device(self):
        return types.SimpleNamespace(id=0)

    def get(self):
        self.fetched.append(self.shape)
        return np.array(self)


class CupyStandIn(types.ModuleType):
    """Every function of numpy, its results on the "GPU"."""

    ndarray = GpuArray
    cuda = types.SimpleNamespace(Device=contextlib.nullcontext)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made_by = getattr(np, name)

        def on_gpu(*arguments, **options):
            made = made_by(*arguments, **options)
            return made.view(GpuArray) if isinstance(made, np.ndarray) else made

        return on_gpu

    @staticmethod
    def asarray(values, dtype=None):
        """The array itself where it is on the GPU already, else a copy of it there."""
        if isinstance(values, GpuArray) and dtype in (None, values.dtype):
            return values
        return np.array(values, dtype).view(GpuArray)
