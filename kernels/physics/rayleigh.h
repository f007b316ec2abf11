// Rayleigh (coherent) scattering: the photon keeps its energy.
//
// Law: d sigma / d Omega = r_e^2 / 2 (1 + cos^2 theta) F^2(x), scaled to the tabulated cross section.
// Source: F of Hubbell et al. 1975 (free atoms) or measured molecular form factors; total NIST XCOM.
// Sampler: alias table of w = (1 - cos theta) / 2 = s^2 in 256 bins of y, s = y / (1 + b (1 - y)), b = x_max in 1/angstrom: 0.004/angstrom wide
// at small x, flat in w within a bin; rows every 1/16 octave, two mixed for the energy between them. A row's draw is moved so
// that x stays where x is small and w = 1 stays 1: interference rings keep their place. Error of the distribution function < 4e-4;
// below 6 keV, where rings of measured form factors are smeared, < 4e-3 (tests/statistical/test_samplers.py).
// Neglects: anomalous scattering near edges, polarisation, interference where the material has no molecular form factor.
#pragma once
#include "physics/alias.h"
#include "physics/form_factors.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Cosine of the scattering angle by two random words.
PHYSSIM_HD F sample_rayleigh(const PhotonTables& tables, I material, F energy_kev, I word, I other) {
    const F energy = table_energy(energy_kev), one(1.0f);
    const I row = sample_row(energy_bits(energy), RAYLEIGH_SHIFT, other);
    const F row_energy = as_float((row << RAYLEIGH_SHIFT) + I(ENERGY_FIRST_BITS)), b = row_energy * F(1.0f / HC_KEV_ANGSTROM);
    const I bin = sample_alias(tables.rayleigh, (material * I(RAYLEIGH_ROWS) + row) << RAYLEIGH_BITS, RAYLEIGH_BITS, word);
    const F low = to_float(bin) * F(1.0f / (1 << RAYLEIGH_BITS)), high = low + F(1.0f / (1 << RAYLEIGH_BITS));
    const F from = low / multiply_add(b, one - low, one), to = high / multiply_add(b, one - high, one);
    const F w = multiply_add(upper_uniform(other), to * to - from * from, from * from);
    const F ratio = row_energy / energy, moved = w * multiply_add(ratio * ratio, one - w, w);
    return one - F(2.0f) * minimum(moved, one);
}

// Differential cross section in cm2/g/sr; over the sphere it integrates to the tabulated cross section within 1.5e-3.
PHYSSIM_HD F dsigma_rayleigh(const PhotonTables& tables, I material, F energy_kev, F cosine) {
    const F energy = table_energy(energy_kev), x = energy * F(1.0f / HC_KEV_ANGSTROM);
    const F x_squared = x * x * maximum(F(0.0f), F(0.5f) - F(0.5f) * cosine);
    const F thomson = F(0.5f * ELECTRON_RADIUS_SQUARED_MOL) * multiply_add(cosine, cosine, F(1.0f));
    return normalisation(tables, material, energy, 0) * thomson * form_factors(tables, material, x_squared).coherent;
}

// Probability density of the cosine; 0 where there is no Rayleigh scattering.
PHYSSIM_HD F pdf_rayleigh(const PhotonTables& tables, I material, F energy_kev, F cosine) {
    const Interaction at = lookup(tables, material, energy_kev);
    const F cross_section = at.mass_attenuation_cm2_g * (at.rayleigh - at.photoelectric);
    return F(6.2831853f) * dsigma_rayleigh(tables, material, energy_kev, cosine) / cross_section;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
