"""Lesions and implants painted into a phantom made of voxels, and parts cut out of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.phantom.overlay import Block, Overlay, box_corners, boxes_overlap
from physsim.phantom.shapes import Shape
from physsim.phantom.truth import LesionTruth, OrganTruth, Truth
from physsim.spec.grid import Grid
from physsim.spec.material import Material, material
from physsim.units import CM3_PER_MM3

if TYPE_CHECKING:
    from physsim.phantom.phantom import Phantom


class Solid(Protocol):
    """What can be painted besides shapes: meshes, lesions."""

    @property
    def name(self) -> str:
        """Name in the truth."""
        ...

    @property
    def material(self) -> str:
        """Name in the phantom's materials or in the library."""
        ...

    @property
    def density(self) -> float:
        """Relative to the material's own."""
        ...

    @property
    def over(self) -> tuple[str, ...]:
        """Organs that it may replace; empty: all."""
        ...

    @property
    def lesion(self) -> bool:
        """Whether it is a lesion in the truth."""
        ...

    def bounds_mm(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Low and high corner (mm)."""
        ...

    def coverage(self, grid: Grid) -> npt.NDArray[np.float32]:
        """(nz, ny, nx) fraction of each voxel inside."""
        ...


Part = Shape | Solid


def inserted(phantom: Phantom, shape: Part, overlay_spacing_mm: float | None) -> Phantom:
    """`phantom` with a shape or a mesh painted into its voxels or into an overlay, and a row in its truth.

    A shape is a lesion of the truth, a mesh only where it says so. `shape.over` restricts it to organs, by the organ
    labels. Partial volume as in voxelise. Raises InvalidInput when the shape lies outside, covers nothing of what it
    may replace, or when its overlay would overlap another.
    """
    made = next((one for one in phantom.materials if one.name == shape.material), None) or material(shape.material)
    materials = phantom.materials if made in phantom.materials else (*phantom.materials, made)
    if len(materials) > 256 and phantom.labels.dtype == np.uint8:
        raise InvalidInput(message("257 materials", "labels of type uint8 count to 255", "Use uint16 labels."))
    number = materials.index(made)
    block = _block_of(phantom.grid, shape)
    allowed = _allowed(phantom, shape, block)
    if overlay_spacing_mm is None:
        _refuse_hidden(phantom, sub_grid(phantom.grid, block), shape.name)
        coverage = _coverage(shape, sub_grid(phantom.grid, block)) * allowed
        labels, density = phantom.labels.copy(), _density_of(phantom, ())
        own_labels, own_density = labels[block], density[block]
        _paint(own_labels, own_density, coverage, number, shape.density, materials)
        changed = phantom.replace(labels=labels, density=density, materials=materials)
        cell_mm3 = phantom.grid.voxel_volume_mm3
        grid = sub_grid(phantom.grid, block)
    else:
        grid, factors = _refined(sub_grid(phantom.grid, block), overlay_spacing_mm)
        _refuse_hidden(phantom, grid, shape.name)
        own_labels = _repeated(phantom.labels[block], factors)
        own_density = _repeated(_density_of(phantom, block), factors)
        coverage = _coverage(shape, grid) * _repeated(allowed, factors)
        _paint(own_labels, own_density, coverage, number, shape.density, materials)
        overlay = Overlay(grid, own_labels, own_density, shape.name)
        changed = phantom.replace(materials=materials)
        cell_mm3 = grid.voxel_volume_mm3
    total = float(coverage.sum())
    if total == 0:
        raise InvalidInput(
            message(
                f"{shape.name!r} between {_bounds(shape)[0].tolist()} and {_bounds(shape)[1].tolist()} mm",
                f"covers nothing that it may replace (over={shape.over or 'all'})",
                "Move it, or widen `over`.",
            )
        )
    index = [
        float((coverage.sum(axis=axes) * np.arange(coverage.shape[own])).sum()) / total
        for own, axes in ((2, (0, 1)), (1, (0, 2)), (0, (1, 2)))
    ]
    centre = grid.world_from_voxel @ np.array([*index, 1.0])
    volume = total * cell_mm3
    mass = volume * CM3_PER_MM3 * shape.density * made.density_g_cm3
    name = shape.counted_as if isinstance(shape, Shape) else shape.name
    row = LesionTruth(name, made.name, (float(centre[0]), float(centre[1]), float(centre[2])), volume, mass)
    lesion = True if isinstance(shape, Shape) else shape.lesion
    truth = _with_row(phantom, row, lesion, coverage, overlay_spacing_mm, block)
    if overlay_spacing_mm is None:
        return changed.replace(truth=truth)
    if truth.organ_labels is not None and phantom.truth.organ_labels is not None:
        organs = _repeated(phantom.truth.organ_labels[block].astype(truth.organ_labels.dtype), factors)
        organs[coverage > 0.5] = truth.number(name)
        overlay = replace(overlay, organ_labels=organs)
    return changed.replace(truth=truth, overlays=(*phantom.overlays, overlay))


def cropped(phantom: Phantom, low_mm: tuple[float, float, float], high_mm: tuple[float, float, float]) -> Phantom:
    """The voxels with centres between two world points, along the phantom's own axes."""
    corners = (
        np.array(
            [
                [x, y, z, 1.0]
                for x in (low_mm[0], high_mm[0])
                for y in (low_mm[1], high_mm[1])
                for z in (low_mm[2], high_mm[2])
            ]
        )
        @ phantom.grid.voxel_from_world.T
    )
    first = np.clip(np.ceil(corners[:, :3].min(0) - 1e-9), 0, None).astype(int)[::-1]
    last = np.minimum(np.floor(corners[:, :3].max(0) + 1e-9).astype(int)[::-1] + 1, phantom.grid.shape)
    if (first >= last).any():
        raise InvalidInput(
            message(
                f"crop from {low_mm} to {high_mm} mm",
                "holds no voxel of the phantom, which reaches from "
                f"{box_corners(phantom.grid).min(0).tolist()} to {box_corners(phantom.grid).max(0).tolist()}",
                "Give a box inside it, low corner first.",
            )
        )
    block = (slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2]))
    grid = sub_grid(phantom.grid, block)
    overlays = tuple(one for one in phantom.overlays if boxes_overlap(one.grid, grid))  # cut ones are refused below
    density = None if phantom.density is None else phantom.density[block]
    truth = phantom.truth
    if truth.organ_labels is not None:
        organ_labels = truth.organ_labels[block]
        cell = grid.voxel_volume_mm3
        volumes = np.bincount(organ_labels.ravel(), minlength=len(truth.organs)) * cell
        masses = np.bincount(organ_labels.ravel(), phantom.density_g_cm3(block).ravel(), len(truth.organs)) * cell
        rows = tuple(
            OrganTruth(row.name, float(volume), float(mass) * CM3_PER_MM3)
            for row, volume, mass in zip(truth.organs, volumes, masses, strict=True)
        )
        truth = Truth(organ_labels, rows, truth.lesions)
    return phantom.replace(grid=grid, labels=phantom.labels[block], density=density, truth=truth, overlays=overlays)


