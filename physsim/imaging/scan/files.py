"""A scan to files: a DICOM series, volumes, HDF5, a picture of three planes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.dicom.ct import SOFT_TISSUE, WINDOWS, CtTechnique, save_ct_series
from physsim.imaging.exposure_files import check_dicom
from physsim.imaging.scan.coverage import PADDING_HU
from physsim.imaging.technique import contents, filter_words, identity, subject
from physsim.io.atomic import check_output
from physsim.io.dicom_identity import Identity
from physsim.io.hdf5 import Layer, write_layers
from physsim.io.volume import ENDINGS, write_volume

if TYPE_CHECKING:
    from physsim.imaging.scan.result import Scan

_LOWEST_HU, _HIGHEST_HU = -32768.0, 32767.0  # what a DICOM slice holds
_VOLUMES = tuple(one for one in ENDINGS if one not in (".toml", ".h5", ".hdf5"))


def check_scan_output(path: str | Path, overwrite: bool = False) -> Path:
    """`path` when a scan can be written there; call it before the work.

    Raises InvalidInput for an unknown ending or when DICOM is asked for without pydicom, OutputError when the file
    exists or its folder cannot be written in.
    """
    path = Path(path)
    name = path.name.lower()
    if name.endswith((*_VOLUMES, ".h5", ".hdf5", ".png")):
        return check_output(path, overwrite)
    if path.suffix:
        raise InvalidInput(message(str(path), "the ending names no format of a scan",
                                   f"Known: {', '.join(_VOLUMES)}, .h5, .png; a name without ending is a folder of "
                                   "DICOM slices."))
    check_dicom(str(path))
    return check_output(path / "slice_0001.dcm", overwrite) if path.is_dir() else check_output(path, overwrite)


def save_scan(scan: Scan, path: str | Path, overwrite: bool) -> None:
    """See Scan.save."""
    path = check_scan_output(path, overwrite)
    name = path.name.lower()
    if name.endswith((".h5", ".hdf5")):
        write_layers(path, _layers(scan), {"scan": json.loads(scan.provenance.to_json()), "truth": scan.truth.table(),
                                           "dose": scan.dose.table()}, overwrite)
    elif name.endswith(".png"):
        from physsim.imaging.scan.picture import write_planes

        write_planes(scan, path, overwrite)
    elif name.endswith(_VOLUMES):
        write_volume(path, scan.volume, "HU", overwrite)
    else:
        save_slices(scan, path, overwrite, identity(scan.provenance))


def save_slices(scan: Scan, folder: Path, overwrite: bool, study: Identity, series: int = 1, name: str = "") -> None:
    """The volume as a DICOM series in `folder`; `name` goes into its description."""
    folder.mkdir(exist_ok=True)
    volume, rotation = scan.volume, scan.protocol.rotation
    clipped = type(volume)(np.clip(volume.array, _LOWEST_HU, _HIGHEST_HU), volume.spacing_mm, volume.origin_mm,
                           volume.direction)
    assert rotation is not None
    title = scan.protocol.title or scan.protocol.name
    technique, dose = ct_technique(scan, description=f"{title}, {name}" if name else title), scan.dose
    assert technique.tube_current_ma is not None
    modulated = None if rotation.modulation is None else technique.tube_current_ma * scan.current_by_slice()
    save_ct_series(folder, clipped, technique, subject(scan.provenance), study, series=series,
                   current_ma=modulated, ctdi_vol_mgy=dose.by_slice_mgy,
                   water_diameter_mm=None if dose.cut else dose.water_diameter_mm, padding=PADDING_HU,
                   overwrite=overwrite)


def ct_technique(scan: Scan, **words: Any) -> CtTechnique:
    """How the scan was taken, in the words of DICOM; `words` take the place of what follows from the scan."""
    protocol, rotation, wanted = scan.protocol, scan.protocol.rotation, scan.protocol.reconstruction
    assert rotation is not None
    assert wanted is not None
    height = rotation.collimation_mm(protocol.detector)
    modulated = rotation.modulation is not None
    found = CtTechnique(
        kvp=peak_kv(protocol), kernel=wanted.kernel.upper(), scatter=contents(scan),
        tube_current_ma=float(scan.mas.mean()) * rotation.views / rotation.turn_s, exposure_time_s=rotation.turn_s,
        pitch=rotation.pitch, slice_collimation_mm=height / protocol.detector.rows, collimation_mm=height,
        scan_diameter_mm=rotation.measured_diameter_mm(protocol.detector), reconstruction_diameter_mm=wanted.field_mm,
        source_to_detector_mm=rotation.source_detector_mm, source_to_axis_mm=rotation.source_axis_mm,
        focal_spot_mm=max(protocol.focal_spot_mm) or None,
        filter_type="NONE" if protocol.spectrum.bowtie is None else "BUTTERFLY",
        filters=filter_words(protocol.spectrum), rotation="CW", modulation="XYZ" if modulated else "NONE",
        ctdi_phantom_cm=scan.dose.phantom_cm, body_part=protocol.body_part,
        description=protocol.title or protocol.name)
    return dataclasses.replace(found, **words)


def _layers(scan: Scan) -> dict[str, Layer]:
    axes = ("view", "row", "column")
    layers = {"volume": Layer.of_image(scan.volume, "HU", f"CT numbers, {PADDING_HU:g} where none were measured"),
              "lengths": Layer(scan.lengths_mm, "mm", axes, "each measurement as a length of water"),
              "mas": Layer(scan.mas, "mAs", ("view",), "tube current times time of each view"), **scan.layers}
    if scan.truth.organ_labels is not None:
        layers["organs"] = Layer.of_image(scan.truth.image(), "", "index into the organs")
    return layers


def window_of(body_part: str) -> tuple[float, float]:
    """Low and high HU of the window that a reader is offered last: soft tissue or mediastinum."""
    window = WINDOWS.get(body_part, SOFT_TISSUE)[-1][1] if body_part != "HEAD" else WINDOWS["HEAD"][0][1]
    return window.low, window.high


