// Joseph's line integral, one ray a thread: bilinear between voxel centres on each plane across the ray's fastest axis; a plane
// counts by how much of its slab [i, i + 1) lies between the ray's ends; zero outside the box. Boxes of a volume add up.
// Reference: Joseph, IEEE Trans. Med. Imaging 1, 192 (1982).
#pragma once
#include "raytrace/thread_ray.h"
#include "raytrace/voxel.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Index of the voxel centre below and the fraction towards the next one, at a parameter of the ray.
struct Between { int32_t index; float fraction; };
PHYSSIM_HD Between between_centres(const ThreadRay& ray, int a, float parameter) {
    const float at = ray.position[a] - 0.5f + ray.slope[a] * parameter, below = floorf(at);
    return {static_cast<int32_t>(below) + ray.middle[a], at - below};
}

// Weight of voxel `index`, 0 outside the box.
PHYSSIM_HD float weight_inside(int32_t index, int32_t count, float weight) { return 0 <= index && index < count ? weight : 0.0f; }

// Parameters at which the ray is between the centres beside the box along axis `a`: narrows [from, to].
PHYSSIM_HD void narrow(const ThreadRay& ray, const Box& box, int a, float& from, float& to) {
    const float low = -0.5f - ray.middle[a] - ray.position[a], high = low + (box.shape[a] + 1);
    if (ray.slope[a] == 0.0f) {
        if (low > 0.0f || high < 0.0f) to = from - 1.0f;
        return;
    }
    const float inverse = 1.0f / ray.slope[a], p = low * inverse, q = high * inverse;
    from = maximum(minimum(p, q), from), to = minimum(maximum(p, q), to);
}

// Sum over the planes of axis D, the fastest: voxel value x parameter.
template <int D, typename T>
PHYSSIM_HD float joseph_along(const T* voxels, const ThreadRay& ray, const Box& box) {
    constexpr int A = D == 0 ? 1 : 0, B = D == 2 ? 1 : 2;
    float from = ray.first, to = ray.last;
    const float start = minimum(ray.slope[D] * from, ray.slope[D] * to) + ray.position[D];
    const float end = maximum(ray.slope[D] * from, ray.slope[D] * to) + ray.position[D];  // planes count from `middle`
    from -= 1.0f, to += 1.0f;  // a plane's centre may lie beyond the end
    narrow(ray, box, A, from, to);
    narrow(ray, box, B, from, to);
    if (!(from <= to)) return 0.0f;
    const float p = ray.slope[D] * from + ray.position[D], q = ray.slope[D] * to + ray.position[D];
    const float low = maximum(floorf(minimum(p, q)) - 1.0f, floorf(start)), high = minimum(floorf(maximum(p, q)) + 1.0f, floorf(end));
    const int32_t first = maximum(static_cast<int32_t>(low), -ray.middle[D]);
    const int32_t last = minimum(static_cast<int32_t>(high), box.shape[D] - 1 - ray.middle[D]);
    const float inverse = 1.0f / ray.slope[D];
    float sum = 0.0f;
    for (int32_t plane = first; plane <= last; plane++) {
        const float here = static_cast<float>(plane), covered = minimum(here + 1.0f, end) - maximum(here, start);
        const float parameter = (here + 0.5f - ray.position[D]) * inverse;
        const Between a = between_centres(ray, A, parameter), b = between_centres(ray, B, parameter);
        const T* corner = voxels + (plane + ray.middle[D]) * box.stride[D];
        float value = 0.0f;
        PHYSSIM_UNROLL
        for (int i = 0; i < 4; i++) {
            const int32_t at_a = a.index + (i & 1), at_b = b.index + (i >> 1);
            const float weight = weight_inside(at_a, box.shape[A], i & 1 ? a.fraction : 1.0f - a.fraction) *
                                 weight_inside(at_b, box.shape[B], i >> 1 ? b.fraction : 1.0f - b.fraction);
            if (weight > 0.0f) value += weight * voxel_value(corner + at_a * box.stride[A] + at_b * box.stride[B]);
        }
        sum += value * maximum(covered, 0.0f);
    }
    return sum * (ray.slope[D] < 0.0f ? -inverse : inverse);
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
