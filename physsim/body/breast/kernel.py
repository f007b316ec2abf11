"""The compiled voxel kernel of the breast: bricks of voxels, their nearby cells, and what each voxel is made of.

Space is cut into weighted Voronoi cells of two sizes (fat lobules); tissue lies on the walls between them with half
thickness = ligament + fill x max(0, glandularity). Where glandularity is low a wall is a Cooper's ligament, where it is
high the cell fills up. See docs/design/breast.md.

numba without fastmath: only + - * /, square roots, floor and shifts, with an exponential of its own; one build gives
equal bits on every x86-64. All of it is in one file because numba's cache sees only edits of the file that holds a
function. Import this module inside functions.
"""

# mypy: disable-error-code="no-untyped-def"
# numba infers the types.

from __future__ import annotations

import math

import numba
import numpy as np

_COMPILE = {"error_model": "numpy", "nogil": True, "cache": True}

ROOM = 2048  # samples that a brick can hold
_CHANNELS = 7  # of the coarse fields: u, v, w, glandularity, ligament, mottle, haze
_MOST_CELLS = 1023  # candidate cells of a brick: the low 10 bits of a key
_TILE = 128
# columns of a brick's sums: volume fractions of a voxel
COVERED, SKIN, MUSCLE, BLOOD, GLAND, IN_NIPPLE, IN_DUCT, IN_NODE, IN_PECTORAL, IN_ARMPIT = range(10)
COLUMNS = 10
# organs, in the order of their labels; what they are made of
ORGANS = ("background", "skin", "adipose tissue", "fibroglandular tissue", "nipple", "ducts", "vessels", "lymph nodes",
          "pectoral muscle", "axillary tissue")  # the last: skin, fat and strands behind the chest wall, in MLO
PARTS = 5  # fat, gland, skin, muscle, blood
# labels of voxels: levels of mixtures by volume
GLAND_LEVELS, SKIN_LEVELS, AIR_LEVELS, MUSCLE_LEVELS, BLOOD_LEVELS = 32, 8, 8, 8, 4
AIR_LABEL = 0
FAT_LABEL = 1  # FAT_LABEL + k: k / 32 gland in fat
SKIN_LABEL = FAT_LABEL + GLAND_LEVELS  # SKIN_LABEL + k: k / 8 skin in fat, k = 1..8
EDGE_LABEL = SKIN_LABEL + SKIN_LEVELS  # EDGE_LABEL + k: k / 8 skin in air, k = 1..7
MUSCLE_LABEL = EDGE_LABEL + AIR_LEVELS - 1  # MUSCLE_LABEL + k: k / 8 muscle in fat, k = 1..8
BLOOD_LABEL = MUSCLE_LABEL + MUSCLE_LEVELS  # BLOOD_LABEL + k: k / 4 blood in fat, k = 1..4
LABELS = BLOOD_LABEL + BLOOD_LEVELS + 1

# numbers of the recipe, by place in `numbers`
(P_HALF, P_NIPPLE_X, P_NIPPLE_Y, P_NIPPLE_R, P_LENGTH, P_HEIGHT, P_DOME, P_SKIN, P_THRESHOLD, P_WIDTH, P_FILL_1,
 P_FILL_2, P_SPREAD, P_OFFSET, P_LOOSE, P_TEXTURE, P_GRAIN, P_WALL_1, P_SHARE_1, P_WALL_2, P_SHARE_2, P_STRAND, P_HAZE,
 P_DEPTH_X0, P_DEPTH_Y0, P_DEPTH_STEP, P_COARSE_X0, P_COARSE_Y0, P_COARSE_Z0, P_COARSE_STEP, P_PITCH_1,
 P_PITCH_2, P_COARSE_STEP_Z) = range(33)
NUMBERS = 33


@numba.njit(**_COMPILE)
def mixed_bits(h):
    """A 32-bit word scrambled (the finaliser of MurmurHash3)."""
    h = np.uint32(h)
    h ^= h >> np.uint32(16)
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h ^= h >> np.uint32(13)
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    h ^= h >> np.uint32(16)
    return h


@numba.njit(**_COMPILE)
def unit(h):
    """A word as a number in [0, 1)."""
    return float(np.uint32(h) >> np.uint32(8)) * (1.0 / 16777216.0)


