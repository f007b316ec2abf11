"""XCIST's (CatSim's) axial scan without scatter (package: gecatsim), one ray a pixel, source and view, 20 energies.

Timed is the scan of a phantom's views; what it makes ready for them is the same for few and many, so that the
difference of two jobs is that of their views alone. Its spectrum, bowtie, filters, detector and noise are those of its
own example.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gecatsim
import numpy as np
from gecatsim.pyfiles.CommonTools import my_path
from serve import Job, serve

_ONE_SAMPLE = ("colSampleCount", "rowSampleCount", "srcXSampleCount", "srcYSampleCount", "viewSampleCount")


def prepare(job: Job) -> Callable[[], Any]:
    """`job.phantom`: the JSON file, whose folder also holds its materials; a rotation has `job.views_a_turn` views."""
    folder = tempfile.TemporaryDirectory()
    my_path.add_search_path(str(job.folder))
    scan = gecatsim.CatSim()
    scan.resultsName = str(Path(folder.name) / "scan")
    scan.phantom.callback, scan.phantom.projectorCallback = "Phantom_Voxelized", "C_Projector_Voxelized"
    scan.phantom.filename, scan.phantom.scale = str(job.folder / job.phantom), 1.0
    scan.phantom.centerOffset = [0.0, 0.0, 0.0]
    scan.scanner.sid, scan.scanner.sdd = job.source_axis_mm, job.source_detector_mm
    scan.scanner.detectorColCount, scan.scanner.detectorRowCount = job.columns, job.rows
    scan.scanner.detectorRowsPerMod, scan.scanner.detectorColsPerMod = job.rows, 1
    scan.scanner.detectorColSize, scan.scanner.detectorRowSize = job.pixel_mm
    scan.phantom.projectorNumThreads, scan.physics.energyCount = job.threads, job.energies
    for name in _ONE_SAMPLE:
        setattr(scan.physics, name, 1)
    scan.protocol.viewsPerRotation, scan.protocol.viewCount = job.views_a_turn, job.views
    scan.protocol.startViewId, scan.protocol.stopViewId = 0, job.views - 1

    def run() -> Any:
        scan.phantom_scan()
        read = np.fromfile(f"{scan.resultsName}.scan", np.float32).reshape(job.views, job.rows, job.columns)
        return read, folder

    return run


def finish(made: Any) -> np.ndarray:
    """(views, rows, columns) in its own units."""
    return np.asarray(made[0])


if __name__ == "__main__":
    serve(prepare, finish, lambda: {"gecatsim": version("gecatsim")})