def sub_grid(grid: Grid, block: Block) -> Grid:
    """The grid of a block of voxels (z, y, x slices)."""
    first = np.array([block[2].start, block[1].start, block[0].start, 1.0])
    origin = grid.world_from_voxel @ first
    shape = tuple(int(one.stop) - int(one.start) for one in block)
    return grid.replace(shape=shape, origin_mm=(float(origin[0]), float(origin[1]), float(origin[2])))


def _refined(grid: Grid, spacing_mm: float) -> tuple[Grid, tuple[int, int, int]]:
    """The same box in voxels of about `spacing_mm`, and the factors along z, y, x."""
    if not 0 < spacing_mm <= min(grid.spacing_mm):
        raise InvalidInput(
            message(
                f"overlay_spacing_mm={spacing_mm}",
                f"an overlay is finer than the phantom's voxels of {grid.spacing_mm} mm",
                "Give a smaller spacing, or leave it out.",
            )
        )
    fx, fy, fz = (max(1, round(s / spacing_mm)) for s in grid.spacing_mm)
    nz, ny, nx = grid.shape
    spacing = tuple(s / f for s, f in zip(grid.spacing_mm, (fx, fy, fz), strict=True))
    corner = grid.world_from_voxel @ np.array([0.5 / fx - 0.5, 0.5 / fy - 0.5, 0.5 / fz - 0.5, 1.0])
    origin = (float(corner[0]), float(corner[1]), float(corner[2]))
    return grid.replace(shape=(nz * fz, ny * fy, nx * fx), spacing_mm=spacing, origin_mm=origin), (fz, fy, fx)


def _repeated(array: npt.NDArray[Any], factors: tuple[int, int, int]) -> npt.NDArray[Any]:
    for axis, factor in enumerate(factors):
        array = array.repeat(factor, axis)
    return array


