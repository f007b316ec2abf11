"""Shadows: where rays from the focal spot to the pixels cross a structure of voxels, and how far they run in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.phantom.insert import sub_grid
from physsim.phantom.overlay import Block
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.project import project
from physsim.transport.windows import shadow, window_of

Window = tuple[slice, slice]  # rows and columns of pixels


@dataclass(frozen=True, eq=False)
class Shadow:
    """Of one structure in one view. `window`: the smallest that holds it; `path_mm`: (rows, columns) of it, float32,
    length of each ray in the structure."""

    window: Window
    path_mm: npt.NDArray[np.float32]

    def box(self) -> tuple[int, int, int, int]:
        """First column and row, and those one beyond the last: left, top, right, bottom."""
        rows, columns = self.window
        return columns.start, rows.start, columns.stop, rows.stop


Shadows = tuple[Shadow | None, ...]  # a view each; None where no ray meets the structure


def blocks_of(labels: npt.NDArray[Any]) -> list[Block | None]:
    """The block of voxels that each label from 1 on lies in, None for absent ones."""
    from scipy.ndimage import find_objects

    return list(find_objects(labels))


def cast(labels: npt.NDArray[Any], number: int, block: Block, grid: Grid, geometry: Geometry,
         threads: int | None = None) -> Shadows:
    """What the voxels of `labels` (z, y, x) on `grid` that carry `number` cast; all of them lie in `block`.

    Neglects: what of a structure is smaller than its voxels; rays that touch a corner by less than float32 tells.
    """
    voxels = np.ascontiguousarray(labels[block] == number).view(np.uint8)
    own, found = sub_grid(grid, block), []
    for view in range(len(geometry)):
        pose = geometry[view]
        window = shadow(pose, own)
        path = None if window is None else np.asarray(
            project(voxels, window_of(pose, window), grid=own, device="cpu", threads=threads)[0])
        found.append(None if window is None or path is None else _trimmed(window, path))
    return tuple(found)


def joined(shadows: Shadows) -> Window | None:
    """The smallest window that holds all views' shadows."""
    windows = [one.window for one in shadows if one is not None]
    if not windows:
        return None
    rows, columns = (slice(min(one[axis].start for one in windows), max(one[axis].stop for one in windows))
                     for axis in (0, 1))
    return rows, columns


def paths_in(window: Window, shadows: Sequence[Shadow | None]) -> npt.NDArray[np.float32]:
    """(views, rows, columns) lengths (mm) in a window that holds all `shadows`."""
    rows, columns = window
    paths = np.zeros((len(shadows), rows.stop - rows.start, columns.stop - columns.start), np.float32)
    for view, one in enumerate(shadows):
        if one is not None:
            left, top, right, bottom = one.box()
            paths[view, top - rows.start : bottom - rows.start, left - columns.start : right - columns.start] = \
                one.path_mm
    return paths


def _trimmed(window: Window, path: npt.NDArray[np.float32]) -> Shadow | None:
    hit = [np.flatnonzero((path > 0).any(axis)) for axis in (1, 0)]
    if not len(hit[0]):
        return None
    rows, columns = (slice(int(one[0]), int(one[-1]) + 1) for one in hit)
    first_row, first_column = window[0].start, window[1].start
    return Shadow((slice(first_row + rows.start, first_row + rows.stop),
                   slice(first_column + columns.start, first_column + columns.stop)),
                  np.ascontiguousarray(path[rows, columns]))
