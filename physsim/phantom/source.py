"""A phantom by the name or file that a user gives."""

from __future__ import annotations

from pathlib import Path

from physsim.phantom.files import load_phantom
from physsim.phantom.library import scene
from physsim.phantom.phantom import Phantom
from physsim.phantom.tg195 import tg195_case5
from physsim.phantom.voxelise import voxelise
from physsim.spec.run import PhantomSource

_TG195 = "tg195:"
_TG195_NAMES = ("case5world.bin", "case5world.bin.gz")


def phantom_from(source: PhantomSource) -> Phantom:
    """Voxelise the scene or read the file that `source` names. Raises InvalidInput or FileFormatError."""
    if source.scene is not None:
        return voxelise(scene(source.scene), source.spacing_mm)
    assert source.file is not None
    if source.file.startswith(_TG195):
        return tg195_case5(source.file.removeprefix(_TG195))
    if Path(source.file).name in _TG195_NAMES and source.materials is None:
        return tg195_case5(source.file)
    return load_phantom(source.file, materials=source.materials)


def source_from(text: str, spacing_mm: float | None = None) -> PhantomSource:
    """What a command line calls a phantom: a file, or else a scene of the library or in TOML."""
    is_file = text.startswith(_TG195) or (Path(text).suffix != "" and not text.endswith(".scene.toml"))
    return PhantomSource(file=text) if is_file and spacing_mm is None else \
        PhantomSource(scene=text, spacing_mm=spacing_mm)
