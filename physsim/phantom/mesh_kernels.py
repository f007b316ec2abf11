"""Compiled: fractions of the voxels of one slice inside a closed mesh, by crossings of rays along x.

numba without fastmath. All of it in one file, because numba's cache sees only edits of the file that holds a function.
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types.

from __future__ import annotations

import math

import numba
import numpy as np

_COMPILE = {"error_model": "numpy", "nogil": True, "cache": True}


@numba.njit(**_COMPILE)
def edge(index, p, q, y, z):
    """Twice the signed area of (p, q, (y, z)): the same number for both triangles of an edge, with opposite signs.

    The ends are taken in the order of their numbers, so that both triangles round alike; a ray that meets an edge
    exactly counts as on its positive side for one of them and not for the other.
    """
    low, high = (p, q) if p < q else (q, p)
    y0, z0 = index[low, 1], index[low, 2]
    area = (index[high, 1] - y0) * (z - z0) - (index[high, 2] - z0) * (y - y0)
    positive = area >= 0.0
    return (area, positive) if p < q else (-area, not positive)


@numba.njit(**_COMPILE)
def slice_coverage(k, members, index, triangles, offsets, coverage):
    """Add to `coverage` (ny, nx) the fractions inside; returns the lowest and highest winding number met.

    Each crossing at x adds its sign from x on: a part of its own voxel, all of those behind it; a running sum along the
    row makes fractions of the crossings. `index`: (n, 3) vertices in voxels x, y, z; `offsets`: (rays, 2) in y and z.
    """
    ny, nx = coverage.shape
    rays = len(offsets)
    sums = np.zeros((ny, nx + 1))
    touched = np.zeros(ny, np.bool_)
    for m in members:
        a, b, c = triangles[m, 0], triangles[m, 1], triangles[m, 2]
        ya, yb, yc = index[a, 1], index[b, 1], index[c, 1]
        za, zb, zc = index[a, 2], index[b, 2], index[c, 2]
        area = (yb - ya) * (zc - za) - (zb - za) * (yc - ya)
        if area == 0.0:
            continue
        low, high = min(ya, yb, yc), max(ya, yb, yc)
        bottom, top = min(za, zb, zc), max(za, zb, zc)
        first, last = max(math.ceil(low - 0.5), 0), min(math.floor(high + 0.5), ny - 1)
        sign = -1.0 if area > 0.0 else 1.0
        for ray in range(rays):
            z = k + offsets[ray, 1]
            if z < bottom or z > top:
                continue
            for j in range(first, last + 1):
                y = j + offsets[ray, 0]
                if y < low or y > high:
                    continue
                wc, in_c = edge(index, a, b, y, z)
                wa, in_a = edge(index, b, c, y, z)
                if in_a != in_c:
                    continue
                wb, in_b = edge(index, c, a, y, z)
                if in_b != in_c or in_c != (area > 0.0):
                    continue
                x = (wa * index[a, 0] + wb * index[b, 0] + wc * index[c, 0]) / (wa + wb + wc)
                touched[j] = True
                if x < -0.5:
                    sums[j, 0] += sign
                elif x < nx - 0.5:
                    i = math.floor(x + 0.5)
                    part = i + 0.5 - x
                    sums[j, i] += sign * part
                    sums[j, i + 1] += sign * (1.0 - part)
    least, most = 0.0, 0.0
    for j in range(ny):
        if not touched[j]:
            continue
        running = 0.0
        for i in range(nx):
            running += sums[j, i]
            fraction = running / rays
            least, most = min(least, fraction), max(most, fraction)
            coverage[j, i] = np.float32(min(max(fraction, 0.0), 1.0)) if abs(fraction) > 1e-9 else np.float32(0.0)
    return least, most
