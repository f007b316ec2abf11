"""A phantom whose overlays are averaged into its own voxels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from physsim.phantom.laid import painted_meshes
from physsim.phantom.overlay import Block, Overlay, covered_fraction
from physsim.phantom.phantom import Phantom
from physsim.spec.grid import Grid

_SAMPLES = 4  # along each axis of an overlay's voxel that may straddle faces of the phantom's
_ON_FACE = 1e-6  # of a voxel


def merged_overlays(phantom: Phantom) -> Phantom:
    """The phantom without overlays and meshes: each voxel that they touch holds the mean of what is in it.

    Mass is kept; the label is that of the material with the most mass there, as where shapes are inserted. Overlays
    whose voxels divide the phantom's are averaged exactly, others by 64 points of each of their voxels (where an askew
    one ends, the share of a voxel is then some percent off).
    Neglects: that such a voxel holds several materials.

    >>> import physsim as ps
    >>> from physsim.phantom.shapes import Sphere
    >>> ball = Sphere(name="ball", material="Al", radius_mm=6)
    >>> water = ps.voxelise(ps.scene("water_20cm"), spacing_mm=5).insert(ball, overlay_spacing_mm=1)
    >>> abs(merged_overlays(water).mass_g() - water.mass_g()) < 1e-3
    True
    """
    phantom = painted_meshes(phantom)
    if not phantom.overlays:
        return phantom
    labels = phantom.labels.copy()
    density = np.ones(labels.shape, np.float32) if phantom.density is None else phantom.density.astype(np.float32)
    own = np.array([one.density_g_cm3 for one in phantom.materials])
    for overlay in phantom.overlays:
        block, _ = covered_fraction(phantom.grid, overlay.grid, samples=1)
        labels[block], density[block] = _merged(phantom.grid, overlay, block, labels[block], density[block], own)
    return phantom.replace(labels=labels, density=density, overlays=())


def _merged(
    grid: Grid,
    overlay: Overlay,
    block: Block,
    labels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16],
    density: npt.NDArray[np.float32],
    own: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.float32]]:
    """Labels and relative density of a block of voxels with an overlay in them."""
    kinds, kind = np.unique(overlay.labels, return_inverse=True)
    matter = own[overlay.labels].ravel()
    if overlay.density is not None:
        matter = matter * overlay.density.ravel()
    volume, mass = np.zeros(labels.size), np.zeros(labels.size * len(kinds))
    targets, share = _targets(grid, overlay.grid, block)
    for at in targets:
        volume += share * np.bincount(at, minlength=volume.size)
        mass += share * np.bincount(at * len(kinds) + kind.ravel(), matter, mass.size)
    touched = volume > 0.0
    covered = np.where(_within(grid, overlay.grid, block), 1.0, np.minimum(volume, 1.0))
    before, beneath = labels.ravel(), (own[labels] * density).ravel()
    held = np.where(touched, covered / np.where(touched, volume, 1.0), 0.0)  # the volume by points is not exact
    parts = mass.reshape(-1, len(kinds)) * held[:, None]  # g/cm3 of the voxel
    rest = beneath * (1.0 - covered)
    same = before[:, None] == kinds
    parts = np.concatenate([parts + same * rest[:, None], np.where(same.any(axis=1), 0.0, rest)[:, None]], axis=1)
    winner = parts.argmax(axis=1)
    after = np.where(touched & (winner < len(kinds)), kinds[np.minimum(winner, len(kinds) - 1)], before)
    relative = np.where(touched, parts.sum(axis=1) / own[after], density.ravel())
    return after.reshape(labels.shape), relative.astype(np.float32).reshape(labels.shape)


def _targets(grid: Grid, of: Grid, block: Block) -> tuple[Iterator[npt.NDArray[np.int64]], float]:
    """Flat indices in `block` that points of each voxel of `of` lie in; the volume of a point in voxels of `grid`."""
    samples = 1 if _divides(grid, of) else _SAMPLES
    share = of.voxel_volume_mm3 / grid.voxel_volume_mm3 / samples**3
    to_voxel = grid.voxel_from_world @ of.world_from_voxel
    size = [one.stop - one.start for one in block]
    offsets = (np.arange(samples) + 0.5) / samples - 0.5

    def points() -> Iterator[npt.NDArray[np.int64]]:
        for dx, dy, dz in np.stack(np.meshgrid(offsets, offsets, offsets), axis=-1).reshape(-1, 3):
            flat = np.zeros(of.shape, np.int64)
            for axis, (one, count) in enumerate(zip(block, size, strict=True)):
                row = to_voxel[2 - axis]
                k, j, i = (np.arange(n) + d for n, d in zip(of.shape, (dz, dy, dx), strict=True))
                place = row[3] + row[2] * k[:, None, None] + row[1] * j[:, None] + row[0] * i
                flat = flat * size[axis] + np.clip(np.floor(place + 0.5).astype(np.int64) - one.start, 0, count - 1)
            yield flat.ravel()

    return points(), share


def _within(grid: Grid, of: Grid, block: Block) -> npt.NDArray[np.bool_]:
    """Voxels of a block that lie wholly in the box of `of`."""
    to_patch = of.voxel_from_world @ grid.world_from_voxel
    faces = [np.arange(one.start, one.stop + 1) - 0.5 for one in block]
    inside = np.ones([len(one) for one in faces], bool)
    for row, count in zip(to_patch, of.shape[::-1], strict=False):
        place = row[3] + row[2] * faces[0][:, None, None] + row[1] * faces[1][:, None] + row[0] * faces[2]
        inside &= (place > -0.5 - _ON_FACE) & (place < count - 0.5 + _ON_FACE)
    for axis in range(3):
        ends = [np.take(inside, np.arange(n, inside.shape[axis] + n - 1), axis) for n in (0, 1)]
        inside = ends[0] & ends[1]
    return np.asarray(inside).ravel()


def _divides(grid: Grid, of: Grid) -> bool:
    """Whether no voxel of `of` straddles a face of `grid`."""
    to_voxel = grid.voxel_from_world @ of.world_from_voxel
    steps = to_voxel[:3, :3]
    if (np.sort(np.abs(steps), axis=1)[:, :2] > _ON_FACE).any():
        return False
    for axis in range(3):
        along = int(np.abs(steps[axis]).argmax())
        step, count = float(steps[axis, along]), of.shape[::-1][along]
        start = to_voxel[axis, 3] + 0.5 - 0.5 * step  # of its faces, in voxels of `grid` from its low corner
        ends = sorted((start, start + count * step))
        faces = np.arange(np.ceil(ends[0] - _ON_FACE), np.floor(ends[1] + _ON_FACE) + 1)
        index = (faces - start) / step
        if (np.abs(index - np.round(index)) > _ON_FACE).any():
            return False
    return True
