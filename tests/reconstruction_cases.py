"""Exact line integrals of cylinders along z and of balls, for what reconstructs them."""

import numpy as np

SCANNER = {"source_axis_mm": 541, "source_detector_mm": 949, "rows": 16, "columns": 300, "pixel_mm": (3.0, 4.39)}


def line_integrals(geometry, parts):
    """(views, rows, columns): chords times attenuation. parts: (centre mm, radius mm, 1/mm, "ball" or "cylinder")."""
    found = np.zeros(geometry.shape, np.float32)
    for view in range(len(geometry)):
        start, end = geometry.rays_mm(view)
        way = end - start
        length = np.sqrt((way**2).sum(-1))
        for centre, radius, mu, kind in parts:
            aside = start[:1] - np.array(centre, float) if geometry.beam == "cone" else start - np.array(centre, float)
            if kind == "ball":
                ahead = (way * aside).sum(-1) / length
                chord = 2.0 * np.sqrt(np.maximum(ahead**2 - (aside**2).sum(-1) + radius**2, 0.0))
            else:  # rows see the same disc, their rays run longer through it
                flat, level = way[0, :, :2], aside[0, :, :2]
                square, along = (flat**2).sum(-1), (flat * level).sum(-1)
                root = np.sqrt(np.maximum(along**2 - square * ((level**2).sum(-1) - radius**2), 0.0))
                chord = 2.0 * root / square * length
            found[view] += mu * chord
    return found


def truth_of(grid, parts, margin_mm):
    """Attenuation of each voxel, and where no surface is within `margin_mm`."""
    nz, ny, nx = grid.shape
    k, j, i = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
    place = np.stack([i, j, k, np.ones_like(i)], -1) @ grid.world_from_voxel.T
    value, clear = np.zeros(grid.shape), np.ones(grid.shape, bool)
    for centre, radius, mu, kind in parts:
        apart = place[..., : 3 if kind == "ball" else 2] - np.array(centre[: 3 if kind == "ball" else 2], float)
        distance = np.sqrt((apart**2).sum(-1))
        value += mu * (distance < radius)
        clear &= np.abs(distance - radius) > margin_mm
    return value, clear
