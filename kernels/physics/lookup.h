// Mass attenuation and the shares of the processes at an energy, from PhotonTables.
//
// Law: mu = sum over elements of mass fraction x (photoelectric + Rayleigh + Compton), NIST XCOM (physsim/physics/attenuation.py).
// Shares within 3e-5 of that law, mu within 4e-4 (water and bone 3e-5; the worst are bends of the tables: W at 1.8 keV), linear in a
// cell of 1/256 octave. Neglects: pair production, chemical binding.
#pragma once
#include "core/lanes.h"
#include "physics/photon_tables.h"

namespace physsim {
namespace PHYSSIM_ISA {

// A uniform number below `absorbed` means photoelectric absorption that deposits all; below `photoelectric` one that emits a line
// (sample_emission); below `rayleigh` Rayleigh scattering; else Compton scattering.
struct Interaction {
    F mass_attenuation_cm2_g, absorbed, photoelectric, rayleigh;
    I row;  // energy row, the same for all materials
};

PHYSSIM_HD F table_energy(F energy_kev) { return minimum(maximum(energy_kev, F(PHOTON_ENERGY_MIN_KEV)), F(PHOTON_ENERGY_MAX_KEV)); }

PHYSSIM_HD I energy_bits(F table_energy_kev) { return as_int(table_energy_kev) - I(ENERGY_FIRST_BITS); }

// `material` 0 ..< tables.materials; energies outside 1-150 keV are taken as the nearest end.
PHYSSIM_HD Interaction lookup(const PhotonTables& tables, I material, F energy_kev) {
    const F energy = table_energy(energy_kev);
    const I bits = energy_bits(energy), cell = bits >> ENERGY_CELL_SHIFT;
    const F along = to_float(bits & I((1 << ENERGY_CELL_SHIFT) - 1)) * F(1.0f / (1 << ENERGY_CELL_SHIFT));
    const I row = add_where(gather(tables.cell_edge, cell) <= energy, gather(tables.cell_row, cell), I(1));
    F v[ROW_VALUES];
    gather_rows(tables.row, material * I(tables.rows) + row, v);
    return {multiply_add(along, v[4], v[0]), multiply_add(along, v[5], v[1]), multiply_add(along, v[6], v[2]), multiply_add(along, v[7], v[3]), row};
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
