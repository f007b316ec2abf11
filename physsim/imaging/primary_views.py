"""Unscattered photons at the pixels, views by views: all energies of a beam through the voxels in one pass."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physsim.imaging.pixel_beam import PixelBeam
from physsim.imaging.sub_poses import SubPoses
from physsim.phantom.phantom import Phantom
from physsim.physics.attenuation import mass_attenuation_cm2_g
from physsim.spec.geometry import Geometry
from physsim.spec.grid import Grid
from physsim.transport.mesh import traced_meshes
from physsim.transport.spectral import project_signal

Images = NDArray[np.float32]


def primary_views(phantom: Phantom, beam: PixelBeam, geometry: Geometry, device: str, threads: int,
                  rays: SubPoses | None = None) -> Images:
    """(views, QUANTITIES, rows, columns) float32 per mAs of unscattered photons; `rays`: whose mean each pixel is."""
    if rays is not None and rays.several:
        return rays.mean(lambda pose: primary_views(phantom, beam, pose, device, threads), geometry)
    table = np.stack([mass_attenuation_cm2_g(one, beam.energies_kev) for one in phantom.materials])
    own = np.array([one.density_g_cm3 for one in phantom.materials])
    planes = slice(None) if phantom.overlays or phantom.meshes else met_planes(phantom.grid, geometry)
    labels, density = phantom.labels[planes], None if phantom.density is None else phantom.density[planes]
    grid = _cut(phantom.grid, planes)
    spectra = np.concatenate([beam.anchors, beam.looked_at], axis=1)
    return np.asarray(project_signal(
        labels, density, own, table, spectra, grid, geometry, position=beam.position, factor=beam.factor,
        mix=beam.mix.reshape(geometry.columns, -1, beam.mix.shape[1]), tolerance=1e-5,
        overlays=phantom.overlays, meshes=traced_meshes(phantom), device=device, threads=threads))


def met_planes(grid: Grid, geometry: Geometry) -> slice:
    """Planes of voxels, along the array's first axis, that rays of the views can meet: by the corners of the beams."""
    corners = []
    across = 0.5 * (geometry.columns - 1) * geometry.pixel_mm[0] * np.array([-1.0, 0.0, 1.0])
    along = 0.5 * (geometry.rows - 1) * geometry.pixel_mm[1] * np.array([-1.0, 1.0])
    for view in range(len(geometry)):
        corners.append(geometry.surface_mm(view, across[None, :], along[:, None]).reshape(-1, 3))
        corners.append(geometry.source_mm[view][None])
    points = np.concatenate(corners)
    inverse = np.linalg.inv(grid.world_from_voxel)
    height = points @ inverse[2, :3] + inverse[2, 3]
    low, high = int(np.floor(height.min())) - 1, int(np.ceil(height.max())) + 2
    low, high = min(max(low, 0), grid.shape[0] - 1), max(min(high, grid.shape[0]), 1)
    return slice(low, max(high, low + 1))


def _cut(grid: Grid, planes: slice) -> Grid:
    first, last, _ = planes.indices(grid.shape[0])
    origin = grid.world_from_voxel @ np.array([0.0, 0.0, first, 1.0])
    return grid.replace(shape=(last - first, *grid.shape[1:]), origin_mm=tuple(float(c) for c in origin[:3]))
