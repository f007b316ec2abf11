"""Closed meshes laid over a phantom: rays see their surface exactly, voxels do not change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physsim.errors import InvalidInput, message
from physsim.phantom.mesh import MeshPart, mesh_coverage
from physsim.phantom.overlay import box_corners, boxes_overlap
from physsim.spec.grid import Grid
from physsim.spec.material import material

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom

MOST_MESHES = 64  # kernels/mesh/intervals.h
_LOOK = 24  # voxels along the longest side, with which a mesh is looked at


def laid(phantom: Phantom, *parts: MeshPart) -> Phantom:
    """The phantom with meshes over its voxels; where meshes overlap, the later one is there.

    Raises InvalidInput for what is no MeshPart or restricted to organs (`over`), for a mesh whose surface crosses
    itself or that lies beside the phantom or in the box of an overlay, and for more than MOST_MESHES of them.
    """
    materials = list(phantom.materials)
    for part in parts:
        if not isinstance(part, MeshPart):
            mend = "Give MeshPart(mesh, material)."
            raise InvalidInput(message(f"{type(part).__name__}", "only closed meshes are laid over voxels", mend))
        if part.over:
            why = "a mesh laid over voxels replaces all that it covers"
            raise InvalidInput(message(f"{part.name!r}: over={part.over}", why, "Insert it, or leave `over` out."))
        grid = _grid_round(part)
        mesh_coverage(part.mesh, grid)  # refuses surfaces that cross themselves
        if not boxes_overlap(grid, phantom.grid):
            low, high = box_corners(phantom.grid).min(0).round(1).tolist(), box_corners(phantom.grid).max(0).round(1)
            raise InvalidInput(
                message(f"{part.name!r} at {np.round(part.mesh.centre_mm, 1).tolist()} mm",
                        "lies beside the phantom", f"Move it into {low} .. {high.tolist()}."))  # fmt: skip
        for overlay in phantom.overlays:
            if boxes_overlap(grid, overlay.grid):
                raise InvalidInput(
                    message(f"{part.name!r}", f"lies in the box of the overlay {overlay.name!r}", "Move one of them.")
                )
        made = next((one for one in materials if one.name == part.material), None) or material(part.material)
        if made not in materials:
            materials.append(made)
    meshes = (*phantom.meshes, *parts)
    if len(meshes) > MOST_MESHES:
        raise InvalidInput(message(f"{len(meshes)} meshes", f"at most {MOST_MESHES} are traced", "Unite some of them."))
    return phantom.replace(materials=tuple(materials), meshes=meshes)


def label_of(phantom: Phantom, part: MeshPart) -> int:
    """Number of a laid part's material."""
    names = [one.name for one in phantom.materials]
    return names.index(part.material if part.material in names else material(part.material).name)


def painted_meshes(phantom: Phantom) -> Phantom:
    """The phantom with its meshes painted into the voxels, in their order: for what sees voxels only.

    Mass is kept; a voxel that a surface passes holds one composition.
    """
    if not phantom.meshes:
        return phantom
    painted = phantom.replace(meshes=())
    for part in phantom.meshes:
        painted = painted.insert(part)
    return painted


def _grid_round(part: MeshPart) -> Grid:
    low, high = part.bounds_mm()
    step = float((high - low).max()) / _LOOK
    shape = tuple(int(n) for n in np.maximum(np.ceil((high - low) / step), 1)[::-1])
    x, y, z = (float(v) for v in low + 0.5 * step)
    return Grid(shape=(shape[0], shape[1], shape[2]), spacing_mm=step, origin_mm=(x, y, z))