@numba.njit(**_COMPILE)
def make_cells(pitch, first, shape, key, seeds, names):
    """One jittered point a cubic cell, its power weight and its name, as functions of the cell's place and the key.

    seeds: (nz, ny, nx, 4) float32 u, v, w (mm) and weight / pitch^2 in +-0.11; names: (nz, ny, nx) uint32.
    """
    for k in range(shape[0]):
        for j in range(shape[1]):
            for i in range(shape[2]):
                a = np.uint32((first[0] + i) & 0xFFFFFFFF)
                b = np.uint32((first[1] + j) & 0xFFFFFFFF)
                c = np.uint32((first[2] + k) & 0xFFFFFFFF)
                h = mixed_bits(np.uint32(a * np.uint32(0x9E3779B1)) ^ np.uint32(key))
                h = mixed_bits(h ^ np.uint32(b * np.uint32(0x85EBCA77)))
                h = mixed_bits(h ^ np.uint32(c * np.uint32(0xC2B2AE3D)))
                names[k, j, i] = h
                word = h
                for axis in range(3):
                    word = mixed_bits(word + np.uint32(0x9E3779B9))
                    place = first[axis] + (i if axis == 0 else j if axis == 1 else k)
                    seeds[k, j, i, axis] = (place + unit(word)) * pitch
                total = 0.0
                for _ in range(4):
                    word = mixed_bits(word + np.uint32(0x9E3779B9))
                    total += unit(word)
                seeds[k, j, i, 3] = 0.03 * (total - 2.0) * 1.7320508075688772


@numba.njit(**_COMPILE)
def nearby_cells(pitch, first, seeds, names, centre, radius, found, found_names):
    """Copies the cells that can be among the three nearest (by power) of any point within `radius` of `centre`.

    found: (n, 5) float32 place, `pitch^2 0.11 - weight` (never negative) and a random number; returns how many, or -1
    for too many.
    """
    nz, ny, nx = names.shape
    ceiling = 0.11 * pitch * pitch
    ci = math.floor(centre[0] / pitch) - first[0]
    cj = math.floor(centre[1] / pitch) - first[1]
    ck = math.floor(centre[2] / pitch) - first[2]
    best1, best2, best3 = 1e30, 1e30, 1e30
    for k in range(max(ck - 1, 0), min(ck + 2, nz)):
        for j in range(max(cj - 1, 0), min(cj + 2, ny)):
            for i in range(max(ci - 1, 0), min(ci + 2, nx)):
                x, y, z = seeds[k, j, i, 0] - centre[0], seeds[k, j, i, 1] - centre[1], seeds[k, j, i, 2] - centre[2]
                far = math.sqrt(x * x + y * y + z * z) + radius
                bound = far * far + ceiling - seeds[k, j, i, 3] * pitch * pitch
                if bound < best1:
                    best1, best2, best3 = bound, best1, best2
                elif bound < best2:
                    best2, best3 = bound, best2
                elif bound < best3:
                    best3 = bound
    reach = math.sqrt(best3) + radius
    low_i = max(math.floor((centre[0] - reach) / pitch) - first[0], 0)
    low_j = max(math.floor((centre[1] - reach) / pitch) - first[1], 0)
    low_k = max(math.floor((centre[2] - reach) / pitch) - first[2], 0)
    high_i = min(math.floor((centre[0] + reach) / pitch) - first[0] + 1, nx)
    high_j = min(math.floor((centre[1] + reach) / pitch) - first[1] + 1, ny)
    high_k = min(math.floor((centre[2] + reach) / pitch) - first[2] + 1, nz)
    count = 0
    for k in range(low_k, high_k):
        for j in range(low_j, high_j):
            for i in range(low_i, high_i):
                x, y, z = seeds[k, j, i, 0] - centre[0], seeds[k, j, i, 1] - centre[1], seeds[k, j, i, 2] - centre[2]
                near = max(math.sqrt(x * x + y * y + z * z) - radius, 0.0)
                own = ceiling - seeds[k, j, i, 3] * pitch * pitch
                if near * near + own <= best3:
                    if count >= _MOST_CELLS:
                        return -1
                    for axis in range(3):
                        found[count, axis] = seeds[k, j, i, axis]
                    found[count, 3] = own
                    found[count, 4] = unit(mixed_bits(names[k, j, i] + np.uint32(77)))
                    found_names[count] = names[k, j, i]
                    count += 1
    return count


@numba.njit(**_COMPILE)
def three_nearest(places, keys, n, cells, count):
    """The three nearest cells of each sample, as keys: power distance in the high bits, number in the low ten bits.

    places: flat float32, u at [0, n), v at [ROOM, ROOM + n), w at [2 ROOM, ...); keys: flat int32, likewise.
    """
    for i in range(n):
        keys[i] = 0x7F000000
        keys[ROOM + i] = 0x7F000000
        keys[2 * ROOM + i] = 0x7F000000
    for c in range(count):
        su, sv, sw, own = cells[c, 0], cells[c, 1], cells[c, 2], cells[c, 3]
        number = np.int32(c)
        for i in range(n):
            du, dv, dw = places[i] - su, places[ROOM + i] - sv, places[2 * ROOM + i] - sw
            distance = du * du + dv * dv + dw * dw + own
            key = (np.float32(distance).view(np.int32) & np.int32(-1024)) | number
            first, second, third = keys[i], keys[ROOM + i], keys[2 * ROOM + i]
            over = max(first, key)
            keys[i] = min(first, key)
            above = max(second, over)
            keys[ROOM + i] = min(second, over)
            keys[2 * ROOM + i] = min(third, above)


