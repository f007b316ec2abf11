// Forced detection: what a collision sends to a pixel, for as many pixels at once as there are lanes.
//
// Law: energy per area = weight x (d sigma / d Omega)(E, cos theta) x (cos alpha / r^2) x exp(-optical depth at E') x E', alpha the angle to
// the detector's normal, r the way (scatter_detector.h); E' = E for Rayleigh, that of a free electron at rest for Compton. One walk gives the areal density
// of every material and so serves both energies.
// Neglects: Doppler broadening of E' and its shift of the mean; collisions at or behind the detector's plane score 0. Near
// the detector (r below some pixels) the score's variance grows without bound.
// Reference: M. H. Kalos, Nucl. Sci. Eng. 16 (1963) 111; A. P. Colijn, F. J. Beekman, IEEE Trans. Med. Imaging 23 (2004) 584.
#pragma once
#include "core/exp2.h"
#include "physics/compton.h"
#include "physics/rayleigh.h"
#include "transport/packed_voxels.h"
#include "transport/scatter_detector.h"
#include "transport/single_scatter.h"

namespace physsim {

struct ScatterTargets : ScatterDetector {
    const float *column, *row;  // of each pixel, from the centre, in pixels; as many as a multiple of 16
};

namespace PHYSSIM_ISA {

struct Score { F compton, rayleigh; };  // keV/cm2

// `areal`: room for (materials, LANES) floats. `attenuation`: mu / rho by material at the collision's energy.
PHYSSIM_HD Score detect(const PackedVoxels& voxels, const PhotonTables& tables, const ScatterTargets& targets, const Collision& from,
                        const float* attenuation, int32_t pixel, float* areal) {
    const TargetCells cells = {load(targets.column + pixel), load(targets.row + pixel), {1.0f, 1.0f}, {from.jitter[0] + 0.5f, from.jitter[1] + 0.5f}, 0.0f};
    const Sight sight = targets.radius_cm > 0.0f ? see_arc(targets, from.at, cells) : see_plane(targets, from.at, cells);
    const F reach = square_root(sight.squared), inverse = F(1.0f) / reach;
    F way[3];
    for (int a = 0; a < 3; a++) way[a] = sight.way[a] * inverse;
    const F cosine = maximum(F(-1.0f), minimum(F(1.0f),
        multiply_add(way[0], F(from.along[0]), multiply_add(way[1], F(from.along[1]), way[2] * F(from.along[2])))));
    for (int32_t m = 0; m < voxels.materials; m++) store(areal + m * LANES, F(0.0f));
    add_areal_density(voxels, from.at, way[0], way[1], way[2], reach, areal);
    const F energy(from.energy_kev), energy_out = compton_energy(energy, cosine);
    F depth(from.optical_depth), depth_out(from.optical_depth);
    for (int32_t m = 0; m < voxels.materials; m++) {
        const F amount = load(areal + m * LANES);
        if (!any(F(0.0f) < amount)) continue;
        depth = multiply_add(amount, F(attenuation[m]), depth);
        depth_out = multiply_add(amount, lookup(tables, I(m), energy_out).mass_attenuation_cm2_g, depth_out);
    }
    const F log2_e(1.44269504f), solid = F(from.weight) * maximum(sight.solid, F(0.0f));
    F through = exp2_of_minus(depth * log2_e), through_out = exp2_of_minus(depth_out * log2_e);
    if (!takes_all(targets)) {
        const Arrival at = arrival(targets, way, sight);
        through = through * counted_share(targets, at, energy), through_out = through_out * counted_share(targets, at, energy_out);
    }
    const I material(from.material);
    return {solid * energy_out * dsigma_compton(tables, material, energy, cosine) * through_out,
            solid * energy * dsigma_rayleigh(tables, material, energy, cosine) * through};
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
