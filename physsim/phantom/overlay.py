"""Overlays: finer voxel patches that replace what lies beneath them along each ray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.errors import InvalidInput, message
from physsim.spec.grid import Grid

Block = tuple[slice, slice, slice]  # of voxels, along z, y, x

_TOUCH_MM = 1e-6  # boxes that share a face do not overlap


@dataclass(frozen=True, eq=False)
class Overlay:
    """A patch of voxels over a phantom; inside its box nothing of the phantom itself is seen.

    `labels`: (nz, ny, nx) uint8/uint16 into the PHANTOM's materials; `density`: the same shape, relative, or None;
    `grid`: any spacing and orientation, wholly inside the phantom's grid. `organ_labels`: the same shape, uint8/uint16
    into the organs of the phantom's truth, or None where it is not known what lies in the patch.
    """

    grid: Grid
    labels: npt.NDArray[Any]
    density: npt.NDArray[Any] | None = None
    name: str = "overlay"
    organ_labels: npt.NDArray[Any] | None = None


def box_corners(grid: Grid) -> npt.NDArray[np.float64]:
    """(8, 3) world corners of a grid's outer box (mm)."""
    nz, ny, nx = grid.shape
    index = np.array([[i, j, k, 1] for i in (-0.5, nx - 0.5) for j in (-0.5, ny - 0.5) for k in (-0.5, nz - 0.5)])
    return np.asarray((index @ grid.world_from_voxel.T)[:, :3])


def check_overlays(grid: Grid, overlays: tuple[Overlay, ...]) -> None:
    """InvalidInput unless every overlay lies within `grid` and no two overlap (faces may touch)."""
    upper = np.array(grid.shape[::-1]) - 0.5
    for overlay in overlays:
        index = np.c_[box_corners(overlay.grid), np.ones(8)] @ grid.voxel_from_world.T
        slack = _TOUCH_MM / np.array(grid.spacing_mm)
        if (index[:, :3] < -0.5 - slack).any() or (index[:, :3] > upper + slack).any():
            raise InvalidInput(
                message(
                    f"overlay {overlay.name!r} from {box_corners(overlay.grid).min(0).round(3).tolist()} to "
                    f"{box_corners(overlay.grid).max(0).round(3).tolist()} mm",
                    "reaches out of the phantom's grid",
                    "Crop the overlay, or enlarge the phantom.",
                )
            )
    for n, one in enumerate(overlays):
        for other in overlays[:n]:
            if boxes_overlap(one.grid, other.grid):
                raise InvalidInput(
                    message(
                        f"overlays {other.name!r} and {one.name!r}",
                        "overlap",
                        "Merge them into one patch, or move one of them.",
                    )
                )


def boxes_overlap(one: Grid, other: Grid) -> bool:
    """True when the outer boxes share volume (separating axes: three faces each, nine edge pairs)."""
    axes = [np.array(axis) for axis in (*one.direction, *other.direction)]
    axes += [np.cross(a, b) for a in one.direction for b in other.direction]
    corners_one, corners_other = box_corners(one), box_corners(other)
    for axis in axes:
        norm = np.linalg.norm(axis)
        if norm < 1e-9:
            continue
        a, b = corners_one @ axis / norm, corners_other @ axis / norm
        if a.max() <= b.min() + _TOUCH_MM or b.max() <= a.min() + _TOUCH_MM:
            return False
    return True


def covered_fraction(
    grid: Grid, patch: Grid, samples: int = 4
) -> tuple[Block, npt.NDArray[np.float64]]:
    """The voxels of `grid` (z, y, x slices) that a patch can touch, and the fraction of each inside it.

    Exact when the patch is aligned with the grid; otherwise from samples^3 points a voxel.
    """
    to_voxel = grid.voxel_from_world
    index = np.c_[box_corners(patch), np.ones(8)] @ to_voxel.T
    low, high = index[:, :3].min(0), index[:, :3].max(0)
    first = np.clip(np.floor(low + 0.5 + 1e-9), 0, None).astype(int)
    last = np.minimum(np.ceil(high + 0.5 - 1e-9).astype(int), np.array(grid.shape[::-1]))
    where = slice(int(first[2]), int(last[2])), slice(int(first[1]), int(last[1])), slice(int(first[0]), int(last[0]))
    cosines = np.abs(np.array(grid.direction) @ np.array(patch.direction).T)
    if np.allclose(np.sort(cosines, axis=1), [0, 0, 1], atol=1e-9):
        parts = [
            np.clip(np.minimum(at + 0.5, hi) - np.maximum(at - 0.5, lo), 0, 1)
            for at, lo, hi in zip((np.arange(s.start, s.stop) for s in where[::-1]), low, high, strict=True)
        ]
        return where, parts[2][:, None, None] * parts[1][:, None] * parts[0]
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    to_patch = patch.voxel_from_world @ grid.world_from_voxel
    fraction = np.zeros([s.stop - s.start for s in where])
    k, j, i = np.meshgrid(*(np.arange(s.start, s.stop, dtype=float) for s in where), indexing="ij")
    upper = np.array(patch.shape[::-1]) - 0.5
    for dz in offsets:
        for dy in offsets:
            for dx in offsets:
                points = np.stack([i + dx, j + dy, k + dz], axis=-1) @ to_patch[:3, :3].T + to_patch[:3, 3]
                fraction += ((points >= -0.5) & (points < upper)).all(-1)
    return where, fraction / samples**3