@numba.njit(**_COMPILE)
def exponential(x):
    """exp(x) for |x| < 80, within 1e-12."""
    k = math.floor(x * 1.4426950408889634 + 0.5)
    r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10
    series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120 + r * (1.0 / 720 + r * (
        1.0 / 5040 + r * (1.0 / 40320 + r / 362880.0))))))))
    return series * np.int64((int(k) + 1023) << 52).view(np.float64)


@numba.njit(**_COMPILE)
def noise_at(tile, x, y, z):
    """Trilinear value of the periodic tile at a place in cells."""
    fi, fj, fk = math.floor(x), math.floor(y), math.floor(z)
    a, b, c = x - fi, y - fj, z - fk
    i0, j0, k0 = int(fi) & (_TILE - 1), int(fj) & (_TILE - 1), int(fk) & (_TILE - 1)
    i1, j1, k1 = (i0 + 1) & (_TILE - 1), (j0 + 1) & (_TILE - 1), (k0 + 1) & (_TILE - 1)
    p, q = tile[k0, j0, i0], tile[k0, j0, i1]
    r, s = tile[k0, j1, i0], tile[k0, j1, i1]
    low = (p + a * (q - p)) + b * ((r + a * (s - r)) - (p + a * (q - p)))
    p, q = tile[k1, j0, i0], tile[k1, j0, i1]
    r, s = tile[k1, j1, i0], tile[k1, j1, i1]
    high = (p + a * (q - p)) + b * ((r + a * (s - r)) - (p + a * (q - p)))
    return low + c * (high - low)


@numba.njit(**_COMPILE)
def clipped(x):
    """x held to 0..1."""
    return min(max(x, 0.0), 1.0)


@numba.njit(**_COMPILE)
def sheet(half, distance, blur):
    """Fraction of tissue at a distance from the middle of a sheet; one thinner than the blur keeps its volume."""
    if half <= 0.0:
        return 0.0
    value = clipped((half - distance) / blur + 0.5)
    if 2.0 * half < blur:
        wide = half + 0.5 * blur
        value *= 2.0 * blur * half / (wide * wide)
    return value


@numba.njit(**_COMPILE)
def cord(radius, distance, blur):
    """Fraction of tissue at a distance from the axis of a cord; one thinner than the blur keeps its volume."""
    if radius <= 0.0:
        return 0.0
    value = clipped((radius - distance) / blur + 0.5)
    if 2.0 * radius < blur:
        wide = radius + 0.5 * blur
        value *= 3.0 * blur * radius * radius / (wide * wide * wide)
    return value


@numba.njit(**_COMPILE)
def wall_distances(places, keys, n, cells, names, walls):
    """What the three nearest cells say about each sample, in a loop without branches.

    walls: flat float32: distance to the wall of the first two cells; to that of the first and third; the first cell's
    random number; those of the pair and of the three.
    """
    half, tiny, scale = np.float32(0.5), np.float32(1e-12), np.float32(1.0 / 16777216.0)
    none = np.float32(0.0)
    for i in range(n):
        one, two, three = keys[i] & 1023, keys[ROOM + i] & 1023, keys[2 * ROOM + i] & 1023
        u, v, w = places[i], places[ROOM + i], places[2 * ROOM + i]
        u1, v1, w1 = cells[one, 0], cells[one, 1], cells[one, 2]
        u2, v2, w2 = cells[two, 0], cells[two, 1], cells[two, 2]
        u3, v3, w3 = cells[three, 0], cells[three, 1], cells[three, 2]
        x, y, z = u - u1, v - v1, w - w1
        f1 = x * x + y * y + z * z + cells[one, 3]
        x, y, z = u - u2, v - v2, w - w2
        f2 = x * x + y * y + z * z + cells[two, 3]
        x, y, z = u - u3, v - v3, w - w3
        f3 = x * x + y * y + z * z + cells[three, 3]
        x, y, z = u1 - u2, v1 - v2, w1 - w2
        walls[i] = half * max(f2 - f1, none) / np.float32(math.sqrt(x * x + y * y + z * z + tiny))
        x, y, z = u1 - u3, v1 - v3, w1 - w3
        walls[ROOM + i] = half * max(f3 - f1, none) / np.float32(math.sqrt(x * x + y * y + z * z + tiny))
        walls[2 * ROOM + i] = cells[one, 4]
        pair = names[one] ^ names[two]
        walls[3 * ROOM + i] = np.float32(np.int32(mixed_bits(pair) >> np.uint32(8))) * scale
        triple = (pair ^ names[three]) + np.uint32(5)
        walls[4 * ROOM + i] = np.float32(np.int32(mixed_bits(triple) >> np.uint32(8))) * scale


