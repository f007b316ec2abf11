"""RTK's FDK (package: itk-rtk). Only the filter's Update() is timed, which is in RTK's favour.

RTK turns about y: what we call (x, y, z) is (x, z, -y) there.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import itk
import numpy as np
from itk import RTK as rtk
from run_rtk import Image, geometry_of, image_of, stack_of
from serve import Job, serve


def prepare(job: Job) -> Callable[[], Any]:
    """Poses go in by source, detector centre and axes."""
    poses = [job[name][:, [0, 2, 1]] * np.array([1.0, 1.0, -1.0]) for name in ("source", "centre", "u", "v")]
    filtered = rtk.FDKConeBeamReconstructionFilter[Image].New()
    filtered.InPlaceOff()
    filtered.SetInput(0, volume_of(job, np.zeros(job.shape, np.float32)))
    filtered.SetInput(1, stack_of(job, job["projections"]))
    filtered.SetGeometry(geometry_of(poses))

    def run() -> Any:
        filtered.Modified()
        filtered.Update()
        return filtered.GetOutput()

    return run


def volume_of(job: Job, volume: np.ndarray) -> Any:
    """RTK's image (-y, z, x) of a volume (z, y, x) on the job's grid."""
    dx, dy, dz = job.spacing_mm
    x, y, z = job.origin_mm
    turned = np.ascontiguousarray(volume.transpose(1, 0, 2)[::-1])
    return image_of(turned, [dx, dz, dy], [x, z, -(y + (volume.shape[1] - 1) * dy)])


def finish(image: Any) -> np.ndarray:
    """(z, y, x) in our frame from (-y, z, x)."""
    return np.ascontiguousarray(itk.array_from_image(image)[::-1].transpose(1, 0, 2))


if __name__ == "__main__":
    serve(prepare, finish, lambda: {"itk-rtk": version("itk-rtk"), "itk": version("itk-core")})
