"""ASTRA's fan-beam projectors on the CPU (package: astra-toolbox), line (Siddon) and strip; the algorithm is timed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import astra
import numpy as np
from serve import Job, serve


def prepare(job: Job) -> Callable[[], Any]:
    """One slice, flat detector. ASTRA's first row of voxels is the one of largest y."""
    nz, ny, nx = job.shape
    assert nz == 1
    source, centre, u = job["source"][:, :2], job["centre"][:, :2], job["u"][:, :2]
    half_x, half_y = 0.5 * nx * job.spacing_mm[0], 0.5 * ny * job.spacing_mm[1]
    voxels = astra.create_vol_geom(ny, nx, -half_x, half_x, -half_y, half_y)
    angles = np.arctan2(u[:, 1], u[:, 0])
    rays = astra.create_proj_geom(
        "fanflat",
        job.pixel_mm[0],
        job.columns,
        angles,
        float(np.linalg.norm(source[0])),
        float(np.linalg.norm(centre[0])),
    )
    kind = {"ASTRA line": "line_fanflat", "ASTRA strip": "strip_fanflat"}[job.code]
    setting = astra.astra_dict("FP")
    setting["ProjectorId"] = astra.create_projector(kind, rays, voxels)
    setting["VolumeDataId"] = astra.data2d.create("-vol", voxels, np.ascontiguousarray(job["volume"][0, ::-1]))
    setting["ProjectionDataId"] = image = astra.data2d.create("-sino", rays, 0)
    algorithm = astra.algorithm.create(setting)

    def run() -> int:
        astra.algorithm.run(algorithm)
        return int(image)

    return run


def finish(image: int) -> np.ndarray:
    """(views, 1, columns)."""
    return np.asarray(astra.data2d.get(image))[:, None]


if __name__ == "__main__":
    serve(prepare, finish, lambda: {"astra-toolbox": version("astra-toolbox")})
