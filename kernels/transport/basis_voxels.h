// Voxels as the rays of scatter read them: a few basis densities in place of materials, in cells that may be coarser than the phantom's.
//
// Law: mu(r, E) = sum over k of density_k(r) f_k(E), with the singular functions f_k of the phantom's materials, so that one
// walk of K sums serves every energy and nothing is asked about materials. Lengths in cm from the low corner, along x, y, z.
// A word holds three densities in whole numbers: bits 0-11 the first (never negative), 12-22 the second, 23-31 the third.
// A border of one empty cell all round lets a ray that rounding carries past the last face read vacuum.
// Neglects: what the basis leaves out (stated where it is made), structure finer than a cell: means replace it; faces between steps.
#pragma once
#include "core/lanes.h"
#include "physics/lookup.h"

namespace physsim {

constexpr int32_t MOST_BASIS = 3;

struct BasisVoxels {
    int32_t shape[3];                       // cells along x, y, z, without the border
    float voxel_cm[3], voxels_per_cm[3], size_cm[3];
    float steps_per_cm;                     // of the midpoint rule
    const int32_t* word;                    // (z + 2, y + 2, x + 2)
    const float* spread;                    // (z + 2, y + 2, x + 2): root of the mean square over the mean of the first density within a cell, at least 1
    const float* functions;                 // (rows of the photon tables, 8): f_k at the row's lower end, 0, then their slopes; per count of a word
    int32_t edges;                          // 1: the functions have steps at energies of the beam
};

namespace PHYSSIM_ISA {

PHYSSIM_HD F first_density(I word) { return to_float(word & I(0xfff)); }
PHYSSIM_HD F second_density(I word) { return to_float((word << 9) >> 21); }
PHYSSIM_HD F third_density(I word) { return to_float(word >> 23); }

// The greatest of the lanes.
PHYSSIM_HD float greatest(F x) {
    alignas(64) float value[LANES];
    store(value, x);
    float most = value[0];
    for (int l = 1; l < LANES; l++) most = value[l] > most ? value[l] : most;
    return most;
}

// f_k at an energy.
struct BasisFunctions { F f[MOST_BASIS]; };

PHYSSIM_HD BasisFunctions basis_functions(const BasisVoxels& voxels, const PhotonTables& tables, F energy_kev) {
    const F energy = table_energy(energy_kev);
    const I bits = energy_bits(energy), cell = bits >> ENERGY_CELL_SHIFT;
    const F along = to_float(bits & I((1 << ENERGY_CELL_SHIFT) - 1)) * F(1.0f / (1 << ENERGY_CELL_SHIFT));
    const I row = add_where(gather(tables.cell_edge, cell) <= energy, gather(tables.cell_row, cell), I(1)), at = row << 3;
    const float* p = voxels.functions;
    BasisFunctions found;
    for (int k = 0; k < MOST_BASIS; k++) found.f[k] = multiply_add(along, gather(p + 4 + k, at), gather(p + k, at));
    return found;
}

// Sums of density_k over the length (counts x cm).
struct BasisSums { F sum[MOST_BASIS]; };

// Along rays from one point inside the voxels to `reach` cm or where the voxels end: the midpoint rule in equal steps of at most
// `step` cm, as many for each lane, so that no lane waits and no step depends on the one before. Exact where all is uniform.
PHYSSIM_HD BasisSums sum_basis(const BasisVoxels& voxels, const float (&at)[3], const F (&way)[3], F reach) {
    F leave = reach, place[3], move[3];
    for (int a = 0; a < 3; a++) {
        const M up = F(0.0f) <= way[a], level = (way[a] < F(1e-12f)) & (F(-1e-12f) < way[a]);
        const F ahead = select(up, F(voxels.size_cm[a] - at[a]), F(0.0f - at[a])) / select(level, F(1.0f), way[a]);
        leave = select(level, leave, minimum(leave, maximum(F(0.0f), ahead)));
    }
    const int32_t steps = 1 + static_cast<int32_t>(greatest(leave) * voxels.steps_per_cm);
    const F length = leave * F(1.0f / static_cast<float>(steps));
    for (int a = 0; a < 3; a++) {
        move[a] = way[a] * length * F(voxels.voxels_per_cm[a]);
        place[a] = multiply_add(F(0.5f), move[a], F(at[a] * voxels.voxels_per_cm[a] + 1.0f));
    }
    const F row(static_cast<float>(voxels.shape[0] + 2)), layer(static_cast<float>((voxels.shape[0] + 2) * (voxels.shape[1] + 2)));
    const float* words = reinterpret_cast<const float*>(voxels.word);
    BasisSums out = {{F(0.0f), F(0.0f), F(0.0f)}};
    for (int32_t n = 0; n < steps; n++) {
        const I here = truncate(multiply_add(floor(place[2]), layer, multiply_add(floor(place[1]), row, floor(place[0]))));
        const I word = as_int(gather(words, here));
        out.sum[0] = out.sum[0] + first_density(word), out.sum[1] = out.sum[1] + second_density(word), out.sum[2] = out.sum[2] + third_density(word);
        PHYSSIM_UNROLL
        for (int a = 0; a < 3; a++) place[a] = place[a] + move[a];
    }
    for (int k = 0; k < MOST_BASIS; k++) out.sum[k] = out.sum[k] * length;
    return out;
}

PHYSSIM_HD F optical_depth(const BasisSums& sums, const BasisFunctions& functions) {
    return multiply_add(sums.sum[2], functions.f[2], multiply_add(sums.sum[1], functions.f[1], sums.sum[0] * functions.f[0]));
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
