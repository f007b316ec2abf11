// Joseph's line integral, one ray a thread. Boxes of a volume add up.
#pragma once
#include "raytrace/joseph_line.h"
#include "raytrace/thread_ray.h"
#include "raytrace/voxel.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Sum over the planes of axis D, the fastest, along which the ray moves a voxel a parameter: voxel value x parameter.
template <int D, typename T>
PHYSSIM_HD float joseph_along(const T* voxels, const ThreadRay& ray, const Box& box) {
    constexpr int A = D == 0 ? 1 : 0, B = D == 2 ? 1 : 2;
    const float sign = ray.slope[D];  // +1 or -1; planes and voxels count from `middle`
    JosephLine line = {ray.position[D], ray.position[A], ray.position[B], sign * ray.slope[A], sign * ray.slope[B],
                       sign * ray.first + ray.position[D], sign * ray.last + ray.position[D], 0.0f, 0.0f};
    const auto first = [&](int axis) { return static_cast<float>(-ray.middle[axis]); };
    const auto size = [&](int axis) { return static_cast<float>(box.shape[axis]); };
    line.limit(first(D), first(D) + size(D) - 1.0f);
    line.narrow(line.at_a, line.rate_a, first(A), size(A));
    line.narrow(line.at_b, line.rate_b, first(B), size(B));
    float sum = 0.0f;
    for (float plane = line.from; plane <= line.to; plane += 1.0f) {
        const Between a = line.across(plane, line.at_a, line.rate_a), b = line.across(plane, line.at_b, line.rate_b);
        const int32_t at_a = truncate(a.voxel) + ray.middle[A], at_b = truncate(b.voxel) + ray.middle[B];
        const T* corner = voxels + (truncate(plane) + ray.middle[D]) * box.stride[D];
        const auto voxel = [&](int32_t i, int32_t j) {
            const bool inside = 0 <= i && i < box.shape[A] && 0 <= j && j < box.shape[B];
            return inside ? voxel_value(corner + i * box.stride[A] + j * box.stride[B]) : 0.0f;
        };
        const JosephVoxels around = {voxel(at_a, at_b), voxel(at_a + 1, at_b), voxel(at_a, at_b + 1), voxel(at_a + 1, at_b + 1)};
        sum = multiply_add(around.value(a.fraction, b.fraction), line.share(plane), sum);
    }
    return sum;
}

// The line integral, voxel value x parameter.
template <typename T>
PHYSSIM_HD float joseph(const T* voxels, const ThreadRay& ray, const Box& box) {
    const float x = fabsf(ray.slope[0]), y = fabsf(ray.slope[1]), z = fabsf(ray.slope[2]);
    if (x >= y && x >= z) return joseph_along<0>(voxels, ray, box);
    return y >= z ? joseph_along<1>(voxels, ray, box) : joseph_along<2>(voxels, ray, box);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
