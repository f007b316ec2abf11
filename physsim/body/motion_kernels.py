"""Compiled flows: points carried by a stationary velocity field on a lattice.

numba without fastmath, float64, only + - * and /: equal bits on every x86-64. A trilinear field is Lipschitz: its flow
is a homeomorphism whose inverse is the flow of the reversed field; Runge-Kutta steps of fourth order keep both within
1e-3 mm of each other at the step counts used here.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc"
# numba infers the types.

from __future__ import annotations

import numba
import numpy as np

_COMPILE = {"error_model": "numpy", "nogil": True, "cache": True}


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
    for n in range(len(points)):
        for g in range(len(first) - 1):
            least = 1e30
            for m in range(first[g], first[g + 1]):
                x, y, z = points[n, 0] - cloud[m, 0], points[n, 1] - cloud[m, 1], points[n, 2] - cloud[m, 2]
                square = x * x + y * y + z * z
                least = square if square < least else least
            out[n, g] = np.sqrt(least)


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
    """out = own p - sum over neighbours of ease p."""
    nz, ny, nx = p.shape
    for k in range(nz):
        for j in range(ny):
            for i in range(nx):
                total = own[k, j, i] * p[k, j, i]
                if k > 0:
                    total -= ease_z[k - 1, j, i] * p[k - 1, j, i]
                if k < nz - 1:
                    total -= ease_z[k, j, i] * p[k + 1, j, i]
                if j > 0:
                    total -= ease_y[k, j - 1, i] * p[k, j - 1, i]
                if j < ny - 1:
                    total -= ease_y[k, j, i] * p[k, j + 1, i]
                if i > 0:
                    total -= ease_x[k, j, i - 1] * p[k, j, i - 1]
                if i < nx - 1:
                    total -= ease_x[k, j, i] * p[k, j, i + 1]
                out[k, j, i] = total


@numba.njit(**_COMPILE)
def pressure(own, ease_z, ease_y, ease_x, source, least, most):
    """(nz, ny, nx) solution p of own p - sum of ease x neighbours' p = source; steps needed, -1 if more than `most`.

    Conjugate gradients preconditioned by the diagonal until residual squared over `own` sums to `least`; sums in one
    order: equal bits whatever the threads.
    """
    shape = source.shape
    weight = own.ravel()
    r = source.copy().ravel()
    p, a = np.zeros(r.size), np.zeros(r.size)
    z = r / weight
    d = z.copy()
    rz = 0.0
    for n in range(r.size):
        rz += r[n] * z[n]
    for step in range(most):
        if rz <= least:
            return p.reshape(shape), step
        _system_times(own, ease_z, ease_y, ease_x, d.reshape(shape), a.reshape(shape))
        da = 0.0
        for n in range(r.size):
            da += d[n] * a[n]
        alpha, after = rz / da, 0.0
        for n in range(r.size):
            p[n] += alpha * d[n]
            r[n] -= alpha * a[n]
            z[n] = r[n] / weight[n]
            after += r[n] * z[n]
        for n in range(r.size):
            d[n] = z[n] + after / rz * d[n]
        rz = after
    return p.reshape(shape), -1


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
