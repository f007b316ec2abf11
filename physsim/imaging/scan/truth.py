"""The truth of a scan on the grid of its volume: organs, lesions, and the table of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.truth import TRUTH_ENDINGS, organ_image, organ_rows, save_labels
from physsim.io.hdf5 import Layer, write_layers
from physsim.io.image import Image
from physsim.phantom.overlay import Overlay
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import Truth
from physsim.spec.grid import Grid


@dataclass(frozen=True, eq=False)
class ScanTruth:
    """organ_labels: (z, y, x) on `grid`, index into the organs of `volume` (the phantom's own truth), 0 outside the
    phantom; None where the phantom has none."""

    volume: Truth
    grid: Grid
    organ_labels: NDArray[Any] | None

    def mask(self, name: str) -> NDArray[np.bool_]:
        """(z, y, x) bool: voxels whose middle lies in an organ or lesion. InvalidInput, with the nearest names."""
        return np.asarray(self.image().array == self.volume.number(name))

    def table(self) -> dict[str, Any]:
        """Organs and lesions with their figures, as plain data."""
        return {"organs": organ_rows(self.volume),
                "lesions": [one.row() for one in self.volume.lesions]}

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """`.nii.gz`, `.nii`, `.mhd`, `.mha`: the organ labels, and `NAME.json` beside them with the table; `.h5`: both
        in one."""
        if str(path).lower().endswith((".h5", ".hdf5")):
            layer = Layer.of_image(self.image(), "", "index into the organs")
            write_layers(path, {"organs": layer}, {"truth": self.table()}, overwrite)
            return
        save_labels(Path(path), self.image, self.table, overwrite, f"Known: {', '.join(TRUTH_ENDINGS)}.")

    def image(self) -> Image:
        """The labels and where they lie. Raises InvalidInput where the phantom has none."""
        return organ_image(self.organ_labels, self.grid)


def scan_truth(phantom: Phantom, grid: Grid) -> ScanTruth:
    """The phantom's labels at the middles of the voxels of `grid`."""
    return truth_on(phantom.truth, phantom.grid, grid, phantom.overlays)


def truth_on(truth: Truth, known: Grid, grid: Grid, overlays: Sequence[Overlay] = ()) -> ScanTruth:
    """Labels that lie on `known`, and those of finer `overlays` in their place, at the middles of `grid`'s voxels."""
    own = truth.organ_labels
    if own is None:
        return ScanTruth(truth, grid, None)
    finer = [(one.organ_labels, one.grid) for one in overlays if one.organ_labels is not None]
    labels = np.zeros(grid.shape, np.result_type(own, *(one for one, _ in finer)))
    for values, there in ((own, known), *finer):
        _take(values, there, grid, labels)
    return ScanTruth(truth, grid, labels)


def _take(own: NDArray[Any], known: Grid, grid: Grid, labels: NDArray[Any]) -> None:
    """`own` on `known` to the voxels of `labels` on `grid` whose middles lie in it."""
    voxel_from_voxel = np.linalg.inv(known.world_from_voxel) @ grid.world_from_voxel
    rows, columns = np.mgrid[: grid.shape[1], : grid.shape[2]]
    size = np.array(known.shape[::-1])
    for k in range(grid.shape[0]):
        place = [voxel_from_voxel[a, 0] * columns + voxel_from_voxel[a, 1] * rows + voxel_from_voxel[a, 2] * k
                 + voxel_from_voxel[a, 3] for a in range(3)]
        index = np.floor(np.array(place) + 0.5).astype(np.int64)
        inside = ((index >= 0) & (index < size[:, None, None])).all(axis=0)
        i, j, n = index[:, inside]
        labels[k][inside] = own[n, j, i]
