"""Compiled painting: a machine that runs the body's program on bricks of voxels, and paints them front to back.

numba without fastmath; only + - * / and square roots in float32, with logarithm, exponential and sine of this file: one
build gives equal bits on every x86-64. Sums are whole numbers. Import this module inside functions. All of it is in one
file because numba's cache sees only edits of the file that holds a function, not of those it calls, nor of constants
imported from elsewhere: so the instructions' numbers stand here too.

A register holds one float32 for each of the 16 x 8 x 8 voxels of a brick (x fastest), or one for its centre: each
structure is first evaluated at the centre, and bounds from there (value +- slope x half diagonal) tell which parts, or
the whole, can matter in the brick.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, misc, assignment"
# numba infers the types.

from __future__ import annotations

import math

import numba
import numpy as np
from numba.core import types
from numba.extending import intrinsic

_COMPILE = {"error_model": "numpy", "nogil": True, "cache": True}

BRICK_X, BRICK_Y, BRICK_Z = 16, 8, 8
VOXELS = BRICK_X * BRICK_Y * BRICK_Z
# instructions; operands by column: 1 dst, 2 a, 3 b, 4 c, 5 first constant, 6 and 7 whole numbers, 8 frame
RETURN, CONST, COPY, ADD, SUB, MUL, DIV, MIN, MAX, LT, POW = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
ADD_CONST, MUL_CONST, MIN_CONST, MAX_CONST, POW_CONST, CONST_DIV, LT_CONST, CONST_LT = 11, 12, 13, 14, 15, 16, 17, 18
NEG, ABS, SQRT, EXP, LOG, SIN, COS, SIGMOID = 20, 21, 22, 23, 24, 25, 26, 27
TABLE, NOISE = 30, 31
ELLIPSOID, SUPERELLIPSOID, ROUND_TUBE, ELLIPTIC_TUBE, BRANCHES = 40, 41, 42, 43, 44
LOFT, PLATE, SHEET, PLANE = 45, 46, 47, 48
PART, JOIN, JOIN_PAYLOAD, CALL, FRAME = 50, 51, 52, 53, 54
JOIN_ADD, JOIN_SUBTRACT, JOIN_KEEP = 0, 1, 2
FRAME_ROW, FIELD_ROW, FAR_ROW = 1, 3, 5  # of `marks`: stamps of frames (centre, whole), of fields, far parts
SEGMENT, LOFT_ROW, TRIANGLE = 24, 6, 31  # numbers a row of these tables in `data`
FIXED = 2**18  # a voxel, in the whole numbers that volumes are summed in
DENSEST = 7.5  # relative density that the sums can hold

F0, F1, F2, HALF, QUARTER = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5), np.float32(0.25)
FAR = np.float32(1e6)
TINY = np.float32(1e-12)
_THIRD = np.float32(1 / 3)
_FIXED, _DENSEST = np.float32(FIXED), np.float32(DENSEST)
_LITTLE = np.float32(1e-4)  # transmitted share below which a brick is done


@intrinsic
def _bits(typingctx, value):
    """float32 to the int32 of equal bits."""

    def code(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(types.int32))

    return types.int32(types.float32), code


@intrinsic
def _float(typingctx, value):
    """int32 to the float32 of equal bits."""

    def code(context, builder, signature, args):
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), code


_E_MASK, _M_MASK, _ONE_BITS, _BIAS = np.int32(0xFF), np.int32(0x7FFFFF), np.int32(0x3F800000), np.int32(127)
_SHIFT = np.int32(23)
_ROOT2 = np.float32(1.4142135)
_L1, _L3 = np.float32(2.885390082), np.float32(2.885390082 / 3)
_L5, _L7, _L9 = np.float32(2.885390082 / 5), np.float32(2.885390082 / 7), np.float32(2.885390082 / 9)
_SMALLEST = np.float32(1.2e-38)


@numba.njit(**_COMPILE)
def _log2(x):
    """Base-2 logarithm of positive normal numbers, within 3e-7: 2 artanh((m - 1) / (m + 1)) / ln 2 by its series."""
    x = x if x > _SMALLEST else _SMALLEST
    word = _bits(x)
    exponent = np.float32(np.int32(((word >> _SHIFT) & _E_MASK) - _BIAS))
    m = _float(np.int32((word & _M_MASK) | _ONE_BITS))
    exponent = exponent + F1 if m > _ROOT2 else exponent
    m = m * HALF if m > _ROOT2 else m
    s = (m - F1) / (m + F1)
    q = s * s
    return exponent + s * (_L1 + q * (_L3 + q * (_L5 + q * (_L7 + q * _L9))))


_X_LOW, _X_HIGH = np.float32(-126), np.float32(126)
_X1, _X2, _X3 = np.float32(0.6931471806), np.float32(0.2402265070), np.float32(0.0555041087)
_X4, _X5, _X6 = np.float32(0.0096181291), np.float32(0.0013333558), np.float32(0.000154035304)
_ROUND = np.float32(12582912.0)  # 1.5 x 2^23: adding it rounds to a whole number


@numba.njit(**_COMPILE)
def _exp2(x):
    """2^x for -126 <= x <= 126 (held there), relative error 2e-7: Taylor series about the nearest whole number."""
    x = x if x > _X_LOW else _X_LOW
    x = x if x < _X_HIGH else _X_HIGH
    whole = (x + _ROUND) - _ROUND
    f = x - whole
    series = F1 + f * (_X1 + f * (_X2 + f * (_X3 + f * (_X4 + f * (_X5 + f * _X6)))))
    return series * _float(np.int32((np.int32(whole) + _BIAS) << _SHIFT))


_LOG2E, _LN2 = np.float32(1.4426950409), np.float32(0.6931471806)
_INV_2PI, _PI_HIGH, _PI_LOW = np.float32(0.15915494309), np.float32(6.28125), np.float32(0.00193530717958)
_HALF_PI, _PI = np.float32(1.57079632679), np.float32(3.14159265359)
_S3, _S5, _S7 = np.float32(-1 / 6), np.float32(1 / 120), np.float32(-1 / 5040)
_S9, _S11 = np.float32(1 / 362880), np.float32(-1 / 39916800)


@numba.njit(**_COMPILE)
def _sin(x):
    """Sine, within 3e-7 for |x| < 1000: reduced to a quarter turn, then its series."""
    turns = (x * _INV_2PI + _ROUND) - _ROUND
    r = (x - turns * _PI_HIGH) - turns * _PI_LOW
    r = _PI - r if r > _HALF_PI else r
    r = -_PI - r if r < -_HALF_PI else r
    q = r * r
    return r * (F1 + q * (_S3 + q * (_S5 + q * (_S7 + q * (_S9 + q * _S11)))))


_H1, _H2, _H3 = np.uint32(0x8DA6B343), np.uint32(0xD8163841), np.uint32(0xCB1AB31F)
_H4, _H5 = np.uint32(0x2C1B3C6D), np.uint32(0x297A2D39)
_SHIFT15, _SHIFT12, _SHIFT8 = np.uint32(15), np.uint32(12), np.uint32(8)
_UNIT = np.float32(2.0**-23)


@numba.njit(**_COMPILE)
def _lattice_value(h):
    """A number in [-1, 1) from a lattice point's number."""
    h = np.uint32(h ^ (h >> _SHIFT15))
    h = np.uint32(h * _H4)
    h = np.uint32(h ^ (h >> _SHIFT12))
    h = np.uint32(h * _H5)
    h = np.uint32(h ^ (h >> _SHIFT15))
    return np.float32(np.int32(h >> _SHIFT8)) * _UNIT - F1


_THREE, _SIX, _F24 = np.float32(3), np.float32(6), np.float32(1 / 24)


@numba.njit(**_COMPILE)
def _noise(dst, x, y, z, n, constants, k, seed):
    """Add one octave of lattice noise: random values on a turned lattice, joined by 3 t^2 - 2 t^3 along each axis."""
    xx, xy, xz, x0 = constants[k], constants[k + 1], constants[k + 2], constants[k + 9]
    yx, yy, yz, y0 = constants[k + 3], constants[k + 4], constants[k + 5], constants[k + 10]
    zx, zy, zz, z0 = constants[k + 6], constants[k + 7], constants[k + 8], constants[k + 11]
    amplitude = constants[k + 12]
    start = np.uint32(seed)
    for i in range(n):
        px, py, pz = x[i], y[i], z[i]
        u = xx * px + xy * py + xz * pz + x0
        v = yx * px + yy * py + yz * pz + y0
        w = zx * px + zy * py + zz * pz + z0
        fu, fv, fw = (u - HALF + _ROUND) - _ROUND, (v - HALF + _ROUND) - _ROUND, (w - HALF + _ROUND) - _ROUND
        u, v, w = u - fu, v - fv, w - fw
        h0 = np.uint32(np.uint32(np.int32(fu)) * _H1)
        h1 = np.uint32(h0 + _H1)
        j0 = np.uint32(np.uint32(np.int32(fv)) * _H2)
        j1 = np.uint32(j0 + _H2)
        k0 = np.uint32(np.uint32(np.int32(fw)) * _H3 + start)
        k1 = np.uint32(k0 + _H3)
        a00, a10 = np.uint32(h0 ^ j0), np.uint32(h1 ^ j0)
        a01, a11 = np.uint32(h0 ^ j1), np.uint32(h1 ^ j1)
        u = u * u * (_THREE - F2 * u)
        v = v * v * (_THREE - F2 * v)
        w = w * w * (_THREE - F2 * w)
        c000, c100 = _lattice_value(np.uint32(a00 ^ k0)), _lattice_value(np.uint32(a10 ^ k0))
        c010, c110 = _lattice_value(np.uint32(a01 ^ k0)), _lattice_value(np.uint32(a11 ^ k0))
        c001, c101 = _lattice_value(np.uint32(a00 ^ k1)), _lattice_value(np.uint32(a10 ^ k1))
        c011, c111 = _lattice_value(np.uint32(a01 ^ k1)), _lattice_value(np.uint32(a11 ^ k1))
        c00, c10 = c000 + u * (c100 - c000), c010 + u * (c110 - c010)
        c01, c11 = c001 + u * (c101 - c001), c011 + u * (c111 - c011)
        c0, c1 = c00 + v * (c10 - c00), c01 + v * (c11 - c01)
        dst[i] += amplitude * (c0 + w * (c1 - c0))


