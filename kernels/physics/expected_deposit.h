// The mean share of its energy that a photon leaves in a collision.
//
// Law: 1 - (probability of a line x its mean energy + probability of Rayleigh scattering x E + of Compton scattering x mean energy out) / E, where
// photons below the cutoff count as left: the means of what the samplers draw (physsim/physics/expected_deposit.py), linear in a cell of
// 1/256 octave. mu x E x this share is what electrons get a unit of track: with lines that leave, mu_en / rho without bremsstrahlung.
// Neglects: as the samplers; the mean is within 2e-4 of theirs.
#pragma once
#include "physics/lookup.h"

namespace physsim {
namespace PHYSSIM_ISA {

// `shares`: (materials, rows, 2), value at the cell's lower end and slope along it; `row` as `lookup` found it.
PHYSSIM_HD F mean_share_deposited(const PhotonTables& tables, const float* shares, I material, F energy_kev, I row) {
    const F along = to_float(energy_bits(table_energy(energy_kev)) & I((1 << ENERGY_CELL_SHIFT) - 1)) * F(1.0f / (1 << ENERGY_CELL_SHIFT));
    const I at = (material * I(tables.rows) + row) << 1;
    return multiply_add(along, gather(shares + 1, at), gather(shares, at));
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
