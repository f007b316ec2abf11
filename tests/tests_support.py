"""What several tests share."""

import numpy as np
from siddon_reference import siddon_line_integrals


def rotation(angle, axis):
    """(3, 3) rotation by `angle` (rad) about world axis 0, 1 or 2."""
    i, j = [(1, 2), (0, 2), (0, 1)][axis]
    turn = np.eye(3)
    turn[i, i] = turn[j, j] = np.cos(angle)
    turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
    return turn


def siddon_truth(volume, grid, geometry):
    """(views, rows, columns) float64 line integrals by the independent reference."""
    rays = [geometry.rays_mm(view) for view in range(len(geometry))]
    starts = np.concatenate([start.reshape(-1, 3) for start, _ in rays])
    ends = np.concatenate([end.reshape(-1, 3) for _, end in rays])
    return siddon_line_integrals(volume, grid.voxel_from_world, starts, ends).reshape(geometry.shape)
