// From distances to shares of voxels, and what the shares add to mass and volume. All on the voxels of one brick.
#pragma once
#include "body/halo.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int PADDED_X = BRICK_X + 2, PADDED_Y = BRICK_Y + 2, PADDED_Z = BRICK_Z + 2;  // a brick with its halo, x fastest

// Means of a distance over the voxels of a brick, from its values in the voxels' middles and in those of the halo.
class Averages {
  public:
    // out = d + its Laplacian / 24 in voxel steps in the blocks of `wanted`: the mean of d over each voxel, to second order. No more
    // than `limit` (mm) is added. d is known in the blocks of `known` and, in `halo`, in the `halves` of squares; what is not known
    // (anything) gives means that only those voxels have which it stands beside.
    void make(const float* d, uint32_t known, const float* halo, uint32_t halves, float* out, uint32_t wanted, float limit) {
        for (int b = 0; b < BLOCKS; b++)
            if (known >> b & 1) pad(d + BLOCK_VOXELS * b, b);
        in_blocks<HALF_FACE>(halves, [&](int at) { pad_half(halo, at); });
        for (int pair = 0; pair < BLOCKS / ROWS_X; pair++) {  // blocks that lie in a row along x
            const uint32_t row = wanted >> (ROWS_X * pair) & ((1u << ROWS_X) - 1u);
            if (row) average(ROWS_X * pair, row, out, limit);
        }
    }

  private:
    static constexpr int SY = PADDED_X, SZ = PADDED_X * PADDED_Y, STEP[3] = {1, SY, SZ};
    alignas(64) float padded_[PADDED_X * PADDED_Y * PADDED_Z] = {};

    // Place of the brick's voxel x, y, z.
    static int padded(int x, int y, int z) { return (z + 1) * SZ + (y + 1) * SY + x + 1; }

    void pad(const float* block, int b) {
        const BlockCorner corner(b);
        for (int n = 0; n < BLOCK_EDGE * BLOCK_EDGE; n++) {
            float* row = padded_ + padded(corner.x, corner.y + n % BLOCK_EDGE, corner.z + n / BLOCK_EDGE);
            for (int i = 0; i < BLOCK_EDGE; i++) row[i] = block[BLOCK_EDGE * n + i];
        }
    }

    // Of half a square, whose first voxel is `at` of the halo.
    void pad_half(const float* halo, int at) {
        const FaceSquare square(at / BLOCK_VOXELS);
        float* first = padded_ + padded(square.first[0], square.first[1], square.first[2]);
        const int u = STEP[square.u], v = STEP[square.v];
        for (int i = at; i < at + HALF_FACE; i++) first[FaceSquare::along_u(i % BLOCK_VOXELS) * u + FaceSquare::along_v(i % BLOCK_VOXELS) * v] = halo[i];
    }

    void average(int first_block, uint32_t row, float* out, float limit) const {
        const BlockCorner corner(first_block);
        for (int n = 0; n < BLOCK_EDGE * BLOCK_EDGE; n++) {
            const float* here = padded_ + padded(0, corner.y + n % BLOCK_EDGE, corner.z + n / BLOCK_EDGE);
            alignas(64) float mean[BRICK_X];
            PHYSSIM_OVER_VOXELS
            for (int i = 0; i < BRICK_X; i++) {
                const float around = here[i - 1] + here[i + 1] + here[i - SY] + here[i + SY] + here[i - SZ] + here[i + SZ];
                float second = (around - 6.0f * here[i]) * static_cast<float>(1.0 / 24);
                second = second < limit ? second : limit;
                mean[i] = here[i] + (second > -limit ? second : -limit);
            }
            for (int m = 0; m < ROWS_X; m++)
                if (row >> m & 1)
                    for (int i = 0; i < BLOCK_EDGE; i++) out[BLOCK_VOXELS * (first_block + m) + BLOCK_EDGE * n + i] = mean[BLOCK_EDGE * m + i];
        }
    }
};

// Coverage of what lies deeper than `depth`: clip(1/2 - (d + depth) / voxel, 0, 1).
PHYSSIM_HD float covered(float d, float depth, float inverse) { return held(0.5f - (d + depth) * inverse, 0.0f, 1.0f); }

// What follows is of one block. Coverage of a structure's surface, times its thin factor (or null), and what shines through it; returns
// the largest coverage.
static float outer_coverage(const float* d, const float* thin, float inverse, float* outer, float* shine) {
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < BLOCK_VOXELS; i++) outer[i] = covered(d[i], 0.0f, inverse);
    if (thin) {
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < BLOCK_VOXELS; i++) outer[i] *= thin[i];
    }
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < BLOCK_VOXELS; i++) shine[i] = 1.0f - outer[i];
    return largest_of(outer);
}

// What a shell round `inside` (coverages of another structure, already taken from what is left) covers of the rest: together they cover
// what the shell's own surface does, not as two that know nothing of each other. Both of the shell's numbers are made anew.
static void nested(const float* inside, float* outer, float* shine) {
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < BLOCK_VOXELS; i++) {
        outer[i] = held((outer[i] - inside[i]) / greater(1.0f - inside[i], BODY_TINY), 0.0f, 1.0f);
        shine[i] = 1.0f - outer[i];
    }
}

