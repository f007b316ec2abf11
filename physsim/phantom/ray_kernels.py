"""Compiled chords: where a ray is inside each convex piece, and which object it meets, later ones on top.

numba without fastmath: only + - * / and square roots, so one build gives equal bits on every x86-64. Import this module
inside functions: it costs half a second. All of it is in one file because numba's cache sees only edits of the file
that holds a function, not of those it calls.

Rays are (origin, unit direction, mm along it). Flat tables of a scene, as `CompiledScene` makes them:
centre (P, 3), quadric (P, 10), curved (P,) bool, plane_first (P + 1,), planes (M, 4), low/high (P, 3) mm;
object_first (O + 1,) first piece of each object, object_low/high (O, 3); over (O, O): may row replace column.
Object 0 is the vacuum around the scene, object 1 its background.
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types.

from __future__ import annotations

import math

import numba
import numpy as np

_COMPILE = {"error_model": "numpy", "nogil": True, "cache": True}


@numba.njit(**_COMPILE)
def box_interval(o, d, low, high, first, last):
    """The part of [first, last] inside an axis-aligned box."""
    for axis in range(3):
        if d[axis] == 0.0:
            if o[axis] < low[axis] or o[axis] > high[axis]:
                return 1.0, 0.0
        else:
            a, b = (low[axis] - o[axis]) / d[axis], (high[axis] - o[axis]) / d[axis]
            if a > b:
                a, b = b, a
            first, last = max(first, a), min(last, b)
    return first, last


@numba.njit(**_COMPILE)
def quadratic_form(q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, x, y, z):
    """The quadric q at a point from the piece's centre: not above 0 inside."""
    return (
        (q0 * x + q3 * y + q4 * z + 2 * q6) * x
        + (q3 * x + q1 * y + q5 * z + 2 * q7) * y
        + (q4 * x + q5 * y + q2 * z + 2 * q8) * z
        + q9
    )


@numba.njit(**_COMPILE)
def piece_interval(o, d, piece, centre, quadric, curved, plane_first, planes, first, last):
    """The part of [first, last] inside a piece; first >= last when there is none.

    The origin is moved to the point nearest the piece's centre, so that no digits are lost to a far source.
    """
    cx, cy, cz = centre[piece, 0], centre[piece, 1], centre[piece, 2]
    near = (cx - o[0]) * d[0] + (cy - o[1]) * d[1] + (cz - o[2]) * d[2]
    x, y, z = o[0] + near * d[0] - cx, o[1] + near * d[1] - cy, o[2] + near * d[2] - cz
    t0, t1 = first - near, last - near
    for p in range(plane_first[piece], plane_first[piece + 1]):
        speed = planes[p, 0] * d[0] + planes[p, 1] * d[1] + planes[p, 2] * d[2]
        gap = planes[p, 3] - (planes[p, 0] * x + planes[p, 1] * y + planes[p, 2] * z)
        if speed > 0.0:
            if gap < t1 * speed:  # most planes cut nothing more: no division for them
                t1 = gap / speed
                if t0 >= t1:
                    return 1.0, 0.0
        elif gap < t0 * speed:
            if speed == 0.0:
                return 1.0, 0.0
            t0 = gap / speed
            if t0 >= t1:
                return 1.0, 0.0
    if curved[piece]:
        q = quadric[piece]
        ax = q[0] * d[0] + q[3] * d[1] + q[4] * d[2]
        ay = q[3] * d[0] + q[1] * d[1] + q[5] * d[2]
        az = q[4] * d[0] + q[5] * d[1] + q[2] * d[2]
        a = ax * d[0] + ay * d[1] + az * d[2]
        b = ax * x + ay * y + az * z + q[6] * d[0] + q[7] * d[1] + q[8] * d[2]
        c = quadratic_form(q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7], q[8], q[9], x, y, z)
        t0, t1 = _quadric_interval(a, b, c, 1e-14 * (abs(q[0]) + abs(q[1]) + abs(q[2])), t0, t1)
    return t0 + near, t1 + near


