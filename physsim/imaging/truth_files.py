"""The truth of an exposure to files: a DICOM segmentation of its image or slices, or a folder of PNG masks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.imaging.breast_slices import is_sweep, slice_truth
from physsim.imaging.dicom.image_segmentation import save_image_segmentation
from physsim.imaging.dicom.segmentation import Segment, save_segmentation
from physsim.imaging.exposure_files import check_dicom
from physsim.imaging.shadows import Shadow, paths_in
from physsim.imaging.technique import identity, subject
from physsim.imaging.truth import TRUTH_ENDINGS, ExposureTruth
from physsim.io.atomic import check_output, write_bytes
from physsim.io.image import Image
from physsim.io.png import png_bytes
from physsim.phantom.truth import Truth
from physsim.spec.provenance import Provenance

if TYPE_CHECKING:
    from physsim.imaging.exposure import Exposure

TABLE = "truth.json"
_NAME = 64  # letters of a segment's name
_WHITE = 255


def check_truth_output(path: str | Path, overwrite: bool = False) -> Path:
    """`path` when truth can be written there; call it before the work. Raises InvalidInput for an ending that holds
    none or DICOM without pydicom, OutputError for what exists."""
    path = Path(path)
    name = path.name.lower()
    if path.suffix and not name.endswith((*TRUTH_ENDINGS, ".hdf5")):
        raise InvalidInput(message(str(path), "the ending names no file that holds truth",
                                   f"Known: {', '.join(TRUTH_ENDINGS)}, of radiographs a folder of PNG masks."))
    if name.endswith(".dcm"):
        check_dicom(str(path))
    return check_output(path / TABLE if path.is_dir() else path, overwrite)


def segment_of(number: int, truth: Truth) -> Segment:
    """The segment of an organ or lesion by its number."""
    name = truth.organs[number].name
    lesion = any(one.name == name for one in truth.lesions)
    return Segment(number=number, name=name[:_NAME].replace("\\", "/") or f"label {number}",
                   kind="lesion" if lesion else "organ")


def save_truth(shot: Exposure, path: str | Path, image: str | Path | None, overwrite: bool) -> None:
    """See Exposure.save_truth."""
    path = Path(path)
    if path.suffix.lower() != ".dcm":
        if image is not None:
            raise InvalidInput(message(f"image={image} with {path.name}", "only a .dcm names the image that it belongs "
                                       "to", "Leave image out."))
        shot.truth.save(check_truth_output(path, overwrite), overwrite)
        return
    check_truth_output(path, overwrite)
    if is_sweep(shot):
        labels = slice_truth(shot).image()
        save_volume_segmentation(path, labels, shot.truth.volume, [] if image is None else [image], shot.provenance,
                                 overwrite)
        return
    if image is None or len(shot) > 1:
        raise InvalidInput(message(f"{path}: truth of {len(shot)} views, image={image}", "a segmentation is of one "
                                   "image of DICOM, which it names", "Give image= as shot.save wrote it; of several "
                                   "views save .h5, or a folder of masks."))
    _, rows, columns = shot.geometry.shape
    whole = slice(0, rows), slice(0, columns)
    masks, segments = [], []
    for number, _, shadows in shot.truth.seen():
        masks.append(paths_in(whole, shadows)[0] > 0)
        segments.append(segment_of(number, shot.truth.volume))
    if not segments:
        raise InvalidInput(message(f"{path}: phantom {shot.provenance.phantom.name!r}", "none of its organs is in "
                                   "the image", "Save no truth, or aim at them."))
    save_image_segmentation(path, np.stack(masks), segments, image, subject(shot.provenance),
                            identity(shot.provenance), overwrite=overwrite)


def save_volume_segmentation(path: Path, labels: Image, truth: Truth, sources: Sequence[str | Path],
                             record: Provenance, overwrite: bool) -> None:
    """Organs and lesions on the voxels of slices as a DICOM segmentation, a segment for each that a voxel carries."""
    whole = replace(labels, array=np.ascontiguousarray(labels.array))
    present = np.flatnonzero(np.bincount(whole.array.ravel()))
    save_segmentation(path, whole, [segment_of(int(n), truth) for n in present if n > 0], subject(record),
                      identity(record), sources=sources, overwrite=overwrite)


def save_masks(truth: ExposureTruth, folder: Path, overwrite: bool) -> None:
    """A PNG of the image's size for each organ, lesion and view, 255 where the ray meets it, and truth.json: their
    names, files and boxes beside the table. Raises OutputError for files that exist."""
    check_output(folder / TABLE if folder.is_dir() else folder, overwrite)
    folder.mkdir(exist_ok=True)
    _, rows, columns = truth.geometry.shape
    masks = []
    for number, name, shadows in truth.seen():
        for view, one in enumerate(shadows):
            if one is None:
                continue
            ending = f"_view_{view}" if len(truth.geometry) > 1 else ""
            file = f"{number:03d}_{re.sub('[^a-z0-9]+', '_', name.lower()).strip('_')}{ending}.png"
            write_bytes(folder / file, png_bytes(_mask(one, rows, columns)), overwrite)
            masks.append({"number": number, "name": name, "view": view, "file": file, "box": list(one.box())})
    write_bytes(folder / TABLE, json.dumps({**truth.table(), "masks": masks}, indent=1).encode(), overwrite)


def _mask(shadow: Shadow, rows: int, columns: int) -> np.ndarray:
    mask = np.zeros((rows, columns), np.uint8)
    mask[shadow.window] = np.where(shadow.path_mm > 0, np.uint8(_WHITE), np.uint8(0))
    return mask
