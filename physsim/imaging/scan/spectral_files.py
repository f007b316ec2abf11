"""A scan at more than one energy to files: folders of DICOM images, HDF5, a picture."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physsim.imaging.dicom.ct import MaterialMap, save_ct_series
from physsim.imaging.scan.coverage import PADDING_HU
from physsim.imaging.scan.files import check_scan_output, ct_technique, save_slices
from physsim.imaging.technique import identity, subject
from physsim.io.atomic import check_output
from physsim.io.hdf5 import Layer, write_layers
from physsim.io.image import Image

if TYPE_CHECKING:
    from physsim.imaging.scan.gated import GatedScan
    from physsim.imaging.scan.spectral_result import SpectralScan

_MG_ML = 0.01  # steps of stored amounts, in which 16 bits hold -327 to 327 mg/ml
_WATER_MG_ML = 1.0  # those of amounts up to 32 g/ml
H5 = "spectral.h5"


def check_spectral_output(path: str | Path, overwrite: bool = False) -> Path:
    """`path` when such a scan can be written there: .h5, .png or a folder; call it before the work."""
    path = check_scan_output(path, overwrite)
    if path.suffix and path.suffix.lower() not in (".h5", ".hdf5", ".png"):
        from physsim.errors import InvalidInput, message

        raise InvalidInput(message(str(path), "a scan at several energies is more than one volume",
                                   "Give .h5, .png, or a name without ending: a folder."))
    if path.is_dir():
        check_output(path / H5, overwrite)
    return path


def save_spectral(scan: SpectralScan, path: str | Path, overwrite: bool) -> None:
    """See SpectralScan.save."""
    path = check_spectral_output(path, overwrite)
    if path.suffix.lower() in (".h5", ".hdf5"):
        write_layers(path, _layers(scan), {"scan": json.loads(scan.provenance.to_json()), "truth": scan.truth.table(),
                                           "figures": scan.figures()}, overwrite)
        return
    if path.suffix:
        from physsim.imaging.scan.picture import write_planes

        first, single = next(iter(scan.channels.values())), _single(scan)
        if single is None:
            write_planes(first, path, overwrite)
        else:
            write_planes(first, path, overwrite, scan.images[single], f"as at {single.removeprefix('mono ')}")
        return
    path.mkdir(exist_ok=True)
    one = next(iter(scan.channels.values()))
    study = identity(scan.provenance)
    for number, (name, channel) in enumerate(scan.channels.items(), 1):
        save_slices(channel, path / folder_of(name), overwrite, study, number, name)
    for number, (name, image) in enumerate(scan.images.items(), len(scan.channels) + 1):
        folder = path / folder_of(name)
        folder.mkdir(exist_ok=True)
        amount = not name.startswith("mono ")
        there = image.array != PADDING_HU
        most = float(np.abs(image.array[there]).max(initial=0.0))
        step = 1.0 if not amount else _WATER_MG_ML if most > 32767 * _MG_ML else _MG_ML
        limit = 32767.0 * step
        shown = np.where(there, np.clip(image.array, -limit, limit), np.float32(PADDING_HU))
        clipped = Image(shown, image.spacing_mm, image.origin_mm, image.direction)
        technique = ct_technique(one, description=f"{scan.protocol.title or scan.protocol.name}, {name}",
                                 windows=None if not amount else ())
        save_ct_series(folder, clipped, technique, subject(scan.provenance), study, series=number,
                       derived=MaterialMap("mg/ml" if amount else "HU", step, _how(scan, name)), padding=PADDING_HU,
                       overwrite=overwrite)
    write_layers(path / H5, _layers(scan), {"scan": json.loads(scan.provenance.to_json()),
                                            "truth": scan.truth.table(), "figures": scan.figures()}, overwrite)


def folder_of(name: str) -> str:
    """Letters and digits of a name, in small letters."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _single(scan: SpectralScan) -> str | None:
    return next((name for name in scan.images if name.startswith("mono ")), None)


def _how(scan: SpectralScan, name: str) -> str:
    known = list(zip(scan.channels, scan.effective_kev, strict=True))
    whole = scan.protocol.energy_bins > 1  # the first channel is the sum of the others
    channels = ", ".join(f"{one} (as {kev:.1f} keV)" for one, kev in known[1 if whole else 0:])
    return f"{name} from {channels}."


def _layers(scan: SpectralScan) -> dict[str, Layer]:
    def unit(name: str) -> str:
        return "HU" if name.startswith("mono ") else "mg/ml"

    layers = {folder_of(name): Layer.of_image(image, unit(name), name) for name, image in scan.images.items()}
    layers |= {f"{folder_of(name)}_error": Layer.of_image(image, unit(name), f"standard error of {name}")
               for name, image in scan.errors.items()}
    return layers | {f"channel_{folder_of(name)}": Layer.of_image(one.volume, "HU", name)
                     for name, one in scan.channels.items()}


def save_gated(scan: GatedScan, path: str | Path, overwrite: bool) -> None:
    """See GatedScan.save."""
    path = check_spectral_output(path, overwrite)
    first = next(iter(scan.phases.values()))
    if path.suffix.lower() in (".h5", ".hdf5"):
        layers = {folder_of(name): Layer.of_image(one.volume, "HU", name) for name, one in scan.phases.items()}
        write_layers(path, layers, {"scan": json.loads(scan.provenance.to_json()), "figures": scan.figures(),
                                    "truth": {name: one.truth.table() for name, one in scan.phases.items()}}, overwrite)
    elif path.suffix:
        first.save(path, overwrite)
    else:
        path.mkdir(exist_ok=True)
        study = identity(scan.provenance)
        for number, (name, one) in enumerate(scan.phases.items(), 1):
            save_slices(one, path / folder_of(name), overwrite, study, number, name)