@numba.njit(**_COMPILE)
def _quadric_interval(a, b, c, tiny, t0, t1):
    """The part of [t0, t1] where a t^2 + 2 b t + c <= 0."""
    if abs(a) <= tiny:  # along a generator: the form is linear in t
        if b > 0.0:
            return t0, min(t1, -0.5 * c / b)
        if b < 0.0:
            return max(t0, -0.5 * c / b), t1
        if c <= 0.0:
            return t0, t1
        return 1.0, 0.0
    disc = b * b - a * c
    if disc <= 0.0:
        if a < 0.0:  # inside both nappes of a cone, or touching its apex
            return t0, t1
        return 1.0, 0.0
    root = math.sqrt(disc)
    big = -(b + root) if b >= 0.0 else root - b
    r0, r1 = big / a, c / big
    if r0 > r1:
        r0, r1 = r1, r0
    if a > 0.0:
        return max(t0, r0), min(t1, r1)
    if min(t1, r0) - t0 >= t1 - max(t0, r1):  # a cone: the end planes leave one nappe
        return t0, min(t1, r0)
    return max(t0, r1), t1


@numba.njit(**_COMPILE)
def paint_over(n, start, owner, a, b, own, over):
    """Paint object `own` over the stretches of a ray between a and b; returns their new number.

    Stretch m belongs to owner[m] and runs from start[m] to start[m + 1], m < n; it changes hands where
    over[own, owner[m]]. Equal neighbours are joined.
    """
    m = 0
    while m < n and start[m + 1] <= a:
        m += 1
    while m < n and start[m] < b:
        current = owner[m]
        if current == own or not over[own, current]:
            m += 1
            continue
        if a > start[m]:
            n = _split(n, start, owner, m, a)
            m += 1
        if b < start[m + 1]:
            n = _split(n, start, owner, m, b)
        owner[m] = own
        m += 1
        if m < n and owner[m] == own:
            n = _joined(n, start, owner, m)
        if m > 1 and owner[m - 2] == own:
            n = _joined(n, start, owner, m - 1)
            m -= 1
    return n


@numba.njit(**_COMPILE)
def _split(n, start, owner, m, at):
    """Cut stretch m in two at `at`."""
    for k in range(n, m, -1):
        start[k + 1] = start[k]
        owner[k] = owner[k - 1]
    start[m + 1] = at
    return n + 1


@numba.njit(**_COMPILE)
def _joined(n, start, owner, m):
    """Take the boundary between stretches m - 1 and m away; m - 1 keeps its owner."""
    for k in range(m, n):
        start[k] = start[k + 1]
        owner[k] = owner[k + 1] if k + 1 < n else 0
    return n - 1


@numba.njit(**_COMPILE)
def trace(
    origins,
    directions,
    lengths,
    centre,
    quadric,
    curved,
    plane_first,
    planes,
    low,
    high,
    object_first,
    object_low,
    object_high,
    over,
    column,
    weight,
    sums,
):
    """Add to `sums` (rays, columns) weight[object] x mm of each object, into column[object]."""
    n_objects = len(object_first) - 1
    start, owner = np.empty(2 * len(centre) + 4), np.empty(2 * len(centre) + 4, np.int64)
    for ray in range(len(origins)):
        o, d = origins[ray], directions[ray]
        first, last = box_interval(o, d, object_low[1], object_high[1], 0.0, lengths[ray])
        if not first < last:
            continue
        start[0], start[1], owner[0], n = first, last, 1, 1
        for own in range(2, n_objects):
            a, b = box_interval(o, d, object_low[own], object_high[own], first, last)
            if a > b:
                continue
            for piece in range(object_first[own], object_first[own + 1]):
                a, b = box_interval(o, d, low[piece], high[piece], first, last)
                if a > b:
                    continue
                a, b = piece_interval(o, d, piece, centre, quadric, curved, plane_first, planes, first, last)
                if a < b:
                    n = paint_over(n, start, owner, a, b, own, over)
        for m in range(n):
            sums[ray, column[owner[m]]] += weight[owner[m]] * (start[m + 1] - start[m])


