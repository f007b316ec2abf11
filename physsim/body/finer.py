"""Voxels made from finer ones: for bodies so small that thin walls would be lost between the voxels asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from physsim.phantom.phantom import Phantom
from physsim.phantom.truth import Truth
from physsim.spec.grid import Grid


def finer_grid(grid: Grid, factor: int) -> Grid:
    """The grid with each voxel cut into factor^3."""
    steps = np.array(grid.spacing_mm) / factor
    shift = np.diag([1.0 / factor] * 3 + [1.0])
    shift[:3, 3] = 0.5 / factor - 0.5
    x, y, z = (float(v) for v in (grid.world_from_voxel @ shift)[:3, 3])
    nz, ny, nx = (factor * n for n in grid.shape)
    sx, sy, sz = (float(v) for v in steps)
    return Grid(shape=(nz, ny, nx), spacing_mm=(sx, sy, sz), origin_mm=(x, y, z), direction=grid.direction)


def coarser(fine: Phantom, grid: Grid, factor: int, density_dtype: npt.DTypeLike = np.float16) -> Phantom:
    """A phantom on `grid` from one on `finer_grid(grid, factor)`.

    A voxel has all the mass of its parts, and the material with most of it; its organ is that of most parts. The table
    of organs is the finer phantom's, from its partial volumes.
    """
    own = np.array([one.density_g_cm3 for one in fine.materials], np.float32)
    organs = fine.truth.organ_labels
    assert organs is not None
    assert fine.density is not None
    labels, organ_labels = np.empty(grid.shape, fine.labels.dtype), np.empty(grid.shape, organs.dtype)
    density = np.empty(grid.shape, density_dtype)
    for k in range(grid.shape[0]):
        slab = slice(k * factor, (k + 1) * factor)
        parts = _parts(fine.labels[slab], factor)
        mass = _parts(fine.density[slab].astype(np.float32), factor) * own[parts]
        label = _most(parts, mass)
        labels[k], density[k] = label, mass.mean(0) / own[label]
        named = _parts(organs[slab], factor)
        organ_labels[k] = _most(named, np.ones(named.shape, np.float32))
    return fine.replace(
        grid=grid, labels=labels, density=density, truth=Truth(organ_labels, fine.truth.organs, fine.truth.lesions)
    )


def _parts(plane: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    """(factor, factor ny, factor nx) to (factor^3, ny, nx)."""
    _, ny, nx = plane.shape
    cut = plane.reshape(factor, ny // factor, factor, nx // factor, factor)
    parts: npt.NDArray[Any] = np.ascontiguousarray(cut.transpose(0, 2, 4, 1, 3))
    return parts.reshape(factor**3, ny // factor, nx // factor)


def _most(names: npt.NDArray[Any], weight: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """(ny, nx) of the names that with most weight; the first of equals."""
    best: npt.NDArray[Any] = names[0].copy()
    most = np.full(names.shape[1:], -1.0, np.float32)
    if (names == names[0]).all():
        return best
    for candidate in names:
        total = (weight * (names == candidate)).sum(0)
        better = total > most
        best[better], most[better] = candidate[better], total[better]
    return best