@numba.njit(**_COMPILE)
def glandular_fraction(u, v, w, g, ligament, mottle, haze, blur, numbers, tile, large, small, at):
    """Volume fraction of fibroglandular tissue (with ligaments) of one sample; large, small: see wall_distances."""
    # large cells: lobules
    b, b3 = float(large[at]), float(large[ROOM + at])
    w1 = numbers[P_FILL_1] * max(0.0, g + numbers[P_SPREAD] * (float(large[2 * ROOM + at]) - 0.5))
    strength = float(large[3 * ROOM + at])
    total = w1
    if strength < numbers[P_SHARE_1]:
        total += numbers[P_WALL_1] * ligament * (0.5 + strength / numbers[P_SHARE_1]) * min(1.0, (b3 - b) / 1.5)
    fine, have_fine = 0.0, False
    f = 0.0
    if total > 0.0 and b < total + 2.0 + blur:
        if w1 > 0.0:
            fine, have_fine = noise_at(tile, u * 2.6, v * 1.5, w * 1.5), True
        moved = b + (0.45 * mottle + 0.15 * fine) * min(1.0, w1)
        soft = max(blur, min(0.08 * w1, 0.2) + 0.1)
        f = sheet(total, moved, soft) if soft == blur else (
            clipped((total - moved) / soft + 0.5) * min(1.0, 2.0 * total / blur))
    radius = numbers[P_STRAND] * ligament * (0.3 + 1.2 * float(large[4 * ROOM + at]))
    off_axis = b * b + b3 * b3
    if off_axis < (radius + blur) * (radius + blur):
        f = max(f, cord(radius, math.sqrt(off_axis), blur))
    # small cells: lobulettes
    c, c3 = float(small[at]), float(small[ROOM + at])
    w2 = numbers[P_FILL_2] * max(
        0.0, g + 1.3 * numbers[P_SPREAD] * (float(small[2 * ROOM + at]) - 0.5) - numbers[P_OFFSET])
    strength2 = float(small[3 * ROOM + at])
    total2 = 0.5 * w2
    if strength2 < numbers[P_SHARE_2]:
        total2 += numbers[P_WALL_2] * ligament * (0.5 + strength2 / numbers[P_SHARE_2]) * min(1.0, (c3 - c) / 0.7)
    radius2 = 0.6 * numbers[P_STRAND] * ligament * (0.3 + 1.2 * float(small[4 * ROOM + at]))
    near_wall = total2 > 0.0 and c < total2 + blur + 1.2 * min(1.0, w2)
    off_axis2 = c * c + c3 * c3
    near_cord = off_axis2 < (radius2 + blur) * (radius2 + blur)
    if f > 0.0 or near_wall:
        if not have_fine and w2 > 0.0:
            fine = noise_at(tile, u * 2.6, v * 1.5, w * 1.5)
        texture = numbers[P_TEXTURE]
        if f > 0.0 or w2 > 0.0:
            grain = noise_at(tile, u * 6.0, v * 2.2, w * 2.2)
            fibre = noise_at(tile, 2.0 * u, 2.2 * v, 2.2 * w)
            texture = clipped(texture + numbers[P_GRAIN] * (
                0.5 * grain + 0.5 * (1.2 - 2.0 * min(abs(fibre), 1.4)) + 0.2 * mottle))
        moved = c + 0.25 * fine * min(1.0, w2)
        if f > 0.0:
            soft = max(blur, 0.12 + min(0.08 * w2, 0.1))
            net = clipped((0.25 + 0.5 * strength2 * strength2 + w2 - moved) / soft + 0.5)
            loose = clipped(numbers[P_LOOSE] * (1.0 + 0.3 * mottle + 0.5 * fine))
            f *= texture * (loose + (1.0 - loose) * net)
        if near_wall:
            soft = max(blur, min(0.08 * w2, 0.15) + 0.1)
            wall = sheet(total2, moved, soft) if soft == blur else (
                clipped((total2 - moved) / soft + 0.5) * min(1.0, 2.0 * total2 / blur))
            f = max(f, texture * wall)
    if near_cord:
        f = max(f, cord(radius2, math.sqrt(off_axis2), blur))
    if g > -1.0:
        f = max(f, min(0.6, haze * min(1.1 + 1.1 * g, 1.5)))
    return f


@numba.njit(**_COMPILE)
def depth_below(depth, numbers, x, y):
    """Signed depth below the outline (mm), bilinear."""
    ny, nx = depth.shape
    i = min(max((x - numbers[P_DEPTH_X0]) / numbers[P_DEPTH_STEP], 0.0), nx - 1.001)
    j = min(max((y - numbers[P_DEPTH_Y0]) / numbers[P_DEPTH_STEP], 0.0), ny - 1.001)
    a, b = int(i), int(j)
    s, t = i - a, j - b
    return (1 - t) * ((1 - s) * depth[b, a] + s * depth[b, a + 1]) + t * (
        (1 - s) * depth[b + 1, a] + s * depth[b + 1, a + 1])


