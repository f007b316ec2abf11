"""Phantoms to files and back: one HDF5 file, or volumes (NIfTI, MetaImage, raw) with a JSON description beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import FileFormatError, InvalidInput, message
from physsim.io.atomic import check_output, write_bytes
from physsim.io.elements import input_file
from physsim.io.hdf5 import Layer, read_layers, write_layers
from physsim.io.image import Image
from physsim.io.volume import ENDINGS, read_volume, write_volume
from physsim.phantom.export_xcist import read_xcist, write_xcist
from physsim.phantom.overlay import Overlay
from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import LesionTruth, OrganTruth, Truth
from physsim.spec.grid import Grid
from physsim.spec.material import Material, resolved_material

_FORMAT = "physsim phantom"
_VERSION = 1
Materials = Sequence[str | Material] | Mapping[int, str | Material]


def grid_of(image: Image) -> Grid:
    """Where an image lies."""
    return Grid(
        shape=image.array.shape, spacing_mm=image.spacing_mm, origin_mm=image.origin_mm, direction=image.direction
    )


def image_of(array: npt.NDArray[Any], grid: Grid) -> Image:
    """An array on a grid, as an image."""
    assert grid.origin_mm is not None
    return Image(array, grid.spacing_mm, grid.origin_mm, grid.direction)


def save_phantom(phantom: Phantom, path: str | Path, overwrite: bool = False) -> None:
    """Write a phantom.

    `.h5`: everything in one file. `.nii`, `.nii.gz`, `.mhd`, `.mha`, `.toml` (raw): labels at `path`, and beside them
    `NAME_density`, `NAME_organs` and the description `NAME.phantom.json`. `.json`: XCIST's voxel phantom (see
    export_xcist). Overlays are kept by HDF5 alone.
    """
    path = Path(path)
    if phantom.meshes:
        mend = "Save it without them (phantom.replace(meshes=())), or painted (merged_overlays)."
        raise InvalidInput(message(f"{path}: {len(phantom.meshes)} meshes", "no file of voxels holds them", mend))
    if path.suffix.lower() == ".json":
        write_xcist(phantom, path, overwrite=overwrite)
        return
    stem, ending = _split(path)
    if ending in (".h5", ".hdf5"):
        write_layers(path, _layers(phantom), {"phantom": _description(phantom)}, overwrite)
        return
    if phantom.overlays:
        raise InvalidInput(
            message(f"{path}: {len(phantom.overlays)} overlays", f"a {ending} file cannot hold them", "Save as .h5.")
        )
    volumes = {"": phantom.labels, "_density": phantom.density, "_organs": phantom.truth.organ_labels}
    written = {part: path.with_name(f"{stem}{part}{ending}") for part, array in volumes.items() if array is not None}
    side = path.with_name(f"{stem}.phantom.json")
    for target in (*written.values(), side):
        check_output(target, overwrite)
    for part, target in written.items():
        array = volumes[part]
        assert array is not None
        if ending.startswith((".nii", ".mh")) and array.dtype == np.float16:
            array = array.astype(np.float32)  # these formats know no float16
        write_volume(target, image_of(array, phantom.grid), overwrite=overwrite)
    files = {part.removeprefix("_"): target.name for part, target in written.items() if part}
    text = json.dumps({**_description(phantom), "files": files}, indent=1)
    write_bytes(side, text.encode(), overwrite)


def load_phantom(
    path: str | Path,
    materials: Materials | None = None,
    density: str | Path | None = None,
    organs: str | Path | None = None,
) -> Phantom:
    """Read a phantom written by save_phantom, or any label volume together with its `materials`.

    `materials`: names or Materials in the order of the labels, or {label: name}; needed when no description
    `NAME.phantom.json` lies beside the labels. `density`: a volume of relative density, `organs`: one of organ labels;
    each must lie on the grid of the labels (compared by its header).
    Raises InvalidInput when they do not, or when a label has no material.
    """
    path = input_file(path)
    if path.suffix.lower() == ".json":
        if density is not None or organs is not None or not (materials is None or isinstance(materials, Mapping)):
            why = "XCIST's phantom holds its own densities and names its materials"
            raise InvalidInput(message(f"{path}: density, organs or a list of materials", why, "Give {name: name}."))
        return read_xcist(path, None if materials is None else {str(key): one for key, one in materials.items()})
    stem, ending = _split(path)
    if ending in (".h5", ".hdf5"):
        if materials is not None or density is not None or organs is not None:
            raise InvalidInput(
                message(f"{path}: materials, density or organs", "an HDF5 phantom holds its own", "Leave them out.")
            )
        return _from_layers(path)
    side = path.with_name(f"{stem}.phantom.json")
    described: dict[str, Any] = {}
    if materials is None:
        if not side.is_file():
            read_volume(path)  # what is wrong with the file itself comes first: four dimensions
            raise InvalidInput(
                message(
                    f"{path}: materials",
                    f"labels mean nothing without them, and there is no {side.name}",
                    "Give materials=[...] in the order of the labels, or {label: name}.",
                )
            )
        described = _checked(json.loads(side.read_text(encoding="utf-8")), side)
        materials = [Material.from_dict(row) for row in described["materials"]]
        density = density or _beside(path, described, "density")
        organs = organs or _beside(path, described, "organs")
    image = read_volume(path)
    grid = grid_of(image)
    labels, known = _labels_and_materials(image.array, materials, path)
    relative = None if density is None else read_volume(density)
    organ_image = None if organs is None else read_volume(organs)
    if organ_image is not None and (difference := grid.difference(grid_of(organ_image))):
        raise InvalidInput(f"labels and organ labels: {difference}")
    organ_labels = None if organ_image is None else _whole(organ_image.array, Path(str(organs)))
    return Phantom(
        grid=grid,
        labels=labels,
        materials=known,
        name=described.get("name", stem),
        made_from=described.get("made_from", {}),
        density=None if relative is None else _real(relative.array),
        density_grid=None if relative is None else grid_of(relative),
        truth=_truth(described, organ_labels),
    )


def _layers(phantom: Phantom) -> dict[str, Layer]:
    layers = {"labels": Layer.of_image(image_of(phantom.labels, phantom.grid), "", "index into the materials")}
    if phantom.density is not None:
        layers["density"] = Layer.of_image(
            image_of(phantom.density, phantom.grid), "", "relative to the material's own"
        )
    if phantom.truth.organ_labels is not None:
        layers["organs"] = Layer.of_image(
            image_of(phantom.truth.organ_labels, phantom.grid), "", "index into the organs"
        )
    for n, overlay in enumerate(phantom.overlays):
        layers[f"overlay_{n}_labels"] = Layer.of_image(image_of(overlay.labels, overlay.grid), "", overlay.name)
        if overlay.density is not None:
            layers[f"overlay_{n}_density"] = Layer.of_image(image_of(overlay.density, overlay.grid), "", overlay.name)
        if overlay.organ_labels is not None:
            layers[f"overlay_{n}_organs"] = Layer.of_image(image_of(overlay.organ_labels, overlay.grid), "",
                                                           overlay.name)
    return layers


def _from_layers(path: Path) -> Phantom:
    file = read_layers(path)
    if "phantom" not in file.provenance or "labels" not in file.layers:
        raise FileFormatError(message(str(path), "holds no phantom", "Give a file that Phantom.save wrote."))
    described = _checked(file.provenance["phantom"], path)
    images = {name: layer.image for name, layer in file.layers.items()}
    grid = grid_of(images["labels"])
    overlays = []
    for n, name in enumerate(described["overlays"]):
        own = images[f"overlay_{n}_labels"]
        density = images.get(f"overlay_{n}_density")
        organs = images.get(f"overlay_{n}_organs")
        overlays.append(Overlay(grid_of(own), own.array, None if density is None else density.array, name,
                                None if organs is None else organs.array))
    density = images.get("density")
    organs = images.get("organs")
    return Phantom(
        grid=grid,
        labels=images["labels"].array,
        name=described["name"],
        made_from=described.get("made_from", {}),
        overlays=tuple(overlays),
        materials=tuple(Material.from_dict(row) for row in described["materials"]),
        density=None if density is None else density.array,
        density_grid=None if density is None else grid_of(density),
        truth=_truth(described, None if organs is None else organs.array),
    )


def _description(phantom: Phantom) -> dict[str, Any]:
    return {
        "format": _FORMAT,
        "format_version": _VERSION,
        "name": phantom.name,
        "materials": [json.loads(one.to_json()) for one in phantom.materials],
        "organs": [[row.name, row.volume_mm3, row.mass_g] for row in phantom.truth.organs],
        "lesions": [
            [row.name, row.material, list(row.centre_mm), row.volume_mm3, row.mass_g, row.type, row.site, row.seed]
            for row in phantom.truth.lesions
        ],
        "overlays": [overlay.name for overlay in phantom.overlays],
        "made_from": dict(phantom.made_from),
    }


def _checked(described: Any, path: Path) -> dict[str, Any]:
    keys = {"format", "name", "materials", "organs", "lesions", "overlays"}
    if not isinstance(described, dict) or not keys <= described.keys() or described["format"] != _FORMAT:
        raise FileFormatError(
            message(str(path), "is no description of a phantom", "Give a file that Phantom.save wrote.")
        )
    if described.get("format_version", 0) > _VERSION:
        raise FileFormatError(
            message(
                f"{path}: format_version={described['format_version']}",
                f"this physsim reads phantoms up to version {_VERSION}",
                "Update physsim.",
            )
        )
    return described


def _truth(described: Mapping[str, Any], organ_labels: npt.NDArray[Any] | None) -> Truth:
    organs = tuple(OrganTruth(*row) for row in described.get("organs", ()))
    lesions = tuple(
        LesionTruth(name, own, (centre[0], centre[1], centre[2]), volume, mass, *rest)
        for name, own, centre, volume, mass, *rest in described.get("lesions", ())
    )
    return Truth(organ_labels, organs, lesions)


def _beside(path: Path, described: Mapping[str, Any], part: str) -> Path | None:
    name = described.get("files", {}).get(part)
    return None if name is None else path.with_name(Path(name).name)


def _labels_and_materials(
    array: npt.NDArray[Any], materials: Materials, path: Path
) -> tuple[npt.NDArray[Any], tuple[Material, ...]]:
    labels = _whole(array, path)
    if not isinstance(materials, Mapping):
        return labels, tuple(resolved_material(one) for one in materials)
    present = np.unique(labels)
    missing = [int(n) for n in present if int(n) not in materials]
    if missing:
        raise InvalidInput(message(f"{path}: label {missing[0]}", f"no material for labels {missing[:8]}", "Add them."))
    table = np.zeros(int(present[-1]) + 1, labels.dtype)
    table[present] = np.arange(len(present))
    return table[labels], tuple(resolved_material(materials[int(n)]) for n in present)


def _whole(array: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    """Labels as uint8 or uint16; no copy when they are."""
    if array.dtype in (np.uint8, np.uint16):
        return array
    low, high = float(array.min()), float(array.max())
    if not 0 <= low <= high <= 65535 or (array.dtype.kind == "f" and not (array == np.rint(array)).all()):
        raise FileFormatError(
            message(
                f"{path}: values from {low} to {high} of type {array.dtype}",
                "labels are whole numbers from 0 to 65535",
                "Give a label volume.",
            )
        )
    return array.astype(np.uint8 if high < 256 else np.uint16)


def _real(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array if array.dtype in (np.float16, np.float32) else array.astype(np.float32)


def _split(path: Path) -> tuple[str, str]:
    """Name without ending, and the ending."""
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)], path.name[-len(ending) :].lower()
    raise InvalidInput(
        message(str(path), "the ending names no volume format that physsim knows", f"Known: {', '.join(ENDINGS)}.")
    )
