"""RTK's SART and its operators (package: itk-rtk). Only a filter's Update() is timed, which is in RTK's favour.

job.task: "project" and "backproject" (Joseph, and its transpose), or "sart" with job.per_subset, job.iterations and
job.back, the back projector: "joseph", matched, or "voxel", RTK's default, which is not.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import itk
import numpy as np
from itk import RTK as rtk
from run_rtk import Image, geometry_of, stack_of
from run_rtk_fdk import finish, volume_of
from serve import Job, serve


def prepare(job: Job) -> Callable[[], Any]:
    """Poses go in by source, detector centre and axes, in RTK's frame: (x, z, -y)."""
    geometry = geometry_of([job[name][:, [0, 2, 1]] * np.array([1.0, 1.0, -1.0])
                            for name in ("source", "centre", "u", "v")])
    filtered = {"project": _projector, "backproject": _back_projector, "sart": _sart}[job.task](job)
    filtered.SetGeometry(geometry)

    def run() -> Any:
        filtered.Modified()
        filtered.Update()
        return job.task, filtered.GetOutput()

    return run


def _projector(job: Job) -> Any:
    made = rtk.JosephForwardProjectionImageFilter[Image, Image].New()
    made.InPlaceOff()
    made.SetInput(0, stack_of(job, np.zeros((len(job["source"]), job.rows, job.columns), np.float32)))
    made.SetInput(1, volume_of(job, job["volume"]))
    return made


def _back_projector(job: Job) -> Any:
    made = rtk.JosephBackProjectionImageFilter[Image, Image].New()
    made.InPlaceOff()
    made.SetInput(0, volume_of(job, np.zeros(job.shape, np.float32)))
    made.SetInput(1, stack_of(job, job["projections"]))
    return made


def _sart(job: Job) -> Any:
    kind = rtk.SARTConeBeamReconstructionFilter[Image, Image]
    made = kind.New()
    made.SetInput(0, volume_of(job, np.zeros(job.shape, np.float32)))
    made.SetInput(1, stack_of(job, job["projections"]))
    made.SetForwardProjectionFilter(kind.ForwardProjectionType_FP_JOSEPH)
    made.SetBackProjectionFilter({"joseph": kind.BackProjectionType_BP_JOSEPH,
                                  "voxel": kind.BackProjectionType_BP_VOXELBASED}[job.back])
    made.SetNumberOfProjectionsPerSubset(job.per_subset)
    made.SetNumberOfIterations(job.iterations)
    made.SetLambda(job.relaxation)
    made.SetEnforcePositivity(True)
    made.SetDisableDisplacedDetectorFilter(True)
    return made


def _array(made: tuple[str, Any]) -> np.ndarray:
    """Projections as they are, volumes in our frame."""
    task, image = made
    return itk.array_from_image(image) if task == "project" else finish(image)


if __name__ == "__main__":
    serve(prepare, _array, lambda: {"itk-rtk": version("itk-rtk"), "itk": version("itk-core")})
