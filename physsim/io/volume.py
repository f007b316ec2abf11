"""One volume by its file name's ending."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from physsim.errors import InvalidInput, message
from physsim.io.hdf5 import Layer, read_layers, write_layers
from physsim.io.image import Image
from physsim.io.mhd import read_mhd, write_mhd
from physsim.io.nifti import read_nifti, write_nifti
from physsim.io.raw import read_described_raw, write_described_raw

ENDINGS = (".nii", ".nii.gz", ".mhd", ".mha", ".h5", ".hdf5", ".toml")


def read_volume(path: str | Path, layer: str | None = None, trust_byte_order: bool = False) -> Image:
    """The volume in a NIfTI, MetaImage, HDF5 or TOML-described raw file; `layer` names one of several in HDF5."""
    path = Path(path)
    ending = _ending(path)
    if ending in (".h5", ".hdf5"):
        layers = read_layers(path, None if layer is None else [layer]).layers
        volumes = {name: found for name, found in layers.items() if found.direction is not None}
        if len(volumes) != 1:
            raise InvalidInput(message(f"{path}: layer={layer!r}", f"{len(volumes)} volumes to choose from",
                                       f"Name one of: {', '.join(volumes) or '(none is a volume)'}."))
        return next(iter(volumes.values())).image
    if layer is not None:
        raise InvalidInput(message(f"layer={layer!r}", f"a {ending} file holds one volume without a name",
                                   "Leave it out."))
    readers: dict[str, Callable[[str | Path, bool], Image]] = {
        ".nii": read_nifti, ".nii.gz": read_nifti, ".mhd": read_mhd, ".mha": read_mhd, ".toml": read_described_raw}
    return readers[ending](path, trust_byte_order)


def write_volume(path: str | Path, image: Image, unit: str = "", overwrite: bool = False) -> None:
    """Write a volume in the format of the file name's ending; `unit` is kept by HDF5 alone."""
    path = Path(path)
    ending = _ending(path)
    if ending in (".nii", ".nii.gz"):
        write_nifti(path, image, overwrite)
    elif ending in (".mhd", ".mha"):
        write_mhd(path, image, overwrite=overwrite)
    elif ending == ".toml":
        write_described_raw(path, image, overwrite=overwrite)
    else:
        write_layers(path, {"volume": Layer.of_image(image, unit)}, {}, overwrite)


def _ending(path: Path) -> str:
    name = path.name.lower()
    for ending in sorted(ENDINGS, key=len, reverse=True):
        if name.endswith(ending):
            return ending
    raise InvalidInput(message(str(path), "the ending names no volume format that physsim knows",
                               f"Known: {', '.join(ENDINGS)} (bare voxels: describe them in a .toml beside them)."))
