"""RTK's Joseph forward projector (package: itk-rtk). Only the filter's Update() is timed, which is in RTK's favour."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import itk
import numpy as np
from itk import RTK as rtk
from serve import Job, serve

Image = itk.Image[itk.F, 3]


def image_of(array: np.ndarray, spacing: list[float], origin: list[float]) -> Any:
    """An ITK image of `array` (z, y, x); spacing and origin are (x, y, z)."""
    image = itk.image_from_array(array)
    image.SetSpacing([float(value) for value in spacing])
    image.SetOrigin([float(value) for value in origin])
    return image


def prepare(job: Job) -> Callable[[], Any]:
    """Poses go in by source, detector centre and axes, so that RTK's rays are ours, oblique ones too."""
    poses = [job[name] for name in ("source", "centre", "u", "v")]
    geometry = rtk.ThreeDCircularProjectionGeometry.New()
    for pose in zip(*poses, strict=True):
        if not geometry.AddProjection(*([float(value) for value in vector] for vector in pose)):
            raise ValueError(f"RTK refused the pose {pose}")
    du, dv = job.pixel_mm
    volume = image_of(job["volume"], job.spacing_mm, job.origin_mm)
    stack = image_of(
        np.zeros((len(poses[0]), job.rows, job.columns), np.float32),
        [du, dv, 1.0],
        [-0.5 * (job.columns - 1) * du, -0.5 * (job.rows - 1) * dv, 0.0],
    )
    projector = rtk.JosephForwardProjectionImageFilter[Image, Image].New()
    projector.InPlaceOff()
    projector.SetInput(0, stack)
    projector.SetInput(1, volume)
    projector.SetGeometry(geometry)

    def run() -> Any:
        projector.Modified()
        projector.Update()
        return projector.GetOutput()

    return run


if __name__ == "__main__":
    serve(prepare, itk.array_from_image, lambda: {"itk-rtk": version("itk-rtk"), "itk": version("itk-core")})
