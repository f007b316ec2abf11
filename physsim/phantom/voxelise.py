"""Scenes to voxels, with partial volume."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.phantom.compiled import CompiledScene, in_threads
from physsim.phantom.phantom import Phantom
from physsim.phantom.scene import Scene
from physsim.phantom.truth import LesionTruth, OrganTruth, Truth
from physsim.spec.grid import Grid
from physsim.units import CM3_PER_MM3

LATTICES = {1: 0, 5: 3, 13: 8, 21: 13, 55: 34, 89: 55, 233: 144}  # rays in a voxel row: Fibonacci generator
_SLICES_A_JOB = 4
_ASIDE = 1e-7  # of a voxel


def scene_grid(scene: Scene, spacing_mm: float | tuple[float, float, float] | None = None) -> Grid:
    """The grid of a scene's box: voxels of `spacing_mm` centred on it, the last of them reaching over its edge."""
    spacing = scene.spacing_mm if spacing_mm is None else spacing_mm
    low, high = (np.array(corner) for corner in scene.bounds_mm())
    steps = Grid(shape=(1, 1, 1), spacing_mm=spacing).spacing_mm
    nx, ny, nz = (max(1, math.ceil(float(b - a) / s - 1e-6)) for a, b, s in zip(low, high, steps, strict=True))
    origin = 0.5 * (low + high) - 0.5 * (np.array([nx, ny, nz]) - 1) * np.array(steps)
    return Grid(shape=(nz, ny, nx), spacing_mm=steps, origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])))


def voxelise(
    scene: Scene,
    spacing_mm: float | tuple[float, float, float] | None = None,
    grid: Grid | None = None,
    rays: int = 21,
    density_dtype: npt.DTypeLike = np.float32,
    truth: bool = True,
) -> Phantom:
    """A scene as a Phantom: labels, relative density and truth.

    In every row of voxels along x, `rays` parallel rays (1, 5, 13, 21, 55, 89 or 233, a rank-1 lattice in y and z) are
    cut exactly by the shapes; a voxel's volume fractions are the means of the pieces inside it. The label is the
    material with most MASS in the voxel, `density` the voxel's whole mass over that material's own density, so mass is
    kept.
    Vacuum (a scene without background) has density 0. Give either `spacing_mm` or `grid`.

    Neglects: a voxel holds one composition. Where bone meets tissue the minority's mass is counted with the majority's
    composition; line integrals of total mass are kept, those of each material only to first order in the voxel.
    Fractions have sampling errors across x, about 0.3 / rays of a voxel where a flat face crosses it; along x none.
    Organ labels go by volume, not by mass.
    """
    from physsim.phantom.ray_kernels import paint_slab

    if rays not in LATTICES:
        raise InvalidInput(
            message(f"rays={rays}", "the rows are sampled by Fibonacci lattices", f"Give one of {list(LATTICES)}.")
        )
    if grid is not None and spacing_mm is not None:
        raise InvalidInput(
            message(f"spacing_mm={spacing_mm} and a grid", "the grid has a spacing of its own", "Give one.")
        )
    grid = grid or scene_grid(scene, spacing_mm)
    compiled = scene.compiled
    label_type, organ_type = _smallest(len(compiled.materials)), _smallest(len(compiled.organs))
    labels, density = np.empty(grid.shape, label_type), np.empty(grid.shape, density_dtype)
    organs = np.empty(grid.shape if truth else (0, 0, 0), organ_type)
    tables, reach = compiled.piece_tables(), _reach(compiled, grid)
    own_density = np.array([one.density_g_cm3 for one in compiled.materials])
    n_objects = len(compiled.density_of)
    jobs = range(0, grid.shape[0], _SLICES_A_JOB)
    volumes = np.zeros((len(jobs), n_objects))

    def job(first: int) -> None:
        own = slice(first, min(first + _SLICES_A_JOB, grid.shape[0]))
        relative = np.empty((own.stop - own.start, *grid.shape[1:]), np.float32)
        paint_slab(
            first,
            labels[own],
            relative,
            organs[own],
            volumes[first // _SLICES_A_JOB],
            grid.world_from_voxel,
            lattice(rays),
            reach,
            n_objects,
            compiled.owner_of_piece,
            *tables,
            compiled.over,
            compiled.material_of,
            compiled.density_of,
            own_density,
            compiled.organ_of,
        )
        density[own] = relative

    in_threads(job, jobs)
    volume_mm3 = volumes.sum(0) * grid.voxel_volume_mm3
    made = _truth(compiled, organs if truth else None, volume_mm3, grid)
    uniform = bool((density == 1).all())
    return Phantom(
        grid=grid,
        labels=labels,
        materials=compiled.materials,
        density=None if uniform else density,
        truth=made,
        name=scene.name,
    )


def _truth(
    compiled: CompiledScene, organs: npt.NDArray[Any] | None, volume_mm3: npt.NDArray[np.float64], grid: Grid
) -> Truth:
    rows, lesions = [], []
    for number, name in enumerate(compiled.organs):
        own = (compiled.organ_of == number) & (np.arange(len(volume_mm3)) > 0)
        mass = float((volume_mm3 * compiled.density_of)[own].sum()) * CM3_PER_MM3
        rows.append(OrganTruth(name, float(volume_mm3[own].sum()), mass))
        painted = [shape for shape in compiled.shapes if shape.counted_as == name and shape.lesion]
        if painted and organs is not None and rows[-1].volume_mm3 > 0:
            where = np.argwhere(organs == number)
            index = where.mean(0)[::-1] if len(where) else np.zeros(3)
            centre = grid.world_from_voxel @ np.append(index, 1.0) if len(where) else painted[0].pieces()[0].centre
            lesions.append(
                LesionTruth(
                    name,
                    painted[0].material,
                    (float(centre[0]), float(centre[1]), float(centre[2])),
                    rows[-1].volume_mm3,
                    mass,
                )
            )
    return Truth(organs, tuple(rows), tuple(lesions))


def lattice(rays: int) -> npt.NDArray[np.float64]:
    """(rays, 2) offsets in (-1/2, 1/2): each coordinate takes every step once; symmetric but for _ASIDE.

    A shape's face often lies in the middle of voxels, where the middle ray of a symmetric lattice runs in it and would
    count inside at both ends of the shape: 1/rays of a voxel too much. Set aside, it is inside at one end only.
    """
    n, generator = np.arange(rays), LATTICES[rays]
    shift = (generator - 1) * pow(2, -1, rays) if rays > 1 else 0
    return np.stack([(n + 0.5) / rays - 0.5, ((generator * n + shift) % rays + 0.5) / rays - 0.5], axis=1) + _ASIDE


def _reach(compiled: CompiledScene, grid: Grid) -> npt.NDArray[np.float64]:
    """(pieces, 6) bounds x0 x1 y0 y1 z0 z1 of each piece in voxel indices of the grid."""
    low, high = np.array([p.low for p in compiled.pieces]), np.array([p.high for p in compiled.pieces])
    matrix = grid.voxel_from_world
    centre = 0.5 * (low + high) @ matrix[:3, :3].T + matrix[:3, 3]
    half = 0.5 * (high - low) @ np.abs(matrix[:3, :3]).T + 1e-6
    return np.stack([centre - half, centre + half], axis=2).reshape(len(low), 6)


def _smallest(count: int) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if count <= 256 else np.uint16
