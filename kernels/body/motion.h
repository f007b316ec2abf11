// Where the body at rest was what now is in the brick: displacements of soft tissue, rigid motions of bones.
#pragma once
#include "body/machine.h"

namespace physsim {
namespace PHYSSIM_ISA {

// A cell of a lattice of displacements, and the place in it; held at the lattice's ends.
struct MotionCell {
    const float *p000, *p010, *p001, *p011;
    float u, v, w;
    bool inside;

    PHYSSIM_HD MotionCell(const BodyLattice& of, int32_t medium, float x, float y, float z) {
        const float *lattice = of.of(medium), *place = of.place;
        const int32_t nz = of.shape[0], ny = of.shape[1], nx = of.shape[2];
        const float lx = static_cast<float>(nx - 1.001), ly = static_cast<float>(ny - 1.001), lz = static_cast<float>(nz - 1.001);
        u = (x - place[0]) * place[3], v = (y - place[1]) * place[3], w = (z - place[2]) * place[3];
        inside = u > 0.0f && v > 0.0f && w > 0.0f && u < lx && v < ly && w < lz;
        u = lesser(greater(u, 0.0f), lx), v = lesser(greater(v, 0.0f), ly), w = lesser(greater(w, 0.0f), lz);
        const int32_t iu = static_cast<int32_t>(u), iv = static_cast<int32_t>(v), iw = static_cast<int32_t>(w);
        u = u - static_cast<float>(iu), v = v - static_cast<float>(iv), w = w - static_cast<float>(iw);
        p000 = lattice + 3 * ((int64_t{iw} * ny + iv) * nx + iu);
        p010 = p000 + 3 * nx, p001 = p000 + int64_t{3} * nx * ny, p011 = p001 + 3 * nx;
    }
};

// out (3, n) = x, y, z + their trilinear displacement (mm); `base` may be `out`.
template <int N>
static void displaced(const BodyLattice& lattice, int32_t medium, const float* base, float* out) {
    for (int i = 0; i < N; i++) {
        const MotionCell cell(lattice, medium, base[i], base[N + i], base[2 * N + i]);
        for (int c = 0; c < 3; c++) {
            float a = cell.p000[c], b = cell.p010[c], e = cell.p001[c], f = cell.p011[c];
            a += cell.u * (cell.p000[3 + c] - a);
            b += cell.u * (cell.p010[3 + c] - b);
            e += cell.u * (cell.p001[3 + c] - e);
            f += cell.u * (cell.p011[3 + c] - f);
            a = a + cell.v * (b - a), e = e + cell.v * (f - e);
            out[c * N + i] = base[c * N + i] + (a + cell.w * (e - a));
        }
    }
}

// out (voxels): volume at rest over present volume, the determinant of p + its displacement; 1 beyond the lattice.
static void volume_at_rest(const BodyLattice& lattice, int32_t medium, const float* base, float* out) {
    const float step = lattice.place[3];
    for (int i = 0; i < BRICK_VOXELS; i++) {
        const MotionCell cell(lattice, medium, base[i], base[BRICK_VOXELS + i], base[2 * BRICK_VOXELS + i]);
        if (!cell.inside) {
            out[i] = 1.0f;
            continue;
        }
        const float u = cell.u, v = cell.v, w = cell.w;
        float m[3][3];
        for (int c = 0; c < 3; c++) {
            const float p000 = cell.p000[c], p100 = cell.p000[3 + c], p010 = cell.p010[c], p110 = cell.p010[3 + c];
            const float p001 = cell.p001[c], p101 = cell.p001[3 + c], p011 = cell.p011[c], p111 = cell.p011[3 + c];
            float a = p100 - p000, b = p101 - p001;
            a = a + v * ((p110 - p010) - a), b = b + v * ((p111 - p011) - b);
            m[c][0] = (a + w * (b - a)) * step;
            a = p010 - p000, b = p011 - p001;
            a = a + u * ((p110 - p100) - a), b = b + u * ((p111 - p101) - b);
            m[c][1] = (a + w * (b - a)) * step;
            a = p001 - p000, b = p011 - p010;
            a = a + u * ((p101 - p100) - a), b = b + u * ((p111 - p110) - b);
            m[c][2] = (a + v * (b - a)) * step;
            m[c][c] += 1.0f;
        }
        out[i] = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
    }
}

// The same by both motions.
static void volume_before(const BodyMoves& moves, int32_t medium, const float* base, float* out) {
    volume_at_rest(moves.outer, medium, base, out);
    if (!moves.twice) return;
    alignas(64) float there[3 * BRICK_VOXELS], more[BRICK_VOXELS];
    displaced<BRICK_VOXELS>(moves.outer, medium, base, there);
    volume_at_rest(moves.inner, medium, there, more);
    for (int i = 0; i < BRICK_VOXELS; i++) out[i] *= more[i];
}

template <int N>
static void turned_rigidly(const float* m, const float* base, float* out) {
    const float *x = base, *y = base + N, *z = base + 2 * N;
    for (int axis = 0; axis < 3; axis++) {
        const float *row = m + 4 * axis, a = row[0], b = row[1], c = row[2], e = row[3];
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) out[axis * N + i] = a * x[i] + b * y[i] + c * z[i] + e;
    }
}

// Where the brick's voxels and the middles of its blocks lie before any motion, and its box.
struct Unmoved {
    alignas(64) float whole[3 * BRICK_VOXELS];
    float centre[3 * BLOCKS], reach[BLOCKS], box[BODY_BOX];

