// Where a brick's voxels lie in the canonical body: by an affine map, or by a lattice of places.
#pragma once
#include "body/elementary.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Canonical coordinates of a brick's voxels and of its centre by the affine map; its box.
static void straight_places(const PaintJob& job, int bx, int by, int bz, BodyWork& w) {
    const float i0 = static_cast<float>(bx * BRICK_X), j0 = static_cast<float>(by * BRICK_Y), k0 = static_cast<float>(bz * BRICK_Z);
    for (int axis = 0; axis < 3; axis++) {
        const float *row = job.affine + 4 * axis, ai = row[0], aj = row[1], ak = row[2], a0 = row[3];
        float* out = w.whole + axis * BRICK_VOXELS;
        for (int k = 0; k < BRICK_Z; k++)
            for (int j = 0; j < BRICK_Y; j++) {
                const float start = a0 + aj * (j0 + static_cast<float>(j)) + ak * (k0 + static_cast<float>(k));
                float* own = out + (k * BRICK_Y + j) * BRICK_X;
                for (int i = 0; i < BRICK_X; i++) own[i] = start + ai * (i0 + static_cast<float>(i));
            }
        const float centre = a0 + ai * (i0 + 7.5f) + aj * (j0 + 3.5f) + ak * (k0 + 3.5f);
        w.centre[axis] = centre;
        w.boxes[axis] = centre - job.extent[axis], w.boxes[axis + 3] = centre + job.extent[axis];
    }
    w.boxes[6] = job.extent[6];
}

// Cell of a lattice along one axis and the place in it, held at the ends.
PHYSSIM_HD int32_t lattice_cell(float at, int32_t nodes, float& part) {
    at = lesser(greater(at, 0.0f), static_cast<float>(nodes - 1));
    int32_t first = static_cast<int32_t>(at);
    first = first < nodes - 2 ? first : nodes - 2;
    part = at - static_cast<float>(first);
    return first;
}

// The voxel's size (mm) in the middle of the brick, from the edges between the eight voxels there; its centre and box.
static float measured_brick(BodyWork& w) {
    constexpr int FIRST = (3 * BRICK_Y + 3) * BRICK_X + 7, STEPS[3] = {1, BRICK_X, BRICK_X * BRICK_Y};
    float e[3][3], furthest = 0.0f;
    for (int axis = 0; axis < 3; axis++) {
        const float* own = w.whole + axis * BRICK_VOXELS;
        float total = 0.0f;
        for (int n = 0; n < 8; n++) total += own[FIRST + (n & 1) + ((n >> 1) & 1) * BRICK_X + (n >> 2) * BRICK_X * BRICK_Y];
        const float centre = total * 0.125f;
        w.centre[axis] = centre;
        for (int n = 0; n < 3; n++) e[axis][n] = own[FIRST + STEPS[n]] - own[FIRST];
        const float low = smallest_of(own), high = largest_of(own);
        w.boxes[axis] = low, w.boxes[axis + 3] = high;
        const float reach = greater(high - centre, centre - low);
        furthest += reach * reach;
    }
    w.boxes[6] = square_root(furthest);
    const float size = size_of(e[0][0] * (e[1][1] * e[2][2] - e[1][2] * e[2][1]) - e[0][1] * (e[1][0] * e[2][2] - e[1][2] * e[2][0])
                               + e[0][2] * (e[1][0] * e[2][1] - e[1][1] * e[2][0]));
    return greater(power_of_2(base2_logarithm(greater(size, BODY_TINY)) * static_cast<float>(1.0 / 3)), 1e-3f);
}

