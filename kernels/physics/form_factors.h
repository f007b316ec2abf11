// F^2 and S of a material at a momentum transfer, and what scales them to the tabulated cross sections.
//
// x = sin(theta/2) / wavelength; F^2: coherent form factor squared, S: incoherent scattering function, both per gram (divided by the
// molar mass). Straight lines in x^2 between nodes 1/64 octave apart: free atoms within 0.2 % (S from 0.01/angstrom on, 0.05 %), measured
// form factors within 1.2 % at the kinks between measured points.
// Source: Hubbell 1975 (free atoms); Peplow and Verghese 1998 (molecules, where asked for): physsim/physics/form_factors.py.
#pragma once
#include "physics/lookup.h"

namespace physsim {
namespace PHYSSIM_ISA {

struct FormFactors { F coherent, incoherent; };

// `x_squared` in 1/angstrom^2, at most (150 keV / hc)^2.
PHYSSIM_HD FormFactors form_factors(const PhotonTables& tables, I material, F x_squared) {
    const I bits = as_int(x_squared + F(NODE_OFFSET)) - I(NODE_FIRST_BITS), node = bits >> NODE_SHIFT;
    const F along = to_float(bits & I((1 << NODE_SHIFT) - 1)) * F(1.0f / (1 << NODE_SHIFT));
    const I at = (material * I(NODES) + node) << 1;
    const float* p = tables.scattering;
    const F coherent = gather(p, at), incoherent = gather(p + 1, at);
    return {multiply_add(along, gather(p + 2, at) - coherent, coherent), multiply_add(along, gather(p + 3, at) - incoherent, incoherent)};
}

// Factor of the law whose number is `which` (0 Rayleigh, 1 Compton): its integral becomes the tabulated cross section.
PHYSSIM_HD F normalisation(const PhotonTables& tables, I material, F energy_kev, int32_t which) {
    const I bits = energy_bits(energy_kev);
    const F along = to_float(bits & I((1 << COMPTON_SHIFT) - 1)) * F(1.0f / (1 << COMPTON_SHIFT));
    const I at = (material * I(COMPTON_ROWS) + (bits >> COMPTON_SHIFT)) << 1;
    const F low = gather(tables.normalisation + which, at);
    return multiply_add(along, gather(tables.normalisation + which + 2, at) - low, low);
}

constexpr float ELECTRON_RADIUS_SQUARED_MOL = 0.04782054f;  // r_e^2 N_A in cm2/mol (CODATA 2022: r_e 2.8179403205e-13 cm)

}  // namespace PHYSSIM_ISA
}  // namespace physsim
