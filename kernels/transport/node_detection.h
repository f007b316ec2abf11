// Forced detection on targets, by lanes: what a collision sends to each of them, Compton and Rayleigh from one walk.
//
// Law: energy per area = weight x (d sigma / d Omega)(E, cos theta) x (cos alpha / r^2) x exp(-optical depth at E') x E', alpha the angle to
// the detector's normal, r the way; E' = E for Rayleigh, that of a free electron at rest for Compton; fluorescence: weight / (4 pi).
// The place in a target's cell is uniform in area where the cell is far; nearer than NEAR_CELLS of its widths it is drawn so that the
// solid angle is all but uniform, which bounds the score: x / sqrt(1 + x^2) uniform, then y / sqrt(1 + x^2 + y^2), x and y in
// units of the distance to the plane; (cos alpha / r^2) x area becomes the product of their ranges x sqrt(1 + x^2).
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

PHYSSIM_HD float dot(const float (&a)[3], const float (&b)[3]) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// Scores of the lanes' targets from `first` on; of fluorescence they stand in `compton`.
PHYSSIM_HD NodeScore detect_nodes(const BasisVoxels& voxels, const PhotonTables& tables, const NodeTargets& targets, const ScatterEvent& from, int32_t first) {
    const F one(1.0f), zero(0.0f);
    float apart[3];
    for (int a = 0; a < 3; a++) apart[a] = targets.centre[a] - from.at[a];
    const float gap = dot(apart, targets.normal);
    if (!(gap > 0.0f)) return {zero, zero};
    const float u_cm = sqrtf(dot(targets.u, targets.u)), v_cm = sqrtf(dot(targets.v, targets.v));
    const float widest = targets.cell[0] * u_cm > targets.cell[1] * v_cm ? targets.cell[0] * u_cm : targets.cell[1] * v_cm;
    const F centre_u = load(targets.column + first), centre_v = load(targets.row + first);
    F column = centre_u + F((from.jitter[0] - 0.5f) * targets.cell[0]), row = centre_v + F((from.jitter[1] - 0.5f) * targets.cell[1]);
    F way[3], squared, solid;
    const auto look = [&] {
        for (int a = 0; a < 3; a++) way[a] = multiply_add(column, F(targets.u[a]), multiply_add(row, F(targets.v[a]), F(apart[a])));
        squared = multiply_add(way[0], way[0], multiply_add(way[1], way[1], way[2] * way[2]));
    };
    look();
    const M near = squared < F(NEAR_CELLS * NEAR_CELLS * widest * widest);
    if (any(near)) {
        const float inverse_gap = 1.0f / gap, from_u = dot(apart, targets.u) / u_cm, from_v = dot(apart, targets.v) / v_cm;
        const F half_u(0.5f * targets.cell[0]), half_v(0.5f * targets.cell[1]);
        const F x0 = multiply_add(centre_u - half_u, F(u_cm), F(from_u)) * F(inverse_gap), x1 = multiply_add(centre_u + half_u, F(u_cm), F(from_u)) * F(inverse_gap);
        const F y0 = multiply_add(centre_v - half_v, F(v_cm), F(from_v)) * F(inverse_gap), y1 = multiply_add(centre_v + half_v, F(v_cm), F(from_v)) * F(inverse_gap);
        const F a0 = x0 / square_root(multiply_add(x0, x0, one)), a1 = x1 / square_root(multiply_add(x1, x1, one));
        const F a = multiply_add(F(from.jitter[0]), a1 - a0, a0), x = a / square_root(maximum(F(1e-12f), one - a * a));
        const F around = multiply_add(x, x, one);
        const F s0 = y0 / square_root(multiply_add(y0, y0, around)), s1 = y1 / square_root(multiply_add(y1, y1, around));
        const F s = multiply_add(F(from.jitter[1]), s1 - s0, s0), y = s * square_root(around) / square_root(maximum(F(1e-12f), one - s * s));
        column = select(near, (x * F(gap) - F(from_u)) * F(1.0f / u_cm), column);
        row = select(near, (y * F(gap) - F(from_v)) * F(1.0f / v_cm), row);
        solid = (a1 - a0) * (s1 - s0) * square_root(around) * F(1.0f / (targets.cell[0] * u_cm * targets.cell[1] * v_cm));
        look();
    }
    const F reach = square_root(squared), inverse = one / reach, plain = F(gap) * inverse * inverse * inverse;
    solid = F(from.weight) * (any(near) ? select(near, solid, plain) : plain);
    for (int a = 0; a < 3; a++) way[a] = way[a] * inverse;
    const BasisSums sums = sum_basis(voxels, from.at, way, reach);
    const F energy(from.energy_kev), log2_e(1.44269504f);
    BasisFunctions here;
    for (int k = 0; k < MOST_BASIS; k++) here.f[k] = F(from.functions[0][k]);
    const F through = exp2_of_minus(optical_depth(sums, here) * log2_e);
    if (from.compton_norm == 0.0f && from.rayleigh_norm == 0.0f) return {solid * through * energy * F(0.079577472f), zero};
    const float x = clamped(from.energy_kev) * (1.0f / HC_KEV_ANGSTROM);
    const F cosine = maximum(F(-1.0f), minimum(one, multiply_add(way[0], F(from.along[0]), multiply_add(way[1], F(from.along[1]), way[2] * F(from.along[2])))));
    const F half = F(0.5f) - F(0.5f) * cosine, share = compton_share(energy, half), energy_out = energy * share;
    const FormFactors factors = form_factors(tables, I(from.material), F(x * x) * half);
    const F sine_squared = F(4.0f) * half * (one - half);
    const F klein_nishina = F(0.5f * ELECTRON_RADIUS_SQUARED_MOL) * share * share * (share + one / share - sine_squared);
    const F thomson = F(0.5f * ELECTRON_RADIUS_SQUARED_MOL) * multiply_add(cosine, cosine, one);
    BasisFunctions out;
    if (voxels.edges) out = basis_functions(voxels, tables, energy_out);
    else
        for (int k = 0; k < MOST_BASIS; k++)
            out.f[k] = multiply_add(half, multiply_add(half, F(from.functions[2][k]), F(from.functions[1][k])), here.f[k]);
    const F through_out = exp2_of_minus(optical_depth(sums, out) * log2_e);
    return {solid * energy_out * F(from.compton_norm) * klein_nishina * factors.incoherent * through_out,
            solid * energy * F(from.rayleigh_norm) * thomson * factors.coherent * through};
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