# --- arithmetic -------------------------------------------------------------------------------------------------------


@numba.njit(**_COMPILE)
def _binary(op, d, a, b, n):
    if op == ADD:
        for i in range(n):
            d[i] = a[i] + b[i]
    elif op == SUB:
        for i in range(n):
            d[i] = a[i] - b[i]
    elif op == MUL:
        for i in range(n):
            d[i] = a[i] * b[i]
    elif op == DIV:
        for i in range(n):
            d[i] = a[i] / b[i]
    elif op == MIN:
        for i in range(n):
            d[i] = a[i] if a[i] < b[i] else b[i]
    elif op == MAX:
        for i in range(n):
            d[i] = a[i] if a[i] > b[i] else b[i]
    elif op == LT:
        for i in range(n):
            d[i] = F1 if a[i] < b[i] else F0
    else:
        for i in range(n):
            d[i] = _exp2(b[i] * _log2(a[i])) if a[i] > F0 else F0


@numba.njit(**_COMPILE)
def _with_constant(op, d, a, c, n):
    if op == ADD_CONST:
        for i in range(n):
            d[i] = a[i] + c
    elif op == MUL_CONST:
        for i in range(n):
            d[i] = a[i] * c
    elif op == MIN_CONST:
        for i in range(n):
            d[i] = a[i] if a[i] < c else c
    elif op == MAX_CONST:
        for i in range(n):
            d[i] = a[i] if a[i] > c else c
    elif op == POW_CONST:
        for i in range(n):
            d[i] = _exp2(c * _log2(a[i])) if a[i] > F0 else F0
    elif op == CONST_DIV:
        for i in range(n):
            d[i] = c / a[i]
    elif op == LT_CONST:
        for i in range(n):
            d[i] = F1 if a[i] < c else F0
    else:
        for i in range(n):
            d[i] = F1 if c < a[i] else F0


@numba.njit(**_COMPILE)
def _unary(op, d, a, n):
    if op == COPY:
        for i in range(n):
            d[i] = a[i]
    elif op == NEG:
        for i in range(n):
            d[i] = -a[i]
    elif op == ABS:
        for i in range(n):
            d[i] = a[i] if a[i] > F0 else -a[i]
    elif op == SQRT:
        for i in range(n):
            d[i] = math.sqrt(a[i] if a[i] > F0 else F0)
    elif op == EXP:
        for i in range(n):
            d[i] = _exp2(a[i] * _LOG2E)
    elif op == LOG:
        for i in range(n):
            d[i] = _log2(a[i]) * _LN2
    elif op == SIN:
        for i in range(n):
            d[i] = _sin(a[i])
    elif op == COS:
        for i in range(n):
            d[i] = _sin(a[i] + _HALF_PI)
    else:
        for i in range(n):
            d[i] = F1 / (F1 + _exp2(-a[i] * _LOG2E))


@numba.njit(**_COMPILE)
def _table(d, a, n, constants, k):
    """Linear between even nodes, constant beyond: start, 1 / step, last node, then the values."""
    start, inverse, last = constants[k], constants[k + 1], constants[k + 2]
    values = constants[k + 3 :]
    for i in range(n):
        t = (a[i] - start) * inverse
        t = t if t > F0 else F0
        t = t if t < last else last
        at = np.int32(t)
        f = t - np.float32(at)
        d[i] = values[at] + f * (values[at + 1] - values[at])


# --- shapes -----------------------------------------------------------------------------------------------------------


@numba.njit(**_COMPILE)
def _ellipsoid(d, x, y, z, n, c, k):
    """d = q (q - 1) / |grad|, q = |p in units of the semi-axes|; constants: centre, rows of the turn, 1 / semi-axes."""
    cx, cy, cz = c[k], c[k + 1], c[k + 2]
    xx, xy, xz = c[k + 3], c[k + 4], c[k + 5]
    yx, yy, yz = c[k + 6], c[k + 7], c[k + 8]
    zx, zy, zz = c[k + 9], c[k + 10], c[k + 11]
    ia, ib, ic = c[k + 12], c[k + 13], c[k + 14]
    for i in range(n):
        px, py, pz = x[i] - cx, y[i] - cy, z[i] - cz
        u = (xx * px + xy * py + xz * pz) * ia
        v = (yx * px + yy * py + yz * pz) * ib
        w = (zx * px + zy * py + zz * pz) * ic
        q = math.sqrt(u * u + v * v + w * w + TINY)
        u, v, w = u * ia, v * ib, w * ic
        g = math.sqrt(u * u + v * v + w * w + TINY * ia * ia)
        d[i] = q * (q - F1) / g


@numba.njit(**_COMPILE)
def _superellipsoid(d, x, y, z, n, c, k):
    """d = (f - 1) / |grad f|, f = (|u|^e + |v|^e + |w|^e)^(1/e); constants as the ellipsoid's, and e."""
    cx, cy, cz = c[k], c[k + 1], c[k + 2]
    xx, xy, xz = c[k + 3], c[k + 4], c[k + 5]
    yx, yy, yz = c[k + 6], c[k + 7], c[k + 8]
    zx, zy, zz = c[k + 9], c[k + 10], c[k + 11]
    ia, ib, ic, e = c[k + 12], c[k + 13], c[k + 14], c[k + 15]
    ie = F1 / e
    for i in range(n):
        px, py, pz = x[i] - cx, y[i] - cy, z[i] - cz
        u = abs(xx * px + xy * py + xz * pz) * ia + TINY
        v = abs(yx * px + yy * py + yz * pz) * ib + TINY
        w = abs(zx * px + zy * py + zz * pz) * ic + TINY
        pu, pv, pw = _exp2(e * _log2(u)), _exp2(e * _log2(v)), _exp2(e * _log2(w))
        total = pu + pv + pw
        f = _exp2(ie * _log2(total))
        u, v, w = pu / u * ia, pv / v * ib, pw / w * ic
        g = f / total * math.sqrt(u * u + v * v + w * w)
        d[i] = (f - F1) / g


@numba.njit(**_COMPILE)
def _plane(d, x, y, z, n, c, k):
    nx, ny, nz, level = c[k], c[k + 1], c[k + 2], c[k + 3]
    for i in range(n):
        d[i] = nx * x[i] + ny * y[i] + nz * z[i] - level


@numba.njit(**_COMPILE)
def _segment_at(data, s, x, y, z, axis):
    """Distance from a point to a segment's axis or, unless `axis`, to its round surface."""
    px, py, pz = x - data[s], y - data[s + 1], z - data[s + 2]
    t = (px * data[s + 3] + py * data[s + 4] + pz * data[s + 5]) * data[s + 6]
    t = t if t > F0 else F0
    t = t if t < F1 else F1
    px, py, pz = px - t * data[s + 3], py - t * data[s + 4], pz - t * data[s + 5]
    length = math.sqrt(px * px + py * py + pz * pz)
    return length if axis else length - (data[s + 7] + t * data[s + 8])


@numba.njit(**_COMPILE)
def _nearest(data, first, count, boxes, frame, candidates, axis):
    """Where in `data` the segments of a tube stand that can be the nearest one somewhere in a brick."""
    x, y, z = _middle(boxes, frame)
    reach, least = boxes[frame, 6], FAR
    for m in range(count):
        s = first + SEGMENT * m
        value = _segment_at(data, s, x, y, z, axis) + reach * (F1 if axis else data[s + 23])
        least = least if least < value else value
    found = 0
    for m in range(count):
        s = first + SEGMENT * m
        if _segment_at(data, s, x, y, z, axis) - reach * (F1 if axis else data[s + 23]) <= least:
            candidates[found] = s
            found += 1
    return found


@numba.njit(**_COMPILE)
def _middle(boxes, f):
    """The middle of the brick in a frame."""
    return HALF * (boxes[f, 0] + boxes[f, 3]), HALF * (boxes[f, 1] + boxes[f, 4]), HALF * (boxes[f, 2] + boxes[f, 5])


@numba.njit(**_COMPILE)
def _round_tube(d, x, y, z, n, data, candidates, count):
    for i in range(n):
        d[i] = FAR
    for m in range(count):
        s = data[candidates[m] : candidates[m] + SEGMENT]
        ax, ay, az, dx, dy, dz, inverse, r, dr = s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]
        for i in range(n):
            px, py, pz = x[i] - ax, y[i] - ay, z[i] - az
            t = (px * dx + py * dy + pz * dz) * inverse
            t = t if t > F0 else F0
            t = t if t < F1 else F1
            px, py, pz = px - t * dx, py - t * dy, pz - t * dz
            value = math.sqrt(px * px + py * py + pz * pz) - (r + t * dr)
            d[i] = value if value < d[i] else d[i]


@numba.njit(**_COMPILE)
def _elliptic_tube(d, nearest, x, y, z, n, data, candidates, count):
    """The cross-section of the nearest segment: d = q (q - 1) / |grad|; its round end has the smaller semi-axis."""
    for i in range(n):
        nearest[i] = FAR
    for m in range(count):
        s = data[candidates[m] : candidates[m] + SEGMENT]
        ax, ay, az, dx, dy, dz, inverse = s[0], s[1], s[2], s[3], s[4], s[5], s[6]
        r, dr, q0, dq = s[7], s[8], s[9], s[10]
        nx, ny, nz, mx, my, mz = s[11], s[12], s[13], s[14], s[15], s[16]
        bx, by, bz, ex, ey, ez = s[17], s[18], s[19], s[20], s[21], s[22]
        for i in range(n):
            px, py, pz = x[i] - ax, y[i] - ay, z[i] - az
            t = (px * dx + py * dy + pz * dz) * inverse
            t = t if t > F0 else F0
            t = t if t < F1 else F1
            px, py, pz = px - t * dx, py - t * dy, pz - t * dz
            square = px * px + py * py + pz * pz
            u = px * (nx + t * mx) + py * (ny + t * my) + pz * (nz + t * mz)
            v = px * (bx + t * ex) + py * (by + t * ey) + pz * (bz + t * ez)
            w = square - u * u - v * v
            w = w if w > F0 else F0
            a, b = F1 / (r + t * dr), F1 / (q0 + t * dq)
            c = a if a > b else b
            u, v, w = u * u * a * a, v * v * b * b, w * c * c
            q = math.sqrt(u + v + w + TINY)
            g = math.sqrt(u * a * a + v * b * b + w * c * c + TINY * c * c)
            value = q * (q - F1) / g
            d[i] = value if square < nearest[i] else d[i]
            nearest[i] = square if square < nearest[i] else nearest[i]


