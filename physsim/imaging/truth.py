"""The truth of an exposure: where the lesions fall on the detector, and what the phantom knows of itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.io.atomic import check_output, write_bytes
from physsim.io.hdf5 import Layer, write_layers
from physsim.io.image import Image
from physsim.io.volume import ENDINGS, write_volume
from physsim.phantom.insert import sub_grid
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import Truth
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.project import project

_AXES = ("view", "row", "column")


@dataclass(frozen=True, eq=False)
class ExposureTruth:
    """Lesions in the image and organs in the volume.

    `paths_mm`: by lesion, (views, rows, columns) float32, the length of each ray in it (from the phantom's voxels that
    are mostly lesion). `volume`: the phantom's own truth, on `grid`.
    """

    volume: Truth
    grid: Grid
    paths_mm: dict[str, npt.NDArray[np.float32]]

    def mask(self, lesion: str) -> npt.NDArray[np.bool_]:
        """(views, rows, columns): pixels whose ray meets the lesion."""
        if lesion not in self.paths_mm:
            raise InvalidInput(message(f"lesion {lesion!r}", "this exposure shows none of that name",
                                       did_you_mean(lesion, self.paths_mm)))
        return np.asarray(self.paths_mm[lesion] > 0)

    def table(self) -> dict[str, Any]:
        """Organs and lesions with their figures, as plain data."""
        return {"organs": organ_rows(self.volume),
                "lesions": [{**one.row(),
                             "pixels": int(self.mask(one.name).sum()) if one.name in self.paths_mm else None}
                            for one in self.volume.lesions]}

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the truth.

        `.h5`: lesion paths in the image and organ labels in the volume. `.nii.gz`, `.nii`, `.mhd`, `.mha`: the organ
        labels, and `NAME.json` beside them with the names, masses and volumes.
        """
        path = Path(path)
        name = path.name.lower()
        if name.endswith((".h5", ".hdf5")):
            write_layers(path, self.layers(), {"truth": self.table()}, overwrite)
            return
        save_labels(path, self._organs, self.table, overwrite, "Known: .h5, .nii.gz, .nii, .mhd, .mha.")

    def layers(self) -> dict[str, Layer]:
        """Layers for HDF5: `lesion_0_mm` and so on, in the order of the table, and `organs`."""
        layers = {f"lesion_{n}_mm": Layer(path, "mm", _AXES, f"length of the ray in {name}")
                  for n, (name, path) in enumerate(self.paths_mm.items())}
        if self.volume.organ_labels is not None:
            layers["organs"] = Layer.of_image(self._organs(), "", "index into the organs")
        return layers

    def _organs(self) -> Image:
        return organ_image(self.volume.organ_labels, self.grid)


def organ_rows(truth: Truth) -> list[dict[str, Any]]:
    """Number, name, volume and mass of each organ, as plain data."""
    return [{"number": n, "name": one.name, "volume_mm3": one.volume_mm3, "mass_g": one.mass_g}
            for n, one in enumerate(truth.organs)]


def organ_image(labels: npt.NDArray[Any] | None, grid: Grid) -> Image:
    """Organ labels and where they lie. Raises InvalidInput where a phantom has none."""
    if labels is None:
        raise InvalidInput(message("truth", "this phantom carries no organ labels",
                                   "Load it with organs=..., or voxelise a scene."))
    assert grid.origin_mm is not None
    return Image(labels, grid.spacing_mm, grid.origin_mm, grid.direction)


def save_labels(path: Path, image: Callable[[], Image], table: Callable[[], dict[str, Any]], overwrite: bool,
                known: str) -> None:
    """Organ labels by the ending of a volume, and `NAME.json` beside them with the table; `known`: what else could be
    asked for. Raises InvalidInput for another ending, OutputError for files that exist."""
    name = path.name.lower()
    ending = max((one for one in ENDINGS if name.endswith(one) and one != ".toml"), key=len, default=None)
    if ending is None:
        raise InvalidInput(message(str(path), "the ending names no file that holds truth", known))
    labels, beside = image(), path.with_name(path.name[: -len(ending)] + ".json")
    for target in (path, beside):
        check_output(target, overwrite)
    write_volume(path, labels, overwrite=overwrite)
    write_bytes(beside, json.dumps(table(), indent=1).encode(), overwrite)


def exposure_truth(phantom: Phantom, geometry: Geometry, threads: int | None = None) -> ExposureTruth:
    """Project the phantom's lesions; those without a voxel of their own (or without organ labels) have no path."""
    paths = {}
    for lesion in phantom.truth.lesions if phantom.truth.organ_labels is not None else ():
        if lesion.name in paths or lesion.name not in phantom.truth.names():
            continue
        mask = phantom.truth.mask(lesion.name)
        if not mask.any():
            continue
        places = [np.flatnonzero(mask.any(axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        z, y, x = (slice(int(p[0]), int(p[-1]) + 1) for p in places)
        paths[lesion.name] = project(np.ascontiguousarray(mask[z, y, x]).view(np.uint8), geometry,
                                     grid=sub_grid(phantom.grid, (z, y, x)), device="cpu", threads=threads)
    return ExposureTruth(phantom.truth, phantom.grid, paths)
