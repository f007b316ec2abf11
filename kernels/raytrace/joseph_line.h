// Joseph's line integral: linear interpolation between voxel centres in the two axes across the ray's fastest one, d; one sample a
// plane of voxel centres; a plane i counts by how much of its slab [i, i + 1) lies between the ray's ends; zero outside the box.
// In voxels from any whole origin. The formula alone, for 16 rays or one: who fetches voxels, and sums, is in joseph.h (packets)
// and thread_joseph.h (CUDA).
// Reference: Joseph, IEEE Trans. Med. Imaging 1, 192 (1982).
#pragma once
#include "core/lanes.h"

namespace physsim {
namespace PHYSSIM_ISA {

struct Between { F voxel, fraction; };  // the voxel centre below, a whole number, and how far towards the next

struct JosephLine {
    F at_d, at_a, at_b;  // position at parameter 0
    F rate_a, rate_b;    // voxels across a voxel along d
    F start, end;        // of the ray, along d
    F from, to;          // planes that may count

    // To planes first .. last that the ray reaches.
    PHYSSIM_HD void limit(F first, F last) {
        from = maximum(first, floor(minimum(start, end)));
        to = minimum(last, floor(maximum(start, end)));
    }

    // To planes at which the ray is from one voxel before `first` to one behind the `size` of them across, and one more each way.
    PHYSSIM_HD void narrow(F at, F rate, F first, F size) {
        const M level = (rate < F(1e-6f)) & (F(-1e-6f) < rate);
        const F inverse = F(1.0f) / select(level, F(1.0f), rate), low = first - F(0.5f), high = first + size + F(0.5f);
        const F p = at_d - F(0.5f) + (low - at) * inverse, q = at_d - F(0.5f) + (high - at) * inverse;
        from = maximum(from, select(level, from, floor(minimum(p, q)) - F(1.0f)));
        to = minimum(to, select(level, to, floor(maximum(p, q)) + F(2.0f)));
    }

    // Where the ray crosses the plane's voxel centres, on an axis across.
    PHYSSIM_HD Between across(F plane, F at, F rate) const {
        const F here = multiply_add(rate, plane + F(0.5f) - at_d, at - F(0.5f)), voxel = floor(here);
        return {voxel, here - voxel};
    }

    // Part of the plane's slab between the ray's ends.
    PHYSSIM_HD F share(F plane) const {
        const F covered = minimum(plane + F(1.0f), maximum(start, end)) - maximum(plane, minimum(start, end));
        return maximum(covered, F(0.0f));
    }
};

// The four voxels of a sample, by steps along a and b.
struct JosephVoxels {
    F v00, v10, v01, v11;
    PHYSSIM_HD F value(F a, F b) const {
        const F low = multiply_add(a, v10 - v00, v00), high = multiply_add(a, v11 - v01, v01);
        return multiply_add(b, high - low, low);
    }
    // The transpose of `value`: what each voxel gets of `whole`.
    PHYSSIM_HD static JosephVoxels parts(F whole, F a, F b) {
        const F high = whole * b, low = whole - high, far = low * a, both = high * a;
        return {low - far, far, high - both, both};
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
