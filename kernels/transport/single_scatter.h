// First collisions of photons from a point source, placed by Sobol points: what forced detection starts from.
//
// Law: a photon of energy E that leaves the source along a ray collides at optical depth tau with density exp(-tau), and scatters
// there into d Omega with probability (d sigma / d Omega) / (mu / rho). Direction: uniform on the field's plane at distance 1, weighted by
// (1 + x^2 + y^2)^(-3/2), which makes it uniform in solid angle. Depth: density (1 + c T) / (T (1 + c tau)^2) on [0, T], T the depth of
// the whole ray, which is about exp(-2 c tau) and needs no logarithm; the weight exp(-tau) / density is exact.
// Neglects: the focal spot's size, fluorescence, scatter in what is not in the voxels.
#pragma once
#include "physics/lookup.h"
#include "transport/packed_voxels.h"
#include "transport/sobol.h"

namespace physsim {

constexpr double DEPTH_BIAS = 0.05;  // c: the depth's density is about exp(-0.1 tau)

// Photons of one energy bin are uniform within it.
struct ScatterSource {
    double position[3], across[3], along[3], forward[3];  // cm; unit vectors
    double low[2], high[2];                               // tangents of the field's edges
    double solid_angle;                                   // of the field
    int32_t energy_bins;
    const float *cumulative, *low_kev, *width_kev;        // share of the photons in this bin and those before
    int32_t field_cells;                                  // n: the field in n x n equal cells, for first_collision; 0: uniform
    const float *row_share, *cell_share;                  // (n), (n, n): points in rows, in cells of a row, up to this one; each ends with 1
};

// A collision on the way to every pixel. `weight` is the estimate's factor before the scattering angle is known.
struct Collision {
    float at[3], along[3];
    float energy_kev, optical_depth, weight;  // weight 0: the ray met nothing
    float jitter[2];                          // of the place within each pixel, in pixels
    int32_t material;
};

namespace PHYSSIM_ISA {

PHYSSIM_HD float energy_at(const ScatterSource& source, double fraction) {
    int32_t low = 0, high = source.energy_bins - 1;
    while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (fraction < static_cast<double>(source.cumulative[middle])) high = middle;
        else low = middle + 1;
    }
    const double before = low ? static_cast<double>(source.cumulative[low - 1]) : 0.0, share = static_cast<double>(source.cumulative[low]) - before;
    const double within = share > 0.0 ? (fraction - before) / share : 0.5;
    return static_cast<float>(static_cast<double>(source.low_kev[low]) + within * static_cast<double>(source.width_kev[low]));
}

// mu / rho of every material at one energy; `out` has room for a multiple of LANES.
PHYSSIM_HD void attenuations(const PhotonTables& tables, int32_t materials, float energy_kev, float* out) {
    for (int32_t m = 0; m < materials; m += LANES)
        store(out + m, lookup(tables, minimum(I(m) + lane_index(), I(materials - 1)), F(energy_kev)).mass_attenuation_cm2_g);
}

// Collision `number` of a replicate; `attenuation` receives mu / rho of every material at its energy.
PHYSSIM_HD Collision collide(const ScatterSource& source, const PackedVoxels& voxels, const PhotonTables& tables, const SobolPoints& points,
                             uint32_t number, float* attenuation) {
    Collision found = {};
    const double x = source.low[0] + sobol(points, 0, number) * (source.high[0] - source.low[0]);
    const double y = source.low[1] + sobol(points, 1, number) * (source.high[1] - source.low[1]);
    const double square = 1.0 + x * x + y * y, length = sqrt(square);
    double direction[3];
    for (int a = 0; a < 3; a++) direction[a] = (x * source.across[a] + y * source.along[a] + source.forward[a]) / length;
    found.energy_kev = energy_at(source, sobol(points, 3, number));
    attenuations(tables, voxels.materials, found.energy_kev, attenuation);
    const double whole = walk(voxels, source.position, direction, attenuation, 1e30).optical_depth;
    if (!(whole > 0.0)) return found;
    const double u = sobol(points, 2, number), depth = u * whole / (1.0 + DEPTH_BIAS * whole * (1.0 - u));
    const Walk here = walk(voxels, source.position, direction, attenuation, depth);
    for (int a = 0; a < 3; a++) {
        found.at[a] = static_cast<float>(source.position[a] + here.distance * direction[a]);
        found.along[a] = static_cast<float>(direction[a]);
    }
    found.material = here.word & 0xff;
    found.optical_depth = static_cast<float>(depth);
    const double stretch = 1.0 + DEPTH_BIAS * depth, area = (source.high[0] - source.low[0]) * (source.high[1] - source.low[1]);
    const double depth_weight = whole * stretch * stretch / (1.0 + DEPTH_BIAS * whole);
    found.weight = static_cast<float>(depth_weight * area / (source.solid_angle * square * length) / static_cast<double>(attenuation[found.material]));
    found.jitter[0] = static_cast<float>(sobol(points, 4, number) - 0.5);
    found.jitter[1] = static_cast<float>(sobol(points, 5, number) - 0.5);
    return found;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
