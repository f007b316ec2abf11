// Voxels as rays read them: density and material in one word, with a border of vacuum, and walks through them.
//
// Lengths in cm from the low corner of the voxels, along their axes x, y, z. A word is the float32 of the density (g/cm3) whose low
// eight bits name the material of the photon tables: the density is within 2^-16 of its value. The border of one voxel all round
// lets a ray that rounding carries past the last face read vacuum. Neglects: partial volume within a voxel.
// Reference: J. Amanatides, A. Woo, "A fast voxel traversal algorithm for ray tracing", Eurographics 1987.
#pragma once
#include "core/lanes.h"
#include "core/scatter.h"

namespace physsim {

constexpr int32_t MOST_PACKED_MATERIALS = 256;

struct PackedVoxels {
    int32_t shape[3];                       // voxels along x, y, z, without the border
    float voxel_cm[3], voxels_per_cm[3], size_cm[3];
    const int32_t* word;                    // (z + 2, y + 2, x + 2)
    int32_t materials;
};

namespace PHYSSIM_ISA {

PHYSSIM_HD int32_t packed_index(const PackedVoxels& voxels, int32_t x, int32_t y, int32_t z) {
    return ((z + 1) * (voxels.shape[1] + 2) + y + 1) * (voxels.shape[0] + 2) + x + 1;
}

PHYSSIM_HD float packed_density(int32_t word) {
    const union { int32_t bits; float value; } same = {word & ~0xff};
    return same.value;
}

// The voxel at a place along an axis, in voxels; the nearest one beyond the ends.
template <typename Real>
PHYSSIM_HD int32_t voxel_of(const PackedVoxels& voxels, int axis, Real place) {
    if (place < Real(0)) return 0;
    const int32_t index = static_cast<int32_t>(place);
    return index < voxels.shape[axis] ? index : voxels.shape[axis] - 1;
}

// Where a walk along one ray ended, cm from its start, and the optical depth that it passed.
struct Walk { double distance, optical_depth; int32_t word; };

// From (x, y, z) along the unit vector (ux, uy, uz) until the optical depth `enough` is passed or the voxels end. `mass_attenuation`:
// cm2/g by material. Where nothing lies on the ray the optical depth is 0.
PHYSSIM_HD Walk walk(const PackedVoxels& voxels, const double (&at)[3], const double (&along)[3], const float* mass_attenuation, double enough) {
    double enter = 0.0, leave = 1e30, inverse[3], next[3], step[3];
    for (int a = 0; a < 3; a++) {
        const bool level = along[a] < 1e-12 && along[a] > -1e-12;
        inverse[a] = level ? 1e30 : 1.0 / along[a];
        const double low = (0.0 - at[a]) * inverse[a], high = (static_cast<double>(voxels.size_cm[a]) - at[a]) * inverse[a];
        const double first = low < high ? low : high, last = low < high ? high : low;
        enter = first > enter ? first : enter, leave = last < leave ? last : leave;
    }
    Walk found = {leave, 0.0, 0};
    if (!(enter < leave)) return found;
    int32_t index[3], stride[3] = {1, voxels.shape[0] + 2, (voxels.shape[0] + 2) * (voxels.shape[1] + 2)};
    for (int a = 0; a < 3; a++) {
        const double place = (at[a] + enter * along[a]) * static_cast<double>(voxels.voxels_per_cm[a]);
        index[a] = voxel_of(voxels, a, place);
        const bool up = along[a] >= 0.0;
        next[a] = ((index[a] + up) * static_cast<double>(voxels.voxel_cm[a]) - at[a]) * inverse[a];
        if (next[a] < enter) next[a] = inverse[a] == 1e30 ? 1e30 : enter;
        step[a] = static_cast<double>(voxels.voxel_cm[a]) * (up ? inverse[a] : -inverse[a]);
        if (!up) stride[a] = -stride[a];
    }
    int32_t here = packed_index(voxels, index[0], index[1], index[2]);
    double t = enter;
    while (t < leave) {
        const int a = next[0] < next[1] ? (next[0] < next[2] ? 0 : 2) : (next[1] < next[2] ? 1 : 2);
        const double end = next[a] < leave ? next[a] : leave;
        const int32_t word = load_read_only(voxels.word + here);
        const double attenuation = static_cast<double>(packed_density(word)) * static_cast<double>(mass_attenuation[word & 0xff]);
        const double more = attenuation * (end - t);
        if (more > 0.0) found.word = word;
        if (found.optical_depth + more > enough) {
            found.distance = t + (enough - found.optical_depth) / attenuation;
            found.optical_depth = enough;
            return found;
        }
        found.optical_depth += more;
        t = end, here += stride[a], next[a] += step[a];
    }
    return found;
}

// Adds g/cm2 by material, (materials, LANES), along rays that start at one point inside the voxels and end at `reach` cm or where
// the voxels end; by lanes.
PHYSSIM_HD void add_areal_density(const PackedVoxels& voxels, const float (&at)[3], F ux, F uy, F uz, F reach, float* areal) {
    const F along[3] = {ux, uy, uz};
    F next[3], step[3], leave = reach;
    I stride[3];
    int32_t place[3];
    const int32_t pitch[3] = {1, voxels.shape[0] + 2, (voxels.shape[0] + 2) * (voxels.shape[1] + 2)};
    for (int a = 0; a < 3; a++) {
        place[a] = voxel_of(voxels, a, at[a] * voxels.voxels_per_cm[a]);
        const float low = static_cast<float>(place[a]) * voxels.voxel_cm[a], high = static_cast<float>(place[a] + 1) * voxels.voxel_cm[a];
        const M up = F(0.0f) <= along[a], level = (along[a] < F(1e-12f)) & (F(-1e-12f) < along[a]);
        const F inverse = select(level, F(1e30f), F(1.0f) / select(level, F(1.0f), along[a]));
        next[a] = maximum(F(0.0f), select(up, F(high - at[a]), F(low - at[a])) * inverse);
        leave = minimum(leave, maximum(F(0.0f), select(up, F(voxels.size_cm[a] - at[a]), F(0.0f - at[a])) * inverse));
        step[a] = F(voxels.voxel_cm[a]) * maximum(inverse, F(0.0f) - inverse);
        next[a] = select(level, F(1e30f), next[a]);
        stride[a] = select(up, I(pitch[a]), I(-pitch[a]));
    }
    const float* words = reinterpret_cast<const float*>(voxels.word);
    I here(packed_index(voxels, place[0], place[1], place[2]));
    I current = as_int(gather(words, here)) & I(0xff);
    F t(0.0f), sum(0.0f);
    M flying = t < leave;
    while (any(flying)) {
        const I word = as_int(gather(words, here)), material = word & I(0xff);
        if (any(unlike(material, current, I(0xff)))) {
            scatter_add(areal, current * I(LANES) + lane_index(), sum);
            sum = F(0.0f), current = material;
        }
        const F nearest = minimum(next[0], minimum(next[1], next[2])), end = minimum(nearest, leave);
        sum = multiply_add(as_float(word & I(~0xff)), end - t, sum);
        t = end;
        flying = t < leave;
        for (int a = 0; a < 3; a++) {
            const M crossed = (next[a] <= nearest) & flying;
            next[a] = add_where(crossed, next[a], step[a]);
            here = add_where(crossed, here, stride[a]);
        }
    }
    scatter_add(areal, current * I(LANES) + lane_index(), sum);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
