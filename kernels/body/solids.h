// Distances (mm) of ellipsoids, planes and plates. c: constants of the shape.
#pragma once
#include "body/elementary.h"

namespace physsim {
namespace PHYSSIM_ISA {

// d = q (q - 1) / |grad|, q = |p in units of the semi-axes|; constants: centre, rows of the turn, 1 / semi-axes.
template <int N>
static void ellipsoid(float* d, const float* x, const float* y, const float* z, const float* c) {
    const float cx = c[0], cy = c[1], cz = c[2], xx = c[3], xy = c[4], xz = c[5], yx = c[6], yy = c[7], yz = c[8], zx = c[9], zy = c[10], zz = c[11];
    const float ia = c[12], ib = c[13], ic = c[14];
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) {
        const float px = x[i] - cx, py = y[i] - cy, pz = z[i] - cz;
        float u = (xx * px + xy * py + xz * pz) * ia, v = (yx * px + yy * py + yz * pz) * ib, w = (zx * px + zy * py + zz * pz) * ic;
        const float q = square_root(u * u + v * v + w * w + BODY_TINY);
        u = u * ia, v = v * ib, w = w * ic;
        const float g = square_root(u * u + v * v + w * w + BODY_TINY * ia * ia);
        d[i] = q * (q - 1.0f) / g;
    }
}

// d = (f - 1) / |grad f|, f = (|u|^e + |v|^e + |w|^e)^(1/e); constants as the ellipsoid's, and e.
template <int N>
static void superellipsoid(float* d, const float* x, const float* y, const float* z, const float* c) {
    const float cx = c[0], cy = c[1], cz = c[2], xx = c[3], xy = c[4], xz = c[5], yx = c[6], yy = c[7], yz = c[8], zx = c[9], zy = c[10], zz = c[11];
    const float ia = c[12], ib = c[13], ic = c[14], e = c[15], ie = 1.0f / e;
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) {
        const float px = x[i] - cx, py = y[i] - cy, pz = z[i] - cz;
        float u = size_of(xx * px + xy * py + xz * pz) * ia + BODY_TINY;
        float v = size_of(yx * px + yy * py + yz * pz) * ib + BODY_TINY;
        float w = size_of(zx * px + zy * py + zz * pz) * ic + BODY_TINY;
        const float pu = power_of_2(e * base2_logarithm(u)), pv = power_of_2(e * base2_logarithm(v)), pw = power_of_2(e * base2_logarithm(w));
        const float total = pu + pv + pw, f = power_of_2(ie * base2_logarithm(total));
        u = pu / u * ia, v = pv / v * ib, w = pw / w * ic;
        const float g = f / total * square_root(u * u + v * v + w * w);
        d[i] = (f - 1.0f) / g;
    }
}

template <int N>
static void plane(float* d, const float* x, const float* y, const float* z, const float* c) {
    const float nx = c[0], ny = c[1], nz = c[2], level = c[3];
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) d[i] = nx * x[i] + ny * y[i] + nz * z[i] - level;
}

// A polygon's plate: origin, two axes, normal, half thickness, rounding, corners, then their coordinates.
template <int N>
static void plate(float* d, float* best, float* inside, const float* x, const float* y, const float* z, const float* c) {
    const float ox = c[0], oy = c[1], oz = c[2], ax = c[3], ay = c[4], az = c[5], bx = c[6], by = c[7], bz = c[8];
    const float nx = c[9], ny = c[10], nz = c[11], half = c[12], rounding = c[13];
    const int corners = static_cast<int>(c[14]);
    filled<N>(best, BODY_FAR * BODY_FAR);
    filled<N>(inside, 1.0f);
    for (int m = 0; m < corners; m++) {
        const int before = (m + corners - 1) % corners;
        const float vx = c[15 + 2 * m], vy = c[16 + 2 * m], ex = c[15 + 2 * before] - vx, ey = c[16 + 2 * before] - vy;
        const float inverse = 1.0f / (ex * ex + ey * ey);
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) {
            const float px = x[i] - ox, py = y[i] - oy, pz = z[i] - oz;
            const float u = px * ax + py * ay + pz * az - vx, v = px * bx + py * by + pz * bz - vy;
            const float t = held((u * ex + v * ey) * inverse, 0.0f, 1.0f);
            const float du = u - t * ex, dv = v - t * ey, square = du * du + dv * dv;
            best[i] = square < best[i] ? square : best[i];
            const int above = v >= 0.0f, below = v < ey, left = ex * v > ey * u;
            const int crosses = (above & below & left) | ((1 - above) & (1 - below) & (1 - left));
            inside[i] = crosses ? -inside[i] : inside[i];
        }
    }
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) {
        const float px = x[i] - ox, py = y[i] - oy, pz = z[i] - oz;
        const float edge = inside[i] * square_root(best[i]) + rounding, face = size_of(px * nx + py * ny + pz * nz) - half + rounding;
        const float out_edge = greater(edge, 0.0f), out_face = greater(face, 0.0f);
        d[i] = lesser(greater(edge, face), 0.0f) + square_root(out_edge * out_edge + out_face * out_face) - rounding;
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
