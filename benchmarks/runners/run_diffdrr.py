"""DiffDRR's renderers on torch's CPU (package: diffdrr), without gradients.

The renderers are called with rays in voxel coordinates: the rays are ours exactly, and rendering alone is timed. In
patches of 4096 rays, since Siddon's intermediate arrays would else take gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from diffdrr.renderers import Siddon, Trilinear
from serve import Job, serve

PATCH = 4096


def prepare(job: Job) -> Callable[[], Any]:
    """Rays of every view of the job (DiffDRR's x, y, z are the first, second and third axis of its volume)."""
    torch.set_num_threads(job.threads)
    volume = torch.from_numpy(np.ascontiguousarray(job["volume"].transpose(2, 1, 0)))
    spacing, origin = np.array(job.spacing_mm), np.array(job.origin_mm)
    across = (np.arange(job.columns) - 0.5 * (job.columns - 1)) * job.pixel_mm[0]
    along = (np.arange(job.rows) - 0.5 * (job.rows - 1)) * job.pixel_mm[1]
    patches = []
    for source, centre, u, v in zip(*(job[name] for name in ("source", "centre", "u", "v")), strict=True):
        ends = (centre + across[:, None] * u + along[:, None, None] * v).reshape(-1, 3)
        length = np.linalg.norm(ends - source, axis=1)
        start = torch.tensor((source - origin) / spacing, dtype=torch.float32)[None, None]
        for first in range(0, len(ends), PATCH):
            part = slice(first, first + PATCH)
            end = torch.tensor((ends[part] - origin) / spacing, dtype=torch.float32)[None]
            patches.append((start, end, torch.tensor(length[part], dtype=torch.float32)[None, None]))
    renderer = {"DiffDRR Siddon": Siddon, "DiffDRR trilinear": Trilinear}[job.code]()

    def run() -> torch.Tensor:
        with torch.no_grad():
            return torch.cat([renderer(volume, *patch).reshape(-1) for patch in patches])

    return lambda: run().reshape(-1, job.rows, job.columns)


if __name__ == "__main__":
    serve(prepare, lambda image: image.numpy(), lambda: {name: version(name) for name in ("diffdrr", "torch")})
