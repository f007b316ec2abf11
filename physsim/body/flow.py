"""Stationary velocity fields on lattices, and flows through several of them in turn: what motions are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lattice:
    """Values (nz, ny, nx, components) at nodes origin + step (i, j, k), mm."""

    values: Array
    origin_mm: Array
    step_mm: float

    def at(self, points: npt.ArrayLike) -> Array:
        """(n, components) trilinear values at points (n, 3)."""
        from physsim.body.motion_kernels import sampled

        where = np.ascontiguousarray(np.atleast_2d(points), np.float64)
        out = np.zeros((len(where), self.values.shape[3]))
        sampled(self.values, self.origin_mm, self.step_mm, where, out)
        return out

    def carried(self, points: npt.ArrayLike, time: float, steps: int = 16) -> Array:
        """(n, 3) points after flowing for `time` along the field."""
        from physsim.body.motion_kernels import carried
        from physsim.phantom.compiled import in_threads

        moved = np.array(np.atleast_2d(points), np.float64, order="C")
        size = 1 << 15

        def job(part: int) -> None:
            carried(self.values, self.origin_mm, self.step_mm, time, steps, moved[part * size : (part + 1) * size])

        if time:
            in_threads(job, range(-(-len(moved) // size)))
        return moved


def through(
    stages: Sequence[Lattice], points: npt.ArrayLike, time: float, steps: int, back: bool = False,
    parts: int = 0,
) -> Array:  # fmt: skip
    """Points through the stages of a motion; beyond the last, that one goes on. `parts`: stages of a full breath."""
    part = 1.0 / (parts or len(stages))
    spans = [min(max(-time - n * part, 0.0), part) for n in range(len(stages))]
    spans[-1] = max(-time - (len(stages) - 1) * part, 0.0)
    if time > 0.0:
        spans[0] = -time
    moved = np.array(np.atleast_2d(points), np.float64)
    order = list(zip(stages, spans, strict=True))
    for field, span in order[::-1] if back else order:
        if span:
            moved = field.carried(moved, span if back else -span, max(1, round(steps * abs(span))))
    return moved


def nodes(low: Array, high: Array, step: float) -> tuple[Array, tuple[int, int, int]]:
    """Points (n, 3) of a lattice in z, y, x order, and its shape (nz, ny, nx)."""
    axes = [np.arange(a, b + 0.5 * step, step) for a, b in zip(low, high, strict=True)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    return np.stack([x, y, z], -1).reshape(-1, 3), (len(axes[2]), len(axes[1]), len(axes[0]))


def smooth(t: Array) -> Array:
    """0 below 0, 1 above 1, 3 t^2 - 2 t^3 between."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)