@numba.njit(**_COMPILE)
def _branches(d, thin, x, y, z, n, data, candidates, count, least_radius):
    """Distance to the union of capsules, none drawn thinner than `least_radius`, for bounds and for queries (0)."""
    least, ramp = least_radius * least_radius, least_radius * least_radius * _THIRD
    for i in range(n):
        d[i] = FAR
        thin[i] = F1
    for m in range(count):
        s = data[candidates[m] : candidates[m] + SEGMENT]
        ax, ay, az, dx, dy, dz, inverse, r, dr = s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]
        for i in range(n):
            px, py, pz = x[i] - ax, y[i] - ay, z[i] - az
            t = (px * dx + py * dy + pz * dz) * inverse
            t = t if t > F0 else F0
            t = t if t < F1 else F1
            px, py, pz = px - t * dx, py - t * dy, pz - t * dz
            own = r + t * dr
            square = own * own - ramp
            value = math.sqrt(px * px + py * py + pz * pz) - math.sqrt(square if square > least else least)
            d[i] = value if value < d[i] else d[i]


@numba.njit(**_COMPILE)
def _row_bounds(x, y, z, bounds):
    """bounds (rows, 6): low and high of the coordinates of each of the brick's rows of voxels."""
    for row in range(BRICK_Y * BRICK_Z):
        at = BRICK_X * row
        x0, y0, z0 = x[at], y[at], z[at]
        x1, y1, z1 = x0, y0, z0
        for i in range(at + 1, at + BRICK_X):
            x0, x1 = min(x0, x[i]), max(x1, x[i])
            y0, y1 = min(y0, y[i]), max(y1, y[i])
            z0, z1 = min(z0, z[i]), max(z1, z[i])
        own = bounds[row]
        own[0], own[1], own[2], own[3], own[4], own[5] = x0, y0, z0, x1, y1, z1


@numba.njit(**_COMPILE)
def _drawn_branches(d, thin, x, y, z, data, candidates, count, least_radius):
    """Capsules whose substance, and not whose drawn radius, is right, for painting.

    The ramp of a voxel v makes of a radius R the cross-section pi (R^2 + v^2 / 12): drawn is the R that gives the true
    one, where it is above v / 2 = `least_radius`. What is thinner covers the share r^2 / (v^2 / 3) of a drawn v / 2,
    and ends as a rod does that is averaged over a voxel: so the shares of branches that meet, or pass through one
    voxel, add up. Where there are such, d is -v and `thin` the whole coverage.
    """
    voxel = F2 * least_radius
    inverse_voxel, ramp, least = F1 / voxel, least_radius * least_radius * _THIRD, least_radius * least_radius
    for i in range(VOXELS):
        d[i] = FAR
        thin[i] = F0
    bounds = np.empty((BRICK_Y * BRICK_Z, 6), np.float32)
    _row_bounds(x, y, z, bounds)
    for m in range(count):
        s = data[candidates[m] : candidates[m] + SEGMENT]
        ax, ay, az, dx, dy, dz, inverse, r, dr = s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8]
        slim = min(r, r + dr)
        thick, reach = slim * slim - ramp > least, max(max(r, r + dr), least_radius) + voxel
        x0, x1 = min(ax, ax + dx) - reach, max(ax, ax + dx) + reach
        y0, y1 = min(ay, ay + dy) - reach, max(ay, ay + dy) + reach
        z0, z1 = min(az, az + dz) - reach, max(az, az + dz) + reach
        steps = inverse_voxel / math.sqrt(inverse)  # its length in voxels
        for row in range(BRICK_Y * BRICK_Z):
            own = bounds[row]
            if own[2] > z1 or own[5] < z0 or own[1] > y1 or own[4] < y0 or own[0] > x1 or own[3] < x0:
                continue
            at = BRICK_X * row
            if thick:
                for i in range(at, at + BRICK_X):
                    px, py, pz = x[i] - ax, y[i] - ay, z[i] - az
                    t = (px * dx + py * dy + pz * dz) * inverse
                    t = t if t > F0 else F0
                    t = t if t < F1 else F1
                    px, py, pz = px - t * dx, py - t * dy, pz - t * dz
                    drawn = r + t * dr
                    value = math.sqrt(px * px + py * py + pz * pz) - math.sqrt(drawn * drawn - ramp)
                    d[i] = value if value < d[i] else d[i]
                continue
            for i in range(at, at + BRICK_X):
                px, py, pz = x[i] - ax, y[i] - ay, z[i] - az
                t = (px * dx + py * dy + pz * dz) * inverse
                px, py, pz = px - t * dx, py - t * dy, pz - t * dz
                begin, end = HALF + t * steps, HALF + (t - F1) * steps
                begin = begin if begin > F0 else F0
                begin = begin if begin < F1 else F1
                end = end if end > F0 else F0
                end = end if end < F1 else F1
                t = t if t > F0 else F0
                t = t if t < F1 else F1
                radius = r + t * dr
                square = radius * radius - ramp
                square = square if square > least else least
                c = HALF - (math.sqrt(px * px + py * py + pz * pz) - math.sqrt(square)) * inverse_voxel
                c = c if c > F0 else F0
                c = c if c < F1 else F1
                thin[i] += (begin - end) * c * radius * radius / (square + ramp)
    for i in range(VOXELS):
        c = HALF - d[i] * inverse_voxel
        c = c if c > F0 else F0
        c = c if c < F1 else F1
        share = thin[i] if thin[i] < F1 else F1
        some = share > F0
        thin[i] = c + (F1 - c) * share if some else F1
        d[i] = -voxel if some else d[i]


@numba.njit(**_COMPILE)
def _outline(d, x, y, z, begin, end, a, da, mid, dm, h, dh, front, back, notch_depth, c, k):
    """The loft's distance for voxels begin to end of one height, where its numbers and their slopes are given."""
    z0, z1, middle, notch, blend = c[k], c[k + 2], c[k + 3], c[k + 4], c[k + 5]
    inverse_blend, bulge = (F1 / blend if blend > F0 else F0), blend * QUARTER
    height = z[begin]
    cap = z0 - height if z0 - height > height - z1 else height - z1
    slope_a, slope_h, inverse_a, inverse_h = da / a, dh / h, F1 / a, F1 / h
    inverse_front, inverse_back = F1 / front, F1 / back
    for i in range(begin, end):
        v = y[i] - mid
        e = back if v > F0 else front
        inverse_e = inverse_back if v > F0 else inverse_front
        u = x[i] - middle
        depth = v * inverse_h
        depth = depth if depth > F0 else F0
        depth = depth if depth < F1 else F1
        v += notch_depth * depth * _exp2(-notch * u * u * _LOG2E)
        u = abs(u) + TINY
        size = abs(v) + TINY
        pu, pv = _exp2(e * _log2(u * inverse_a)), _exp2(e * _log2(size * inverse_h))
        total = pu + pv
        value = _exp2(_log2(total) * inverse_e)
        pu, pv = pu / total, pv / total
        gu, gv = pu / u, pv / size
        sign = F1 if v > F0 else -F1
        gz = pu * slope_a + pv * slope_h + sign * gv * dm
        value = (value - F1) / (value * math.sqrt(gu * gu + gv * gv + gz * gz))
        s = F1 - abs(cap - value) * inverse_blend
        s = s if s > F0 else F0
        d[i] = (cap if cap > value else value) + s * s * bulge


@numba.njit(**_COMPILE)
def _loft(d, x, y, z, n, first, rows, c, k):
    """d = (f - 1) / |grad f| of the superelliptic outline at z, and the flat ends.

    Constants: z of the first row, 1 / step, z of the last row, middle x, 1 / notch width^2 (0: none), cap blend. Voxels
    of one height in a row share the outline's numbers: a table looked up at every voxel would keep the loop scalar.
    """
    last, begin = np.float32(rows - 1) - np.float32(0.001), 0
    while begin < n:
        end = begin + 1
        while end < n and z[end] == z[begin]:
            end += 1
        t = (z[begin] - c[k]) * c[k + 1]
        t = t if t > F0 else F0
        t = t if t < last else last
        at = int(t)
        f = t - np.float32(at)
        at = first + LOFT_ROW * at
        da, dm, dh = c[at + 6] - c[at], c[at + 7] - c[at + 1], c[at + 8] - c[at + 2]
        _outline(
            d, x, y, z, begin, end, c[at] + f * da, da * c[k + 1], c[at + 1] + f * dm, dm * c[k + 1],
            c[at + 2] + f * dh, dh * c[k + 1], c[at + 3] + f * (c[at + 9] - c[at + 3]),
            c[at + 4] + f * (c[at + 10] - c[at + 4]), c[at + 5] + f * (c[at + 11] - c[at + 5]), c, k,
        )  # fmt: skip
        begin = end


