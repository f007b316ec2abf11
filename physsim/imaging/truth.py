"""The truth of an exposure: where organs and lesions fall on the detector, and what the phantom knows of itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.imaging.shadows import Shadows, blocks_of, cast, joined, paths_in
from physsim.io.atomic import check_output, write_bytes
from physsim.io.hdf5 import Layer, write_layers
from physsim.io.image import Image
from physsim.io.volume import ENDINGS, write_volume
from physsim.phantom.overlay import Block, Overlay
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import Truth
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid

_AXES = ("view", "row", "column")
_BACKGROUND = 0  # number of what is no organ


@dataclass(frozen=True, eq=False)
class ExposureTruth:
    """Organs and lesions in the image, and in the volume.

    `volume`: the phantom's own truth, on `grid`; `overlays`: finer patches with labels of their own. `lesions`: what
    each casts on the detector, in every view. An organ's shadow is traced when it is asked for.

    Neglects: the focal spot's size (rays leave its centre); what is smaller than the voxels; of organs, overlays.
    """

    volume: Truth
    grid: Grid
    geometry: Geometry
    overlays: tuple[Overlay, ...] = ()
    lesions: Mapping[str, Shadows] = field(default_factory=dict)
    threads: int | None = None

    def shadows(self, name: str) -> Shadows:
        """Of an organ or lesion, a view each. Raises InvalidInput, with the nearest names, for one without a voxel."""
        if name in self.lesions:
            return self.lesions[name]
        names = self.volume.names()
        number = names.index(name) if name in names else _BACKGROUND
        block = self._blocks.get(number)
        if number == _BACKGROUND or block is None:
            known = [*self.lesions, *(names[n] for n in self._blocks)]
            raise InvalidInput(message(f"organ or lesion {name!r}", "no voxel of this exposure's phantom is mostly of "
                                       "that name", did_you_mean(name, known)))
        assert self.volume.organ_labels is not None
        return cast(self.volume.organ_labels, number, block, self.grid, self.geometry, self.threads)

    def path_mm(self, name: str) -> npt.NDArray[np.float32]:
        """(views, rows, columns) length of each ray in an organ or lesion (mm)."""
        _, rows, columns = self.geometry.shape
        return paths_in((slice(0, rows), slice(0, columns)), self.shadows(name))

    def mask(self, name: str) -> npt.NDArray[np.bool_]:
        """(views, rows, columns): pixels whose ray meets the organ or lesion."""
        return np.asarray(self.path_mm(name) > 0)

    def boxes(self, name: str) -> list[tuple[int, int, int, int] | None]:
        """Of each view (left, top, right, bottom) in pixels, right and bottom one beyond the last; None where no ray
        meets the organ or lesion."""
        return [None if one is None else one.box() for one in self.shadows(name)]

    def seen(self) -> Iterator[tuple[int, str, Shadows]]:
        """Number in the table, name and shadows of what is met by any ray: lesions and organs, as they are numbered."""
        names = self.volume.names()
        numbers = {*self._blocks, *(names.index(one) for one in self.lesions)} - {_BACKGROUND}
        for number in sorted(numbers):
            found = self.shadows(names[number])
            if any(one is not None for one in found):
                yield number, names[number], found

    def table(self) -> dict[str, Any]:
        """Organs and lesions with their figures, lesions with pixels and boxes in the image, as plain data."""
        return {"organs": organ_rows(self.volume),
                "lesions": [{**one.row(), **_in_image(self.lesions.get(one.name))} for one in self.volume.lesions]}

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the truth.

        `.h5`: lengths of the rays in every organ and lesion that is in the image, and organ labels in the volume.
        `.nii.gz`, `.nii`, `.mhd`, `.mha`: the labels in the volume, and `NAME.json` beside them with names, masses and
        volumes. A folder (no ending): a PNG mask of each organ, lesion and view, and truth.json.
        """
        path = Path(path)
        name = path.name.lower()
        if name.endswith((".h5", ".hdf5")):
            write_layers(path, self.layers(organs=True), {"truth": self.table()}, overwrite)
        elif not path.suffix:
            from physsim.imaging.truth_files import save_masks

            save_masks(self, path, overwrite)
        else:
            save_labels(path, self._organs, self.table, overwrite, f"Known: {', '.join(TRUTH_ENDINGS)}, and a folder.")

    def layers(self, organs: bool = False) -> dict[str, Layer]:
        """Layers for HDF5: `lesion_0_mm` and so on, in the order of the table, `organs` in the volume; and with
        `organs` `organ_3_mm` by number. Each in the smallest window of pixels that holds it, named in its words."""
        lesions = {one.name: f"lesion_{n}_mm" for n, one in enumerate(self.volume.lesions)}
        layers = {lesions[name]: self._layer(name, shadows) for name, shadows in self.lesions.items()
                  if joined(shadows) is not None}
        if organs:
            layers |= {f"organ_{number}_mm": self._layer(name, shadows) for number, name, shadows in self.seen()
                       if name not in self.lesions}
        if self.volume.organ_labels is not None:
            layers["organs"] = Layer.of_image(self._organs(), "", "index into the organs")
        return layers

    @cached_property
    def _blocks(self) -> dict[int, Block]:
        """Of each organ that has voxels, by its number."""
        labels = self.volume.organ_labels
        return {} if labels is None else {n: one for n, one in enumerate(blocks_of(labels), 1) if one is not None}

    def _layer(self, name: str, shadows: Shadows) -> Layer:
        window = joined(shadows)
        assert window is not None
        return Layer(paths_in(window, shadows), "mm", _AXES, f"length of the ray in {name}; from row "
                     f"{window[0].start}, column {window[1].start} of the image on")

    def _organs(self) -> Image:
        return organ_image(self.volume.organ_labels, self.grid)


def _in_image(shadows: Shadows | None) -> dict[str, Any]:
    """A lesion's pixels in all views, and its box in each (see ExposureTruth.boxes)."""
    if shadows is None:
        return {"pixels": None, "boxes": None}
    return {"pixels": sum(int((one.path_mm > 0).sum()) for one in shadows if one is not None),
            "boxes": [None if one is None else list(one.box()) for one in shadows]}


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


TRUTH_ENDINGS = (".dcm", ".h5", ".nii.gz", ".nii", ".mhd", ".mha")


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
    """Trace the phantom's lesions; those that are the most of no voxel, their overlays' too, cast nothing."""
    truth, overlays = phantom.truth, tuple(one for one in phantom.overlays if one.organ_labels is not None)
    wanted = {one.name for one in truth.lesions}
    numbers = {n: name for n, name in enumerate(truth.names()) if name in wanted and n != _BACKGROUND}
    lesions: dict[str, Shadows] = {}
    places = [*((one.organ_labels, one.grid) for one in overlays), (truth.organ_labels, phantom.grid)]  # finer first
    for labels, grid in places:
        if labels is None or not numbers:
            continue
        for number, block in enumerate(blocks_of(labels), 1):
            if block is not None and number in numbers and numbers[number] not in lesions:
                lesions[numbers[number]] = cast(labels, number, block, grid, geometry, threads)
    ordered = {one.name: lesions[one.name] for one in truth.lesions if one.name in lesions}
    return ExposureTruth(truth, phantom.grid, geometry, overlays, ordered, threads)
