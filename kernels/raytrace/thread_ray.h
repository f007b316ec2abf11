// One ray a thread, in float32 (CUDA): every plane is crossed at (plane - position) * inverse slope, never by adding up steps,
// the parameter counts from where the ray is nearest to the middle of the box, positions from the nearest face there.
// Rounding then moves a crossing by some 2^-24 of its distance from there, at most 2e-6 voxels for a box of 64 and 1.5e-5 for
// 512; a ray along a face stays on the side where float64 has it, however close. Only the setup is in float64.
#pragma once
#include "raytrace/cells.h"

namespace physsim {
namespace PHYSSIM_ISA {

// A box of voxels: axes in the caller's order, element of voxel (i, j, k) at i stride[0] + j stride[1] + k stride[2].
struct Box {
    int32_t shape[3], stride[3];
    double spacing[3];  // mm
};

// A ray in the box: positions count from the planes `middle`, the parameter grows by 1 a voxel along the fastest axis.
struct ThreadRay {
    float position[3], slope[3];  // at parameter 0, in [-1/2, 1/2]; voxels a unit of parameter
    float first, last;            // parameters of the ray's own ends
    float mm;                     // mm a unit of parameter
    int32_t middle[3];

    // start, end: voxel coordinates of the box; of the ray between them, the part from `from` to `to` (0 and 1: all).
    PHYSSIM_HD ThreadRay(const Box& box, const double (&start)[3], const double (&end)[3], double from = 0.0, double to = 1.0) {
        double turn[3], length = 0.0, along = 0.0, square = 0.0;
        for (int a = 0; a < 3; a++) {
            turn[a] = end[a] - start[a];
            const double size = turn[a] < 0 ? -turn[a] : turn[a];
            if (size > length) length = size;
            along += turn[a] * (0.5 * box.shape[a] - start[a]);
            square += turn[a] * turn[a];
        }
        const double inverse = 1.0 / length;
        // Where the ray is nearest to the middle, as a fraction of its length: any place near it serves as origin.
        along = static_cast<double>(static_cast<float>(along) / static_cast<float>(square));
        if (!(along > 0.0)) along = 0.0;
        if (along > 1.0) along = 1.0;
        float mm2 = 0.0f;
        for (int a = 0; a < 3; a++) {
            const bool level = turn[a] * inverse < 1e-12 && turn[a] * inverse > -1e-12;
            const double here = level ? on_face(start[a]) : start[a] + along * turn[a];
            middle[a] = static_cast<int32_t>(here + (here < 0 ? -0.5 : 0.5));
            position[a] = static_cast<float>(here - middle[a]);
            slope[a] = static_cast<float>(turn[a] * inverse);
            const float s = static_cast<float>(turn[a] * inverse * box.spacing[a]);
            mm2 += s * s;
        }
        mm = sqrtf(mm2);
        first = static_cast<float>((from - along) * length);
        last = static_cast<float>((to - along) * length);
    }
};

// The three axes of a ray inside the box: where it is, and how far the index moves at the next plane of each.
struct BoxWalk {
    AxisWalkOf<float> axis[3];
    float here, exit;
    int32_t index, jump[3];

    // False when the ray misses the box.
    PHYSSIM_HD bool begin(const ThreadRay& ray, const Box& box) {
        here = ray.first, exit = ray.last;
        bool hit = true;
        for (int a = 0; a < 3; a++) hit = axis[a].clip(ray.position[a], ray.slope[a], -ray.middle[a], box.shape[a], here, exit) && hit;
        if (!hit || !(exit > here)) return false;
        index = 0;
        for (int a = 0; a < 3; a++) {
            axis[a].begin(ray.slope[a], here);
            while (axis[a].next <= here) axis[a].advance();  // rounding put the start a voxel early
            index += (axis[a].cell + ray.middle[a]) * box.stride[a];
            jump[a] = axis[a].step * box.stride[a];
        }
        return true;
    }

    template <int A>
    PHYSSIM_HD void cross_to(float leave) {
        if (axis[A].next <= leave) {
            axis[A].advance();
            index += jump[A];
        }
    }
};

// Any pose. Visits the voxels of the ray in order: visit(element, parameter inside the voxel). No plane beyond the exit is
// crossed, since the exit is computed by the same expression as the planes: the element never leaves the box.
template <typename Visit>
PHYSSIM_HD void walk_voxels(const ThreadRay& ray, const Box& box, Visit&& visit) {
    BoxWalk walk;
    if (!walk.begin(ray, box)) return;
    while (true) {
        const float leave = minimum(minimum(walk.axis[0].next, walk.axis[1].next), minimum(walk.axis[2].next, walk.exit));
        visit(walk.index, leave - walk.here);
        if (leave >= walk.exit) return;
        walk.here = leave;
        walk.cross_to<0>(leave);
        walk.cross_to<1>(leave);
        walk.cross_to<2>(leave);
    }
}

// Views whose detector columns are parallel to axis 2: the 32 rays of a warp share axes 0 and 1, so they go from cell to cell of
// that plane together and read neighbouring voxels; only the crossings of axis 2 inside a cell differ.
template <typename Visit>
PHYSSIM_HD void walk_columns(const ThreadRay& ray, const Box& box, Visit&& visit) {
    BoxWalk walk;
    if (!walk.begin(ray, box)) return;
    while (true) {
        const float leave = minimum(minimum(walk.axis[0].next, walk.axis[1].next), walk.exit);
        while (walk.axis[2].next < leave) {
            visit(walk.index, walk.axis[2].next - walk.here);
            walk.here = walk.axis[2].next;
            walk.axis[2].advance();
            walk.index += walk.jump[2];
        }
        visit(walk.index, leave - walk.here);
        if (leave >= walk.exit) return;
        walk.here = leave;
        walk.cross_to<0>(leave);
        walk.cross_to<1>(leave);
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
