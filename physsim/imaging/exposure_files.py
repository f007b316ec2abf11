"""An exposure to files: HDF5 with every layer, a labelled PNG, DICOM."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.imaging.exposure_index import BARE_BEAM
from physsim.io.atomic import check_output
from physsim.io.hdf5 import write_layers
from physsim.io.presentation import Window, percentile_window

if TYPE_CHECKING:
    from physsim.imaging.exposure import Exposure

ENDINGS = (".h5", ".hdf5", ".png", ".dcm")


def check_exposure_output(path: str | Path, overwrite: bool = False, sweep: bool = False) -> Path:
    """`path` when an exposure can be written there; call it before the work. `sweep`: of tomosynthesis.

    Raises InvalidInput for an unknown ending or when DICOM is asked for without pydicom, OutputError when the file
    exists or its folder cannot be written in.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if sweep:
        from physsim.imaging.breast_files import VOLUMES, check_sweep_folder

        if path.name.lower().endswith(VOLUMES):
            return check_output(path, overwrite)
        if not ending:
            check_dicom(str(path))
            return check_sweep_folder(path, overwrite)
    if ending not in ENDINGS:
        more = f", {', '.join(VOLUMES)}, and a folder (no ending)" if sweep else ""
        raise InvalidInput(message(str(path), "the ending names no format of an exposure",
                                   f"Known: {', '.join(ENDINGS)}{more}."))
    if ending == ".dcm":
        check_dicom(str(path))
    return check_output(path, overwrite)


def check_dicom(what: str) -> None:
    """InvalidInput when pydicom is not installed."""
    if importlib.util.find_spec("pydicom") is None:
        raise InvalidInput(message(what, "DICOM needs pydicom, which is not installed",
                                   "Run pip install 'physsim[dicom]'."))


def save_exposure(shot: Exposure, path: str | Path, overwrite: bool, for_processing: bool, view: int | None) -> None:
    """See Exposure.save."""
    turned = shot.protocol.breast is not None and shot.protocol.breast.is_sweep
    path = check_exposure_output(path, overwrite, turned)
    ending = path.suffix.lower()
    if turned and ending not in ENDINGS:
        _save_sweep(shot, path, overwrite, for_processing, view)
        return
    if for_processing and ending != ".dcm":
        raise InvalidInput(message(f"{path}: for_processing=True", f"it has no effect on {ending}", "Leave it out."))
    if ending in (".h5", ".hdf5"):
        if view is not None:
            raise InvalidInput(message(f"{path}: view={view}", "HDF5 holds every view", "Leave it out."))
        write_layers(path, {**shot.layers, **shot.truth.layers()}, provenance(shot), overwrite)
    elif ending == ".png":
        _save_png(shot, path, overwrite, _chosen(shot, view))
    elif shot.protocol.breast is not None and len(shot) > 1:
        from physsim.imaging.breast_technique import save_breast_projections

        if view is not None:
            raise InvalidInput(message(f"{path}: view={view}", "breast projections hold every view", "Leave it out."))
        save_breast_projections(shot, path, shot.protocol.breast, overwrite, for_processing)
    else:
        _save_dicom(shot, path, overwrite, _chosen(shot, view), for_processing)


def _save_sweep(shot: Exposure, path: Path, overwrite: bool, for_processing: bool, view: int | None) -> None:
    from physsim.imaging.breast_files import VOLUMES, save_slices, save_sweep_folder

    for name, value in (("for_processing", for_processing or None), ("view", view)):
        if value is not None:
            raise InvalidInput(message(f"{path}: {name}={value}", "it has no effect on slices", "Leave it out."))
    (save_slices if path.name.lower().endswith(VOLUMES) else save_sweep_folder)(shot, path, overwrite)


def provenance(shot: Exposure) -> dict[str, Any]:
    """What an HDF5 file says of its origin: the provenance and the truth's table."""
    return {"exposure": json.loads(shot.provenance.to_json()), "truth": shot.truth.table()}


def _save_png(shot: Exposure, path: Path, overwrite: bool, view: int) -> None:
    from physsim.imaging.technique import caption, orientation
    from physsim.io.picture import write_radiograph_png

    pitch = shot.geometry.pixel_mm
    if pitch[0] != pitch[1]:
        raise InvalidInput(message(f"{path}: pixels of {pitch} mm", "a picture needs square ones", "Save as .h5."))
    values, window = shown(shot, view)
    write_radiograph_png(path, values, pitch[0], caption(shot, view), window=window,
                         patient_orientation=orientation(shot, view), overwrite=overwrite)


def _save_dicom(shot: Exposure, path: Path, overwrite: bool, view: int, for_processing: bool) -> None:
    from physsim.imaging.breast_technique import mammogram_technique
    from physsim.imaging.dicom.radiograph import save_for_processing, save_processed
    from physsim.imaging.technique import DISPLAYED, identity, subject, technique

    placed = shot.protocol.breast
    taken = technique(shot, view) if placed is None else mammogram_technique(shot, placed)
    who, name = subject(shot.provenance), identity(shot.provenance)
    if for_processing:  # noise may leave a pixel that saw next to nothing below 0: DICOM's signal ends there
        save_for_processing(path, np.maximum(shot["image"][view], 0.0), "keV", taken, who, name, number=view + 1,
                            overwrite=overwrite)
        return
    values, window = shown(shot, view)
    save_processed(path, values, taken, who, name, window=window, meaning=DISPLAYED[shot.protocol.display],
                   number=view + 1, overwrite=overwrite)


def shown(shot: Exposure, view: int) -> tuple[npt.NDArray[np.float64], Window]:
    """What a reader sees of a view, (rows, columns), and the window for it: by the protocol's `display`."""
    from physsim.imaging.radiograph_display import displayed
    from physsim.io.presentation import log_attenuation

    logarithm = log_attenuation(shot["image"][view], shot.open_field[view].astype(np.float64))
    if shot.protocol.display == "log":
        return logarithm, body_window(logarithm)
    pitch, placed = min(shot.geometry.pixel_mm), shot.protocol.breast
    if placed is not None:
        from physsim.imaging.mammogram import mammogram_levels

        wall = "left" if placed.side == "L" else "right"
        levels = mammogram_levels(logarithm, pitch, chest_wall=wall, thickness_mm=shot.thickness_mm)
        return levels.astype(np.float64), Window(0.0, 1.0)
    return displayed(logarithm, pitch, logarithm > BARE_BEAM).astype(np.float64), Window(0.0, 1.0)


def body_window(logarithm: npt.NDArray[np.float64]) -> Window:
    """The window of ln(open field / signal) that shows the body: percentiles 1 and 99.7 of what is not bare beam."""
    body = logarithm[logarithm > BARE_BEAM]
    return percentile_window(body[None] if body.size else logarithm, 1.0, 99.7)


def _chosen(shot: Exposure, view: int | None) -> int:
    if view is None and len(shot) == 1:
        return 0
    if view is None or not 0 <= view < len(shot):
        raise InvalidInput(message(f"view={view}", f"this exposure has {len(shot)} views, and the file holds one",
                                   f"Give view=0 to {len(shot) - 1}, or save as .h5."))
    return view