@numba.njit(**_COMPILE)
def owners_at(points, centre, quadric, curved, plane_first, planes, low, high, owner_of_piece, over, owners):
    """Fill `owners` (n,) with the object at each point (n, 3)."""
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        current = 0
        for piece in range(len(centre)):
            if (
                x < low[piece, 0]
                or x > high[piece, 0]
                or y < low[piece, 1]
                or y > high[piece, 1]
                or z < low[piece, 2]
                or z > high[piece, 2]
                or not over[owner_of_piece[piece], current]
            ):
                continue
            if _inside(
                x - centre[piece, 0],
                y - centre[piece, 1],
                z - centre[piece, 2],
                piece,
                quadric,
                curved,
                plane_first,
                planes,
            ):
                current = owner_of_piece[piece]
            elif piece == 0:
                break
        owners[n] = current


@numba.njit(**_COMPILE)
def _inside(x, y, z, piece, quadric, curved, plane_first, planes):
    """Is a point, from the piece's centre, in the piece?"""
    for p in range(plane_first[piece], plane_first[piece + 1]):
        if planes[p, 0] * x + planes[p, 1] * y + planes[p, 2] * z > planes[p, 3]:
            return False
    if not curved[piece]:
        return True
    q = quadric[piece]
    return quadratic_form(q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7], q[8], q[9], x, y, z) <= 0.0


@numba.njit(**_COMPILE)
def row_intervals(rays, d, piece, centre, quadric, curved, plane_first, planes, work):
    """`piece_interval` of parallel rays at once, the same operations in the same order: loops that become vector code.

    `work` (11, rays): in rows 0 to 2 the rays' origins, in 3 and 4 their limits; their intervals come in 5 and 6, with
    5 >= 6 where there is none.
    """
    ox, oy, oz, first, last, t0, t1 = work[0], work[1], work[2], work[3], work[4], work[5], work[6]
    x, y, z, near = work[7], work[8], work[9], work[10]
    cx, cy, cz = centre[piece, 0], centre[piece, 1], centre[piece, 2]
    dx, dy, dz = d[0], d[1], d[2]
    for r in range(rays):
        along = (cx - ox[r]) * dx + (cy - oy[r]) * dy + (cz - oz[r]) * dz
        near[r] = along
        x[r], y[r], z[r] = ox[r] + along * dx - cx, oy[r] + along * dy - cy, oz[r] + along * dz - cz
        t0[r], t1[r] = first[r] - along, last[r] - along
    for p in range(plane_first[piece], plane_first[piece + 1]):
        px, py, pz, level = planes[p, 0], planes[p, 1], planes[p, 2], planes[p, 3]
        speed = px * dx + py * dy + pz * dz
        if speed > 0.0:
            for r in range(rays):
                gap = level - (px * x[r] + py * y[r] + pz * z[r])
                t1[r] = gap / speed if gap < t1[r] * speed else t1[r]
        elif speed < 0.0:
            for r in range(rays):
                gap = level - (px * x[r] + py * y[r] + pz * z[r])
                t0[r] = gap / speed if gap < t0[r] * speed else t0[r]
        else:
            for r in range(rays):
                gap = level - (px * x[r] + py * y[r] + pz * z[r])
                t1[r] = -math.inf if gap < 0.0 else t1[r]
    if curved[piece]:
        q0, q1, q2 = quadric[piece, 0], quadric[piece, 1], quadric[piece, 2]
        q3, q4, q5 = quadric[piece, 3], quadric[piece, 4], quadric[piece, 5]
        q6, q7, q8, q9 = quadric[piece, 6], quadric[piece, 7], quadric[piece, 8], quadric[piece, 9]
        ax = q0 * dx + q3 * dy + q4 * dz
        ay = q3 * dx + q1 * dy + q5 * dz
        az = q4 * dx + q5 * dy + q2 * dz
        a = ax * dx + ay * dy + az * dz
        tiny = 1e-14 * (abs(q0) + abs(q1) + abs(q2))
        if a > tiny:
            for r in range(rays):
                b = ax * x[r] + ay * y[r] + az * z[r] + q6 * dx + q7 * dy + q8 * dz
                c = quadratic_form(q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, x[r], y[r], z[r])
                disc = b * b - a * c
                root = math.sqrt(disc if disc > 0.0 else 0.0)
                big = -(b + root) if b >= 0.0 else root - b
                r0, r1 = big / a, c / big
                low = r1 if r0 > r1 else r0
                high = r0 if r0 > r1 else r1
                low = low if low > t0[r] else t0[r]
                high = high if high < t1[r] else t1[r]
                t0[r] = low
                t1[r] = high if disc > 0.0 else -math.inf
        else:
            for r in range(rays):
                b = ax * x[r] + ay * y[r] + az * z[r] + q6 * dx + q7 * dy + q8 * dz
                c = quadratic_form(q0, q1, q2, q3, q4, q5, q6, q7, q8, q9, x[r], y[r], z[r])
                if t0[r] < t1[r]:
                    t0[r], t1[r] = _quadric_interval(a, b, c, tiny, t0[r], t1[r])
    for r in range(rays):
        t0[r], t1[r] = t0[r] + near[r], t1[r] + near[r]


