// First collisions of photons from a point source, placed by Sobol points: what forced detection starts from.
//
// Law: a photon of energy E that leaves the source along a ray (scatter_source.h) collides at optical depth tau with density exp(-tau), and
// scatters there into d Omega with probability (d sigma / d Omega) / (mu / rho). Depth: density (1 + c T) / (T (1 + c tau)^2) on
// [0, T], T the depth of the whole ray, which is about exp(-2 c tau) and needs no logarithm; the weight exp(-tau) / density is exact.
// Neglects: fluorescence, scatter in what is not in the voxels.
#pragma once
#include "physics/lookup.h"
#include "transport/packed_voxels.h"
#include "transport/scatter_source.h"

namespace physsim {

constexpr double DEPTH_BIAS = 0.05;  // c: the depth's density is about exp(-0.1 tau)

// A collision on the way to every pixel. `weight` is the estimate's factor before the scattering angle is known.
struct Collision {
    float at[3], along[3];
    float energy_kev, optical_depth, weight;  // weight 0: the ray met nothing
    float jitter[2];                          // of the place within each pixel, in pixels
    int32_t material;
};

namespace PHYSSIM_ISA {

// mu / rho of every material at one energy; `out` has room for a multiple of LANES.
PHYSSIM_HD void attenuations(const PhotonTables& tables, int32_t materials, float energy_kev, float* out) {
    for (int32_t m = 0; m < materials; m += LANES)
        store(out + m, lookup(tables, minimum(I(m) + lane_index(), I(materials - 1)), F(energy_kev)).mass_attenuation_cm2_g);
}

// Collision `number` of a replicate; `attenuation` receives mu / rho of every material at its energy.
PHYSSIM_HD Collision collide(const ScatterSource& source, const PackedVoxels& voxels, const PhotonTables& tables, const SobolPoints& points,
                             uint32_t number, float* attenuation) {
    Collision found = {};
    const Start photon = start_of(source, points, number);
    found.energy_kev = photon.energy_kev;
    attenuations(tables, voxels.materials, found.energy_kev, attenuation);
    const double whole = walk(voxels, photon.at, photon.along, attenuation, 1e30).optical_depth;
    if (!(whole > 0.0)) return found;
    const double u = sobol(points, 2, number), depth = u * whole / (1.0 + DEPTH_BIAS * whole * (1.0 - u));
    const Walk here = walk(voxels, photon.at, photon.along, attenuation, depth);
    for (int a = 0; a < 3; a++) {
        found.at[a] = static_cast<float>(photon.at[a] + here.distance * photon.along[a]);
        found.along[a] = static_cast<float>(photon.along[a]);
    }
    found.material = here.word & 0xff;
    found.optical_depth = static_cast<float>(depth);
    const double stretch = 1.0 + DEPTH_BIAS * depth;
    const double depth_weight = whole * stretch * stretch / (1.0 + DEPTH_BIAS * whole);
    found.weight = static_cast<float>(depth_weight * photon.weight / static_cast<double>(attenuation[found.material]));
    found.jitter[0] = static_cast<float>(sobol(points, 4, number) - 0.5);
    found.jitter[1] = static_cast<float>(sobol(points, 5, number) - 0.5);
    return found;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