@numba.njit(**_COMPILE)
def behind_wall(wall, numbers, x, y):
    """How far a column lies behind the front of the muscle (mm), and behind the breast's back; negative before them."""
    j = min(max((y - numbers[P_DEPTH_Y0]) / numbers[P_DEPTH_STEP], 0.0), wall.shape[0] - 1.001)
    b = int(j)
    t = j - b
    back = (1 - t) * wall[b, 0] + t * wall[b + 1, 0] - x
    front = (1 - t) * wall[b, 1] + t * wall[b + 1, 1] - x
    return front * ((1 - t) * wall[b, 2] + t * wall[b + 1, 2]), back


@numba.njit(**_COMPILE)
def muscle_at(numbers, tile, behind, y, z, h):
    """Coverage by the pectoral muscle and its muscle fraction: a wedge of fascicles parted by fat.

    The bundles part from the muscle's edge downward, as they run from the arm to ribs and breastbone.
    """
    if behind < -h:
        return 0.0, 0.0
    oblique = numbers[P_HEIGHT] > 0.0
    slope, first = (0.3, 1.5) if oblique else (0.5, 0.5)
    thick = min(first + slope * max(behind, 0.0), 0.34 * numbers[P_HALF])
    inside = clipped((thick - abs(z - 0.92 * numbers[P_HALF])) / 0.5 + 0.5) * clipped(behind / h + 0.5)
    if inside <= 0.0:
        return 0.0, 0.0
    across = behind
    if oblique:
        across = behind * (0.45 + 0.75 * y / numbers[P_HEIGHT])
    across += 1.6 * noise_at(tile, 0.16 * y, 0.16 * behind, 0.1 * z)
    across += 0.35 * noise_at(tile, 0.5 * y, 0.4 * behind, 0.4 * z)
    strip = noise_at(tile, 0.07 * y, 1.3 * across, 0.9 * z)
    return inside, 1.0 - min(0.75, max(0.7 * (strip - 0.7), 0.0))


