// The parts of a ray in meshes without a list of crossings: each is looked for when the one before it is done with (CUDA).
// A ray is inside a mesh or not: meshes that cross themselves were refused.
#pragma once
#include "mesh/crossings.h"

namespace physsim {

// Bit m: the line leaves mesh m as often as it enters it.
PHYSSIM_HD uint64_t unpaired(const Meshes& meshes, const ShearedRay& ray) {
    uint64_t odd = 0;
    for (int32_t k = 0; k < meshes.box_count;) {
        const TreeBox& box = meshes.boxes[k];
        if (!ray.meets(box)) {
            k = box.skip;
            continue;
        }
        for (int32_t t = box.first; t < box.first + box.count; t++) {
            Crossing one;
            if (crosses(meshes, ray, t, one)) odd ^= uint64_t{1} << one.mesh;
        }
        k++;
    }
    return odd;
}

// The first crossing behind (t, triangle): at a larger t, or at the same t of a triangle of a higher number. False when there is none.
PHYSSIM_HD bool next_crossing(const Meshes& meshes, const ShearedRay& ray, double& t, int32_t& triangle, int32_t& mesh) {
    double nearest = 1e300;
    int32_t found = -1, of = 0;
    for (int32_t k = 0; k < meshes.box_count;) {
        const TreeBox& box = meshes.boxes[k];
        if (!ray.meets(box)) {
            k = box.skip;
            continue;
        }
        for (int32_t i = box.first; i < box.first + box.count; i++) {
            Crossing one;
            if (!crosses(meshes, ray, i, one)) continue;
            if (!(one.t > t || (one.t == t && i > triangle))) continue;
            if (one.t < nearest || (one.t == nearest && i < found)) nearest = one.t, found = i, of = one.mesh;
        }
        k++;
    }
    if (found < 0) return false;
    t = nearest, triangle = found, mesh = of;
    return true;
}

PHYSSIM_HD int32_t highest_bit(uint64_t bits) {
    int32_t place = -1;
    for (; bits != 0; bits >>= 1) place++;
    return place;
}

// Visits the parts of [0, 1] of the ray from `origin` in a mesh: visit(mesh, t from, t to). False when its crossings do not pair.
template <typename Visit>
PHYSSIM_HD bool march(const Meshes& meshes, const double (&origin)[3], const double (&turn)[3], int attempts, Visit&& visit) {
    double start[3] = {origin[0], origin[1], origin[2]}, nudge = 1e-9;
    for (int attempt = 0; attempt <= attempts; attempt++, nudge *= 10.0) {
        const ShearedRay ray(start, turn);
        if (unpaired(meshes, ray) == 0) {
            uint64_t inside = 0;
            double t = -1e300, since = 0.0;
            int32_t triangle = -1, mesh = 0;
            while (next_crossing(meshes, ray, t, triangle, mesh)) {
                const uint64_t after = inside ^ (uint64_t{1} << mesh);
                const int32_t top = highest_bit(inside);
                if (highest_bit(after) != top) {
                    const double from = since > 0.0 ? since : 0.0, to = t < 1.0 ? t : 1.0;
                    if (top >= 0 && to > from) visit(top, from, to);
                    since = t;
                }
                inside = after;
            }
            return true;
        }
        start[0] = origin[0] + nudge, start[1] = origin[1] + 0.7 * nudge, start[2] = origin[2] - 0.6 * nudge;
    }
    return false;
}

}  // namespace physsim
