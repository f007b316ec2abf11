"""Compiled flows: points carried by a stationary velocity field on a lattice.

numba without fastmath, float64, only + - * and /: equal bits on every x86-64. A trilinear field is Lipschitz: its flow
is a homeomorphism whose inverse is the flow of the reversed field; Runge-Kutta steps of fourth order keep both within
1e-3 mm of each other at the step counts used here.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc"
# numba infers the types.

from __future__ import annotations

from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_COMPILE = {"error_model": "numpy", "nogil": True, "cache": True}
_AT_ONCE = 64  # points


@numba.njit(**_COMPILE)
def at_point(lattice, origin, step, x, y, z, out):
    """Trilinear value (components,) of a lattice (nz, ny, nx, components) at a point (mm), held beyond its faces."""
    nz, ny, nx, count = lattice.shape
    u, v, w = (x - origin[0]) / step, (y - origin[1]) / step, (z - origin[2]) / step
    u, v, w = min(max(u, 0.0), nx - 1.000001), min(max(v, 0.0), ny - 1.000001), min(max(w, 0.0), nz - 1.000001)
    i, j, k = int(u), int(v), int(w)
    u, v, w = u - i, v - j, w - k
    for c in range(count):
        a = lattice[k, j, i, c] + u * (lattice[k, j, i + 1, c] - lattice[k, j, i, c])
        b = lattice[k, j + 1, i, c] + u * (lattice[k, j + 1, i + 1, c] - lattice[k, j + 1, i, c])
        d = lattice[k + 1, j, i, c] + u * (lattice[k + 1, j, i + 1, c] - lattice[k + 1, j, i, c])
        e = lattice[k + 1, j + 1, i, c] + u * (lattice[k + 1, j + 1, i + 1, c] - lattice[k + 1, j + 1, i, c])
        a, d = a + v * (b - a), d + v * (e - d)
        out[c] = a + w * (d - a)


@numba.njit(**_COMPILE)
def sampled(lattice, origin, step, points, out):
    """out (n, components): trilinear values at points (n, 3)."""
    for n in range(len(points)):
        at_point(lattice, origin, step, points[n, 0], points[n, 1], points[n, 2], out[n])


@numba.njit(**_COMPILE)
def carried(velocity, origin, step, time, steps, points):
    """Move points (n, 3) mm in place along the field (nz, ny, nx, 3) mm per unit of time, for `time`."""
    h = time / steps
    a, b, c, d = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        for _ in range(steps):
            at_point(velocity, origin, step, x, y, z, a)
            at_point(velocity, origin, step, x + 0.5 * h * a[0], y + 0.5 * h * a[1], z + 0.5 * h * a[2], b)
            at_point(velocity, origin, step, x + 0.5 * h * b[0], y + 0.5 * h * b[1], z + 0.5 * h * b[2], c)
            at_point(velocity, origin, step, x + h * c[0], y + h * c[1], z + h * c[2], d)
            x += h / 6.0 * (a[0] + 2.0 * b[0] + 2.0 * c[0] + d[0])
            y += h / 6.0 * (a[1] + 2.0 * b[1] + 2.0 * c[1] + d[1])
            z += h / 6.0 * (a[2] + 2.0 * b[2] + 2.0 * c[2] + d[2])
        points[n, 0], points[n, 1], points[n, 2] = x, y, z


@numba.njit(**_COMPILE)
def nearest_distances(points, cloud, first, out):
    """out (n, groups): distance (mm) of points (n, 3) from the nearest of cloud[first[g]:first[g + 1]]."""
    x, y, z, least = np.zeros(_AT_ONCE), np.zeros(_AT_ONCE), np.zeros(_AT_ONCE), np.zeros(_AT_ONCE)
    for start in range(0, len(points), _AT_ONCE):
        count = min(_AT_ONCE, len(points) - start)
        for n in range(count):
            x[n], y[n], z[n] = points[start + n, 0], points[start + n, 1], points[start + n, 2]
        for g in range(len(first) - 1):
            least[:] = 1e30
            for m in range(first[g], first[g + 1]):
                cx, cy, cz = cloud[m, 0], cloud[m, 1], cloud[m, 2]
                for n in range(_AT_ONCE):  # on the processor's lanes
                    u, v, w = x[n] - cx, y[n] - cy, z[n] - cz
                    square = u * u + v * v + w * w
                    least[n] = square if square < least[n] else least[n]
            for n in range(count):
                out[start + n, g] = np.sqrt(least[n])


@numba.njit(**_COMPILE)
def polyrigid(points, far, twists, out):
    """out (n, 3): velocities at points (n, 3) mm of groups that move as rigid bodies, twists (groups, 2, 3) turn and
    shift of the origin, each weighed by (far^2 + 6^2)^-5/2 of its distance far (n, groups) mm."""
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        total, u, v, w = 0.0, 0.0, 0.0, 0.0
        for g in range(len(twists)):
            square = far[n, g] * far[n, g] + 36.0
            weight = 1.0 / (square * square * np.sqrt(square))
            turn, shift = twists[g, 0], twists[g, 1]
            total += weight
            u += weight * (turn[1] * z - turn[2] * y + shift[0])
            v += weight * (turn[2] * x - turn[0] * z + shift[1])
            w += weight * (turn[0] * y - turn[1] * x + shift[2])
        out[n, 0], out[n, 1], out[n, 2] = u / total, v / total, w / total


@numba.njit(**_COMPILE)
def volume_ratios(moved, step, corner_least):
    """(nz - 1, ny - 1, nx - 1) volume of each cell of moved lattice nodes (nz, ny, nx, 3) over its own volume.

    `corner_least` (1,): set to the least determinant of the trilinear map at any corner of any cell (positive: the map
    folds nowhere).
    """
    nz, ny, nx = moved.shape[:3]
    ratios = np.zeros((nz - 1, ny - 1, nx - 1))
    least = 1e30
    cube = 1.0 / (step * step * step)
    for k in range(nz - 1):
        for j in range(ny - 1):
            for i in range(nx - 1):
                total = 0.0
                for corner in range(8):
                    p, q, r = corner & 1, (corner >> 1) & 1, corner >> 2
                    a = moved[k + r, j + q, i + 1] - moved[k + r, j + q, i]
                    b = moved[k + r, j + 1, i + p] - moved[k + r, j, i + p]
                    c = moved[k + 1, j + q, i + p] - moved[k, j + q, i + p]
                    det = (
                        a[0] * (b[1] * c[2] - b[2] * c[1])
                        - a[1] * (b[0] * c[2] - b[2] * c[0])
                        + a[2] * (b[0] * c[1] - b[1] * c[0])
                    ) * cube
                    least = det if det < least else least
                    total += det
                ratios[k, j, i] = total / 8.0
    corner_least[0] = least
    return ratios


@numba.njit(**_COMPILE)
def _system_times(own, ease_z, ease_y, ease_x, p, out):
    """out = own p - sum over neighbours of ease p; p with a node of 0 more at each end, eases with a face."""
    nz, ny, nx = own.shape
    for k in range(nz):
        for j in range(ny):
            middle, here, to = p[k + 1, j + 1], own[k, j], out[k, j]
            left, at, right = middle[:nx], middle[1 : nx + 1], middle[2 : nx + 2]
            below, above = p[k, j + 1][1 : nx + 1], p[k + 2, j + 1][1 : nx + 1]
            before, behind = p[k + 1, j][1 : nx + 1], p[k + 1, j + 2][1 : nx + 1]
            z_low, z_high, y_low, y_high = ease_z[k, j], ease_z[k + 1, j], ease_y[k, j], ease_y[k, j + 1]
            x_low, x_high = ease_x[k, j][:nx], ease_x[k, j][1 : nx + 1]
            for i in range(nx):
                to[i] = (here[i] * at[i] - z_low[i] * below[i] - z_high[i] * above[i] - y_low[i] * before[i]
                         - y_high[i] * behind[i] - x_low[i] * left[i] - x_high[i] * right[i])


@numba.njit(**_COMPILE)
def _product(a, b):
    """Sum of a b (nz, ny, nx), in one order: eight sums of a row, then of rows."""
    total = 0.0
    for k in range(a.shape[0]):
        for j in range(a.shape[1]):
            x, y = a[k, j], b[k, j]
            whole = len(x) // 8 * 8
            s0, s1, s2, s3, s4, s5, s6, s7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            for i in range(0, whole, 8):
                s0 += x[i] * y[i]
                s1 += x[i + 1] * y[i + 1]
                s2 += x[i + 2] * y[i + 2]
                s3 += x[i + 3] * y[i + 3]
                s4 += x[i + 4] * y[i + 4]
                s5 += x[i + 5] * y[i + 5]
                s6 += x[i + 6] * y[i + 6]
                s7 += x[i + 7] * y[i + 7]
            for i in range(whole, len(x)):
                s0 += x[i] * y[i]
            total += ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    return total


@numba.njit(**_COMPILE)
def _solved(own, ease_z, ease_y, ease_x, source, least, most):
    nz, ny, nx = own.shape
    r = source.copy()
    p, a, z = np.zeros((nz, ny, nx)), np.zeros((nz, ny, nx)), r / own
    d = np.zeros((nz + 2, ny + 2, nx + 2))
    inner = d[1 : nz + 1, 1 : ny + 1, 1 : nx + 1]
    inner[:] = z
    rz = _product(r, z)
    for step in range(most):
        if rz <= least:
            return p, step
        _system_times(own, ease_z, ease_y, ease_x, d, a)
        alpha = rz / _product(inner, a)
        for k in range(nz):
            for j in range(ny):
                p_row, r_row, z_row, d_row, a_row, own_row = p[k, j], r[k, j], z[k, j], inner[k, j], a[k, j], own[k, j]
                for i in range(nx):
                    p_row[i] += alpha * d_row[i]
                    r_row[i] -= alpha * a_row[i]
                    z_row[i] = r_row[i] / own_row[i]
        after = _product(r, z)
        share = after / rz
        for k in range(nz):
            for j in range(ny):
                z_row, d_row = z[k, j], inner[k, j]
                for i in range(nx):
                    d_row[i] = z_row[i] + share * d_row[i]
        rz = after
    return p, -1


def pressure(own: Array, ease: Sequence[Array], source: Array, least: float, most: int) -> tuple[Array, int]:
    """(nz, ny, nx) solution p of own p - sum of ease x neighbours' p = source; steps needed, -1 if more than `most`.

    `ease`: of the faces along z, y and x. Conjugate gradients preconditioned by the diagonal until residual squared
    over `own` sums to `least`; sums in one order: equal bits whatever the threads.
    """
    z, y, x = (np.pad(faces, [(int(n == axis),) * 2 for n in range(3)]) for axis, faces in enumerate(ease))
    found: tuple[Array, int] = _solved(own, z, y, x, source, least, most)
    return found


@numba.njit(**_COMPILE)
def turned_back(lattice, origin, step, targets, points, tolerance, most):
    """Solve p + lattice(p) = target for each of targets (n, 3), in place from first guesses `points`; returns misses.

    Newton's method on the trilinear map, halving steps that lead away. `lattice` (nz, ny, nx, 3) mm, held beyond its
    faces; misses: how many end farther than `tolerance` (mm) from their target.
    """
    nz, ny, nx = lattice.shape[:3]
    matrix, here = np.zeros((3, 3)), np.zeros(3)
    missed = 0
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        at_point(lattice, origin, step, x, y, z, here)
        rx, ry, rz = x + here[0] - targets[n, 0], y + here[1] - targets[n, 1], z + here[2] - targets[n, 2]
        square = rx * rx + ry * ry + rz * rz
        for _ in range(most):
            if square <= tolerance * tolerance:
                break
            u, v, w = (x - origin[0]) / step, (y - origin[1]) / step, (z - origin[2]) / step
            i, j, k = int(min(max(u, 0.0), nx - 1.000001)), int(min(max(v, 0.0), ny - 1.000001)), int(
                min(max(w, 0.0), nz - 1.000001))
            u, v, w = min(max(u - i, 0.0), 1.0), min(max(v - j, 0.0), 1.0), min(max(w - k, 0.0), 1.0)
            for c in range(3):
                p000, p100 = lattice[k, j, i, c], lattice[k, j, i + 1, c]
                p010, p110 = lattice[k, j + 1, i, c], lattice[k, j + 1, i + 1, c]
                p001, p101 = lattice[k + 1, j, i, c], lattice[k + 1, j, i + 1, c]
                p011, p111 = lattice[k + 1, j + 1, i, c], lattice[k + 1, j + 1, i + 1, c]
                matrix[c, 0] = ((p100 - p000) * (1 - v) * (1 - w) + (p110 - p010) * v * (1 - w)
                                + (p101 - p001) * (1 - v) * w + (p111 - p011) * v * w) / step
                matrix[c, 1] = ((p010 - p000) * (1 - u) * (1 - w) + (p110 - p100) * u * (1 - w)
                                + (p011 - p001) * (1 - u) * w + (p111 - p101) * u * w) / step
                matrix[c, 2] = ((p001 - p000) * (1 - u) * (1 - v) + (p101 - p100) * u * (1 - v)
                                + (p011 - p010) * (1 - u) * v + (p111 - p110) * u * v) / step
                matrix[c, c] += 1.0
            a, b, c2 = matrix[0], matrix[1], matrix[2]
            m00, m01, m02 = b[1] * c2[2] - b[2] * c2[1], a[2] * c2[1] - a[1] * c2[2], a[1] * b[2] - a[2] * b[1]
            m10, m11, m12 = b[2] * c2[0] - b[0] * c2[2], a[0] * c2[2] - a[2] * c2[0], a[2] * b[0] - a[0] * b[2]
            m20, m21, m22 = b[0] * c2[1] - b[1] * c2[0], a[1] * c2[0] - a[0] * c2[1], a[0] * b[1] - a[1] * b[0]
            det = a[0] * m00 + a[1] * m10 + a[2] * m20
            if det == 0.0:
                break
            dx = -(m00 * rx + m01 * ry + m02 * rz) / det
            dy = -(m10 * rx + m11 * ry + m12 * rz) / det
            dz = -(m20 * rx + m21 * ry + m22 * rz) / det
            part, better = 1.0, False
            for _ in range(12):
                px, py, pz = x + part * dx, y + part * dy, z + part * dz
                at_point(lattice, origin, step, px, py, pz, here)
                qx, qy, qz = px + here[0] - targets[n, 0], py + here[1] - targets[n, 1], pz + here[2] - targets[n, 2]
                new = qx * qx + qy * qy + qz * qz
                if new < square:
                    x, y, z, rx, ry, rz, square, better = px, py, pz, qx, qy, qz, new, True
                    break
                part *= 0.5
            if not better:
                break
        if square > tolerance * tolerance:
            missed += 1
        points[n, 0], points[n, 1], points[n, 2] = x, y, z
    return missed
