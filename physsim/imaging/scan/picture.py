"""A picture of a scan: axial, coronal and sagittal planes through the volume's middle, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from physsim.imaging.beam_rays import peak_kv
from physsim.imaging.scan.files import window_of
from physsim.imaging.technique import contents
from physsim.io.image import Image
from physsim.io.picture import write_radiograph_png
from physsim.io.presentation import Window

if TYPE_CHECKING:
    from physsim.imaging.scan.result import Scan

_GAP = 8  # pixels between planes


def write_planes(scan: Scan, path: Path, overwrite: bool, other: Image | None = None, words: str = "") -> None:
    """PNG, the patient's right at the viewer's left in the axial and coronal plane, the head up. `other`: in place of
    the scan's volume, told by `words`."""
    volume = scan.volume if other is None else other
    hu, (x, _, z) = volume.array, volume.spacing_mm
    nz, ny, nx = hu.shape
    planes = [hu[nz // 2], _stretched(hu[::-1, ny // 2], z / x), _stretched(hu[::-1, :, nx // 2], z / x)]
    low, high = window_of(scan.protocol.body_part)
    height = max(len(one) for one in planes)
    columns = []
    for plane in planes:
        padded = np.full((height, plane.shape[1] + _GAP), low, np.float32)
        top = (height - len(plane)) // 2
        padded[top : top + len(plane), : plane.shape[1]] = plane
        columns.append(padded)
    figures = scan.figures()
    caption = [f"{scan.protocol.title or scan.protocol.name}: {scan.provenance.phantom.name or 'phantom'}, seed "
               f"{scan.provenance.seed}",
               f"{peak_kv(scan.protocol):g} kVp, {figures['mas_mean']:.3g} mAs a turn, {int(figures['views'])} views, "
               f"{low:g} to {high:g} HU" + (f", {words}" if words else ""), contents(scan)]
    write_radiograph_png(path, np.concatenate(columns, axis=1), x, caption, window=Window(low, high),
                         patient_orientation=("L", "P"), plane="isocentre", overwrite=overwrite)


def _stretched(plane: np.ndarray, times: float) -> np.ndarray:
    """Rows `times` as high, the nearest row of each."""
    rows = np.minimum((np.arange(max(1, round(len(plane) * times))) / times).astype(int), len(plane) - 1)
    return np.asarray(plane[rows], np.float32)
