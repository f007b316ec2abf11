// From distances to shares of voxels, and what the shares add to mass and volume. All on the voxels of one brick.
#pragma once
#include "body/places.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Between the order of blocks and that of rows along x, then y, then z.
template <bool TO_ROWS>
static void reordered(const float* from, float* to) {
    for (int b = 0; b < BLOCKS; b++)
        for (int n = 0; n < BLOCK_EDGE * BLOCK_EDGE; n++) {
            const BlockCorner corner(b);
            const int row = ((corner.z + n / BLOCK_EDGE) * BRICK_Y + corner.y + n % BLOCK_EDGE) * BRICK_X + corner.x, own = BLOCK_VOXELS * b + BLOCK_EDGE * n;
            for (int i = 0; i < BLOCK_EDGE; i++) to[TO_ROWS ? row + i : own + i] = from[TO_ROWS ? own + i : row + i];
        }
}

// out = d + its Laplacian / 24 in voxel steps: the mean of d over each voxel, to second order. No more than `limit` (mm) is added. At
// the brick's faces the Laplacian is that of the next voxel inward.
static void averaged(const float* distance, float* out, float limit) {
    constexpr int SY = BRICK_X, SZ = BRICK_X * BRICK_Y;
    alignas(64) float d[BRICK_VOXELS], mean[BRICK_VOXELS];
    reordered<true>(distance, d);
    for (int k = 1; k < BRICK_Z - 1; k++)
        for (int j = 1; j < BRICK_Y - 1; j++) {
            const float* here = d + k * SZ + j * SY;
            float* row = mean + k * SZ + j * SY;
            PHYSSIM_OVER_VOXELS
            for (int i = 0; i < BRICK_X; i++) {
                const float around = here[i - 1] + here[i + 1] + here[i - SY] + here[i + SY] + here[i - SZ] + here[i + SZ];
                float second = (around - 6.0f * here[i]) * static_cast<float>(1.0 / 24);
                second = second < limit ? second : limit;
                row[i] = second > -limit ? second : -limit;
            }
            row[0] = row[1], row[BRICK_X - 1] = row[BRICK_X - 2];
        }
    for (int k = 0; k < BRICK_Z; k++)
        for (int j = 0; j < BRICK_Y; j++) {
            const int kk = k < 1 ? 1 : k > BRICK_Z - 2 ? BRICK_Z - 2 : k, jj = j < 1 ? 1 : j > BRICK_Y - 2 ? BRICK_Y - 2 : j;
            if (kk == k && jj == j) continue;
            for (int i = 0; i < BRICK_X; i++) mean[k * SZ + j * SY + i] = mean[kk * SZ + jj * SY + i];
        }
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < BRICK_VOXELS; i++) mean[i] += d[i];
    reordered<false>(mean, out);
}

// Coverage of what lies deeper than `depth`: clip(1/2 - (d + depth) / voxel, 0, 1).
PHYSSIM_HD float covered(float d, float depth, float inverse) { return held(0.5f - (d + depth) * inverse, 0.0f, 1.0f); }

// What follows is of one block. Coverage of a structure's surface, times its thin factor (or null), and what shines through it; returns
// the largest coverage.
static float outer_coverage(const float* d, const float* thin, float inverse, float* outer, float* shine) {
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < BLOCK_VOXELS; i++) {
        float c = covered(d[i], 0.0f, inverse);
        c *= thin ? thin[i] : 1.0f;
        outer[i] = c, shine[i] = 1.0f - c;
    }
    return largest_of(outer);
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
