// Forced detection on targets, by lanes: what a collision sends to each of them, Compton and Rayleigh from one walk.
//
// Law: energy per area = weight x (d sigma / d Omega)(E, cos theta) x (cos alpha / r^2) x exp(-optical depth at E') x E', alpha the angle to
// the detector's normal, r the way; E' = E for Rayleigh, that of a free electron at rest for Compton; fluorescence: weight / (4 pi).
// The place in a target's cell and what of its energy counts: scatter_detector.h.
// Neglects: Doppler broadening of E' and its shift of the mean; collisions at or behind the detector's plane score 0.
// Reference: M. H. Kalos, Nucl. Sci. Eng. 16 (1963) 111; A. P. Colijn, F. J. Beekman, IEEE Trans. Med. Imaging 23 (2004) 584.
#pragma once
#include "core/exp2.h"
#include "physics/compton.h"
#include "transport/basis_voxels.h"
#include "transport/scatter_collision.h"

namespace physsim {

constexpr float NEAR_CELLS = 5.0f;

namespace PHYSSIM_ISA {

struct NodeScore { F compton, rayleigh; };  // keV/cm2

PHYSSIM_HD float clamped(float energy_kev) {
    return energy_kev < PHOTON_ENERGY_MIN_KEV ? PHOTON_ENERGY_MIN_KEV : energy_kev < PHOTON_ENERGY_MAX_KEV ? energy_kev : PHOTON_ENERGY_MAX_KEV;
}

// Chance that a target behind a grid is asked: of those that an event's photons hardly reach through the strips only so many count.
PHYSSIM_HD F chance_of_strip(const NodeTargets& targets, const ScatterEvent& from, const Sight& sight, float thinned_below) {
    const Arrival at = arrival(targets, sight.way, sight);
    const F crossed = strips_crossed(targets.grid, at.u, at.v, at.along_u, at.along_v, at.along_normal).length * F(1.0f / targets.grid.period);
    const F one(1.0f), open = maximum(F(0.0f), one - crossed);
    return minimum(one, multiply_add(F(from.through_strips), minimum(one, crossed), open) * F(1.0f / thinned_below));
}

// 0 to 1: the event's lot, moved on by the golden ratio from target to target across the strips (cells are a quarter of the way), so that an
// event which is missed here is kept there.
PHYSSIM_HD F lot_of_strip(const NodeTargets& targets, const ScatterEvent& from, const TargetCells& cells) {
    const F lot = multiply_add(F(0.1545085f * targets.grid.across[0] / targets.cell[0]), cells.column,
                               multiply_add(F(0.1545085f * targets.grid.across[1] / targets.cell[1]), cells.row, F(from.lot)));
    return lot - floor(lot);
}

// Scores of the lanes' targets from `first` on; of fluorescence they stand in `compton`. thinned_below: of targets that a grid hides
// from the event only so many are asked, and count for as much more (russian roulette); all that more of its photons than that reach, and with 0
// all others too.
PHYSSIM_HD NodeScore detect_nodes(const BasisVoxels& voxels, const PhotonTables& tables, const NodeTargets& targets, const ScatterEvent& from, int32_t first, float thinned_below) {
    const F one(1.0f), zero(0.0f);
    float apart[3];
    for (int a = 0; a < 3; a++) apart[a] = targets.centre[a] - from.at[a];
    const bool curved = targets.radius_cm > 0.0f;
    if (!curved && !(dot(apart, targets.normal) > 0.0f)) return {zero, zero};
    const TargetCells cells = {load(targets.column + first), load(targets.row + first), {targets.cell[0], targets.cell[1]}, {from.jitter[0], from.jitter[1]}, NEAR_CELLS};
    const Sight sight = curved ? see_arc(targets, from.at, cells) : see_plane(targets, from.at, cells);
    const F energy(from.energy_kev), log2_e(1.44269504f);
    F way[3], solid = F(from.weight) * sight.solid;
    if (thinned_below > 0.0f && from.through_strips < 1.0f) {
        const F chance = chance_of_strip(targets, from, sight, thinned_below);
        const M stays = lot_of_strip(targets, from, cells) < chance;
        if (!any(stays)) return {zero, zero};
        solid = select(stays, solid / chance, zero);
    }
    const F reach = square_root(sight.squared), inverse = one / reach;
    for (int a = 0; a < 3; a++) way[a] = sight.way[a] * inverse;
    const F cosine = maximum(F(-1.0f), minimum(one, multiply_add(way[0], F(from.along[0]), multiply_add(way[1], F(from.along[1]), way[2] * F(from.along[2])))));
    const F half = F(0.5f) - F(0.5f) * cosine, shifted = compton_share(energy, half), energy_out = energy * shifted;
    const bool isotropic = from.compton_norm == 0.0f && from.rayleigh_norm == 0.0f;
    F counted = one, counted_out = one;
    if (!takes_all(targets)) {
        const Arrival at = arrival(targets, way, sight);
        counted = counted_share(targets, at, energy);
        counted_out = isotropic ? counted : counted_share(targets, at, energy_out);
    }
    const BasisSums sums = sum_basis(voxels, from.at, way, reach);
    BasisFunctions here;
    for (int k = 0; k < MOST_BASIS; k++) here.f[k] = F(from.functions[0][k]);
    const F through = exp2_of_minus(optical_depth(sums, here) * log2_e) * counted;
    if (isotropic) return {solid * through * energy * F(0.079577472f), zero};
    const float x = clamped(from.energy_kev) * (1.0f / HC_KEV_ANGSTROM);
    const FormFactors factors = form_factors(tables, I(from.material), F(x * x) * half);
    const F sine_squared = F(4.0f) * half * (one - half);
    const F klein_nishina = F(0.5f * ELECTRON_RADIUS_SQUARED_MOL) * shifted * shifted * (shifted + one / shifted - sine_squared);
    const F thomson = F(0.5f * ELECTRON_RADIUS_SQUARED_MOL) * multiply_add(cosine, cosine, one);
    BasisFunctions out;
    if (voxels.edges) out = basis_functions(voxels, tables, energy_out);
    else
        for (int k = 0; k < MOST_BASIS; k++)
            out.f[k] = multiply_add(half, multiply_add(half, F(from.functions[2][k]), F(from.functions[1][k])), here.f[k]);
    const F through_out = exp2_of_minus(optical_depth(sums, out) * log2_e) * counted_out;
    return {solid * energy_out * F(from.compton_norm) * klein_nishina * factors.incoherent * through_out,
            solid * energy * F(from.rayleigh_norm) * thomson * factors.coherent * through};
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
