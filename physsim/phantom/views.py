"""A phantom at a glance: slices and parallel projections of its density as one grey picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from physsim.phantom.merge import merged_overlays

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

_GAP = 4  # pixels between pictures
_PIXELS = 480  # of the longest side of a picture


def overview(phantom: Phantom) -> tuple[npt.NDArray[np.uint8], float]:
    """Axial, coronal, sagittal slice through the middle, and projections along +y and +x; and the pixel size in mm.

    Seen as radiologists do: the patient's left on the picture's right, head up; axial from the feet, front up.
    Slices show the square root of density from 0 to 2 g/cm3, projections the areal density up to their own maximum.
    Overlays are averaged into the voxels. Neglects: the orientation of grids turned against the world.
    """
    phantom = merged_overlays(phantom)
    nz, ny, nx = phantom.grid.shape
    sx, sy, sz = phantom.grid.spacing_mm
    coronal_sum, sagittal_sum = np.zeros((nz, nx)), np.zeros((nz, ny))
    for k in range(nz):
        plane = phantom.density_g_cm3((slice(k, k + 1),))[0]
        coronal_sum[k], sagittal_sum[k] = plane.sum(0) * sy, plane.sum(1) * sx
    axial = phantom.density_g_cm3((slice(nz // 2, nz // 2 + 1),))[0]
    coronal = phantom.density_g_cm3((slice(None), slice(ny // 2, ny // 2 + 1)))[:, 0]
    sagittal = phantom.density_g_cm3((slice(None), slice(None), slice(nx // 2, nx // 2 + 1)))[:, :, 0]
    pixel_mm = max(nx * sx, ny * sy, nz * sz) / _PIXELS
    slices = ((axial, sy, sx, False), (coronal, sz, sx, True), (sagittal, sz, sy, True))
    sums = ((coronal_sum, sz, sx, True), (sagittal_sum, sz, sy, True))
    grey = [_resized(np.sqrt(np.clip(picture / 2, 0, 1)), rows, columns, up, pixel_mm)
            for picture, rows, columns, up in slices]
    grey += [_resized(picture / max(float(picture.max()), 1e-9), rows, columns, up, pixel_mm)
             for picture, rows, columns, up in sums]
    height = max(len(one) for one in grey)
    width = sum(one.shape[1] for one in grey) + _GAP * (len(grey) - 1)
    page, at = np.zeros((height, width), np.uint8), 0
    for one in grey:
        page[: len(one), at : at + one.shape[1]] = np.rint(255 * one).astype(np.uint8)
        at += one.shape[1] + _GAP
    return page, pixel_mm


def _resized(picture: npt.NDArray[Any], step_rows: float, step_columns: float, upside_down: bool,
             pixel_mm: float) -> npt.NDArray[Any]:
    """Nearest pixels on square ones of `pixel_mm`; z runs upward when `upside_down`."""
    rows = np.minimum((np.arange(round(len(picture) * step_rows / pixel_mm)) + 0.5) * pixel_mm / step_rows,
                      len(picture) - 1).astype(int)
    columns = np.minimum((np.arange(round(picture.shape[1] * step_columns / pixel_mm)) + 0.5) * pixel_mm / step_columns,
                         picture.shape[1] - 1).astype(int)
    chosen: npt.NDArray[Any] = picture[rows][:, columns]
    return chosen[::-1] if upside_down else chosen
