// Where a brick's voxels lie in the canonical body: by an affine map, or by a lattice of places.
#pragma once
#include "body/machine.h"

namespace physsim {
namespace PHYSSIM_ISA {

// The first voxel of a block, in the brick.
struct BlockCorner {
    int x, y, z;
    PHYSSIM_HD explicit BlockCorner(int b) : x(b % ROWS_X * BLOCK_EDGE), y(b / ROWS_X % ROWS_Y * BLOCK_EDGE), z(b / (ROWS_X * ROWS_Y) * BLOCK_EDGE) {}
};

// Voxel indices of a brick's first voxel.
struct BrickCorner {
    float x, y, z;
    PHYSSIM_HD BrickCorner(int bx, int by, int bz) : x(static_cast<float>(bx * BRICK_X)), y(static_cast<float>(by * BRICK_Y)), z(static_cast<float>(bz * BRICK_Z)) {}
};

// Canonical coordinates of the middles of the brick's blocks by the affine map; the box of its voxels.
static void straight_middles(const PaintJob& job, const BrickCorner& corner, BodyWork& w) {
    constexpr float HALF = 0.5f * (BLOCK_EDGE - 1);
    float reach = 0.0f;
    for (int signs = 0; signs < 4; signs++) {  // the longest of a block's half diagonals
        float square = 0.0f;
        for (int axis = 0; axis < 3; axis++) {
            const float* row = job.affine + 4 * axis;
            const float part = row[0] + (signs & 1 ? -row[1] : row[1]) + (signs & 2 ? -row[2] : row[2]);
            square += part * part;
        }
        reach = greater(reach, HALF * square_root(square));
    }
    for (int b = 0; b < BLOCKS; b++) w.reach[b] = reach;
    for (int axis = 0; axis < 3; axis++) {
        const float *row = job.affine + 4 * axis, ai = row[0], aj = row[1], ak = row[2], a0 = row[3];
        for (int b = 0; b < BLOCKS; b++) {
            const BlockCorner own(b);
            w.centre[BLOCKS * axis + b] = a0 + aj * (corner.y + HALF + static_cast<float>(own.y)) + ak * (corner.z + HALF + static_cast<float>(own.z))
                + ai * (corner.x + HALF + static_cast<float>(own.x));
        }
        const float centre = a0 + ai * (corner.x + 7.5f) + aj * (corner.y + 3.5f) + ak * (corner.z + 3.5f);
        w.boxes[axis] = centre - job.extent[axis], w.boxes[axis + 3] = centre + job.extent[axis];
    }
    w.boxes[6] = job.extent[6];
}

// Canonical coordinates of a block's voxels by the affine map.
static void straight_voxels(const PaintJob& job, const BrickCorner& corner, int b, BodyWork& w) {
    const BlockCorner own(b);
    for (int axis = 0; axis < 3; axis++) {
        const float *row = job.affine + 4 * axis, ai = row[0], aj = row[1], ak = row[2], a0 = row[3];
        float* out = w.whole + axis * BRICK_VOXELS + BLOCK_VOXELS * b;
        for (int n = 0; n < BLOCK_EDGE * BLOCK_EDGE; n++) {
            const float y = corner.y + static_cast<float>(own.y + n % BLOCK_EDGE), z = corner.z + static_cast<float>(own.z + n / BLOCK_EDGE);
            const float start = a0 + aj * y + ak * z;
            for (int i = 0; i < BLOCK_EDGE; i++) out[BLOCK_EDGE * n + i] = start + ai * (corner.x + static_cast<float>(own.x + i));
        }
    }
}

// Cell of a lattice along one axis and the place in it, held at the ends.
PHYSSIM_HD int32_t lattice_cell(float at, int32_t nodes, float& part) {
    at = lesser(greater(at, 0.0f), static_cast<float>(nodes - 1));
    int32_t first = static_cast<int32_t>(at);
    first = first < nodes - 2 ? first : nodes - 2;
    part = at - static_cast<float>(first);
    return first;
}

// Canonical place (mm) by the lattice of voxel index i, j, k; out: x, y and z, `next` numbers apart.
PHYSSIM_HD void curved_place(const PaintJob& job, float i, float j, float k, float* out, int next) {
    const int32_t nz = job.nodes[0], ny = job.nodes[1], nx = job.nodes[2], plane = nx * ny, size = nx * ny * nz;
    const float* m = job.affine;
    const float u0 = m[3] + m[1] * j + m[2] * k, v0 = m[7] + m[5] * j + m[6] * k, w0 = m[11] + m[9] * j + m[10] * k;
    float u, v, w;
    const int32_t a = lattice_cell(u0 + m[0] * i, nx, u), b = lattice_cell(v0 + m[4] * i, ny, v), c = lattice_cell(w0 + m[8] * i, nz, w);
    const int32_t at = a + nx * b + plane * c;
    for (int axis = 0; axis < 3; axis++) {
        const float* t = job.lattice + axis * size;
        float p = t[at], q = t[at + nx];
        p = p + u * (t[at + 1] - p), q = q + u * (t[at + nx + 1] - q);
        const float low = p + v * (q - p);
        p = t[at + plane], q = t[at + plane + nx];
        p = p + u * (t[at + plane + 1] - p), q = q + u * (t[at + plane + nx + 1] - q);
        const float high = p + v * (q - p);
        out[axis * next] = low + w * (high - low);
    }
}

// Canonical coordinates of the middles of the brick's blocks by the lattice, and the box round the blocks' corners: a block reaches a
// little farther, where the map bends within it. Returns the voxel's size there (mm).
static float curved_middles(const PaintJob& job, const BrickCorner& corner, BodyWork& w) {
    constexpr float HALF = 0.5f * (BLOCK_EDGE - 1), BENT = 1.1f;
    empty_box(w.boxes);
    for (int b = 0; b < BLOCKS; b++) {
        const BlockCorner own(b);
        const float x = corner.x + static_cast<float>(own.x), y = corner.y + static_cast<float>(own.y), z = corner.z + static_cast<float>(own.z);
        curved_place(job, x + HALF, y + HALF, z + HALF, w.centre + b, BLOCKS);
        float farthest = 0.0f;
        for (int n = 0; n < 8; n++) {
            float p[3], square = 0.0f;
            curved_place(job, x + (n & 1 ? 2.0f * HALF : 0.0f), y + (n & 2 ? 2.0f * HALF : 0.0f), z + (n & 4 ? 2.0f * HALF : 0.0f), p, 1);
            for (int axis = 0; axis < 3; axis++) {
                w.boxes[axis] = lesser(w.boxes[axis], p[axis]), w.boxes[axis + 3] = greater(w.boxes[axis + 3], p[axis]);
                square += (p[axis] - w.centre[BLOCKS * axis + b]) * (p[axis] - w.centre[BLOCKS * axis + b]);
            }
            farthest = greater(farthest, square);
        }
        w.reach[b] = BENT * square_root(farthest);
    }
    measure_diagonal(w);
    // edges between the voxels in the middle of the brick
    constexpr int MIDDLE[3] = {BRICK_X / 2 - 1, BRICK_Y / 2 - 1, BRICK_Z / 2 - 1};
    float first[3], e[3][3];
    const float x = corner.x + MIDDLE[0], y = corner.y + MIDDLE[1], z = corner.z + MIDDLE[2];
    curved_place(job, x, y, z, first, 1);
    for (int n = 0; n < 3; n++) {
        float p[3];
        curved_place(job, n == 0 ? x + 1.0f : x, n == 1 ? y + 1.0f : y, n == 2 ? z + 1.0f : z, p, 1);
        for (int axis = 0; axis < 3; axis++) e[axis][n] = p[axis] - first[axis];
    }
    const float size = size_of(e[0][0] * (e[1][1] * e[2][2] - e[1][2] * e[2][1]) - e[0][1] * (e[1][0] * e[2][2] - e[1][2] * e[2][0])
                               + e[0][2] * (e[1][0] * e[2][1] - e[1][1] * e[2][0]));
    return greater(power_of_2(base2_logarithm(greater(size, BODY_TINY)) * static_cast<float>(1.0 / 3)), 1e-3f);
}

static void curved_voxels(const PaintJob& job, const BrickCorner& corner, int b, BodyWork& w) {
    const BlockCorner own(b);
    float* out = w.whole + BLOCK_VOXELS * b;
    PHYSSIM_OVER_VOXELS
    for (int n = 0; n < BLOCK_VOXELS; n++) {
        const float x = corner.x + static_cast<float>(own.x + n % BLOCK_EDGE), y = corner.y + static_cast<float>(own.y + n / BLOCK_EDGE % BLOCK_EDGE);
        curved_place(job, x, y, corner.z + static_cast<float>(own.z + n / (BLOCK_EDGE * BLOCK_EDGE)), out + n, BRICK_VOXELS);
    }
}

// Bounds (mm) of a row of bricks along x by the affine map.
static void straight_row_box(const PaintJob& job, int by, int bz, float* low, float* high) {
    const int bricks = (job.shape[2] + BRICK_X - 1) / BRICK_X;
    const float y = static_cast<float>(by * BRICK_Y + 3.5), z = static_cast<float>(bz * BRICK_Z + 3.5);
    for (int axis = 0; axis < 3; axis++) {
        const float *row = job.affine + 4 * axis, start = row[3] + row[1] * y + row[2] * z;
        const float a = start + row[0] * 7.5f, b = start + row[0] * static_cast<float>((bricks - 1) * BRICK_X + 7.5);
        low[axis] = lesser(a, b) - job.extent[axis], high[axis] = greater(a, b) + job.extent[axis];
    }
}

// Bounds (mm) of bricks bx to last along x by the lattice: those of all nodes of the cells that they reach into.
static void curved_box(const PaintJob& job, int bx, int last_bx, int by, int bz, float* low, float* high) {
    int32_t first[3], last[3];
    for (int axis = 0; axis < 3; axis++) {
        float least = job.affine[4 * axis + 3], most = least, part;
        for (int n = 0; n < 3; n++) {
            const int start = n == 0 ? bx * BRICK_X : n == 1 ? by * BRICK_Y : bz * BRICK_Z, stop = n == 0 ? (last_bx + 1) * BRICK_X - 1 : start + 7;
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

// 1 for voxels of the grid, 0 for those of a brick that reaches over its edge; returns the blocks that hold any.
static uint32_t inside_grid(const PaintJob& job, int bx, int by, int bz, float* left) {
    const int x = job.shape[2] - bx * BRICK_X, y = job.shape[1] - by * BRICK_Y, z = job.shape[0] - bz * BRICK_Z;
    uint32_t some = 0;
    for (int b = 0; b < BLOCKS; b++) {
        const BlockCorner own(b);
        if (own.x < x && own.y < y && own.z < z) some |= 1u << b;
        for (int n = 0; n < BLOCK_VOXELS; n++) {
            const bool in = own.x + n % BLOCK_EDGE < x && own.y + n / BLOCK_EDGE % BLOCK_EDGE < y && own.z + n / (BLOCK_EDGE * BLOCK_EDGE) < z;
            left[BLOCK_VOXELS * b + n] = in ? 1.0f : 0.0f;
        }
    }
    return some;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
