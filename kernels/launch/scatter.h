// Scatter of one instruction set: collisions of a replicate, and groups of 16 pixels that hear of all of them in a fixed order.
#pragma once
#include "launch/scatter_table.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int32_t TERMS_IN_FLOAT = 32;  // summed in float32 before they are added in float64

static void collide_all(const ScatterJob& job, const SobolPoints& points, uint32_t first, int32_t count, Collision* collisions, float* attenuation) {
    const int32_t stride = rounded_materials(job.voxels.materials);
    for (int32_t n = 0; n < count; n++)
        collisions[n] = collide(job.source, job.voxels, job.tables, points, first + static_cast<uint32_t>(n), attenuation + static_cast<int64_t>(n) * stride);
}

static void detect_all(const ScatterJob& job, const Collision* collisions, const float* attenuation, int32_t count, int32_t pixel, float* areal,
                       double* compton, double* rayleigh) {
    const int32_t stride = rounded_materials(job.voxels.materials);
    alignas(64) float sums[2][LANES];
    for (int32_t lane = 0; lane < 16; lane += LANES)
        for (int32_t n = 0; n < count; n += TERMS_IN_FLOAT) {
            F compton_sum(0.0f), rayleigh_sum(0.0f);
            for (int32_t k = n; k < count && k < n + TERMS_IN_FLOAT; k++) {
                if (!(collisions[k].weight > 0.0f)) continue;
                const Score score = detect(job.voxels, job.tables, job.targets, collisions[k], attenuation + static_cast<int64_t>(k) * stride, pixel + lane, areal);
                compton_sum = compton_sum + score.compton, rayleigh_sum = rayleigh_sum + score.rayleigh;
            }
            store(sums[0], compton_sum), store(sums[1], rayleigh_sum);
            for (int32_t l = 0; l < LANES; l++) {
                compton[pixel + lane + l] += static_cast<double>(sums[0][l]);
                rayleigh[pixel + lane + l] += static_cast<double>(sums[1][l]);
            }
        }
}

static const ScatterKernels scatter_kernels = {collide_all, detect_all};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