// Canonical coordinates of a brick's voxels and of its centre by the lattice; its box; returns the voxel's size there (mm).
static float curved_places(const PaintJob& job, int bx, int by, int bz, BodyWork& w) {
    const int32_t nz = job.nodes[0], ny = job.nodes[1], nx = job.nodes[2], plane = nx * ny, size = nx * ny * nz;
    const float* m = job.affine;
    const float i0 = static_cast<float>(bx * BRICK_X), j0 = static_cast<float>(by * BRICK_Y), k0 = static_cast<float>(bz * BRICK_Z);
    for (int k = 0; k < BRICK_Z; k++)
        for (int j = 0; j < BRICK_Y; j++) {
            const float jj = j0 + static_cast<float>(j), kk = k0 + static_cast<float>(k);
            const float u0 = m[3] + m[1] * jj + m[2] * kk, v0 = m[7] + m[5] * jj + m[6] * kk, w0 = m[11] + m[9] * jj + m[10] * kk;
            float* row = w.whole + (k * BRICK_Y + j) * BRICK_X;
            PHYSSIM_OVER_VOXELS
            for (int i = 0; i < BRICK_X; i++) {
                const float ii = i0 + static_cast<float>(i);
                float u, v, part;
                const int32_t a = lattice_cell(u0 + m[0] * ii, nx, u), b = lattice_cell(v0 + m[4] * ii, ny, v), c = lattice_cell(w0 + m[8] * ii, nz, part);
                const int32_t at = a + nx * b + plane * c;
                for (int axis = 0; axis < 3; axis++) {
                    const float* t = job.lattice + axis * size;
                    float p = t[at], q = t[at + nx];
                    p = p + u * (t[at + 1] - p), q = q + u * (t[at + nx + 1] - q);
                    const float low = p + v * (q - p);
                    p = t[at + plane], q = t[at + plane + nx];
                    p = p + u * (t[at + plane + 1] - p), q = q + u * (t[at + plane + nx + 1] - q);
                    const float high = p + v * (q - p);
                    row[axis * BRICK_VOXELS + i] = low + part * (high - low);
                }
            }
        }
    return measured_brick(w);
}

// Bounds of a row of bricks along x by the affine map.
static void straight_row_box(const PaintJob& job, int by, int bz, float* low, float* high) {
    const int bricks = (job.shape[2] + BRICK_X - 1) / BRICK_X;
    const float y = static_cast<float>(by * BRICK_Y + 3.5), z = static_cast<float>(bz * BRICK_Z + 3.5);
    for (int axis = 0; axis < 3; axis++) {
        const float *row = job.affine + 4 * axis, start = row[3] + row[1] * y + row[2] * z;
        const float a = start + row[0] * 7.5f, b = start + row[0] * static_cast<float>((bricks - 1) * BRICK_X + 7.5);
        low[axis] = lesser(a, b) - job.extent[axis], high[axis] = greater(a, b) + job.extent[axis];
    }
}

// The same by the lattice: those of all nodes of the cells that the row reaches into.
static void curved_row_box(const PaintJob& job, int by, int bz, float* low, float* high) {
    int32_t first[3], last[3];
    for (int axis = 0; axis < 3; axis++) {
        float least = job.affine[4 * axis + 3], most = least, part;
        for (int n = 0; n < 3; n++) {
            const int start = n == 0 ? 0 : n == 1 ? by * BRICK_Y : bz * BRICK_Z;
            const int stop = n == 0 ? (job.shape[2] + BRICK_X - 1) / BRICK_X * BRICK_X - 1 : start + 7;
            const float p = job.affine[4 * axis + n] * static_cast<float>(start), q = job.affine[4 * axis + n] * static_cast<float>(stop);
            least = least + lesser(p, q), most = most + greater(p, q);
        }
        const int32_t nodes = job.nodes[2 - axis];
        first[axis] = lattice_cell(least - 1e-3f, nodes, part);
        last[axis] = lattice_cell(most + 1e-3f, nodes, part) + 1;
    }
    const int32_t ny = job.nodes[1], nx = job.nodes[2];
    for (int axis = 0; axis < 3; axis++) {
        const float* own = job.lattice + int64_t{axis} * job.nodes[0] * ny * nx;
        float least = BODY_FAR, most = -BODY_FAR;
        for (int32_t c = first[2]; c <= last[2]; c++)
            for (int32_t b = first[1]; b <= last[1]; b++)
                for (int32_t a = first[0]; a <= last[0]; a++) {
                    const float value = own[(int64_t{c} * ny + b) * nx + a];
                    least = lesser(least, value), most = greater(most, value);
                }
        low[axis] = least, high[axis] = most;
    }
}

// 1 for voxels of the grid, 0 for those of a brick that reaches over its edge.
static void inside_grid(const PaintJob& job, int bx, int by, int bz, float* left) {
    for (int k = 0; k < BRICK_Z; k++)
        for (int j = 0; j < BRICK_Y; j++) {
            const bool row = bz * BRICK_Z + k < job.shape[0] && by * BRICK_Y + j < job.shape[1];
            float* own = left + (k * BRICK_Y + j) * BRICK_X;
            for (int i = 0; i < BRICK_X; i++) own[i] = row && bx * BRICK_X + i < job.shape[2] ? 1.0f : 0.0f;
        }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