@numba.njit(**_COMPILE)
def paint_strip(rows, slab, spacing, part, brick, y0, numbers, depth, wall, nodes, tile, first_1, seeds_1, names_1,
                first_2, seeds_2, names_2, bin_start, bin_list, segments, ellipsoids, mirror, carry, labels, organs,
                volumes):
    """Paint the voxels of rows [rows[0], rows[1]) and slices [slab[0], slab[1]).

    wall: (rows of depth, 3), see behind_wall. labels: (slices, ny, nx) uint8 of this slab; organs: likewise or
    (0, 0, 0); volumes: (10 organs, 5 parts) float64, in samples, added to; carry: (ny, nx) float32, what rounding left
    over of each column so far. `part`: samples a voxel along each axis; brick: voxels (z, y, x).
    Returns 0, or 1 where a brick met too many cells.
    """
    nx = labels.shape[2]
    n_rows_all = labels.shape[1]
    h = spacing / part
    bz, by, bx = brick
    sy, sx, sz = by * part, bx * part, bz * part
    places = np.empty(3 * ROOM, np.float32)
    more = np.empty((4, ROOM), np.float32)
    large, small = np.empty(5 * ROOM, np.float32), np.empty(5 * ROOM, np.float32)
    keys = np.empty(6 * ROOM, np.int32)
    small_keys = keys[3 * ROOM:]
    cells_1, cells_2 = np.empty((_MOST_CELLS, 5), np.float32), np.empty((_MOST_CELLS, 5), np.float32)
    own_1, own_2 = np.empty(_MOST_CELLS, np.uint32), np.empty(_MOST_CELLS, np.uint32)
    nz_c = nodes.shape[2]
    profile = np.empty((sy * sx, nz_c, _CHANNELS), np.float32)
    column = np.empty((sy * sx, 7))
    sums = np.empty((bz * by * bx, COLUMNS), np.float32)
    col_of, slice_of, voxel_of = np.empty(ROOM, np.int32), np.empty(ROOM, np.int32), np.empty(ROOM, np.int32)
    col_voxel = np.empty(sy * sx, np.int64)  # place of a column's voxel in a layer of the brick, or -1 beyond the box
    deep = np.empty(ROOM)
    centre = np.empty(3)
    near_segments = np.empty(256, np.int32)
    half = numbers[P_HALF]
    dome = numbers[P_DOME] > 0.5
    nipple_x, nipple_y, nipple_r = numbers[P_NIPPLE_X], numbers[P_NIPPLE_Y], numbers[P_NIPPLE_R]
    step = numbers[P_COARSE_STEP]
    blur = 1.6 * min(h, numbers[P_WIDTH])
    share = 1.0 / (part * part * part)
    for j_first in range(rows[0], rows[1], by):
        for i_first in range(0, nx, bx):
            any_inside = False
            for sj in range(sy):
                for si in range(sx):
                    col = sj * sx + si
                    x = (i_first * part + si + 0.5) * h
                    y = y0 + (j_first * part + sj + 0.5) * h
                    e = depth_below(depth, numbers, x, abs(y) if dome else y)
                    away = (x - nipple_x) ** 2 + (y - nipple_y) ** 2
                    column[col, 0], column[col, 1], column[col, 2] = x, y, e
                    column[col, 3] = numbers[P_SKIN] * (1.0 + 0.8 * exponential(-min(away / 80.0, 60.0)))
                    column[col, 4], column[col, 6] = behind_wall(wall, numbers, x, y)
                    beside = abs(y - nipple_y) < nipple_r + 8.0 and nipple_x - 16.0 < x < nipple_x + nipple_r + 4.0
                    column[col, 5] = 1.0 if beside else 0.0
                    col_voxel[col] = -1
                    if (e > -h or beside) and i_first + si // part < nx and j_first + sj // part < rows[1]:
                        col_voxel[col] = (sj // part) * bx + si // part
                        any_inside = True
            if not any_inside:
                for k in range(labels.shape[0]):
                    for j in range(j_first, min(j_first + by, rows[1])):
                        for i in range(i_first, min(i_first + bx, nx)):
                            jj = n_rows_all - 1 - j if mirror else j
                            labels[k, jj, i] = AIR_LABEL
                            if organs.shape[0] > 0:
                                organs[k, jj, i] = 0
                continue
            for col in range(sy * sx):
                p = (column[col, 0] - numbers[P_COARSE_X0]) / step
                q = (column[col, 1] - numbers[P_COARSE_Y0]) / step
                p, q = min(max(p, 0.0), nodes.shape[1] - 1.001), min(max(q, 0.0), nodes.shape[0] - 1.001)
                pi, qi = int(p), int(q)
                fp, fq = np.float32(p - pi), np.float32(q - qi)
                rp, rq = np.float32(1.0) - fp, np.float32(1.0) - fq
                a00, a01, a10, a11 = rq * rp, rq * fp, fq * rp, fq * fp
                n00, n01 = nodes[qi, pi], nodes[qi, pi + 1]
                n10, n11 = nodes[qi + 1, pi], nodes[qi + 1, pi + 1]
                for k in range(nz_c):
                    for channel in range(_CHANNELS):
                        profile[col, k, channel] = (
                            a00 * n00[k, channel] + a01 * n01[k, channel] + a10 * n10[k, channel]
                            + a11 * n11[k, channel])
            bin_at = (j_first // by) * ((nx + bx - 1) // bx) + i_first // bx
            for k_first in range(slab[0], slab[1], bz):
                sums[:, :] = 0.0
                n = 0
                low_u, low_v, low_w = np.float32(1e9), np.float32(1e9), np.float32(1e9)
                high_u, high_v, high_w = np.float32(-1e9), np.float32(-1e9), np.float32(-1e9)
                for sk in range(min(sz, (slab[1] - k_first) * part)):
                    z = (k_first * part + sk + 0.5) * h
                    level = (z - numbers[P_COARSE_Z0]) / numbers[P_COARSE_STEP_Z]
                    kc = int(level)
                    fz = np.float32(level - kc)
                    across = z - half
                    layer = (sk // part) * by * bx
                    for col in range(sy * sx):
                        if col_voxel[col] < 0:
                            continue
                        e = column[col, 2]
                        if dome:
                            y = column[col, 1]
                            d = depth_below(depth, numbers, column[col, 0], math.sqrt(y * y + across * across))
                        elif e < half:
                            d = half - math.sqrt((half - e) * (half - e) + across * across)
                        else:
                            d = half - abs(across)
                        if column[col, 5] > 0.5:
                            along = min(max(column[col, 0], nipple_x - 6.0), nipple_x + 1.0) - column[col, 0]
                            off = column[col, 1] - nipple_y
                            dn = nipple_r - math.sqrt(along * along + off * off + across * across)
                            gap = max(8.0 - abs(d - dn), 0.0)
                            d = max(d, dn) + gap * gap / 32.0
                        covered = clipped(d / h + 0.5)
                        if covered <= 0.0:
                            continue
                        inner = clipped((d - column[col, 3]) / h + 0.5)
                        voxel = layer + col_voxel[col]
                        sums[voxel, COVERED] += np.float32(covered * share)
                        sums[voxel, SKIN] += np.float32((covered - inner) * share)
                        volumes[9 if column[col, 6] > 0.0 else 1, 2] += covered - inner
                        if column[col, 6] > 0.0:
                            sums[voxel, IN_ARMPIT] += np.float32((covered - inner) * share)
                        if inner <= 0.0:
                            continue
                        low, high = profile[col, kc], profile[col, kc + 1]
                        u = low[0] + fz * (high[0] - low[0])
                        v = low[1] + fz * (high[1] - low[1])
                        w = low[2] + fz * (high[2] - low[2])
                        places[n], places[ROOM + n], places[2 * ROOM + n] = u, v, w
                        more[0, n] = low[3] + fz * (high[3] - low[3])
                        more[1, n] = low[4] + fz * (high[4] - low[4])
                        more[2, n] = low[5] + fz * (high[5] - low[5])
                        more[3, n] = low[6] + fz * (high[6] - low[6])
                        low_u, high_u = min(low_u, u), max(high_u, u)
                        low_v, high_v = min(low_v, v), max(high_v, v)
                        low_w, high_w = min(low_w, w), max(high_w, w)
                        col_of[n], slice_of[n], voxel_of[n] = col, sk, voxel
                        deep[n] = inner
                        n += 1
                if n > 0:
                    centre[0] = 0.5 * (float(low_u) + float(high_u))
                    centre[1] = 0.5 * (float(low_v) + float(high_v))
                    centre[2] = 0.5 * (float(low_w) + float(high_w))
                    a, b, c = float(high_u) - centre[0], float(high_v) - centre[1], float(high_w) - centre[2]
                    radius = math.sqrt(a * a + b * b + c * c) + 1e-4
                    n_1 = nearby_cells(numbers[P_PITCH_1], first_1, seeds_1, names_1, centre, radius, cells_1, own_1)
                    n_2 = nearby_cells(numbers[P_PITCH_2], first_2, seeds_2, names_2, centre, radius, cells_2, own_2)
                    if n_1 < 3 or n_2 < 3:
                        return 1
                    three_nearest(places, keys, n, cells_1, n_1)
                    three_nearest(places, small_keys, n, cells_2, n_2)
                    wall_distances(places, keys, n, cells_1, own_1, large)
                    wall_distances(places, small_keys, n, cells_2, own_2, small)
                    z_low, z_high = k_first * spacing, (k_first + bz) * spacing
                    n_near = 0
                    for s in range(bin_start[bin_at], bin_start[bin_at + 1]):
                        row = segments[bin_list[s]]
                        wide = max(row[6], row[7]) + h
                        if min(row[2], row[5]) - wide < z_high and max(row[2], row[5]) + wide > z_low and n_near < 256:
                            near_segments[n_near] = bin_list[s]
                            n_near += 1
                    for at in range(n):
                        col, voxel = col_of[at], voxel_of[at]
                        x, y = column[col, 0], column[col, 1]
                        z = (k_first * part + slice_of[at] + 0.5) * h
                        inner = deep[at]
                        behind = column[col, 4]
                        pectoral, muscle = muscle_at(numbers, tile, behind, y, z, h)
                        gland = 0.0
                        if pectoral < 1.0:
                            g = more[0, at] - numbers[P_THRESHOLD]
                            gland = glandular_fraction(
                                places[at], places[ROOM + at], places[2 * ROOM + at], g, float(more[1, at]),
                                float(more[2, at]), float(more[3, at]), blur, numbers, tile, large, small, at)
                        nipple = 0.0
                        if column[col, 5] > 0.5 and x > nipple_x - 5.0:
                            off = math.sqrt((y - nipple_y) ** 2 + (z - half) ** 2)
                            nipple = clipped((nipple_r + 1.0 - off) / 1.0) * clipped((x - nipple_x + 5.0) / 2.0)
                        if column[col, 5] > 0.5:  # muscle and ducts under the areola, a cone towards the gland
                            off = math.sqrt((y - nipple_y) ** 2 + (z - half) ** 2)
                            wide = nipple_r + 3.0 + 0.45 * (x - nipple_x)
                            cone = clipped((wide - off + 0.8 * more[2, at]) / 2.5 + 0.5) * clipped(
                                (x - nipple_x + 15.0) / 4.0)
                            gland = max(gland, 0.85 * cone)
                        gland *= 1.0 - pectoral
                        duct, blood, node = 0.0, 0.0, 0.0
                        for s in range(n_near):
                            row = segments[near_segments[s]]
                            ax, ay, az = x - row[0], y - row[1], z - row[2]
                            dx, dy, dz = row[3] - row[0], row[4] - row[1], row[5] - row[2]
                            t = clipped((ax * dx + ay * dy + az * dz) / (dx * dx + dy * dy + dz * dz + 1e-12))
                            ax, ay, az = ax - t * dx, ay - t * dy, az - t * dz
                            r = row[6] + t * (row[7] - row[6])
                            off2 = ax * ax + ay * ay + az * az
                            if off2 < (r + h) * (r + h):
                                value = cord(r, math.sqrt(off2), h)
                                if row[8] > 0.5:
                                    blood = max(blood, value)
                                else:
                                    duct = max(duct, value)
                        gland = max(gland, 0.95 * duct)
                        for s in range(len(ellipsoids)):
                            row = ellipsoids[s]
                            ax, ay, az = x - row[0], y - row[1], z - row[2]
                            if ax * ax + ay * ay + az * az < 100.0:
                                r = math.sqrt((ax / row[3]) ** 2 + (ay / row[4]) ** 2 + (az / row[4]) ** 2)
                                value = clipped((1.0 - r) * row[4] / max(h, 0.3) + 0.5)
                                if value > 0.0:
                                    ax, ay = ax - 0.35 * row[3], ay + 0.2 * row[4]
                                    r = math.sqrt((ax / (0.5 * row[3])) ** 2 + (ay / (0.45 * row[4])) ** 2 + (
                                        az / (0.45 * row[4])) ** 2)
                                    hilum = 0.85 * clipped((1.0 - r) * 1.2 + 0.5)
                                    node = max(node, value)
                                    gland = gland + (1.0 - pectoral) * value * (0.97 * (1.0 - hilum) - gland)
                        gland *= 1.0 - blood
                        muscle *= pectoral * (1.0 - blood)
                        # sums of the voxel and of the organs
                        sums[voxel, MUSCLE] += np.float32(inner * muscle * share)
                        sums[voxel, BLOOD] += np.float32(inner * blood * share)
                        sums[voxel, GLAND] += np.float32(inner * gland * share)
                        rest = inner * (1.0 - blood)
                        volumes[6, 4] += inner * blood
                        if pectoral > 0.5:
                            organ = 8
                            sums[voxel, IN_PECTORAL] += np.float32(rest * share)
                        elif node > 0.5:
                            organ = 7
                            sums[voxel, IN_NODE] += np.float32(rest * share)
                        elif nipple > 0.5:
                            organ = 4
                            sums[voxel, IN_NIPPLE] += np.float32(rest * share)
                        elif duct > 0.5:
                            organ = 5
                            sums[voxel, IN_DUCT] += np.float32(rest * share)
                        elif column[col, 6] > 0.0:
                            organ = 9
                            sums[voxel, IN_ARMPIT] += np.float32(rest * share)
                        else:
                            organ = 3
                        fat = max(rest - inner * (gland + muscle), 0.0)
                        volumes[organ if organ != 3 else 2, 0] += fat
                        volumes[organ, 1] += inner * gland
                        volumes[organ, 3] += inner * muscle
                for k in range(min(bz, slab[1] - k_first)):
                    for j in range(min(by, rows[1] - j_first)):
                        for i in range(min(bx, nx - i_first)):
                            row = sums[(k * by + j) * bx + i]
                            jj = n_rows_all - 1 - (j_first + j) if mirror else j_first + j
                            label, left = level_of(row, carry[j_first + j, i_first + i])
                            carry[j_first + j, i_first + i] = left
                            labels[k_first - slab[0] + k, jj, i_first + i] = label
                            if organs.shape[0] > 0:
                                organs[k_first - slab[0] + k, jj, i_first + i] = organ_of(row)
    return 0


@numba.njit(**_COMPILE)
def level_of(row, left):
    """The label nearest to a voxel's fractions and to what was left over in its column, and what is left now.

    The rounded volume of all that is not fat is carried on along the beam, so that sums along a column are kept to half
    a level of one voxel.
    """
    covered = float(row[COVERED])
    if covered < 0.0625:
        return AIR_LABEL, left
    if covered < 0.9375:
        k = int(covered * AIR_LEVELS + 0.5)
        return EDGE_LABEL + min(max(k, 1), AIR_LEVELS - 1), left
    skin, muscle, blood, gland = float(row[SKIN]), float(row[MUSCLE]), float(row[BLOOD]), float(row[GLAND])
    total = skin + muscle + blood + gland
    if total < 1e-4:
        return FAT_LABEL, left
    wanted = total + left
    if gland >= skin and gland >= muscle and gland >= blood:
        levels, base = GLAND_LEVELS, FAT_LABEL
    elif skin >= muscle and skin >= blood:
        levels, base = SKIN_LEVELS, SKIN_LABEL
    elif muscle >= blood:
        levels, base = MUSCLE_LEVELS, MUSCLE_LABEL
    else:
        levels, base = BLOOD_LEVELS, BLOOD_LABEL
    k = min(max(math.floor(wanted * levels + 0.5), 0), levels)
    rest = min(max(wanted - k / levels, -0.25), 0.25)
    return (base + k if k > 0 else FAT_LABEL), np.float32(rest)


@numba.njit(**_COMPILE)
def organ_of(row):
    """The organ with the largest part of a voxel."""
    covered = float(row[COVERED])
    if covered < 0.5:
        return 0
    skin, blood = float(row[SKIN]), float(row[BLOOD])
    best, organ = skin, 1
    inside = covered - skin - blood
    armpit = float(row[IN_ARMPIT])
    named = float(row[IN_PECTORAL]) + float(row[IN_NODE]) + float(row[IN_NIPPLE]) + float(row[IN_DUCT]) + armpit
    gland = min(float(row[GLAND]), max(inside - named, 0.0))
    if inside - named - gland > best:
        best, organ = inside - named - gland, 2
    if gland > best:
        best, organ = gland, 3
    if row[IN_NIPPLE] > best:
        best, organ = float(row[IN_NIPPLE]), 4
    if row[IN_DUCT] > best:
        best, organ = float(row[IN_DUCT]), 5
    if blood > best:
        best, organ = blood, 6
    if row[IN_NODE] > best:
        best, organ = float(row[IN_NODE]), 7
    if row[IN_PECTORAL] > best:
        best, organ = float(row[IN_PECTORAL]), 8
    if armpit >= best and armpit > 0.0:
        organ = 9
    return organ
