"""A tomosynthesis scan to files: a folder of DICOM and truth, or the slices as a volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from physsim.imaging.breast_slices import KERNEL, breast_slices, slice_truth, slice_window
from physsim.imaging.breast_technique import mammogram_technique, save_breast_projections, sweep
from physsim.imaging.dicom.tomosynthesis import save_tomosynthesis
from physsim.imaging.technique import identity, subject
from physsim.io.atomic import check_output
from physsim.io.volume import ENDINGS, write_volume

if TYPE_CHECKING:
    from physsim.imaging.exposure import Exposure

VOLUMES = tuple(one for one in ENDINGS if one not in (".toml", ".h5", ".hdf5"))
PROJECTIONS, SLICES, TRUTH, TABLE = "projections.dcm", "slices.dcm", "truth.nii.gz", "truth.json"
UNIT = "/mm"


def check_sweep_folder(path: Path, overwrite: bool) -> Path:
    """`path` when the files of a scan can be written in it; OutputError where one is there, or no folder can be."""
    if not path.is_dir():
        return check_output(path, overwrite)
    for name in (PROJECTIONS, SLICES, TRUTH, TABLE):
        check_output(path / name, overwrite)
    return path


def save_sweep_folder(shot: Exposure, path: Path, overwrite: bool) -> None:
    """Views for processing, slices, and the phantom's labels on the slices' voxels where it has some."""
    placed = shot.protocol.breast
    assert placed is not None
    check_sweep_folder(path, overwrite).mkdir(exist_ok=True)
    save_breast_projections(shot, path / PROJECTIONS, placed, overwrite, for_processing=True)
    save_slices(shot, path / SLICES, overwrite)
    if shot.truth.volume.organ_labels is not None:
        slice_truth(shot).save(path / TRUTH, overwrite)


def save_slices(shot: Exposure, path: Path, overwrite: bool) -> None:
    """Slices as Breast Tomosynthesis Image, or by another ending as a volume of 1/mm."""
    volume, placed = breast_slices(shot), shot.protocol.breast
    assert placed is not None
    if path.name.lower().endswith(VOLUMES):
        write_volume(path, volume, UNIT, overwrite)
        return
    save_tomosynthesis(path, volume, UNIT, mammogram_technique(shot, placed), subject(shot.provenance),
                       identity(shot.provenance), algorithm=f"filtered backprojection, {KERNEL}, even periphery",
                       sweep=sweep(shot, placed), window=slice_window(volume), overwrite=overwrite)