    void keep(const BodyWork& w) {
        for (int i = 0; i < 3 * BRICK_VOXELS; i++) whole[i] = w.whole[i];
        for (int i = 0; i < 3 * BLOCKS; i++) centre[i] = w.centre[i];
        for (int b = 0; b < BLOCKS; b++) reach[b] = w.reach[b];
        for (int c = 0; c < BODY_BOX; c++) box[c] = w.boxes[c];
    }
};

// Coordinates of the brick in the body at rest, for a medium (-1: unmoved), and its box there.
static void move_brick(int32_t medium, const BodyMoves& moves, const Unmoved& from, BodyWork& w) {
    if (medium < 0) {
        for (int i = 0; i < 3 * BRICK_VOXELS; i++) w.whole[i] = from.whole[i];
        for (int i = 0; i < 3 * BLOCKS; i++) w.centre[i] = from.centre[i];
        for (int b = 0; b < BLOCKS; b++) w.reach[b] = from.reach[b];
        for (int c = 0; c < BODY_BOX; c++) w.boxes[c] = from.box[c];
        return;
    }
    if (medium < moves.media) {
        displaced<BRICK_VOXELS>(moves.outer, medium, from.whole, w.whole);
        displaced<BLOCKS>(moves.outer, medium, from.centre, w.centre);
        if (moves.twice) {
            displaced<BRICK_VOXELS>(moves.inner, medium, w.whole, w.whole);
            displaced<BLOCKS>(moves.inner, medium, w.centre, w.centre);
        }
    } else {
        const float* own = moves.rigid + 12 * (medium - moves.media);
        turned_rigidly<BRICK_VOXELS>(own, from.whole, w.whole);
        turned_rigidly<BLOCKS>(own, from.centre, w.centre);
    }
    empty_box(w.boxes);
    for (int i = 0; i < 3 * BRICK_VOXELS; i += BLOCK_VOXELS) {
        const int axis = i / BRICK_VOXELS;
        w.boxes[axis] = lesser(w.boxes[axis], smallest_of(w.whole + i)), w.boxes[axis + 3] = greater(w.boxes[axis + 3], largest_of(w.whole + i));
    }
    for (int b = 0; b < BLOCKS; b++) {
        float farthest = 0.0f;
        for (int i = BLOCK_VOXELS * b; i < BLOCK_VOXELS * (b + 1); i++) {
            const float x = w.whole[i] - w.centre[b], y = w.whole[BRICK_VOXELS + i] - w.centre[BLOCKS + b], z = w.whole[2 * BRICK_VOXELS + i] - w.centre[2 * BLOCKS + b];
            farthest = greater(farthest, x * x + y * y + z * z);
        }
        w.reach[b] = square_root(farthest);
    }
    measure_diagonal(w);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
