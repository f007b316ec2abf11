// Rayleigh (coherent) scattering: the photon keeps its energy.
//
// Law: d sigma / d Omega = r_e^2 / 2 (1 + cos^2 theta) F^2(x), scaled to the tabulated cross section.
// Source: F of Hubbell et al. 1975 (free atoms) or measured molecular form factors; total NIST XCOM.
// Sampler: inverse of the distribution function. With t = x^2 and t_max at backward angles, (1 + cos^2) / 2 = 1 - 2 t/t_max +
// 2 (t/t_max)^2, so that its integral at every energy is a sum of three tables, the moments of F^2: bisected over their nodes in
// eleven steps, flat in t between nodes 1/64 octave apart. Error of the distribution function < 3e-4 (tests/statistical/test_samplers.py).
// Neglects: anomalous scattering near edges, polarisation, interference where the material has no molecular form factor.
#pragma once
#include "physics/form_factors.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Integral of F^2 (1 + cos^2 theta) / 2 over x^2 from 0 to a node, at the energy of which `inverse` is 1 / t_max.
PHYSSIM_HD F coherent_integral(const float* moments, I node, F inverse) {
    const I at = node << 2;
    return multiply_add(F(2.0f) * inverse, multiply_add(inverse, gather(moments + 2, at), F(0.0f) - gather(moments + 1, at)), gather(moments, at));
}

// Cosine of the scattering angle by a random word.
PHYSSIM_HD F sample_rayleigh(const PhotonTables& tables, I material, F energy_kev, I word) {
    const F x = table_energy(energy_kev) * F(1.0f / HC_KEV_ANGSTROM), most = x * x, inverse = F(1.0f) / most;
    const I bits = as_int(most + F(NODE_OFFSET)) - I(NODE_FIRST_BITS), first = material * I(NODES), last = first + (bits >> NODE_SHIFT);
    const F along = to_float(bits & I((1 << NODE_SHIFT) - 1)) * F(1.0f / (1 << NODE_SHIFT));
    const F before = coherent_integral(tables.coherent, last, inverse), whole = multiply_add(along, coherent_integral(tables.coherent, last + I(1), inverse) - before, before);
    const F wanted = whole * (to_float((word >> 8) & I(0xffffff)) + F(0.5f)) * F(0x1p-24f);
    I node = first;
    F below(0.0f);
    for (int32_t step = 1024; step > 0; step >>= 1) {
        const I next = minimum(node + I(step), last);
        const F integral = coherent_integral(tables.coherent, next, inverse);
        const M lower = integral <= wanted;
        node = select(lower, next, node);
        below = select(lower, integral, below);
    }
    const F above = coherent_integral(tables.coherent, node + I(1), inverse);
    const I low_bits = ((node - first) << NODE_SHIFT) + I(NODE_FIRST_BITS);
    const F low = as_float(low_bits), width = as_float(low_bits + I(1 << NODE_SHIFT)) - low;
    const F t = low - F(NODE_OFFSET) + width * ((wanted - below) / (above - below));
    return F(1.0f) - F(2.0f) * minimum(t * inverse, F(1.0f));
}

// Differential cross section in cm2/g/sr; over the sphere it integrates to the tabulated cross section within 1e-3.
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
