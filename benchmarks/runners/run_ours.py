"""physsim's public functions, checks of their input included, and the plain scalar DDA of its extension as a floor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from serve import Job, serve

import physsim as ps
from physsim import _engine
from physsim.transport.rays import voxel_rays


def prepare(job: Job) -> Callable[[], Any]:
    """What one call of the job's code does."""
    geometry = ps.Geometry(
        source_mm=job["source"],
        centre_mm=job["centre"],
        u=job["u"],
        v=job["v"],
        rows=job.rows,
        columns=job.columns,
        pixel_mm=job.pixel_mm,
    )
    grid = ps.Grid(shape=tuple(job.shape), spacing_mm=tuple(job.spacing_mm), origin_mm=tuple(job.origin_mm))
    options = {"threads": job.threads}
    if job.code == "plain DDA":
        volume, rays = job["volume"], voxel_rays(geometry, grid)

        def plain() -> np.ndarray:
            image = np.zeros(geometry.shape, np.float32)
            _engine.project_plain(
                volume, list(grid.spacing_mm), rays.start, rays.end, rays.start_row, rays.end_row, image, job.threads
            )
            return image

        return plain
    if job.kind == "adjoint":
        image = job["image"]
        return lambda: ps.backproject(image, geometry, grid=grid, device="cpu", **options)
    if job.kind == "spectral":
        from physsim.transport.spectral import project_signal

        arrays = [job[name] for name in ("labels", "density", "nominal", "attenuation", "weights")]
        return lambda: project_signal(*arrays, grid, geometry, device="cpu", **options)
    volume, method = job["volume"], "joseph" if job.code == "physsim Joseph" else "siddon"
    return lambda: ps.project(volume, geometry, grid=grid, method=method, device="cpu", **options)


if __name__ == "__main__":
    serve(prepare, np.asarray, lambda: {"physsim": ps.__version__})
