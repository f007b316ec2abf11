// Compton (incoherent) scattering from bound electrons.
//
// Law: d sigma / d Omega = Klein-Nishina x S(x), scaled to the tabulated cross section; energy out that of a free electron at rest, or
// broadened (doppler.h).
// Source: O. Klein, Y. Nishina, Z. Phys. 52 (1929) 853; S of Hubbell et al. 1975; total NIST XCOM. S = Z where the tables are built
// without binding.
// Sampler: alias table in 128 bins of sin(theta/2), flat in cos theta within a bin; rows every 1/16 octave, mixed linearly in
// energy. Error of the distribution function < 3e-4 (tests/statistical/test_samplers.py).
// Neglects: polarisation, double Compton scattering, the change of the angular law by Doppler broadening.
#pragma once
#include "physics/doppler.h"
#include "physics/form_factors.h"

namespace physsim {
namespace PHYSSIM_ISA {

struct Scattered { F cosine, energy_kev; };

// The pair of words for Doppler is not read where tables.doppler_broadening is 0.
PHYSSIM_HD Scattered sample_compton(const PhotonTables& tables, I material, F energy_kev, I word, I other, I doppler_word, I doppler_other) {
    const F energy = table_energy(energy_kev);
    const I row = sample_row(energy_bits(energy), COMPTON_SHIFT, other);
    const I bin = sample_alias(tables.compton, (material * I(COMPTON_ROWS) + row) << COMPTON_BITS, COMPTON_BITS, word);
    const F b = to_float(bin), bins_squared(1.0f / (1 << (2 * COMPTON_BITS)));
    const F half = multiply_add(upper_uniform(other), b + b + F(1.0f), b * b) * bins_squared;
    const F share = tables.doppler_broadening ? sample_doppler(tables, material, energy, half, doppler_word, doppler_other)
                                              : compton_share(energy, half);
    return {F(1.0f) - F(2.0f) * half, energy_kev * share};
}

// Energy of a photon scattered by a free electron at rest.
PHYSSIM_HD F compton_energy(F energy_kev, F cosine) { return energy_kev * compton_share(energy_kev, F(0.5f) - F(0.5f) * cosine); }

// Differential cross section in cm2/g/sr; over the sphere it integrates to the tabulated cross section within 1.5e-3.
PHYSSIM_HD F dsigma_compton(const PhotonTables& tables, I material, F energy_kev, F cosine) {
    const F energy = table_energy(energy_kev), x = energy * F(1.0f / HC_KEV_ANGSTROM);
    const F half = maximum(F(0.0f), F(0.5f) - F(0.5f) * cosine), share = compton_share(energy, half);
    const F sine_squared = F(4.0f) * half * (F(1.0f) - half);
    const F klein_nishina = F(0.5f * ELECTRON_RADIUS_SQUARED_MOL) * share * share * (share + F(1.0f) / share - sine_squared);
    return normalisation(tables, material, energy, 1) * klein_nishina * form_factors(tables, material, x * x * half).incoherent;
}

// Probability density of the cosine.
PHYSSIM_HD F pdf_compton(const PhotonTables& tables, I material, F energy_kev, F cosine) {
    const Interaction at = lookup(tables, material, energy_kev);
    const F cross_section = at.mass_attenuation_cm2_g * (F(1.0f) - at.rayleigh);
    return F(6.2831853f) * dsigma_compton(tables, material, energy_kev, cosine) / cross_section;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