@numba.njit(**_COMPILE)
def _plate(d, best, inside, x, y, z, n, c, k):
    """A polygon's plate: origin, two axes, normal, half thickness, rounding, corners, then their coordinates."""
    ox, oy, oz = c[k], c[k + 1], c[k + 2]
    ax, ay, az, bx, by, bz = c[k + 3], c[k + 4], c[k + 5], c[k + 6], c[k + 7], c[k + 8]
    nx, ny, nz, half, rounding, corners = c[k + 9], c[k + 10], c[k + 11], c[k + 12], c[k + 13], int(c[k + 14])
    for i in range(n):
        best[i] = FAR * FAR
        inside[i] = F1
    for m in range(corners):
        before = (m + corners - 1) % corners
        vx, vy = c[k + 15 + 2 * m], c[k + 16 + 2 * m]
        ex, ey = c[k + 15 + 2 * before] - vx, c[k + 16 + 2 * before] - vy
        inverse = F1 / (ex * ex + ey * ey)
        for i in range(n):
            px, py, pz = x[i] - ox, y[i] - oy, z[i] - oz
            u, v = px * ax + py * ay + pz * az - vx, px * bx + py * by + pz * bz - vy
            t = (u * ex + v * ey) * inverse
            t = t if t > F0 else F0
            t = t if t < F1 else F1
            du, dv = u - t * ex, v - t * ey
            square = du * du + dv * dv
            best[i] = square if square < best[i] else best[i]
            above, below, left = v >= F0, v < ey, ex * v > ey * u
            crosses = (above and below and left) or ((not above) and (not below) and (not left))
            inside[i] = -inside[i] if crosses else inside[i]
    for i in range(n):
        px, py, pz = x[i] - ox, y[i] - oy, z[i] - oz
        edge = inside[i] * math.sqrt(best[i]) + rounding
        face = abs(px * nx + py * ny + pz * nz) - half + rounding
        out_edge, out_face = max(edge, F0), max(face, F0)
        d[i] = min(max(edge, face), F0) + math.sqrt(out_edge * out_edge + out_face * out_face) - rounding


@numba.njit(**_COMPILE)
def _triangle(s, px, py, pz):
    """Distance of a point (from the first corner) to a triangle's sheet.

    s: corner, two edges (3 to 8), thickness and its changes along them, its limits (9 to 13), slope (14), middle and
    radius (15 to 18), normal (19), directions that give the shares of the edges (22, 25), 1 / squares of edges (28).
    """
    ax, ay, az, bx, by, bz = s[3], s[4], s[5], s[6], s[7], s[8]
    u = px * s[22] + py * s[23] + pz * s[24]
    v = px * s[25] + py * s[26] + pz * s[27]
    height = px * s[19] + py * s[20] + pz * s[21]
    # nearest points on the three edges
    t = (px * ax + py * ay + pz * az) * s[28]
    t = t if t > F0 else F0
    t = t if t < F1 else F1
    ex, ey, ez = px - t * ax, py - t * ay, pz - t * az
    edge = ex * ex + ey * ey + ez * ez
    t = (px * bx + py * by + pz * bz) * s[29]
    t = t if t > F0 else F0
    t = t if t < F1 else F1
    ex, ey, ez = px - t * bx, py - t * by, pz - t * bz
    other = ex * ex + ey * ey + ez * ez
    edge = edge if edge < other else other
    cx, cy, cz = bx - ax, by - ay, bz - az
    qx, qy, qz = px - ax, py - ay, pz - az
    t = (qx * cx + qy * cy + qz * cz) * s[30]
    t = t if t > F0 else F0
    t = t if t < F1 else F1
    ex, ey, ez = qx - t * cx, qy - t * cy, qz - t * cz
    other = ex * ex + ey * ey + ez * ez
    edge = edge if edge < other else other
    out = u if u < v else v
    out = out if out < F1 - u - v else F1 - u - v
    square = height * height if out >= F0 else edge
    u = u if u > F0 else F0
    v = v if v > F0 else F0
    thick = s[9] + u * s[10] + v * s[11]
    thick = thick if thick > s[12] else s[12]
    thick = thick if thick < s[13] else s[13]
    return math.sqrt(square) - HALF * thick


@numba.njit(**_COMPILE)
def _sheet(d, x, y, z, n, data, first, count, boxes, frame, candidates):
    """A curved sheet of triangles: those are evaluated that can be nearest somewhere in the brick."""
    cx, cy, cz = _middle(boxes, frame)
    reach, least, found = boxes[frame, 6], FAR, 0
    for m in range(count):
        s = data[first + TRIANGLE * m : first + TRIANGLE * (m + 1)]
        px, py, pz = cx - s[15], cy - s[16], cz - s[17]
        far = math.sqrt(px * px + py * py + pz * pz)
        bound = far + s[18] - HALF * s[12]  # of the distance at the middle, from above
        least = least if least < bound else bound
    limit = least + reach + reach
    for m in range(count):
        s = data[first + TRIANGLE * m : first + TRIANGLE * (m + 1)]
        px, py, pz = cx - s[15], cy - s[16], cz - s[17]
        if math.sqrt(px * px + py * py + pz * pz) - s[18] - HALF * s[13] <= limit:
            candidates[found] = first + TRIANGLE * m
            found += 1
    if found > 4 and n > 1:  # exactly, at the middle
        least = FAR
        for m in range(found):
            s = data[candidates[m] : candidates[m] + TRIANGLE]
            value = _triangle(s, cx - s[0], cy - s[1], cz - s[2]) + reach * s[14]
            least = least if least < value else value
        few = 0
        for m in range(found):
            s = data[candidates[m] : candidates[m] + TRIANGLE]
            if _triangle(s, cx - s[0], cy - s[1], cz - s[2]) - reach * s[14] <= least:
                candidates[few] = candidates[m]
                few += 1
        found = few
    for i in range(n):
        d[i] = FAR
    for m in range(found):
        s = data[candidates[m] : candidates[m] + TRIANGLE]
        for i in range(n):
            value = _triangle(s, x[i] - s[0], y[i] - s[1], z[i] - s[2])
            d[i] = value if value < d[i] else d[i]


# --- joining ----------------------------------------------------------------------------------------------------------


@numba.njit(**_COMPILE)
def _join(d, p, mode, k, n):
    """Smooth union, difference or intersection of radius k: h = max(0, 1 - |a - b| / k), then h^2 k / 4."""
    if mode == JOIN_ADD:
        if k > F0:
            inverse = F1 / k
            for i in range(n):
                h = F1 - abs(d[i] - p[i]) * inverse
                h = h if h > F0 else F0
                d[i] = (d[i] if d[i] < p[i] else p[i]) - h * h * k * QUARTER
        else:
            for i in range(n):
                d[i] = d[i] if d[i] < p[i] else p[i]
    else:
        sign = -F1 if mode == JOIN_SUBTRACT else F1
        if k > F0:
            inverse = F1 / k
            for i in range(n):
                q = sign * p[i]
                h = F1 - abs(d[i] - q) * inverse
                h = h if h > F0 else F0
                d[i] = (d[i] if d[i] > q else q) + h * h * k * QUARTER
        else:
            for i in range(n):
                q = sign * p[i]
                d[i] = d[i] if d[i] > q else q


@numba.njit(**_COMPILE)
def _smooth(a, b, k, sign):
    """Smooth minimum (sign 1) or maximum (-1) of two numbers."""
    h = F0
    if k > F0:
        h = F1 - abs(a - b) / k
        h = h if h > F0 else F0
    least = a if sign * a < sign * b else b
    return least - sign * h * h * k * QUARTER


@numba.njit(**_COMPILE)
def _bounded_join(dst, source, p, mode, data, k, reach, margin, regs, limits):
    """Carry bounds over the brick through a join; 1 if the part changes nothing that matters in the brick.

    Constants: blend, slope, how far outside and how deep inside its value can matter. `source`: register of the field
    that the part is a moved copy of (its bounds are known), or 0.
    """
    blend = data[k]
    if source > 0:
        shift = p - regs[source, 0]
        low, high = limits[source, 0] + shift, limits[source, 1] + shift
    else:
        play = data[k + 1] * reach
        low, high = p - play, p + play
    if mode == JOIN_ADD:
        far = low - margin > blend + data[k + 2] or low - margin > limits[dst, 1] + blend
        limits[dst, 0] = _smooth(limits[dst, 0], low, blend, F1)
        limits[dst, 1] = _smooth(limits[dst, 1], high, blend, F1)
    else:
        if mode == JOIN_SUBTRACT:
            low, high = -high, -low
        far = high + margin < -(blend + data[k + 3]) or high + margin < limits[dst, 0] - blend
        limits[dst, 0] = _smooth(limits[dst, 0], low, blend, -F1)
        limits[dst, 1] = _smooth(limits[dst, 1], high, blend, -F1)
    return 1 if far else 0


@numba.njit(**_COMPILE)
def _join_payload(d, cortex, organ, thin, p, p_cortex, p_organ, p_thin, k, n):
    """Before a union: the cortex is blended with it, organ and thin factor are those of the nearer part."""
    inverse = F1 / k if k > F0 else F0
    for i in range(n):
        gap = d[i] - p[i]
        h = F1 - abs(gap) * inverse
        h = h if h > F0 else F0
        h = h * HALF if k > F0 else F0
        other = F1 - h if gap > F0 else h  # the new part's share
        cortex[i] += other * (p_cortex[i] - cortex[i])
        organ[i] = p_organ[i] if gap > F0 else organ[i]
        thin[i] = p_thin[i] if gap > F0 else thin[i]


# --- frames -----------------------------------------------------------------------------------------------------------


@numba.njit(**_COMPILE)
def _warped(dst, base, axis, n, values, first, nx, ny, nz, ox, oy, oz, inverse, x, y, z):
    """dst = base + displacement along one axis, trilinear in the warp's lattice, held constant beyond it."""
    lx, ly, lz = np.float32(nx - 1.001), np.float32(ny - 1.001), np.float32(nz - 1.001)
    table = values[first + axis * nx * ny * nz :]
    row, plane = np.int32(nx), np.int32(nx * ny)
    for i in range(n):
        u, v, w = (x[i] - ox) * inverse, (y[i] - oy) * inverse, (z[i] - oz) * inverse
        u, v, w = max(u, F0), max(v, F0), max(w, F0)
        u, v, w = min(u, lx), min(v, ly), min(w, lz)
        iu, iv, iw = np.int32(u), np.int32(v), np.int32(w)
        u, v, w = u - np.float32(iu), v - np.float32(iv), w - np.float32(iw)
        at = iu + row * iv + plane * iw
        a = table[at] + u * (table[at + 1] - table[at])
        b = table[at + row] + u * (table[at + row + 1] - table[at + row])
        at += plane
        c = table[at] + u * (table[at + 1] - table[at])
        e = table[at + row] + u * (table[at + row + 1] - table[at + row])
        a, c = a + v * (b - a), c + v * (e - c)
        dst[i] = base[i] + a + w * (c - a)