def _bounds(shape: Part) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Low and high corner of a shape or a mesh (mm)."""
    if not isinstance(shape, Shape):
        return shape.bounds_mm()
    pieces = shape.pieces()
    return np.min([p.low for p in pieces], axis=0), np.max([p.high for p in pieces], axis=0)


def _block_of(grid: Grid, shape: Part) -> Block:
    """The voxels that the bounds touch, with one around them."""
    low, high = _bounds(shape)
    corners = (
        np.array([[x, y, z, 1.0] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
        @ grid.voxel_from_world.T
    )
    first = np.floor(corners[:, :3].min(0)).astype(int)[::-1]
    last = np.ceil(corners[:, :3].max(0)).astype(int)[::-1] + 1
    if (last <= 0).any() or (first >= np.array(grid.shape)).any():
        raise InvalidInput(
            message(
                f"{shape.name!r} from {low.tolist()} to {high.tolist()} mm",
                "lies outside the phantom",
                f"Move it into {box_corners(grid).min(0).tolist()} .. {box_corners(grid).max(0).tolist()}.",
            )
        )
    first, last = np.clip(first, 0, None), np.minimum(last, grid.shape)
    return slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1])), slice(int(first[2]), int(last[2]))


def _allowed(phantom: Phantom, shape: Part, block: Block) -> npt.NDArray[np.bool_]:
    if not shape.over:
        return np.ones([one.stop - one.start for one in block], bool)
    if phantom.truth.organ_labels is None:
        raise InvalidInput(message(f"over={shape.over}", "this phantom carries no organ labels", "Leave `over` out."))
    numbers = [phantom.truth.number(organ) for organ in shape.over]
    return np.isin(phantom.truth.organ_labels[block], numbers)


def _coverage(shape: Part, grid: Grid) -> npt.NDArray[np.float32]:
    """(nz, ny, nx) fraction of each voxel inside a shape or a mesh."""
    if not isinstance(shape, Shape):
        return shape.coverage(grid)
    from physsim.phantom.scene import Scene
    from physsim.phantom.voxelise import voxelise

    corners = box_corners(grid)
    unit = Material(name="unit", density_g_cm3=1.0, mass_fractions={"H": 1.0})
    alone = shape.replace(material="unit", density=1.0, over=())
    low, high = corners.min(0), corners.max(0)
    scene = Scene(
        name=shape.name, materials={"unit": unit}, shapes=(alone,), box_mm=(tuple(low.tolist()), tuple(high.tolist()))
    )
    density = voxelise(scene, grid=grid, rays=55, truth=False).density
    return np.ones(grid.shape, np.float32) if density is None else np.asarray(density, np.float32)


def _paint(
    labels: npt.NDArray[Any],
    density: npt.NDArray[Any],
    coverage: npt.NDArray[np.float32],
    number: int,
    relative: float,
    materials: tuple[Material, ...],
) -> None:
    """Mix a material into voxels in place: mass is kept, the label goes to the heavier part."""
    own = np.array([one.density_g_cm3 for one in materials], np.float32)
    old = (1 - coverage) * own[labels] * density
    new = coverage * np.float32(relative) * own[number]
    labels[:] = np.where(new > old, number, labels).astype(labels.dtype)
    density[:] = (old + new) / own[labels]


def _density_of(phantom: Phantom, where: tuple[slice, ...]) -> npt.NDArray[Any]:
    if phantom.density is None:
        return np.ones(phantom.labels[where].shape, np.float32)
    return phantom.density[where].copy()


def _refuse_hidden(phantom: Phantom, grid: Grid, name: str) -> None:
    for overlay in phantom.overlays:
        if boxes_overlap(grid, overlay.grid):
            raise InvalidInput(
                message(
                    f"{name!r}",
                    f"lies under or over the overlay {overlay.name!r}",
                    "Insert both into one overlay, or move one of them.",
                )
            )


def _with_row(
    phantom: Phantom,
    row: LesionTruth,
    lesion: bool,
    coverage: npt.NDArray[np.float32],
    overlay_spacing_mm: float | None,
    block: Block,
) -> Truth:
    truth = phantom.truth
    lesions = (*truth.lesions, row) if lesion else truth.lesions
    if truth.organ_labels is None:
        return Truth(None, truth.organs, lesions)
    organs = truth.organs if row.name in truth.names() else (*truth.organs, OrganTruth(row.name, 0.0, 0.0))
    number = [organ.name for organ in organs].index(row.name)
    organ_labels = truth.organ_labels.copy()
    if len(organs) > 256 and organ_labels.dtype == np.uint8:
        organ_labels = organ_labels.astype(np.uint16)
    if overlay_spacing_mm is not None:  # coverage of the phantom's own voxels from that of the finer ones
        nz, ny, nx = (one.stop - one.start for one in block)
        fz, fy, fx = (n // m for n, m in zip(coverage.shape, (nz, ny, nx), strict=True))
        coverage = coverage.reshape(nz, fz, ny, fy, nx, fx).mean(axis=(1, 3, 5))
    own = organ_labels[block]
    cell = phantom.grid.voxel_volume_mm3
    lost = np.bincount(own.ravel(), coverage.ravel(), len(organs)) * cell
    lost_mass = np.bincount(own.ravel(), (coverage * phantom.density_g_cm3(block)).ravel(), len(organs)) * cell
    own[coverage > 0.5] = number
    rows = [
        OrganTruth(
            organ.name, max(organ.volume_mm3 - float(volume), 0.0), max(organ.mass_g - float(mass) * CM3_PER_MM3, 0.0)
        )
        for organ, volume, mass in zip(organs, lost, lost_mass, strict=True)
    ]
    rows[number] = OrganTruth(row.name, rows[number].volume_mm3 + row.volume_mm3, rows[number].mass_g + row.mass_g)
    return Truth(organ_labels, tuple(rows), lesions)
