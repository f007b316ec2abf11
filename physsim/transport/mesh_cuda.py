"""Meshes laid over voxels as the CUDA kernels take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim.device.arrays import to_numpy
from physsim.device.cuda import Kernels
from physsim.errors import PhyssimError, message

_MESHES = np.dtype([("vertices", "u8"), ("corners", "u8"), ("owner", "u8"), ("boxes", "u8"), ("box_count", "i4")],
                   align=True)  # fmt: skip
_COVERING = np.dtype([("meshes", _MESHES), ("label", "u8"), ("density", "u8"), ("lost", "u8"), ("first_layer", "i4"),
                      ("adds_paths", "i4")], align=True)  # fmt: skip


def covering_meshes(kernels: Kernels, arrays: tuple[Any, ...]) -> tuple[NDArray[Any], Any, list[Any]]:
    """The kernels' CoveringMeshes of mesh.mesh_arrays, its flag, and what must outlive the launches."""
    vertices, corners, owner, boxes, labels, densities = arrays
    places = [kernels.xp.asarray(one) for one in (vertices, corners, owner, boxes)]
    label, density = (
        kernels.xp.asarray(np.array(labels, np.int32)), kernels.xp.asarray(np.array(densities, np.float64))
    )  # fmt: skip
    lost = kernels.xp.zeros(1, np.int32)
    laid = np.zeros((), _COVERING)
    for name, place in zip(("vertices", "corners", "owner", "boxes"), places, strict=True):
        laid["meshes"][name] = kernels.address(place)
    laid["meshes"]["box_count"] = len(boxes)
    for name, place in (("label", label), ("density", density), ("lost", lost)):
        laid[name] = kernels.address(place)
    return laid, lost, [*places, label, density, lost]


def refuse_lost(lost: Any) -> None:
    """PhyssimError when a kernel found a ray that enters a mesh and does not leave it."""
    if int(to_numpy(lost)[0]):
        raise PhyssimError(
            message("meshes", "a ray enters one without leaving it: its surface is not closed", "Mend the mesh.")
        )
