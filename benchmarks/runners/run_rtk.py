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


def geometry_of(poses: list[np.ndarray]) -> Any:
    """RTK's, from each view's source, detector centre and axes (views, 3): its rays are ours, oblique ones too."""
    geometry = rtk.ThreeDCircularProjectionGeometry.New()
    for pose in zip(*poses, strict=True):
        if not geometry.AddProjection(*([float(value) for value in vector] for vector in pose)):
            raise ValueError(f"RTK refused the pose {pose}")
    return geometry


def stack_of(job: Job, views: np.ndarray) -> Any:
    """(views, rows, columns) about the detector's middle."""
    du, dv = job.pixel_mm
    return image_of(views, [du, dv, 1.0], [-0.5 * (job.columns - 1) * du, -0.5 * (job.rows - 1) * dv, 0.0])


def prepare(job: Job) -> Callable[[], Any]:
    """The job's rays through its volume."""
    poses = [job[name] for name in ("source", "centre", "u", "v")]
    geometry = geometry_of(poses)
    volume = image_of(job["volume"], job.spacing_mm, job.origin_mm)
    stack = stack_of(job, np.zeros((len(poses[0]), job.rows, job.columns), np.float32))
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
