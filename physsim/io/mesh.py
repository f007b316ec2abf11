"""Triangle meshes in STL, PLY and OBJ files: the formats by trimesh (extra `mesh`), our checks and whole writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import FileFormatError, InvalidInput, message
from physsim.io.atomic import check_output, write_bytes
from physsim.io.elements import input_file

WRITTEN = {".stl": "stl", ".ply": "ply", ".obj": "obj"}
Triangles = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


def read_mesh(path: str | Path) -> Triangles:
    """Vertices (n, 3) float64 in the file's unit and triangles (m, 3) int64; several bodies come as one.

    Raises FileFormatError for a file that holds no triangles or cannot be read.
    """
    trimesh = _trimesh()
    file = input_file(path)
    try:
        loaded = trimesh.load(file, process=False, force="mesh")
    except Exception as error:
        raise FileFormatError(
            message(str(file), f"cannot be read as a mesh ({error})", "Give STL, PLY or OBJ; check that it is whole.")
        ) from error
    vertices, triangles = np.asarray(loaded.vertices, np.float64), np.asarray(loaded.faces, np.int64)
    if len(triangles) == 0:
        raise FileFormatError(message(str(file), "holds no triangles", "Export the surface as triangles, not points."))
    if not np.isfinite(vertices).all():
        raise FileFormatError(message(str(file), "has coordinates that are not finite", "Export the mesh again."))
    return vertices, triangles


def write_mesh(path: str | Path, vertices: npt.ArrayLike, triangles: npt.ArrayLike, overwrite: bool = False) -> None:
    """Write binary STL (float32, a vertex for every corner), binary PLY or OBJ by the suffix; whole or not at all."""
    trimesh = _trimesh()
    target = check_output(path, overwrite)
    form = WRITTEN.get(target.suffix.lower())
    if form is None:
        raise InvalidInput(
            message(f"{target.name}", "meshes are written as STL, PLY or OBJ", f"End it in one of {sorted(WRITTEN)}.")
        )
    shape = trimesh.Trimesh(np.asarray(vertices, float), np.asarray(triangles), process=False)
    data = shape.export(file_type=form)
    write_bytes(target, data.encode() if isinstance(data, str) else data, overwrite)


def _trimesh() -> Any:
    try:
        import trimesh
    except ImportError:
        raise InvalidInput(
            message("mesh files", "reading and writing them needs trimesh", 'Install it: pip install "physsim[mesh]".')
        ) from None
    return trimesh