// share = left (outer - inner), inner the coverage deeper than the next layer's depth (a number, or one a voxel) and never more than of
// this one; then outer = inner. Returns the largest share.
static float layer_share(const float* left, const float* d, const float* depths, float depth, float inverse, float* outer, float* share) {
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < BLOCK_VOXELS; i++) {
        const float inner = lesser(covered(d[i], depths ? depths[i] : depth, inverse), outer[i]);
        share[i] = left[i] * (outer[i] - inner), outer[i] = inner;
    }
    return largest_of(share);
}

// The same of the last layer: nothing lies deeper.
static float last_share(const float* left, const float* outer, float* share) {
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < BLOCK_VOXELS; i++) share[i] = left[i] * outer[i];
    return largest_of(share);
}

// Moves a fraction (held in 0 to 1) of `share` to `other`.
static void split(float* share, const float* fraction, float* other) {
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < BLOCK_VOXELS; i++) {
        other[i] = share[i] * held(fraction[i], 0.0f, 1.0f);
        share[i] = share[i] - other[i];
    }
}

// The sums of a material or organ in a brick's blocks: zero in those where it is met first.
struct Touched {
    float* values;
    int32_t* brick_of;
    int32_t* blocks_of;
    int32_t brick;

    PHYSSIM_HD float* block(int32_t index, int b) const {
        if (brick_of[index] != brick) brick_of[index] = brick, blocks_of[index] = 0;
        float* own = values + int64_t{index} * BRICK_VOXELS + BLOCK_VOXELS * b;
        if (!(blocks_of[index] >> b & 1)) {
            blocks_of[index] |= 1 << b;
            for (int i = 0; i < BLOCK_VOXELS; i++) own[i] = 0.0f;
        }
        return own;
    }
};

// Adds a layer's share of each voxel to mass and volume, and both in fixed point to sums: a block's fit 32 bits.
// `density` is one number where `uniform`, else one a voxel.
static void deposit(const float* share, const float* density, bool uniform, float rho, float* mass, float* volume, int64_t& volume_sum, int64_t& mass_sum) {
    constexpr float FIXED = static_cast<float>(BODY_FIXED);
    int32_t total = 0, weight = 0;
    if (uniform) {
        const float scale = density[0] * rho, own = density[0] * FIXED;
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < BLOCK_VOXELS; i++) {
            mass[i] += share[i] * scale;
            volume[i] += share[i];
            total += static_cast<int32_t>(share[i] * FIXED + 0.5f);
            weight += static_cast<int32_t>(share[i] * own + 0.5f);
        }
    } else {
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < BLOCK_VOXELS; i++) {
            const float own = held(density[i], 0.0f, BODY_DENSEST) * share[i];
            mass[i] += own * rho;
            volume[i] += share[i];
            total += static_cast<int32_t>(share[i] * FIXED + 0.5f);
            weight += static_cast<int32_t>(own * FIXED + 0.5f);
        }
    }
    volume_sum += total, mass_sum += weight;
}

// The same where each voxel names its organ (a register of whole numbers). volumes, masses: the material's sums.
static void deposit_organs(const float* share, const float* density, bool uniform, float rho, float* mass, const float* organs, const Touched& volume, int b,
                           int64_t* volumes, int64_t* masses) {
    constexpr float FIXED = static_cast<float>(BODY_FIXED);
    for (int i = 0; i < BLOCK_VOXELS; i++) {
        if (!(share[i] > 0.0f)) continue;
        const float own = held(uniform ? density[0] : density[i], 0.0f, BODY_DENSEST) * share[i];
        mass[i] += own * rho;
        const int32_t organ = static_cast<int32_t>(organs[i]);
        volume.block(organ, b)[i] += share[i];
        volumes[organ] += static_cast<int32_t>(share[i] * FIXED + 0.5f);
        masses[organ] += static_cast<int32_t>(own * FIXED + 0.5f);
    }
}

// Of each voxel of the brick the index with most (the first of equals), and the sum.
static void with_most(const Touched& touched, int32_t count, float* best, int32_t* which, float* total) {
    for (int i = 0; i < BRICK_VOXELS; i++) best[i] = 0.0f, which[i] = 0, total[i] = 0.0f;
    for (int32_t index = 0; index < count; index++) {
        if (touched.brick_of[index] != touched.brick) continue;
        const float* values = touched.values + int64_t{index} * BRICK_VOXELS;
        in_blocks<BLOCK_VOXELS>(static_cast<uint32_t>(touched.blocks_of[index]), [&](int at) {
            PHYSSIM_OVER_VOXELS
            for (int i = at; i < at + BLOCK_VOXELS; i++) {
                total[i] += values[i];
                which[i] = values[i] > best[i] ? index : which[i];
                best[i] = values[i] > best[i] ? values[i] : best[i];
            }
        });
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
