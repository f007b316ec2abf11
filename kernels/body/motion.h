// Where the body at rest was what now is in the brick: displacements of soft tissue, rigid motions of bones.
#pragma once
#include "body/machine.h"

namespace physsim {
namespace PHYSSIM_ISA {

// A cell of a lattice of displacements, and the place in it; held at the lattice's ends.
struct MotionCell {
    const float *p000, *p010, *p001, *p011;
    float u, v, w;

    PHYSSIM_HD MotionCell(const BodyLattice& of, int32_t medium, float x, float y, float z) {
        const float *lattice = of.of(medium), *place = of.place;
        const int32_t nz = of.shape[0], ny = of.shape[1], nx = of.shape[2];
        const float lx = static_cast<float>(nx - 1.001), ly = static_cast<float>(ny - 1.001), lz = static_cast<float>(nz - 1.001);
        u = (x - place[0]) * place[3], v = (y - place[1]) * place[3], w = (z - place[2]) * place[3];
        u = lesser(greater(u, 0.0f), lx), v = lesser(greater(v, 0.0f), ly), w = lesser(greater(w, 0.0f), lz);
        const int32_t iu = static_cast<int32_t>(u), iv = static_cast<int32_t>(v), iw = static_cast<int32_t>(w);
        u = u - static_cast<float>(iu), v = v - static_cast<float>(iv), w = w - static_cast<float>(iw);
        p000 = lattice + 3 * ((int64_t{iw} * ny + iv) * nx + iu);
        p010 = p000 + 3 * nx, p001 = p000 + int64_t{3} * nx * ny, p011 = p001 + 3 * nx;
    }
};

// out (3, n) = x, y, z + their trilinear displacement (mm); `base` may be `out`. Coordinates lie `NEXT` numbers apart.
template <int N, int NEXT = N>
static void displaced(const BodyLattice& lattice, int32_t medium, const float* base, float* out) {
    for (int i = 0; i < N; i++) {
        const MotionCell cell(lattice, medium, base[i], base[NEXT + i], base[2 * NEXT + i]);
        for (int c = 0; c < 3; c++) {
            float a = cell.p000[c], b = cell.p010[c], e = cell.p001[c], f = cell.p011[c];
            a += cell.u * (cell.p000[3 + c] - a);
            b += cell.u * (cell.p010[3 + c] - b);
            e += cell.u * (cell.p001[3 + c] - e);
            f += cell.u * (cell.p011[3 + c] - f);
            a = a + cell.v * (b - a), e = e + cell.v * (f - e);
            out[c * NEXT + i] = base[c * NEXT + i] + (a + cell.w * (e - a));
        }
    }
}

template <int N, int NEXT>
static void turned_rigidly(const float* m, const float* base, float* out) {
    const float *x = base, *y = base + NEXT, *z = base + 2 * NEXT;
    for (int axis = 0; axis < 3; axis++) {
        const float *row = m + 4 * axis, a = row[0], b = row[1], c = row[2], e = row[3];
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) out[axis * NEXT + i] = a * x[i] + b * y[i] + c * z[i] + e;
    }
}

// Where points (3, n) that are somewhere now lie in the body at rest, for a medium (-1: unmoved); `base` may be `out`.
template <int N, int NEXT = N>
static void unmoved_places(const BodyMoves& moves, int32_t medium, const float* base, float* out) {
    if (medium < 0) {
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < N; i++) out[c * NEXT + i] = base[c * NEXT + i];
    } else if (medium < moves.media) {
        displaced<N, NEXT>(moves.outer, medium, base, out);
        if (moves.twice) displaced<N, NEXT>(moves.inner, medium, out, out);
    } else {
        turned_rigidly<N, NEXT>(moves.rigid + 12 * (medium - moves.media), base, out);
    }
}

