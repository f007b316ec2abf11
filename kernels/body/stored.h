// A painted brick into the grid's arrays: labels and organs of one or two bytes, density as float16 or float32.
#pragma once
#include "body/coverage.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Nearest float16 (the even one of two equally near) of a number that is not negative.
PHYSSIM_HD uint16_t half_of(float value) {
    const uint32_t bits = static_cast<uint32_t>(bits_of(value));
    // below 2^-14 the exponent stays: adding a half lets the hardware round; others are rounded by hand
    const uint32_t small = static_cast<uint32_t>(bits_of(value + 0.5f)) - 0x3F000000u;
    const uint32_t normal = (bits - 0x38000000u + 0xFFFu + ((bits >> 13) & 1u)) >> 13;
    const uint32_t finite = bits < 0x38800000u ? small : normal;
    return static_cast<uint16_t>(bits < 0x47800000u ? finite : bits > 0x7F800000u ? 0x7E00u : 0x7C00u);
}

template <typename Integer>
PHYSSIM_HD void store_row(void* array, int64_t at, const int32_t* values, int count) {
    Integer* out = static_cast<Integer*>(array) + at;
    for (int i = 0; i < count; i++) out[i] = static_cast<Integer>(values[i]);
}

PHYSSIM_HD void store_whole(void* array, int32_t bytes, int64_t at, const int32_t* values, int count) {
    if (bytes == 1) store_row<uint8_t>(array, at, values, count);
    else store_row<uint16_t>(array, at, values, count);
}

PHYSSIM_HD void store_density(const PaintJob& job, int64_t at, const float* values, int count) {
    if (job.density_bytes == 4) {
        float* out = static_cast<float*>(job.density) + at;
        for (int i = 0; i < count; i++) out[i] = values[i];
    } else {
        uint16_t* out = static_cast<uint16_t*>(job.density) + at;
        for (int i = 0; i < count; i++) out[i] = half_of(values[i]);
    }
}

// Density is a voxel's mass over its own material's density.
static void store_brick(const PaintJob& job, int bx, int by, int bz, const int32_t* label_of, const int32_t* organ_of, float* mass, const float* material_density) {
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < BRICK_VOXELS; i++) mass[i] = mass[i] / material_density[label_of[i]];
    const int i0 = bx * BRICK_X, j0 = by * BRICK_Y, k0 = bz * BRICK_Z;
    for (int n = 0; n < BRICK_VOXELS / BLOCK_EDGE; n++) {
        const BlockCorner corner(n / (BLOCK_EDGE * BLOCK_EDGE));
        const int row = BLOCK_EDGE * n, k = k0 + corner.z + n / BLOCK_EDGE % BLOCK_EDGE, j = j0 + corner.y + n % BLOCK_EDGE, i = i0 + corner.x;
        if (k >= job.shape[0] || j >= job.shape[1] || i >= job.shape[2]) continue;
        const int count = job.shape[2] - i < BLOCK_EDGE ? job.shape[2] - i : BLOCK_EDGE;
        const int64_t at = (int64_t{k} * job.shape[1] + j) * job.shape[2] + i;
        store_whole(job.labels, job.label_bytes, at, label_of + row, count);
        store_whole(job.organs, job.organ_bytes, at, organ_of + row, count);
        store_density(job, at, mass + row, count);
    }
}

// A brick in which there is nothing but the background, whole in the grid or not.
static void store_background(const PaintJob& job, int bx, int by, int bz) {
    const int32_t none[BRICK_X] = {};
    const float one[BRICK_X] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const int i0 = bx * BRICK_X, count = job.shape[2] - i0 < BRICK_X ? job.shape[2] - i0 : BRICK_X;
    for (int k = bz * BRICK_Z; k < (bz + 1) * BRICK_Z && k < job.shape[0]; k++)
        for (int j = by * BRICK_Y; j < (by + 1) * BRICK_Y && j < job.shape[1]; j++) {
            const int64_t at = (int64_t{k} * job.shape[1] + j) * job.shape[2] + i0;
            store_whole(job.labels, job.label_bytes, at, none, count);
            store_whole(job.organs, job.organ_bytes, at, none, count);
            store_density(job, at, one, count);
        }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
