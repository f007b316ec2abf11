// Joseph's line integral, its transpose and its slopes, one ray a thread. Boxes of a volume add up.
#pragma once
#include "core/fixed_point.h"
#include "raytrace/joseph_slopes.h"
#include "raytrace/thread_ray.h"
#include "raytrace/voxel.h"

namespace physsim {
namespace PHYSSIM_ISA {

// A sample on a plane: where between the four voxels around it, and which these are, on the axes A and B across.
template <int A, int B>
struct ThreadSample {
    const Box& box;
    Between a, b;
    int32_t element, i, j;  // of voxel (0, 0) of the plane; the voxel below on both axes

    // use(element) of the voxel I, J behind, if it is in the box.
    template <int I, int J, typename Use>
    PHYSSIM_HD void with(Use&& use) const {
        const bool inside = 0 <= i + I && i + I < box.shape[A] && 0 <= j + J && j + J < box.shape[B];
        if (inside) use(element + (i + I) * box.stride[A] + (j + J) * box.stride[B]);
    }

    template <typename T>
    PHYSSIM_HD JosephVoxels around(const T* voxels) const {
        JosephVoxels v = {0.0f, 0.0f, 0.0f, 0.0f};
        with<0, 0>([&](int32_t at) { v.v00 = voxel_value(voxels + at); });
        with<1, 0>([&](int32_t at) { v.v10 = voxel_value(voxels + at); });
        with<0, 1>([&](int32_t at) { v.v01 = voxel_value(voxels + at); });
        with<1, 1>([&](int32_t at) { v.v11 = voxel_value(voxels + at); });
        return v;
    }

    // The transpose of around().value(): adds to sums in fixed point.
    PHYSSIM_HD void add(int64_t* sums, float scaled) const {
        const JosephVoxels part = JosephVoxels::parts(scaled, a.fraction, b.fraction);
        with<0, 0>([&](int32_t at) { add_fixed(sums + at, part.v00); });
        with<1, 0>([&](int32_t at) { add_fixed(sums + at, part.v10); });
        with<0, 1>([&](int32_t at) { add_fixed(sums + at, part.v01); });
        with<1, 1>([&](int32_t at) { add_fixed(sums + at, part.v11); });
    }
};

// Visits the samples on the planes of axis D, the fastest, along which the ray moves a voxel a parameter:
// visit(line, plane, sample). Planes and voxels count from `middle`.
template <int D, typename Visit>
PHYSSIM_HD void walk_planes_along(const ThreadRay& ray, const Box& box, Visit&& visit) {
    constexpr int A = D == 0 ? 1 : 0, B = D == 2 ? 1 : 2;
    const float sign = ray.slope[D];  // +1 or -1
    JosephLine line = {ray.position[D], ray.position[A], ray.position[B], sign * ray.slope[A], sign * ray.slope[B],
                       sign * ray.first + ray.position[D], sign * ray.last + ray.position[D], 0.0f, 0.0f};
    const auto first = [&](int axis) { return static_cast<float>(-ray.middle[axis]); };
    const auto size = [&](int axis) { return static_cast<float>(box.shape[axis]); };
    line.limit(first(D), first(D) + size(D) - 1.0f);
    line.narrow(line.at_a, line.rate_a, first(A), size(A));
    line.narrow(line.at_b, line.rate_b, first(B), size(B));
    for (float plane = line.from; plane <= line.to; plane += 1.0f) {
        const Between a = line.across(plane, line.at_a, line.rate_a), b = line.across(plane, line.at_b, line.rate_b);
        const ThreadSample<A, B> sample = {box, a, b, (truncate(plane) + ray.middle[D]) * box.stride[D],
                                           truncate(a.voxel) + ray.middle[A], truncate(b.voxel) + ray.middle[B]};
        visit(line, plane, sample);
    }
}

PHYSSIM_HD int fastest_axis(const ThreadRay& ray) {
    const float x = fabsf(ray.slope[0]), y = fabsf(ray.slope[1]), z = fabsf(ray.slope[2]);
    return x >= y && x >= z ? 0 : y >= z ? 1 : 2;
}

template <typename Visit>
PHYSSIM_HD void walk_planes(const ThreadRay& ray, const Box& box, Visit&& visit) {
    const int axis = fastest_axis(ray);
    if (axis == 0) walk_planes_along<0>(ray, box, visit);
    else if (axis == 1) walk_planes_along<1>(ray, box, visit);
    else walk_planes_along<2>(ray, box, visit);
}

// The line integral, voxel value x parameter.
template <typename T>
PHYSSIM_HD float joseph(const T* voxels, const ThreadRay& ray, const Box& box) {
    float sum = 0.0f;
    walk_planes(ray, box, [&](const JosephLine& line, float plane, const auto& sample) {
        sum = multiply_add(sample.around(voxels).value(sample.a.fraction, sample.b.fraction), line.share(plane), sum);
    });
    return sum;
}

// Its transpose: `scaled`, a pixel's value a parameter times the power of two of the sums, goes to the voxels.
PHYSSIM_HD void joseph_transpose(int64_t* sums, float scaled, const ThreadRay& ray, const Box& box) {
    walk_planes(ray, box, [&](const JosephLine& line, float plane, const auto& sample) { sample.add(sums, scaled * line.share(plane)); });
}

// Sums for its derivatives by the ray's ends.
template <typename T>
PHYSSIM_HD JosephSlopes joseph_slopes(const T* voxels, const ThreadRay& ray, const Box& box) {
    JosephSlopes sums;
    const float inverse = 1.0f / (ray.last - ray.first);
    walk_planes(ray, box, [&](const JosephLine& line, float plane, const auto& sample) {
        const float sign = line.end > line.start ? 1.0f : -1.0f;
        const float tau = ((plane + 0.5f - line.at_d) * sign - ray.first) * inverse;
        sums.add(line, plane, sample.around(voxels), sample.a.fraction, sample.b.fraction, line.share(plane), tau, true);
    });
    return sums;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