// out (voxels): volume at rest over present volume of each voxel, `edge` mm wide. From the edges' way over the whole voxel, not from the
// slopes at its middle: these jump between the lattice's cells, and masses would hang on how voxels and cells fall together.
static void volume_before(const BodyMoves& moves, int32_t medium, const float* base, float edge, uint32_t mask, float* out) {
    const float half = 0.5f * edge, inverse = 1.0f / edge;
    in_blocks<BLOCK_VOXELS>(mask, [&](int at) {
        alignas(64) float m[3][3 * BLOCK_VOXELS];  // by axis: edges at rest
        for (int axis = 0; axis < 3; axis++) {
            alignas(64) float ends[2][3 * BLOCK_VOXELS];
            for (int side = 0; side < 2; side++) {
                float* there = ends[side];
                for (int c = 0; c < 3; c++)
                    for (int i = 0; i < BLOCK_VOXELS; i++) there[c * BLOCK_VOXELS + i] = base[c * BRICK_VOXELS + at + i] + (c != axis ? 0.0f : side ? half : -half);
                unmoved_places<BLOCK_VOXELS>(moves, medium, there, there);
            }
            for (int i = 0; i < 3 * BLOCK_VOXELS; i++) m[axis][i] = (ends[1][i] - ends[0][i]) * inverse;
        }
        for (int i = 0; i < BLOCK_VOXELS; i++) {
            const float *a = m[0] + i, *b = m[1] + i, *c = m[2] + i;
            constexpr int Y = BLOCK_VOXELS, Z = 2 * BLOCK_VOXELS;
            out[at + i] = a[0] * (b[Y] * c[Z] - b[Z] * c[Y]) - b[0] * (a[Y] * c[Z] - a[Z] * c[Y]) + c[0] * (a[Y] * b[Z] - a[Z] * b[Y]);
        }
    });
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

// Where the middles of the brick's blocks lie in the body at rest, for a medium (-1: unmoved), and its box there. A block reaches a little
// farther than its corners, where the map bends within it. Its voxels follow when they are asked for.
static void move_brick(int32_t medium, const BodyMoves& moves, const Unmoved& from, BodyWork& w) {
    constexpr float BENT = 1.1f;
    constexpr int CORNERS = 8 * BLOCKS, LAST = BLOCK_EDGE - 1;
    unmoved_places<BLOCKS>(moves, medium, from.centre, w.centre);
    if (medium < 0) {
        for (int b = 0; b < BLOCKS; b++) w.reach[b] = from.reach[b];
        for (int c = 0; c < BODY_BOX; c++) w.boxes[c] = from.box[c];
        return;
    }
    alignas(64) float corners[3 * CORNERS];
    for (int n = 0; n < CORNERS; n++) {
        const int at = BLOCK_VOXELS * (n / 8) + (n & 1 ? LAST : 0) + (n & 2 ? LAST * BLOCK_EDGE : 0) + (n & 4 ? LAST * BLOCK_EDGE * BLOCK_EDGE : 0);
        for (int c = 0; c < 3; c++) corners[c * CORNERS + n] = from.whole[c * BRICK_VOXELS + at];
    }
    unmoved_places<CORNERS>(moves, medium, corners, corners);
    empty_box(w.boxes);
    for (int b = 0; b < BLOCKS; b++) {
        float farthest = 0.0f, square = 0.0f;
        for (int n = 8 * b; n < 8 * (b + 1); n++, square = 0.0f) {
            for (int c = 0; c < 3; c++) {
                const float there = corners[c * CORNERS + n], gap = there - w.centre[c * BLOCKS + b];
                square += gap * gap;
                w.boxes[c] = lesser(w.boxes[c], there), w.boxes[c + 3] = greater(w.boxes[c + 3], there);
            }
            farthest = greater(farthest, square);
        }
        w.reach[b] = BENT * square_root(farthest);
    }
    for (int c = 0; c < 3; c++) {
        const float room = 0.5f * (BENT - 1.0f) * w.reach[0];
        w.boxes[c] -= room, w.boxes[c + 3] += room;
    }
    measure_diagonal(w);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
