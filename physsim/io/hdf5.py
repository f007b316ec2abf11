"""HDF5 files of named layers: each a dataset with its unit and axes, and the provenance of them all.

Equal inputs give equal bytes: no clock, host name or path goes in. Layout: one dataset a layer in the root group with
the attributes `unit`, `axes` ("z y x"), `description`, and for volumes `spacing_mm`, `origin_mm`, `direction` (LPS).
The root's attributes are `format`, `format_version` and `provenance` (JSON).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import FileFormatError, InvalidInput, did_you_mean, message
from physsim.io.atomic import written_whole
from physsim.io.elements import input_file
from physsim.io.image import Image, Vector

FORMAT, FORMAT_VERSION = "physsim layers", 1
_GZIP_LEVEL, _DEFLATE_LIMIT = 4, 1032
_KINDS = "iufb"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Layer:
    """An array with what a reader needs to know of it.

    `axes` names the array's axes in order, for example ("view", "v", "u") or ("z", "y", "x"); `unit` is as in
    "keV/mm2", "" for a pure number. A volume also says where it lies (LPS, see Image).
    """

    array: npt.NDArray[Any]
    unit: str
    axes: tuple[str, ...]
    description: str = ""
    spacing_mm: Vector | None = None
    origin_mm: Vector | None = None
    direction: tuple[Vector, Vector, Vector] | None = None

    def __post_init__(self) -> None:
        if len(self.axes) != self.array.ndim:
            raise InvalidInput(message(f"axes={self.axes}", f"the array has shape {self.array.shape}",
                                       "Name each axis of the array once."))
        if self.array.dtype.kind not in _KINDS or self.array.dtype.itemsize > 8:
            raise InvalidInput(message(f"dtype {self.array.dtype}", "layers hold whole or real numbers",
                                       "Convert the array."))

    @classmethod
    def of_image(cls, image: Image, unit: str, description: str = "") -> Layer:
        """The layer of a volume."""
        return cls(image.array, unit, ("z", "y", "x"), description, image.spacing_mm, image.origin_mm, image.direction)

    @property
    def image(self) -> Image:
        """The layer as a volume; InvalidInput when it does not say where it lies."""
        if self.spacing_mm is None or self.origin_mm is None or self.direction is None:
            raise InvalidInput(message("layer", "has no spacing_mm, origin_mm and direction", "It is no volume."))
        return Image(self.array, self.spacing_mm, self.origin_mm, self.direction)


@dataclass(frozen=True)
class LayerFile:
    """What a file of layers holds."""

    layers: Mapping[str, Layer]
    provenance: Mapping[str, Any] = field(default_factory=dict)


def write_layers(path: str | Path, layers: Mapping[str, Layer], provenance: Mapping[str, Any],
                 overwrite: bool = False) -> None:
    """Write named layers and their provenance (plain data that JSON can hold), whole or not at all.

    Whole-number layers (labels, truth) are compressed; real ones are not, so that they can be mapped.
    """
    for name in layers:
        if not _NAME.fullmatch(name):
            raise InvalidInput(message(f"layer {name!r}", "names are letters, digits and _", "Rename the layer."))
    try:
        text = json.dumps(provenance, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(message("provenance", f"cannot be JSON ({error})",
                                   "Give strings, finite numbers, lists and tables.")) from None
    with written_whole(path, overwrite) as temporary:
        try:
            _write(temporary, layers, text)
        except (RuntimeError, OSError) as error:  # h5py has RuntimeError for a failed flush on closing
            number = re.search(r"errno = (\d+)", str(error))
            if number is None:
                raise OSError(str(error).splitlines()[0]) from error
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _write(path: Path, layers: Mapping[str, Layer], provenance: str) -> None:
    import h5py

    with h5py.File(path, "w", libver=("v108", "v110"), track_order=True, alignment_threshold=1024,
                   alignment_interval=64) as file:
        _put_text(file, "format", FORMAT)
        file.attrs["format_version"] = FORMAT_VERSION
        _put_text(file, "provenance", provenance)
        for name, layer in layers.items():
            packed = {"compression": "gzip", "compression_opts": _GZIP_LEVEL, "shuffle": True} \
                if layer.array.dtype.kind in "iub" and layer.array.size > 1024 else {}
            dataset = file.create_dataset(name, data=layer.array, track_times=False, **packed)
            _put_text(dataset, "unit", layer.unit)
            _put_text(dataset, "axes", " ".join(layer.axes))
            _put_text(dataset, "description", layer.description)
            for key in ("spacing_mm", "origin_mm", "direction"):
                if getattr(layer, key) is not None:
                    dataset.attrs[key] = np.array(getattr(layer, key), np.float64)


def read_layers(path: str | Path, names: Iterable[str] | None = None) -> LayerFile:
    """The layers of a file (only `names` when given); uncompressed ones as read-only maps of the file.

    Raises FileFormatError for a file that is damaged or that physsim did not write, InvalidInput for an unknown name.
    """
    import h5py

    path = input_file(path)
    try:
        with h5py.File(path, "r") as file:
            provenance = _provenance(path, file)
            wanted = list(file) if names is None else list(names)
            for name in wanted:
                if name not in file:
                    mend = did_you_mean(name, file)
                    raise InvalidInput(message(f"{path}: layer {name!r}", "is not in the file", mend))
            return LayerFile({name: _layer(path, file, name) for name in wanted}, provenance)
    except (OSError, RuntimeError, KeyError, TypeError, AttributeError, ValueError, OverflowError, MemoryError,
            NotImplementedError) as error:
        if isinstance(error, (InvalidInput, FileFormatError)):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileFormatError(message(str(path), f"is no whole HDF5 file ({reason})", "Copy it again.")) from None


def read_provenance(path: str | Path) -> Mapping[str, Any]:
    """The provenance alone."""
    return read_layers(path, names=()).provenance


def _put_text(holder: Any, key: str, text: str) -> None:
    import h5py

    # Fixed length: variable-length strings live in a shared heap whose layout depends on history.
    data = text.encode()
    holder.attrs.create(key, np.bytes_(data), dtype=h5py.string_dtype("utf-8", max(len(data), 1)))


def _text(holder: Any, key: str) -> str:
    value = holder.attrs[key]
    return value.decode() if isinstance(value, bytes) else str(value)


def _provenance(path: Path, file: Any) -> Mapping[str, Any]:
    if "format" not in file.attrs or _text(file, "format") != FORMAT:
        raise FileFormatError(message(str(path), "is an HDF5 file, but not one of physsim's layers",
                                      "Give a file that physsim wrote, or read it with h5py."))
    version = int(file.attrs["format_version"])
    if version > FORMAT_VERSION:
        raise FileFormatError(message(f"{path}: format_version={version}", f"this physsim reads up to {FORMAT_VERSION}",
                                      "Update physsim."))
    provenance = json.loads(_text(file, "provenance"))
    if not isinstance(provenance, dict):
        raise FileFormatError(message(f"{path}: provenance", "is no table", "Write the file again."))
    return provenance


def _layer(path: Path, file: Any, name: str) -> Layer:
    dataset = file[name]
    size, stored = dataset.size * dataset.dtype.itemsize, dataset.id.get_storage_size()
    mapped = dataset.chunks is None
    if dataset.dtype.kind not in _KINDS or (stored != size if mapped else size > stored * _DEFLATE_LIMIT):
        found = f"{dataset.shape} values of {dataset.dtype} = {size} bytes, the file holds {stored}"
        raise FileFormatError(message(f"{path}: layer {name}", found, "Write the file again."))
    offset = dataset.id.get_offset() if mapped and dataset.dtype.isnative else None
    if offset is not None and dataset.dtype.kind in "iuf" and offset % dataset.dtype.itemsize == 0 and dataset.ndim:
        if offset + size > path.stat().st_size:
            raise FileFormatError(message(f"{path}: layer {name}", f"ends at byte {offset + size}, the file at "
                                          f"{path.stat().st_size}", "The file is truncated; copy it again."))
        array: npt.NDArray[Any] = np.memmap(path, dataset.dtype, "r", offset, dataset.shape)
    else:
        array = np.asarray(dataset[()])
    vectors = {key: np.asarray(dataset.attrs[key], np.float64) for key in ("spacing_mm", "origin_mm", "direction")
               if key in dataset.attrs}
    axes = vectors.pop("direction", None)
    direction = None if axes is None else tuple(tuple(map(float, axis)) for axis in axes.reshape(3, 3))
    flat = {key: tuple(map(float, value)) for key, value in vectors.items()}
    layer = Layer(array, _text(dataset, "unit"), tuple(_text(dataset, "axes").split()), _text(dataset, "description"),
                  direction=direction, **flat)  # type: ignore[arg-type]
    if direction is not None:
        layer.image  # noqa: B018  (checks the header)
    return layer
