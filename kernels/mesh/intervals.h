// Which mesh a ray is in, from where to where. Where meshes overlap, the one with the highest number is there.
#pragma once
#include "mesh/crossings.h"

namespace physsim {

constexpr int MOST_MESHES = 64;
constexpr int NUDGES = 4;

// Crossings by t, those at one place by leaving first; few enough for insertion.
PHYSSIM_HD void sort_crossings(Crossing* found, int count) {
    for (int i = 1; i < count; i++) {
        const Crossing one = found[i];
        int k = i;
        for (; k > 0 && (found[k - 1].t > one.t || (found[k - 1].t == one.t && found[k - 1].into > one.into)); k--) found[k] = found[k - 1];
        found[k] = one;
    }
}

// True when the ray leaves each mesh as often as it enters it.
PHYSSIM_HD bool paired(const Crossing* found, int count, int8_t (&depth)[MOST_MESHES]) {
    for (int m = 0; m < MOST_MESHES; m++) depth[m] = 0;
    for (int i = 0; i < count; i++) depth[found[i].mesh] = static_cast<int8_t>(depth[found[i].mesh] + found[i].into);
    for (int m = 0; m < MOST_MESHES; m++)
        if (depth[m] != 0) return false;
    return true;
}

// Visits the parts of [0, 1] that lie in a mesh, from sorted and paired crossings: visit(mesh, t from, t to).
template <typename Visit>
PHYSSIM_HD void intervals(const Crossing* found, int count, int8_t (&depth)[MOST_MESHES], Visit&& visit) {
    for (int m = 0; m < MOST_MESHES; m++) depth[m] = 0;
    int top = -1;
    double since = 0.0;
    for (int i = 0; i < count; i++) {
        const int mesh = found[i].mesh;
        depth[mesh] = static_cast<int8_t>(depth[mesh] + found[i].into);
        int now = mesh > top ? mesh : top;
        while (now >= 0 && depth[now] <= 0) now--;
        if (now == top) continue;
        const double from = since > 0.0 ? since : 0.0, to = found[i].t < 1.0 ? found[i].t : 1.0;
        if (top >= 0 && to > from) visit(top, from, to);
        top = now, since = found[i].t;
    }
}

}  // namespace physsim
