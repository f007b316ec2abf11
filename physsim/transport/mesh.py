"""Closed meshes traced over voxels: along each ray a mesh replaces exactly what it covers.

    line integral = through all voxels - through the voxels inside the mesh + path in the mesh x its own

in float64 on the parts of each ray between the crossings with the surface, found in a tree of boxes by a test through
which no ray leaks (kernels/mesh). Neglects: nothing of the triangles; curved surfaces are as round as they.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physsim import _engine
from physsim.device.choice import thread_count
from physsim.errors import InvalidInput, message
from physsim.phantom.laid import MOST_MESHES, label_of
from physsim.phantom.mesh import Mesh
from physsim.phantom.phantom import Phantom
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.rays import voxel_rays
from physsim.transport.spectral_body import Body


@dataclasses.dataclass(frozen=True, eq=False)
class TracedMesh:
    """A closed mesh facing outwards (Mesh.closed), the label of its material, and its density relative to that."""

    mesh: Mesh
    label: int
    density: float = 1.0


def traced_meshes(phantom: Phantom) -> tuple[TracedMesh, ...]:
    """What lies over a phantom, as the tracer takes it."""
    return tuple(TracedMesh(part.mesh, label_of(phantom, part), part.density) for part in phantom.meshes)


def mesh_path_lengths_mm(meshes: Sequence[Mesh], geometry: Geometry, threads: int | None = None) -> NDArray[np.float32]:
    """(views, meshes, rows, columns) path of each ray through each of some closed meshes (mm).

    Where meshes overlap, the path belongs to the last of them. Equal bits for any number of threads.

    >>> import physsim as ps
    >>> from physsim.phantom.mesh_shapes import ball
    >>> ray = ps.Geometry.radiograph(source_detector_mm=900, detector_object_mm=90, rows=1, columns=1, pixel_mm=1)
    >>> round(float(mesh_path_lengths_mm([ball(20.0, "ball")], ray)[0, 0, 0, 0]), 1)
    40.0
    """
    grid = Grid(shape=(1, 1, 1), spacing_mm=1.0, origin_mm=(0.0, 0.0, 0.0))
    arrays = mesh_arrays([TracedMesh(mesh.closed(), 0) for mesh in meshes], grid)
    rays = voxel_rays(geometry, grid)
    views, rows, columns = geometry.shape
    image = np.zeros((views, len(meshes), rows, columns), np.float32)
    _engine.mesh_paths(
        arrays, grid.spacing_mm, rays.start, rays.end, rays.start_row, rays.end_row, image, thread_count(threads)
    )
    return image


def with_meshes(body: Body, meshes: Sequence[TracedMesh]) -> Body:
    """The body with the labels of meshes among those present. Raises InvalidInput for a label without a material."""
    if not meshes:
        return body
    labels = np.array([one.label for one in meshes])
    if labels.min() < 0 or labels.max() >= len(body.material_density_g_cm3):
        raise InvalidInput(
            message(f"mesh with label {int(labels.max())}", f"there are {len(body.material_density_g_cm3)} materials",
                    "Give a material for each label."))  # fmt: skip
    present = np.unique(np.concatenate([body.present, labels]))
    return dataclasses.replace(body, present=present, greatest=max(body.greatest, *(one.density for one in meshes)))


def mesh_arrays(meshes: Sequence[TracedMesh], grid: Grid) -> tuple[Any, ...]:
    """What the kernels take: corners in voxels of `grid`, triangles in the order of their tree, and the tree."""
    if not 0 < len(meshes) <= MOST_MESHES:
        raise InvalidInput(message(f"{len(meshes)} meshes", f"1 to {MOST_MESHES} are traced", "Unite some of them."))
    turn, shift = grid.voxel_from_world[:3, :3], grid.voxel_from_world[:3, 3] + 0.5
    flip = np.linalg.det(turn) < 0  # of a grid with left-handed axes
    first = np.cumsum([0, *(len(one.mesh.vertices_mm) for one in meshes)])
    vertices = np.concatenate([one.mesh.vertices_mm for one in meshes]) @ turn.T + shift
    triangles = [one.mesh.triangles + n for one, n in zip(meshes, first[:-1], strict=True)]
    corners = np.concatenate(triangles).astype(np.int32)
    corners = np.ascontiguousarray(corners[:, ::-1] if flip else corners)
    owner = np.repeat(np.arange(len(meshes), dtype=np.int32), [len(one.mesh.triangles) for one in meshes])
    boxes, order = _engine.mesh_tree(np.ascontiguousarray(vertices), corners)
    return (
        np.ascontiguousarray(vertices), corners[order], owner[order], boxes, [one.label for one in meshes],
        [float(one.density) for one in meshes],
    )  # fmt: skip
