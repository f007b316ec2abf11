"""The truth of a scan on the grid of its volume: organs, lesions, and the table of both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.errors import InvalidInput, message
from physsim.io.atomic import check_output, write_bytes
from physsim.io.image import Image
from physsim.io.volume import ENDINGS, write_volume
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
        return np.asarray(self._labels() == self.volume.number(name))

    def table(self) -> dict[str, Any]:
        """Organs and lesions with their figures, as plain data."""
        return {"organs": [{"number": n, "name": one.name, "volume_mm3": one.volume_mm3, "mass_g": one.mass_g}
                           for n, one in enumerate(self.volume.organs)],
                "lesions": [one.row() for one in self.volume.lesions]}

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """`.nii.gz`, `.nii`, `.mhd`, `.mha`: the organ labels, and `NAME.json` beside them with the table."""
        path = Path(path)
        ending = max((one for one in ENDINGS if path.name.lower().endswith(one) and one != ".toml"), key=len,
                     default=None)
        if ending is None:
            raise InvalidInput(message(str(path), "the ending names no file that holds labels",
                                       "Known: .nii.gz, .nii, .mhd, .mha."))
        table = path.with_name(path.name[: -len(ending)] + ".json")
        for target in (path, table):
            check_output(target, overwrite)
        write_volume(path, self.image(), overwrite=overwrite)
        write_bytes(table, json.dumps(self.table(), indent=1).encode(), overwrite)

    def image(self) -> Image:
        """The labels and where they lie."""
        assert self.grid.origin_mm is not None
        return Image(self._labels(), self.grid.spacing_mm, self.grid.origin_mm, self.grid.direction)

    def _labels(self) -> NDArray[Any]:
        if self.organ_labels is None:
            raise InvalidInput(message("truth", "this phantom carries no organ labels",
                                       "Load it with organs=..., or voxelise a scene."))
        return self.organ_labels


def scan_truth(phantom: Phantom, grid: Grid) -> ScanTruth:
    """The phantom's labels at the middles of the voxels of `grid`."""
    return truth_on(phantom.truth, phantom.grid, grid)


def truth_on(truth: Truth, known: Grid, grid: Grid) -> ScanTruth:
    """Labels that lie on `known`, at the middles of the voxels of `grid`."""
    own = truth.organ_labels
    if own is None:
        return ScanTruth(truth, grid, None)
    voxel_from_voxel = np.linalg.inv(known.world_from_voxel) @ grid.world_from_voxel
    labels = np.zeros(grid.shape, own.dtype)
    rows, columns = np.mgrid[: grid.shape[1], : grid.shape[2]]
    size = np.array(known.shape[::-1])
    for k in range(grid.shape[0]):
        place = [voxel_from_voxel[a, 0] * columns + voxel_from_voxel[a, 1] * rows + voxel_from_voxel[a, 2] * k
                 + voxel_from_voxel[a, 3] for a in range(3)]
        index = np.floor(np.array(place) + 0.5).astype(np.int64)
        inside = ((index >= 0) & (index < size[:, None, None])).all(axis=0)
        i, j, n = index[:, inside]
        labels[k][inside] = own[n, j, i]
    return ScanTruth(truth, grid, labels)