@numba.njit(**_COMPILE)
def paint_slab(
    first_slice,
    labels,
    density,
    organs,
    volumes,
    world_from_voxel,
    lattice,
    reach,
    n_objects,
    owner_of_piece,
    centre,
    quadric,
    curved,
    plane_first,
    planes,
    over,
    material_of,
    density_of,
    material_density,
    organ_of,
):
    """Fill slices first_slice .. of `labels`, `density` and `organs` (slices, ny, nx); add up `volumes` (voxels).

    `lattice` (r, 2): offsets in y and z, in voxels from the centre; `reach` (P, 6): voxel bounds x0 x1 y0 y1 z0 z1 of
    the pieces; `material_of`, `density_of` (g/cm3), `organ_of`: per object; pieces come in painting order. `organs` may
    have no slices: then none are written.
    """
    n_slices, ny, nx = labels.shape
    n_pieces, n_rays = len(centre), len(lattice)
    n_materials = len(material_density)
    start, owner_at = np.empty((n_rays, 2 * n_pieces + 4)), np.empty((n_rays, 2 * n_pieces + 4), np.int64)
    stretches, held = np.zeros(n_rays, np.int64), np.zeros(n_rays, np.int64)
    held_from, held_to = np.zeros(n_rays), np.zeros(n_rays)
    work = np.empty((11, n_rays))
    low_in, high_in = np.empty(n_objects, np.int64), np.empty(n_objects, np.int64)
    in_slice, in_row = np.empty(n_pieces, np.int64), np.empty(n_pieces, np.int64)
    slot_of = np.full(n_objects, -1, np.int64)
    object_in = np.empty(n_objects, np.int64)
    material_slot = np.full(n_materials, -1, np.int64)
    material_in = np.empty(n_materials, np.int64)
    part = np.zeros((n_objects, nx + 1))  # covered fraction by slot
    full = np.zeros((n_objects, nx + 1))  # differences of the number of rays that cover a voxel wholly
    mass = np.zeros((n_materials, nx))
    best, best_organ, empty = np.zeros(nx), np.zeros(nx, np.int64), np.zeros(nx)
    d, square = np.empty(3), 0.0
    for c in range(3):
        square += world_from_voxel[c, 0] * world_from_voxel[c, 0]
    voxel_mm = math.sqrt(square)
    for c in range(3):
        d[c] = world_from_voxel[c, 0] / voxel_mm
    share = 1.0 / n_rays
    row_end = nx * voxel_mm
    for k in range(n_slices):
        z = float(first_slice + k)
        n_slice = 0
        for piece in range(n_pieces):
            if (
                reach[piece, 4] <= z + 0.5
                and reach[piece, 5] >= z - 0.5
                and reach[piece, 1] >= -0.5
                and reach[piece, 0] <= nx - 0.5
            ):
                in_slice[n_slice] = piece
                n_slice += 1
        for j in range(ny):
            y = float(j)
            n_row = 0
            for n in range(n_slice):
                piece = in_slice[n]
                if reach[piece, 2] <= y + 0.5 and reach[piece, 3] >= y - 0.5:
                    in_row[n_row] = piece
                    n_row += 1
            n_slots = 0
            slot_of[0], object_in[0], n_slots = 0, 0, 1  # the vacuum is always there
            for ray in range(n_rays):
                v, w = y + lattice[ray, 0], z + lattice[ray, 1]
                for c in range(3):  # the low face of voxel 0
                    work[c, ray] = (
                        -0.5 * world_from_voxel[c, 0]
                        + v * world_from_voxel[c, 1]
                        + w * world_from_voxel[c, 2]
                        + world_from_voxel[c, 3]
                    )
                work[3, ray], work[4, ray] = 0.0, row_end
                stretches[ray] = 0
                held[ray] = -1
            for n in range(n_row):
                piece = in_row[n]
                own = owner_of_piece[piece]
                row_intervals(n_rays, d, piece, centre, quadric, curved, plane_first, planes, work)
                if own == 1:  # the scene's box comes first and bounds all others
                    for ray in range(n_rays):
                        t0, t1 = work[5, ray], work[6, ray]
                        if t0 < t1:
                            work[3, ray], work[4, ray] = t0, t1
                            start[ray, 0], start[ray, 1], owner_at[ray, 0], stretches[ray] = t0, t1, 1, 1
                        else:
                            work[4, ray] = -math.inf  # nothing more of this ray
                    continue
                for ray in range(n_rays):
                    t0, t1 = work[5, ray], work[6, ray]
                    if not (t0 < t1 and stretches[ray]):
                        continue
                    if held[ray] == own and t0 <= held_to[ray] and t1 >= held_from[ray]:
                        held_from[ray], held_to[ray] = min(t0, held_from[ray]), max(t1, held_to[ray])
                        continue  # pieces of one object that overlap are painted once
                    if held[ray] >= 0:
                        stretches[ray] = paint_over(
                            stretches[ray], start[ray], owner_at[ray], held_from[ray], held_to[ray], held[ray], over
                        )
                    held[ray], held_from[ray], held_to[ray] = own, t0, t1
            for ray in range(n_rays):
                if held[ray] >= 0:
                    stretches[ray] = paint_over(
                        stretches[ray], start[ray], owner_at[ray], held_from[ray], held_to[ray], held[ray], over
                    )
                for n in range(stretches[ray]):
                    owner = owner_at[ray, n]
                    if slot_of[owner] < 0:
                        slot_of[owner], object_in[n_slots] = n_slots, owner
                        low_in[n_slots], high_in[n_slots] = nx, -1
                        n_slots += 1
                    slot = slot_of[owner]
                    a, b = start[ray, n] / voxel_mm, start[ray, n + 1] / voxel_mm
                    low_in[slot], high_in[slot] = min(low_in[slot], int(a)), max(high_in[slot], min(int(b), nx - 1))
                    _cover(part[slot], full[slot], a, b, nx)
            for i in range(nx):
                best[i], best_organ[i], empty[i] = 0.0, 0, 1.0
            n_present = 0
            for slot in range(1, n_slots):
                owner = object_in[slot]
                m = material_of[owner]
                if material_slot[m] < 0:
                    material_slot[m], material_in[n_present] = n_present, m
                    for i in range(nx):
                        mass[n_present, i] = 0.0
                    n_present += 1
                row = mass[material_slot[m]]
                covered, total = 0.0, 0.0
                for i in range(low_in[slot], high_in[slot] + 1):
                    covered += full[slot, i]
                    fraction = (covered + part[slot, i]) * share
                    if fraction > 0.0:
                        total += fraction
                        empty[i] -= fraction
                        row[i] += fraction * density_of[owner]
                        if fraction > best[i]:
                            best[i] = fraction
                            best_organ[i] = organ_of[owner]
                volumes[owner] += total
                for i in range(low_in[slot], high_in[slot] + 2):
                    part[slot, i], full[slot, i] = 0.0, 0.0
                slot_of[owner] = -1
            for i in range(nx):
                heaviest, most, total = 0, 0.0, 0.0
                for slot in range(n_present):
                    total += mass[slot, i]
                    if mass[slot, i] > most:
                        most, heaviest = mass[slot, i], material_in[slot]
                labels[k, j, i] = heaviest
                density[k, j, i] = total / material_density[heaviest]
            if len(organs):
                for i in range(nx):
                    organs[k, j, i] = best_organ[i] if best[i] > empty[i] else 0
            for slot in range(n_present):
                material_slot[material_in[slot]] = -1


@numba.njit(**_COMPILE)
def _cover(part, full, a, b, nx):
    """Add the stretch [a, b] in voxels from the low face of voxel 0."""
    i, j = min(int(a), nx - 1), min(int(b), nx - 1)
    if i == j:
        part[i] += b - a
    else:
        part[i] += i + 1 - a
        part[j] += b - j
        full[i + 1] += 1.0
        full[j] -= 1.0