@numba.njit(**_COMPILE)
def _frame(f, regs, n, data, frame_int, frame_float, boxes):
    """Coordinates of the brick in a frame: warped, mirrored, scaled about an anchor; and its box there."""
    fx, fy, fz = regs[3 * f], regs[3 * f + 1], regs[3 * f + 2]
    steep = F1
    if frame_int[f, 0] >= 0:
        for axis in range(3):
            _warped(regs[3 * f + axis], regs[axis], axis, n, data, frame_int[f, 2], frame_int[f, 3], frame_int[f, 4],
                    frame_int[f, 5], frame_float[f, 4], frame_float[f, 5], frame_float[f, 6], frame_float[f, 7],
                    regs[0], regs[1], regs[2])  # fmt: skip
            boxes[f, axis] = boxes[0, axis] - frame_float[f, 8 + axis]
            boxes[f, axis + 3] = boxes[0, axis + 3] + frame_float[f, 8 + axis]
        steep = F1 + frame_float[f, 11]
    else:
        for i in range(n):
            fx[i], fy[i], fz[i] = regs[0, i], regs[1, i], regs[2, i]
        for c in range(6):
            boxes[f, c] = boxes[0, c]
    low, high = boxes[f, 0], boxes[f, 3]
    if frame_int[f, 1] == 1:
        for i in range(n):
            fx[i] = -fx[i]
        boxes[f, 0], boxes[f, 3] = -high, -low
    elif frame_int[f, 1] == 2:
        for i in range(n):
            fx[i] = abs(fx[i])
        if low < F0 and high > F0:
            boxes[f, 0], boxes[f, 3] = F0, max(-low, high)
        elif high <= F0:
            boxes[f, 0], boxes[f, 3] = -high, -low
    inverse = frame_float[f, 3]
    if inverse != F1:
        for axis in range(3):
            anchor, out = frame_float[f, axis], regs[3 * f + axis]
            for i in range(n):
                out[i] = anchor + (out[i] - anchor) * inverse
            boxes[f, axis] = anchor + (boxes[f, axis] - anchor) * inverse
            boxes[f, axis + 3] = anchor + (boxes[f, axis + 3] - anchor) * inverse
    boxes[f, 6] = boxes[0, 6] * steep * inverse


# --- the machine ------------------------------------------------------------------------------------------------------


@numba.njit(**_COMPILE)
def run(
    at, whole, regs, n, code, data, frame_int, frame_float, marks, boxes, limits, candidates, scratch, branch_first,
    branch_list, least_radius,
):  # fmt: skip
    """Run the program from instruction `at` on `n` voxels (whole = 1) or on the centre (whole = 0) of a brick."""
    stack = np.empty(32, np.int64)
    calls = 0
    brick, margin = marks[0, 0], boxes[len(boxes) - 1, 1]
    while True:
        op, k = code[at, 0], code[at, 5]
        if op == RETURN:
            if calls == 0:
                return
            calls -= 1
            at = stack[calls]
            continue
        d = regs[code[at, 1]]
        if op == CONST:
            for i in range(n):
                d[i] = data[k]
            if whole == 0:
                limits[code[at, 1], 0], limits[code[at, 1], 1] = data[k], data[k]
        elif op <= POW and op >= ADD:
            _binary(op, d, regs[code[at, 2]], regs[code[at, 3]], n)
        elif op <= CONST_LT and op >= ADD_CONST:
            _with_constant(op, d, regs[code[at, 2]], data[k], n)
        elif op == COPY or (op >= NEG and op <= SIGMOID):
            _unary(op, d, regs[code[at, 2]], n)
        elif op == TABLE:
            _table(d, regs[code[at, 2]], n, data, k)
        elif op == NOISE:
            f = 3 * code[at, 8]
            _noise(d, regs[f], regs[f + 1], regs[f + 2], n, data, k, code[at, 6])
        elif op == PART:
            # outside its box, or known from the centre to change nothing: on to the next part
            f, part, missed = code[at, 8], code[at, 6], False
            for axis in range(3):
                missed |= boxes[f, axis] - margin > data[k + 3 + axis] or boxes[f, axis + 3] + margin < data[k + axis]
            if missed or (whole == 1 and marks[FAR_ROW, part] == 1):
                if missed and code[at, 2] == JOIN_KEEP:
                    for i in range(n):
                        d[i] = FAR
                    if whole == 0:
                        limits[code[at, 1], 0], limits[code[at, 1], 1] = FAR, FAR
                if whole == 0:
                    marks[FAR_ROW, part] = 1
                at = code[at, 7]
                continue
            if whole == 0:
                marks[FAR_ROW, part] = 0
        elif op == JOIN:
            p, mode = regs[code[at, 2]], code[at, 3]
            if whole == 0:
                marks[FAR_ROW, code[at, 6]] = _bounded_join(
                    code[at, 1], code[at, 4], p[0], mode, data, k, boxes[code[at, 8], 6], margin, regs, limits
                )
            _join(d, p, mode, data[k], n)
        elif op == JOIN_PAYLOAD:
            # quads of registers: distance, cortex, organ, thin
            a, b = code[at, 1], code[at, 2]
            _join_payload(d, regs[a + 1], regs[a + 2], regs[a + 3], regs[b], regs[b + 1], regs[b + 2], regs[b + 3],
                          data[k], n)  # fmt: skip
        elif op == CALL:
            field = code[at, 6]
            if marks[FIELD_ROW + whole, field] != brick:
                marks[FIELD_ROW + whole, field] = brick
                stack[calls] = at + 1
                calls += 1
                at = code[at, 7]
                continue
        elif op == FRAME:
            f = code[at, 6]
            if marks[FRAME_ROW + whole, f] != brick:
                marks[FRAME_ROW + whole, f] = brick
                _frame(f, regs, n, data, frame_int, frame_float, boxes)
        else:
            f = code[at, 8]
            first, count = code[at, 4], code[at, 7]
            x, y, z = regs[3 * f], regs[3 * f + 1], regs[3 * f + 2]
            if op == ELLIPSOID:
                _ellipsoid(d, x, y, z, n, data, k)
            elif op == SUPERELLIPSOID:
                _superellipsoid(d, x, y, z, n, data, k)
            elif op == PLANE:
                _plane(d, x, y, z, n, data, k)
            elif op == LOFT:
                _loft(d, x, y, z, n, first, count, data, k)
            elif op == ROUND_TUBE:
                found = _nearest(data, first, count, boxes, f, candidates, False)
                _round_tube(d, x, y, z, n, data, candidates, found)
            elif op == ELLIPTIC_TUBE:
                found = _nearest(data, first, count, boxes, f, candidates, True)
                _elliptic_tube(d, scratch[0], x, y, z, n, data, candidates, found)
            elif op == BRANCHES:
                found = 0
                if marks[0, 1] < 0:
                    found = _nearest(data, first, count, boxes, f, candidates, False)
                else:
                    own = code[at, 6]
                    for m in range(branch_first[marks[0, 1]], branch_first[marks[0, 1] + 1]):
                        if branch_list[m] >= own and branch_list[m] < own + count:
                            candidates[found] = first + SEGMENT * (branch_list[m] - own)
                            found += 1
                thin = regs[code[at, 2]]
                if whole == 1 and n == VOXELS and least_radius > F0:
                    _drawn_branches(d, thin, x, y, z, data, candidates, found, least_radius)
                else:
                    _branches(d, thin, x, y, z, n, data, candidates, found, least_radius)
            elif op == PLATE:
                _plate(d, scratch[0], scratch[1], x, y, z, n, data, k)
            else:
                _sheet(d, x, y, z, n, data, first, count, boxes, f, candidates)
        at += 1


@numba.njit(**_COMPILE)
def evaluate(at, result, points, values, t, w, margin):
    """values (m,) of register `result` after the program at `at`, at points (m, 3) of the canonical frame (mm).

    Distances are right to `margin` mm from a surface; parts that do not matter there are left out, of 1024 points.
    """
    none = np.zeros(1, np.int32)
    whole, centre, marks, boxes = w.whole, w.centre, w.marks, w.boxes
    code, data, frame_int, frame_float = t.code, t.data, t.frame_int, t.frame_float
    for start in range(0, len(points), VOXELS):
        n = min(VOXELS, len(points) - start)
        for axis in range(3):
            low, high = points[start, axis], points[start, axis]
            for i in range(n):
                p = points[start + i, axis]
                whole[axis, i] = p
                low, high = min(low, p), max(high, p)
            boxes[0, axis], boxes[0, axis + 3], centre[axis, 0] = low, high, HALF * (low + high)
        square = F0
        for axis in range(3):
            square += (boxes[0, axis + 3] - boxes[0, axis]) * (boxes[0, axis + 3] - boxes[0, axis])
        boxes[0, 6] = HALF * math.sqrt(square)
        marks[0, 0] += 1
        marks[0, 1] = -1
        boxes[len(boxes) - 1, 1] = margin
        for part in range(2):
            run(at, part, whole if part else centre, n if part else 1, code, data, frame_int, frame_float, marks,
                boxes, w.limits, w.candidates, w.scratch, none, none, F0)  # fmt: skip
        for i in range(n):
            values[start + i] = whole[result, i]


# --- bricks -----------------------------------------------------------------------------------------------------------


