"""Closed triangle meshes: implants, surfaces from other tools, organs as surfaces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.spec.grid import Grid, Vector

_SHOWN = 3  # places of a defect that a message names


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface of triangles in the world frame.

    `vertices_mm`: (n, 3) float64, x, y, z; `triangles`: (m, 3) int64 into them, counter-clockwise seen from outside.
    Raises InvalidInput for indices that are no vertices and coordinates that are not finite.
    """

    vertices_mm: npt.NDArray[np.float64]
    triangles: npt.NDArray[np.int64]
    name: str = "mesh"

    def __post_init__(self) -> None:
        vertices = np.ascontiguousarray(self.vertices_mm, np.float64)
        triangles = np.ascontiguousarray(self.triangles, np.int64)
        if vertices.ndim != 2 or vertices.shape[1:] != (3,) or triangles.ndim != 2 or triangles.shape[1:] != (3,):
            raise InvalidInput(
                message(
                    f"mesh {self.name!r}: vertices of shape {vertices.shape}, triangles of {triangles.shape}",
                    "a mesh has vertices (n, 3) and triangles (m, 3)",
                    "Triangulate faces with more corners first.",
                )
            )
        if len(triangles) == 0:
            raise InvalidInput(message(f"mesh {self.name!r}", "it has no triangles", "Check the file."))
        if triangles.min() < 0 or triangles.max() >= len(vertices):
            raise InvalidInput(
                message(
                    f"mesh {self.name!r}: triangle with vertex {int(triangles.max())}",
                    f"there are {len(vertices)} vertices, counted from 0",
                    "Mend the triangles.",
                )
            )
        if not np.isfinite(vertices).all():
            raise InvalidInput(
                message(f"mesh {self.name!r}", "vertices are not all finite", "Mend the coordinates (mm).")
            )
        for field, array in (("vertices_mm", vertices), ("triangles", triangles)):
            array.flags.writeable = False
            object.__setattr__(self, field, array)

    @property
    def volume_mm3(self) -> float:
        """Enclosed volume by the divergence theorem: negative when the triangles face inwards."""
        a, b, c = (self.vertices_mm[self.triangles[:, n]] - self.vertices_mm.mean(0) for n in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)

    @property
    def centre_mm(self) -> Vector:
        """Centre of the enclosed volume."""
        middle = self.vertices_mm.mean(0)
        a, b, c = (self.vertices_mm[self.triangles[:, n]] - middle for n in range(3))
        six = np.einsum("ij,ij->i", a, np.cross(b, c))
        centre = middle + (six[:, None] * (a + b + c)).sum(0) / (4.0 * six.sum())
        return (float(centre[0]), float(centre[1]), float(centre[2]))

    def bounds_mm(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Low and high corner."""
        used = self.vertices_mm[np.unique(self.triangles)]
        return used.min(0), used.max(0)

    def moved(self, rotation: npt.ArrayLike | None = None, shift_mm: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Mesh:
        """The mesh at rotation @ vertex + shift; `rotation` (3, 3) may also scale."""
        matrix = np.eye(3) if rotation is None else np.asarray(rotation, float)
        turned = self.triangles if np.linalg.det(matrix) > 0 else self.triangles[:, ::-1]
        return Mesh(self.vertices_mm @ matrix.T + np.asarray(shift_mm, float), turned, self.name)

    def closed(self) -> Mesh:
        """The mesh facing outwards, its coincident vertices merged, or InvalidInput with what is wrong.

        Closed: every edge belongs to exactly two triangles that run along it in opposite directions. Triangles without
        area are left out. Crossings of the surface with itself are found by `mesh_coverage`, not here.
        """
        vertices, inverse = _merged(self.vertices_mm)
        triangles = inverse[self.triangles]
        flat = (triangles[:, 0] == triangles[:, 1]) | (triangles[:, 1] == triangles[:, 2])
        triangles = triangles[~(flat | (triangles[:, 2] == triangles[:, 0]))]
        edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
        low, high = edges.min(1), edges.max(1)
        keys, place, times = np.unique(low * len(vertices) + high, return_inverse=True, return_counts=True)
        forward = np.bincount(place, np.where(edges[:, 0] < edges[:, 1], 1.0, -1.0))
        for wrong, why, mend in (
            (times == 1, "{n} edges have one triangle only: it is open", "Close it (trimesh.repair.fill_holes)."),
            (times > 2, "{n} edges have more than two triangles", "Separate the bodies that touch along them."),
            (forward != 0, "{n} edges join triangles that face apart", "Orient them (trimesh.repair.fix_normals)."),
        ):
            if wrong.any():
                ends = np.array(divmod(keys[wrong][:_SHOWN], len(vertices)))
                where = np.round(vertices[ends].mean(0), 2).tolist()
                why = f"{why.format(n=int(wrong.sum()))}, first at {where} mm"
                raise InvalidInput(message(f"mesh {self.name!r}", why, mend))
        mesh = Mesh(vertices, triangles, self.name)
        return mesh if mesh.volume_mm3 >= 0 else Mesh(vertices, triangles[:, ::-1], self.name)

    @classmethod
    def load(cls, path: str | Path, scale_to_mm: float = 1.0) -> Mesh:
        """A mesh from an STL, PLY or OBJ file (extra `mesh`), in the world frame; `scale_to_mm`: 1000 for metres."""
        from physsim.io.mesh import read_mesh

        if not (scale_to_mm > 0 and np.isfinite(scale_to_mm)):
            raise InvalidInput(
                message(f"scale_to_mm={scale_to_mm}", "a scale is larger than 0", "Give 1 for mm, 1000 for metres.")
            )
        vertices, triangles = read_mesh(path)
        return cls(vertices * scale_to_mm, triangles, Path(path).stem)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write STL (binary), PLY (binary) or OBJ by the file's suffix (extra `mesh`), in mm."""
        from physsim.io.mesh import write_mesh

        write_mesh(path, self.vertices_mm, self.triangles, overwrite)


@dataclass(frozen=True, eq=False)
class MeshPart:
    """A closed mesh made of a material, to be inserted into a phantom: `phantom.insert(MeshPart(...))`.

    `material`: name in the phantom's materials or in the library; `density`: relative to the material's own; `over`:
    organs that it may replace (empty: all); `lesion`: whether it is a lesion in the truth (an implant is not).
    """

    mesh: Mesh
    material: str
    name: str = ""
    density: float = 1.0
    over: tuple[str, ...] = ()
    lesion: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "mesh", self.mesh.closed())
        object.__setattr__(self, "name", self.name or self.mesh.name)
        if not (self.density > 0 and np.isfinite(self.density)):
            raise InvalidInput(
                message(f"density={self.density}", "relative density is larger than 0", "Give for example 1.0.")
            )

    def bounds_mm(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Low and high corner (mm)."""
        return self.mesh.bounds_mm()

    def coverage(self, grid: Grid) -> npt.NDArray[np.float32]:
        """(nz, ny, nx) fraction of each voxel inside."""
        return mesh_coverage(self.mesh, grid)


def surface(mask: npt.ArrayLike, grid: Grid, smooth_voxels: float = 0.7, name: str = "surface") -> Mesh:
    """The closed surface of a mask ((nz, ny, nx) bool) by marching cubes (extra `mesh`), in the world frame.

    The mask is blurred by a Gaussian of `smooth_voxels` first (0: not), which takes the steps of the voxels off;
    the level is then set so that the surface encloses the mask's volume within 1e-3. Parts thinner than about two
    voxels are lost to the blur. Raises InvalidInput for an empty mask or one that the blur wipes out.
    """
    try:
        from skimage.measure import marching_cubes
    except ImportError:
        raise InvalidInput(
            message("surfaces of masks", "marching cubes need scikit-image", 'Install it: pip install "physsim[mesh]".')
        ) from None
    from scipy.ndimage import gaussian_filter

    inside = np.asarray(mask, bool)
    if inside.shape != grid.shape:
        raise InvalidInput(message(f"mask of shape {inside.shape}", f"the grid has {grid.shape}", "Give them alike."))
    if not inside.any():
        raise InvalidInput(message(f"surface of {name!r}", "the mask is empty", "Check the name or the region."))
    where = np.argwhere(inside)
    margin = int(np.ceil(4 * smooth_voxels)) + 2
    first, last = where.min(0), where.max(0) + 1
    block = np.pad(inside[tuple(slice(a, b) for a, b in zip(first, last, strict=True))], margin).astype(np.float32)
    if smooth_voxels > 0:
        block = gaussian_filter(block, smooth_voxels)
    wanted = float(inside.sum()) * grid.voxel_volume_mm3
    low, high, mesh = 0.02, 0.98, None
    for _ in range(12 if smooth_voxels > 0 else 1):
        level = 0.5 * (low + high)
        if block.max() <= level:
            high = level
            continue
        corners, triangles, _, _ = marching_cubes(block, level, method="lewiner")
        index = np.c_[corners[:, ::-1] - margin + first[::-1], np.ones(len(corners))]
        mesh = Mesh((index @ grid.world_from_voxel.T)[:, :3], triangles, name).closed()
        excess = mesh.volume_mm3 / wanted - 1.0
        if abs(excess) < 1e-3:
            break
        low, high = (level, high) if excess > 0 else (low, level)
    if mesh is None:
        raise InvalidInput(
            message(f"surface of {name!r}", f"a blur of {smooth_voxels} voxels wipes it out", "Give smooth_voxels=0.")
        )
    return mesh


def mesh_coverage(mesh: Mesh, grid: Grid, rays: int = 21) -> npt.NDArray[np.float32]:
    """(nz, ny, nx) fraction of each voxel inside a closed mesh.

    In each row of voxels along x, `rays` parallel rays (a rank-1 lattice in y and z: see voxelise) meet the triangles;
    along x the fractions are exact. An edge between two triangles is met by exactly one of them, so that no ray leaks.
    Volumes of meshes of many voxels are right within about 0.3 / rays of a voxel's share of their surface.

    Raises InvalidInput for a mesh that is open, or whose surface crosses itself (a point is inside twice, or outside of
    what is outside).
    """
    from physsim.phantom.compiled import in_threads
    from physsim.phantom.mesh_kernels import slice_coverage
    from physsim.phantom.voxelise import lattice

    closed = mesh.closed()
    index = closed.vertices_mm @ grid.voxel_from_world[:3, :3].T + grid.voxel_from_world[:3, 3]
    mirrored = np.linalg.det(grid.voxel_from_world[:3, :3]) < 0  # of a grid with left-handed axes
    triangles = np.ascontiguousarray(closed.triangles[:, ::-1] if mirrored else closed.triangles)
    nz = grid.shape[0]
    height = index[triangles, 2]
    first = np.clip(np.floor(height.min(1) + 0.5), 0, nz).astype(np.int64)
    last = np.clip(np.floor(height.max(1) + 0.5) + 1, 0, nz).astype(np.int64)
    members, starts = _by_slice(first, last, nz)
    coverage = np.zeros(grid.shape, np.float32)
    extremes = np.zeros((nz, 2))
    offsets = lattice(rays)

    def job(k: int) -> None:
        own = members[starts[k] : starts[k + 1]]
        if len(own):
            extremes[k] = slice_coverage(k, own, index, triangles, offsets, coverage[k])

    in_threads(job, range(nz))
    if extremes.min() < -1e-3 or extremes.max() > 1.0 + 1e-3:
        k = int(np.argmax(np.maximum(extremes[:, 1] - 1.0, -extremes[:, 0])))
        z = float((grid.world_from_voxel @ np.array([0.0, 0.0, k, 1.0]))[2])
        raise InvalidInput(
            message(
                f"mesh {mesh.name!r}",
                f"its surface crosses itself (slice {k}, about z = {z:.1f} mm: a winding number of "
                f"{extremes[k, 1]:.2f} or {extremes[k, 0]:.2f} where 0 to 1 is possible)",
                "Unite its parts (for example trimesh.boolean.union), or insert them one by one.",
            )
        )
    return coverage


def _merged(vertices: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """The different ones of the vertices, and for each given vertex its number among them."""
    order = np.lexsort(vertices.T)
    ordered = vertices[order]
    new = np.r_[True, (ordered[1:] != ordered[:-1]).any(1)]
    number = np.empty(len(vertices), np.int64)
    number[order] = np.cumsum(new) - 1
    return ordered[new], number


def _by_slice(first: Any, last: Any, slices: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Triangles of each slice as one list and where each slice's begins; triangles rise within a slice."""
    times = np.maximum(last - first, 0)
    owner = np.repeat(np.arange(len(first)), times)
    slot = np.arange(len(owner)) - np.repeat(np.cumsum(times) - times, times) + np.repeat(first, times)
    order = np.argsort(slot, kind="stable")
    return owner[order], np.searchsorted(slot[order], np.arange(slices + 1))