@numba.njit(**_COMPILE)
def bin_segments(fill, reach, shape, bricks, first, members):
    """Count (fill = False) or list the segments of branches whose reach, in voxel indices (s, 6), meets each brick."""
    nbx, nby, nbz = bricks
    for s in range(len(reach)):
        i0, i1 = max(int(reach[s, 0]) // BRICK_X, 0), min(int(reach[s, 3]) // BRICK_X, nbx - 1)
        j0, j1 = max(int(reach[s, 1]) // BRICK_Y, 0), min(int(reach[s, 4]) // BRICK_Y, nby - 1)
        k0, k1 = max(int(reach[s, 2]) // BRICK_Z, 0), min(int(reach[s, 5]) // BRICK_Z, nbz - 1)
        if reach[s, 3] < F0 or reach[s, 4] < F0 or reach[s, 5] < F0:
            continue
        for k in range(k0, k1 + 1):
            for j in range(j0, j1 + 1):
                for i in range(i0, i1 + 1):
                    b = i + nbx * (j + nby * k)
                    if fill:
                        members[first[b]] = s
                    first[b] += 1


@numba.njit(**_COMPILE)
def _averaged(d, out, limit):
    """out = d + its Laplacian / 24 in voxel steps: the mean of d over each voxel, to second order.

    No more than `limit` (mm) is added. At the brick's faces the Laplacian is that of the next voxel inward.
    """
    sy, sz = BRICK_X, BRICK_X * BRICK_Y
    for k in range(BRICK_Z):
        kk = min(max(k, 1), BRICK_Z - 2)
        for j in range(BRICK_Y):
            jj = min(max(j, 1), BRICK_Y - 2)
            here, at = k * sz + j * sy, kk * sz + jj * sy
            for i in range(1, BRICK_X - 1):
                m = at + i
                around = d[m - 1] + d[m + 1] + d[m - sy] + d[m + sy] + d[m - sz] + d[m + sz]
                second = (around - _SIX * d[m]) * _F24
                second = second if second < limit else limit
                second = second if second > -limit else -limit
                out[here + i] = second
            out[here] = out[here + 1]
            out[here + BRICK_X - 1] = out[here + BRICK_X - 2]
    for i in range(VOXELS):
        out[i] += d[i]


@numba.njit(**_COMPILE)
def _covered(d, depth, inverse, out):
    """Coverage of what lies deeper than `depth`: clip(1/2 - (d + depth) / voxel, 0, 1)."""
    for i in range(VOXELS):
        c = HALF - (d[i] + depth[i]) * inverse
        c = c if c > F0 else F0
        out[i] = c if c < F1 else F1


@numba.njit(**_COMPILE)
def _covered_constant(d, depth, inverse, out):
    for i in range(VOXELS):
        c = HALF - (d[i] + depth) * inverse
        c = c if c > F0 else F0
        out[i] = c if c < F1 else F1


@numba.njit(**_COMPILE)
def _first_touch(values, touched, index, number):
    """Zero the sums of a material or organ when a brick meets it first."""
    if touched[index] != number:
        touched[index] = number
        own = values[index]
        for i in range(VOXELS):
            own[i] = F0


@numba.njit(**_COMPILE)
def _deposit(share, density, uniform, rho, mass, volume):
    """Add a layer's share (of each voxel) to mass and volume; returns both sums in fixed point."""
    total, weight = 0, 0
    if uniform:
        own = density[0]
        scale = own * rho
        for i in range(VOXELS):
            mass[i] += share[i] * scale
            volume[i] += share[i]
            total += np.int32(share[i] * _FIXED + HALF)
        own = own * _FIXED
        for i in range(VOXELS):
            weight += np.int32(share[i] * own + HALF)
    else:
        for i in range(VOXELS):
            own = density[i] if density[i] > F0 else F0
            own = (own if own < _DENSEST else _DENSEST) * share[i]
            mass[i] += own * rho
            volume[i] += share[i]
            total += np.int32(share[i] * _FIXED + HALF)
            weight += np.int32(own * _FIXED + HALF)
    return total, weight


@numba.njit(**_COMPILE)
def _deposit_organs(share, density, uniform, rho, mass, organs, number, volume, touched, volumes, masses):
    """The same where each voxel names its organ (a register of whole numbers); volumes, masses: of the material."""
    for i in range(VOXELS):
        if share[i] > F0:
            own = density[0] if uniform else density[i]
            own = min(max(own, F0), _DENSEST) * share[i]
            mass[i] += own * rho
            organ = int(organs[i])
            _first_touch(volume, touched, organ, number)
            volume[organ, i] += share[i]
            volumes[organ] += np.int32(share[i] * _FIXED + HALF)
            masses[organ] += np.int32(own * _FIXED + HALF)


@numba.njit(**_COMPILE)
def _largest(values):
    result = values[0]
    for i in range(1, VOXELS):
        result = values[i] if values[i] > result else result
    return result


@numba.njit(**_COMPILE)
def _smallest(values):
    result = values[0]
    for i in range(1, VOXELS):
        result = values[i] if values[i] < result else result
    return result


@numba.njit(**_COMPILE)
def _layer_share(left, outer, inner, share):
    """share = left (outer - inner), and its largest value; then outer = inner."""
    some = F0
    for i in range(VOXELS):
        value = left[i] * (outer[i] - inner[i])
        share[i] = value
        some = value if value > some else some
        outer[i] = inner[i]
    return some


@numba.njit(**_COMPILE)
def _split(share, fraction, other):
    """Move a fraction (held in 0 to 1) of `share` to `other`."""
    for i in range(VOXELS):
        f = fraction[i] if fraction[i] > F0 else F0
        f = f if f < F1 else F1
        other[i] = share[i] * f
        share[i] = share[i] - other[i]


@numba.njit(**_COMPILE)
def _outer_coverage(d, full, thin, inverse, outer, shine):
    """Coverage of a structure's surface (times its thin factor), and what shines through it."""
    if full:
        for i in range(VOXELS):
            outer[i] = F1
    else:
        _covered_constant(d, F0, inverse, outer)
    for i in range(VOXELS):
        outer[i] *= thin[i]
        shine[i] = F1 - outer[i]


@numba.njit(**_COMPILE)
def _inner_coverage(d, depths, register, constant, inverse, outer, inner):
    """Coverage of the next layer, never more than of this one; none after the last (register -2)."""
    if register == -2:
        for i in range(VOXELS):
            inner[i] = F0
        return
    if register >= 0:
        _covered(d, depths[register], inverse, inner)
    else:
        _covered_constant(d, constant, inverse, inner)
    for i in range(VOXELS):
        inner[i] = inner[i] if inner[i] < outer[i] else outer[i]


@numba.njit(**_COMPILE)
def paint_row(
    number, shape, labels, density, organs, affine, voxel, extent, lattice, t, w, volumes, masses, branch_first,
    branch_list, counts, moves,
):  # fmt: skip
    """Paint one layer of bricks in z (labels, density, organs are its slices, up to 8) of a grid of `shape` (z, y, x).

    `affine` (3, 4) float32: canonical mm from voxel indices; `voxel`: its size there (mm); `extent` (7,) half-extents
    of a brick of voxel centres and half its diagonal; `volumes`, `masses` (materials, organs): sums to be added to.
    `lattice` (3, nz, ny, nx): empty, or canonical mm at the nodes of a lattice, straight between them; then `affine`
    gives places in the lattice (in its steps) from voxel indices, and each brick finds its own voxel and extent.
    `moves` (arrays.Moves): where the body at rest was what now is at a canonical place, for each structure's medium.
    Front to back: the share left to what lies under begins with 1 and is multiplied by 1 - coverage.
    """
    code, data, frame_int, frame_float = t.code, t.data, t.frame_int, t.frame_float
    structure_int, structure_float = t.structure_int, t.structure_float
    layer_int, layer_float = t.layer_int, t.layer_float
    material_density = t.material_density
    whole, centre_regs, marks, boxes, limits = w.whole, w.centre, w.marks, w.boxes, w.limits
    candidates, scratch = w.candidates, w.scratch
    mass, volume, touched = w.mass, w.volume, w.touched
    touched_material, touched_organ = touched[0], touched[1]
    left, share, outer, inner = w.share[0], w.share[1], w.share[2], w.share[3]
    shine, other, one, total = w.share[4], w.share[5], w.share[6], w.share[7]
    n_structures = len(structure_int)
    in_row = np.empty(n_structures, np.int32)
    nbx, nby = (shape[2] + BRICK_X - 1) // BRICK_X, (shape[1] + BRICK_Y - 1) // BRICK_Y
    label_of, organ_of = np.zeros(VOXELS, np.int32), np.zeros(VOXELS, np.int32)
    curved = lattice.shape[1] > 0
    base, centre_base, box_base = np.empty((3, VOXELS), np.float32), np.empty(3, np.float32), np.empty(7, np.float32)
    denser = np.empty(VOXELS, np.float32)
    for i in range(VOXELS):
        one[i] = F1
    for by in range(nby):
        found = _structures_of_row(structure_float, affine, extent, lattice, shape, by, number, nbx, in_row)
        for bx in range(nbx):
            marks[0, 0] += 1
            marks[0, 1] = bx + nbx * (by + nby * number)
            stamp = marks[0, 0]
            if curved:
                voxel = _curved_coordinates(affine, lattice, bx, by, number, whole, centre_regs, boxes)
            else:
                _coordinates(affine, extent, bx, by, number, whole, centre_regs, boxes)
            inverse, least_radius = F1 / voxel, HALF * voxel
            boxes[len(boxes) - 1, 1] = voxel
            _inside_grid(shape, bx, by, number, left)
            medium, measured = -1, False
            _keep_rest(whole, centre_regs, boxes, base, centre_base, box_base)
            for m in range(found):
                s = in_row[m]
                if not _meets(structure_float, s, box_base):
                    continue
                if moves.medium[s] != medium:
                    medium = moves.medium[s]
                    marks[0, 0] += 1
                    _move(medium, moves, base, centre_base, box_base, whole, centre_regs, boxes)
                    measured = False
                counts[s, 0] += 1
                run(structure_int[s, 0], 0, centre_regs, 1, code, data, frame_int, frame_float, marks, boxes,
                    limits, candidates, scratch, branch_first, branch_list, least_radius)  # fmt: skip
                register, organs_register, thin_register = structure_int[s, 1], structure_int[s, 2], structure_int[s, 3]
                if limits[register, 0] > voxel:
                    continue
                plain = thin_register < 0 and organs_register < 0
                full = plain and limits[register, 1] < -(voxel + structure_float[s, 6])
                if not full:
                    counts[s, 1] += 1
                    run(structure_int[s, 0], 1, whole, VOXELS, code, data, frame_int, frame_float, marks, boxes,
                        limits, candidates, scratch, branch_first, branch_list, least_radius)  # fmt: skip
                    if _smallest(whole[register]) > voxel:
                        continue
                    _averaged(whole[register], total, QUARTER * voxel if thin_register < 0 else F0)
                thin = whole[thin_register] if thin_register >= 0 else one
                _outer_coverage(total, full, thin, inverse, outer, shine)
                last = structure_int[s, 5]
                for layer in range(last - 1 if full else structure_int[s, 4], last):
                    if layer + 1 < last:
                        next_register, depth = layer_int[layer + 1, 2], layer_float[layer + 1, 0]
                    else:
                        next_register, depth = np.int32(-2), F0
                    _inner_coverage(total, whole, next_register, depth, inverse, outer, inner)
                    if _layer_share(left, outer, inner, share) == F0:
                        continue
                    # shares of the second material (pass 0) and of the first; densities and fractions have programs
                    uniform = layer_int[layer, 3] < 0
                    for step in range(2):
                        at = layer_int[layer, 3] if step == 0 else layer_int[layer, 6]
                        if at >= 0:
                            for part in range(2):
                                run(at, part, whole if part else centre_regs, VOXELS if part else 1, code, data,
                                    frame_int, frame_float, marks, boxes, limits, candidates, scratch,
                                    branch_first, branch_list, least_radius)  # fmt: skip
                            if step == 0:
                                own, into = whole[layer_int[layer, 4]], scratch[2]
                                for i in range(VOXELS):
                                    into[i] = own[i]
                            else:
                                _split(share, whole[layer_int[layer, 7]], other)
                        elif step == 0:
                            scratch[2, 0] = layer_float[layer, 1]
                        if step == 0 and moves.thins[s] == 1 and medium >= 0 and medium < len(moves.lattice):
                            if not measured:
                                _denser(moves.lattice[medium], moves.place, base[0], base[1], base[2], denser)
                                measured = True
                            into = scratch[2]
                            own_density = into[0]
                            for i in range(VOXELS):
                                into[i] = (own_density if uniform else into[i]) * denser[i]
                            uniform = False
                    for step in range(2):
                        if step == 0 and layer_int[layer, 5] < 0:
                            continue
                        material = layer_int[layer, 5] if step == 0 else layer_int[layer, 0]
                        amount = other if step == 0 else share
                        rho, organ = material_density[material], layer_int[layer, 1]
                        _first_touch(mass, touched_material, material, stamp)
                        if organ < 0:
                            _deposit_organs(
                                amount, scratch[2], uniform, rho, mass[material], whole[organs_register], stamp,
                                volume, touched_organ, volumes[material], masses[material],
                            )  # fmt: skip
                        else:
                            _first_touch(volume, touched_organ, organ, stamp)
                            a, b = _deposit(amount, scratch[2], uniform, rho, mass[material], volume[organ])
                            volumes[material, organ] += a
                            masses[material, organ] += b
                for i in range(VOXELS):
                    left[i] *= shine[i]
                if _largest(left) < _LITTLE:
                    break
            if _largest(left) > F0:
                _first_touch(mass, touched_material, 0, stamp)
                _first_touch(volume, touched_organ, 0, stamp)
                a, b = _deposit(left, one, True, material_density[0], mass[0], volume[0])
                volumes[0, 0] += a
                masses[0, 0] += b
            _most(mass, touched_material, stamp, share, label_of, total)
            _most(volume, touched_organ, stamp, share, organ_of, other)
            _store(bx, by, labels, density, organs, label_of, organ_of, total, material_density)


@numba.njit(**_COMPILE)
def _meets(structure_float, s, box):
    """Whether a structure's box meets the brick."""
    hit = True
    for axis in range(3):
        hit = hit and structure_float[s, axis] <= box[axis + 3] and structure_float[s, axis + 3] >= box[axis]
    return hit


@numba.njit(**_COMPILE)
def _keep_rest(whole, centre_regs, boxes, base, centre_base, box_base):
    """Remember where the brick's voxels lie before any motion."""
    for axis in range(3):
        centre_base[axis] = centre_regs[axis, 0]
        for i in range(VOXELS):
            base[axis, i] = whole[axis, i]
    for c in range(7):
        box_base[c] = boxes[0, c]


@numba.njit(**_COMPILE)
def displaced(lattice, place, x, y, z, n, out):
    """out (3, n): trilinear displacement x, y, z (mm) in a lattice (nz, ny, nx, 3), held beyond it.

    `place` (4,): the lattice's origin and 1 / step.
    """
    nz, ny, nx = lattice.shape[:3]
    lx, ly, lz = np.float32(nx - 1.001), np.float32(ny - 1.001), np.float32(nz - 1.001)
    for i in range(n):
        u, v, w = (x[i] - place[0]) * place[3], (y[i] - place[1]) * place[3], (z[i] - place[2]) * place[3]
        u, v, w = max(u, F0), max(v, F0), max(w, F0)
        u, v, w = min(u, lx), min(v, ly), min(w, lz)
        iu, iv, iw = np.int32(u), np.int32(v), np.int32(w)
        u, v, w = u - np.float32(iu), v - np.float32(iv), w - np.float32(iw)
        for c in range(3):
            a, b = lattice[iw, iv, iu, c], lattice[iw, iv + 1, iu, c]
            e, f = lattice[iw + 1, iv, iu, c], lattice[iw + 1, iv + 1, iu, c]
            a += u * (lattice[iw, iv, iu + 1, c] - a)
            b += u * (lattice[iw, iv + 1, iu + 1, c] - b)
            e += u * (lattice[iw + 1, iv, iu + 1, c] - e)
            f += u * (lattice[iw + 1, iv + 1, iu + 1, c] - f)
            a, e = a + v * (b - a), e + v * (f - e)
            out[c, i] = a + w * (e - a)


@numba.njit(**_COMPILE)
def _denser(lattice, place, x, y, z, out):
    """out (VOXELS,): volume at rest over present volume, the determinant of p + displaced(p)."""
    nz, ny, nx = lattice.shape[:3]
    lx, ly, lz = np.float32(nx - 1.001), np.float32(ny - 1.001), np.float32(nz - 1.001)
    m = np.empty((3, 3), np.float32)
    for i in range(VOXELS):
        u, v, w = (x[i] - place[0]) * place[3], (y[i] - place[1]) * place[3], (z[i] - place[2]) * place[3]
        if not (u > F0 and v > F0 and w > F0 and u < lx and v < ly and w < lz):
            out[i] = F1
            continue
        iu, iv, iw = np.int32(u), np.int32(v), np.int32(w)
        u, v, w = u - np.float32(iu), v - np.float32(iv), w - np.float32(iw)
        for c in range(3):
            p000, p100 = lattice[iw, iv, iu, c], lattice[iw, iv, iu + 1, c]
            p010, p110 = lattice[iw, iv + 1, iu, c], lattice[iw, iv + 1, iu + 1, c]
            p001, p101 = lattice[iw + 1, iv, iu, c], lattice[iw + 1, iv, iu + 1, c]
            p011, p111 = lattice[iw + 1, iv + 1, iu, c], lattice[iw + 1, iv + 1, iu + 1, c]
            a, b = p100 - p000, p101 - p001
            a, b = a + v * ((p110 - p010) - a), b + v * ((p111 - p011) - b)
            m[c, 0] = (a + w * (b - a)) * place[3]
            a, b = p010 - p000, p011 - p001
            a, b = a + u * ((p110 - p100) - a), b + u * ((p111 - p101) - b)
            m[c, 1] = (a + w * (b - a)) * place[3]
            a, b = p001 - p000, p011 - p010
            a, b = a + u * ((p101 - p100) - a), b + u * ((p111 - p110) - b)
            m[c, 2] = (a + v * (b - a)) * place[3]
            m[c, c] += F1
        out[i] = (
            m[0, 0] * (m[1, 1] * m[2, 2] - m[1, 2] * m[2, 1])
            - m[0, 1] * (m[1, 0] * m[2, 2] - m[1, 2] * m[2, 0])
            + m[0, 2] * (m[1, 0] * m[2, 1] - m[1, 1] * m[2, 0])
        )


@numba.njit(**_COMPILE)
def _rigidly(m, x, y, z, n, out_x, out_y, out_z):
    for i in range(n):
        out_x[i] = m[0, 0] * x[i] + m[0, 1] * y[i] + m[0, 2] * z[i] + m[0, 3]
        out_y[i] = m[1, 0] * x[i] + m[1, 1] * y[i] + m[1, 2] * z[i] + m[1, 3]
        out_z[i] = m[2, 0] * x[i] + m[2, 1] * y[i] + m[2, 2] * z[i] + m[2, 3]


@numba.njit(**_COMPILE)
def _move(medium, moves, base, centre_base, box_base, whole, centre_regs, boxes):
    """Coordinates of the brick in the body at rest, for a medium (-1: unmoved), and its box there."""
    media = len(moves.lattice)
    if medium < 0:
        for axis in range(3):
            centre_regs[axis, 0] = centre_base[axis]
            for i in range(VOXELS):
                whole[axis, i] = base[axis, i]
        for c in range(7):
            boxes[0, c] = box_base[c]
        return
    if medium < media:
        shift = np.empty((3, VOXELS), np.float32)
        displaced(moves.lattice[medium], moves.place, base[0], base[1], base[2], VOXELS, shift)
        for axis in range(3):
            for i in range(VOXELS):
                whole[axis, i] = base[axis, i] + shift[axis, i]
        one = np.empty((3, 1), np.float32)
        displaced(moves.lattice[medium], moves.place, centre_base[0:1], centre_base[1:2], centre_base[2:3], 1, one)
        for axis in range(3):
            centre_regs[axis, 0] = centre_base[axis] + one[axis, 0]
    else:
        own = moves.rigid[medium - media]
        _rigidly(own, base[0], base[1], base[2], VOXELS, whole[0], whole[1], whole[2])
        _rigidly(own, centre_base[0:1], centre_base[1:2], centre_base[2:3], 1, centre_regs[0], centre_regs[1],
                 centre_regs[2])  # fmt: skip
    farthest = F0
    for axis in range(3):
        boxes[0, axis], boxes[0, axis + 3] = _smallest(whole[axis]), _largest(whole[axis])
    for i in range(VOXELS):
        x, y, z = whole[0, i] - centre_regs[0, 0], whole[1, i] - centre_regs[1, 0], whole[2, i] - centre_regs[2, 0]
        square = x * x + y * y + z * z
        farthest = square if square > farthest else farthest
    boxes[0, 6] = math.sqrt(farthest)


@numba.njit(**_COMPILE)
def _most(values, touched, stamp, best, which, total):
    """Of each voxel the index with most (the first of equals), and the sum."""
    for i in range(VOXELS):
        best[i], which[i], total[i] = F0, 0, F0
    for index in range(len(touched)):
        if touched[index] == stamp:
            own = values[index]
            for i in range(VOXELS):
                total[i] += own[i]
                which[i] = index if own[i] > best[i] else which[i]
                best[i] = own[i] if own[i] > best[i] else best[i]


@numba.njit(**_COMPILE)
def _structures_of_row(structure_float, affine, extent, lattice, shape, by, bz, nbx, in_row):
    """Structures whose boxes a row of bricks along x can meet."""
    if lattice.shape[1] > 0:
        low, high = _curved_row_box(affine, lattice, shape, by, bz)
    else:
        low, high = _row_box(affine, extent, by, bz, nbx)
    found = 0
    for s in range(len(structure_float)):
        hit = True
        for axis in range(3):
            hit = hit and structure_float[s, axis] <= high[axis] and structure_float[s, axis + 3] >= low[axis]
        if hit:
            in_row[found] = s
            found += 1
    return found


@numba.njit(**_COMPILE)
def _store(bx, by, labels, density, organs, label_of, organ_of, total, material_density):
    nz, ny, nx = labels.shape
    i0, j0 = bx * BRICK_X, by * BRICK_Y
    for k in range(nz):
        for j in range(min(BRICK_Y, ny - j0)):
            at = (k * BRICK_Y + j) * BRICK_X
            for i in range(min(BRICK_X, nx - i0)):
                label = label_of[at + i]
                labels[k, j0 + j, i0 + i] = label
                density[k, j0 + j, i0 + i] = total[at + i] / material_density[label]
                if len(organs) > 0:
                    organs[k, j0 + j, i0 + i] = organ_of[at + i]


@numba.njit(**_COMPILE)
def _coordinates(affine, extent, bx, by, bz, whole, centre_regs, boxes):
    """Canonical coordinates of a brick's voxels and of its centre; its box."""
    i0, j0, k0 = np.float32(bx * BRICK_X), np.float32(by * BRICK_Y), np.float32(bz * BRICK_Z)
    for axis in range(3):
        out = whole[axis]
        ai, aj, ak, a0 = affine[axis, 0], affine[axis, 1], affine[axis, 2], affine[axis, 3]
        for k in range(BRICK_Z):
            for j in range(BRICK_Y):
                start = a0 + aj * (j0 + np.float32(j)) + ak * (k0 + np.float32(k))
                at = (k * BRICK_Y + j) * BRICK_X
                for i in range(BRICK_X):
                    out[at + i] = start + ai * (i0 + np.float32(i))
        centre = a0 + ai * (i0 + np.float32(7.5)) + aj * (j0 + np.float32(3.5)) + ak * (k0 + np.float32(3.5))
        centre_regs[axis, 0] = centre
        boxes[0, axis], boxes[0, axis + 3] = centre - extent[axis], centre + extent[axis]
    boxes[0, 6] = extent[6]


@numba.njit(**_COMPILE)
def _row_box(affine, extent, by, bz, nbx):
    low, high = np.empty(3, np.float32), np.empty(3, np.float32)
    for axis in range(3):
        y, z = np.float32(by * BRICK_Y + 3.5), np.float32(bz * BRICK_Z + 3.5)
        start = affine[axis, 3] + affine[axis, 1] * y + affine[axis, 2] * z
        a = start + affine[axis, 0] * np.float32(7.5)
        b = start + affine[axis, 0] * np.float32((nbx - 1) * BRICK_X + 7.5)
        low[axis], high[axis] = min(a, b) - extent[axis], max(a, b) + extent[axis]
    return low, high


@numba.njit(**_COMPILE)
def _cell(at, nodes):
    """Cell of a lattice along one axis and the place in it, held at the ends."""
    top = np.float32(nodes - 1)
    at = min(max(at, F0), top)
    first = min(int(at), nodes - 2)
    return first, at - np.float32(first)


@numba.njit(**_COMPILE)
def _curved_coordinates(affine, lattice, bx, by, bz, whole, centre_regs, boxes):
    """Canonical coordinates of a brick's voxels and of its centre by the lattice; its box; the voxel's size there."""
    _, nz, ny, nx = lattice.shape
    i0, j0, k0 = np.float32(bx * BRICK_X), np.float32(by * BRICK_Y), np.float32(bz * BRICK_Z)
    for k in range(BRICK_Z):
        kk = k0 + np.float32(k)
        for j in range(BRICK_Y):
            jj = j0 + np.float32(j)
            row = (k * BRICK_Y + j) * BRICK_X
            u0 = affine[0, 3] + affine[0, 1] * jj + affine[0, 2] * kk
            v0 = affine[1, 3] + affine[1, 1] * jj + affine[1, 2] * kk
            w0 = affine[2, 3] + affine[2, 1] * jj + affine[2, 2] * kk
            for i in range(BRICK_X):
                ii = i0 + np.float32(i)
                a, u = _cell(u0 + affine[0, 0] * ii, nx)
                b, v = _cell(v0 + affine[1, 0] * ii, ny)
                c, w = _cell(w0 + affine[2, 0] * ii, nz)
                for axis in range(3):
                    t = lattice[axis]
                    p, q = t[c, b, a], t[c, b + 1, a]
                    p, q = p + u * (t[c, b, a + 1] - p), q + u * (t[c, b + 1, a + 1] - q)
                    low = p + v * (q - p)
                    p, q = t[c + 1, b, a], t[c + 1, b + 1, a]
                    p, q = p + u * (t[c + 1, b, a + 1] - p), q + u * (t[c + 1, b + 1, a + 1] - q)
                    high = p + v * (q - p)
                    whole[axis, row + i] = low + w * (high - low)
    # the centre lies between the eight voxels in the middle; the voxel's edges there are differences of theirs
    first = (3 * BRICK_Y + 3) * BRICK_X + 7
    edges = np.empty((3, 3), np.float32)
    furthest = F0
    for axis in range(3):
        own = whole[axis]
        total = F0
        for n in range(8):
            total += own[first + (n & 1) + ((n >> 1) & 1) * BRICK_X + (n >> 2) * BRICK_X * BRICK_Y]
        centre = total * np.float32(0.125)
        centre_regs[axis, 0] = centre
        edges[axis, 0] = own[first + 1] - own[first]
        edges[axis, 1] = own[first + BRICK_X] - own[first]
        edges[axis, 2] = own[first + BRICK_X * BRICK_Y] - own[first]
        low, high = _smallest(own), _largest(own)
        boxes[0, axis], boxes[0, axis + 3] = low, high
        reach = max(high - centre, centre - low)
        furthest += reach * reach
    boxes[0, 6] = math.sqrt(furthest)
    size = abs(
        edges[0, 0] * (edges[1, 1] * edges[2, 2] - edges[1, 2] * edges[2, 1])
        - edges[0, 1] * (edges[1, 0] * edges[2, 2] - edges[1, 2] * edges[2, 0])
        + edges[0, 2] * (edges[1, 0] * edges[2, 1] - edges[1, 1] * edges[2, 0])
    )
    return max(_exp2(_log2(max(size, TINY)) * _THIRD), np.float32(1e-3))


@numba.njit(**_COMPILE)
def _curved_row_box(affine, lattice, shape, by, bz):
    """Bounds of a row of bricks: those of all nodes of the cells that it reaches into."""
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    for axis in range(3):
        low = high = affine[axis, 3]
        for n in range(3):
            start = 0 if n == 0 else by * BRICK_Y if n == 1 else bz * BRICK_Z
            stop = ((shape[2] + BRICK_X - 1) // BRICK_X) * BRICK_X - 1 if n == 0 else start + 7
            p, q = affine[axis, n] * np.float32(start), affine[axis, n] * np.float32(stop)
            low, high = low + min(p, q), high + max(p, q)
        nodes = lattice.shape[3 - axis]
        first[axis] = _cell(low - np.float32(1e-3), nodes)[0]
        last[axis] = _cell(high + np.float32(1e-3), nodes)[0] + 1
    low, high = np.empty(3, np.float32), np.empty(3, np.float32)
    for axis in range(3):
        own = lattice[axis]
        low[axis] = high[axis] = own[first[2], first[1], first[0]]
        for c in range(first[2], last[2] + 1):
            for b in range(first[1], last[1] + 1):
                for a in range(first[0], last[0] + 1):
                    low[axis], high[axis] = min(low[axis], own[c, b, a]), max(high[axis], own[c, b, a])
    return low, high


@numba.njit(**_COMPILE)
def _inside_grid(shape, bx, by, bz, left):
    """1 for voxels of the grid, 0 for those of a brick that reaches over its edge."""
    nz, ny, nx = shape
    for k in range(BRICK_Z):
        for j in range(BRICK_Y):
            row = bz * BRICK_Z + k < nz and by * BRICK_Y + j < ny
            at = (k * BRICK_Y + j) * BRICK_X
            for i in range(BRICK_X):
                left[at + i] = F1 if row and bx * BRICK_X + i < nx else F0
