// Doppler broadening of Compton scattering: the energy that a photon keeps when it meets a moving, bound electron.
//
// Law (impulse approximation): at a given angle, the electron's momentum p_z along the momentum transfer has the density
// sum over shells of electrons x J(p_z) where p_z < p_max, p_max = p0 - U / (2 p0) (U: binding energy; p0 = E sin(theta/2) / c, the
// momentum at which nothing is lost; leading order in U / E), times the flux factor 1 + a p_z / mc of electrons that come to meet the photon
// (Brusa's eq. 10): it raises the mean energy out by 0.06 % at 60 keV in water, as much as Doppler broadening else changes it. Energy out and
// p_z obey energy and momentum conservation exactly.
// Source: profiles J of Biggs, Mendelsohn and Mann 1975; R. Ribberfors, Phys. Rev. B 12 (1975) 2067; D. Brusa et al., NIM A 379 (1996) 167.
// Sampler: alias table in 128 bins of p / (1 + |p|) (atomic units), scaled to [-100, p0], flat within a bin; rows every 1/4 octave of x. J is
// symmetric, so the flux factor turns the sign of a negative p_z with probability a |p_z| / mc.
// Neglects: that turn where -p_z > p0 (the mean energy lost in iodine is up to 0.4 % of E too high, backwards 0.9 %) and above the shell's p_max,
// |p_z| > 100 atomic units, solid-state profiles, fluorescence after Compton scattering from K and L shells.
#pragma once
#include "physics/alias.h"
#include "physics/lookup.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Energy without Doppler broadening (electron free and at rest); `half` = (1 - cos theta) / 2.
PHYSSIM_HD F compton_share(F energy_kev, F half) {
    return F(1.0f) / multiply_add(energy_kev * half, F(2.0f / ELECTRON_REST_ENERGY_KEV), F(1.0f));
}

// Momentum transfer and range of p / (1 + |p|) at an angle.
struct DopplerRange { I x_bits; F span; };
PHYSSIM_HD DopplerRange doppler_range(F energy_kev, F half) {
    const F transfer = energy_kev * square_root(half), p0 = transfer * F(INVERSE_FINE_STRUCTURE / ELECTRON_REST_ENERGY_KEV);
    const F x = maximum(transfer * F(1.0f / HC_KEV_ANGSTROM), F(DOPPLER_FIRST_X));
    return {as_int(x) - I(DOPPLER_FIRST_BITS), p0 / (F(1.0f) + p0) - F(DOPPLER_LOWEST)};
}

// Share of its energy that the photon keeps after meeting momentum `p` (in m c).
PHYSSIM_HD F share_of_momentum(F energy_kev, F half, F p) {
    const F free = compton_share(energy_kev, half), t = p * p, t_free = t * free, lost = F(1.0f) - free;
    const F root = square_root(maximum(F(0.0f), lost * lost + F(4.0f) * free * half * (F(1.0f) - t_free * (F(1.0f) - half))));
    const F share = free * (F(1.0f) - t_free * (F(1.0f) - F(2.0f) * half) + p * root) / (F(1.0f) - t_free * free);
    return minimum(share, F(1.0f));
}

// a of the flux factor 1 + a p, p in m c: q / E (1 + share (share - cos theta) E^2 / q^2), q the momentum transfer of a free electron.
PHYSSIM_HD F flux_slope(F energy_kev, F half) {
    const F share = compton_share(energy_kev, half), lost = F(1.0f) - share, squared = multiply_add(share * half, F(4.0f), lost * lost);
    return (squared + share * (F(2.0f) * half - lost)) / square_root(maximum(squared, F(1e-30f)));
}

// The chance that a negative momentum `p` (m c) turns its sign; 0 where -p would leave the photon more than its energy.
PHYSSIM_HD F turn_chance(F energy_kev, F half, F p) {
    const F against = F(0.0f) - p, p0 = energy_kev * square_root(half) * F(1.0f / ELECTRON_REST_ENERGY_KEV);
    return select((F(0.0f) < against) & (against < p0), minimum(against * flux_slope(energy_kev, half), F(1.0f)), F(0.0f));
}

// Momentum (in m c) that leaves the photon this share of its energy, and its derivative by the share.
struct Momentum { F p, slope; };
PHYSSIM_HD Momentum momentum_of_share(F energy_kev, F half, F share) {
    const F free = compton_share(energy_kev, half), lost = F(1.0f) - share, numerator = share / free - F(1.0f);
    const F squared = lost * lost + F(4.0f) * share * half, transfer = square_root(squared);
    const F towards = F(2.0f) * half - lost;  // share - cos theta
    return {numerator / transfer, (F(1.0f) / free - numerator * towards / squared) / transfer};
}

PHYSSIM_HD F sample_doppler(const PhotonTables& tables, I material, F energy_kev, F half, I word, I other) {
    const DopplerRange range = doppler_range(energy_kev, half);
    const I row = sample_row(range.x_bits, DOPPLER_SHIFT, other);
    const I bin = sample_alias(tables.doppler, (material * I(DOPPLER_ROWS) + row) << DOPPLER_BITS, DOPPLER_BITS, word);
    const F y = (to_float(bin) + upper_uniform(other)) * F(1.0f / (1 << DOPPLER_BITS));
    const F s = multiply_add(range.span, y, F(DOPPLER_LOWEST));
    const F p = s / (F(1.0f) - maximum(s, F(0.0f) - s)) * F(1.0f / INVERSE_FINE_STRUCTURE);
    // The low bits of `word` have not chosen the bin but once in 2^DOPPLER_BITS draws.
    const F coin = (to_float(word & I(0xffff)) + F(0.5f)) * F(0x1p-16f);
    return share_of_momentum(energy_kev, half, select(coin < turn_chance(energy_kev, half, p), F(0.0f) - p, p));
}

// Density of p / (1 + |p|) before momenta turn their sign, at `s`, and 0 outside the range.
PHYSSIM_HD F doppler_density(const PhotonTables& tables, I material, const DopplerRange& range, F s) {
    const F y = (s - F(DOPPLER_LOWEST)) / range.span;
    const M inside = (F(0.0f) <= y) & (y < F(1.0f));
    const I bin = truncate(select(inside, y, F(0.0f)) * F(1 << DOPPLER_BITS)), row = range.x_bits >> DOPPLER_SHIFT;
    const F along = to_float(range.x_bits & I((1 << DOPPLER_SHIFT) - 1)) * F(1.0f / (1 << DOPPLER_SHIFT));
    const I at = ((material * I(DOPPLER_ROWS) + row) << DOPPLER_BITS) + bin;
    const F low = gather(tables.doppler_density, at), high = gather(tables.doppler_density + (1 << DOPPLER_BITS), at);
    return select(inside, multiply_add(along, high - low, low) / range.span, F(0.0f));
}

// Probability density of the share of energy kept, at a given angle.
PHYSSIM_HD F pdf_doppler(const PhotonTables& tables, I material, F energy_kev, F half, F share) {
    const DopplerRange range = doppler_range(energy_kev, half);
    const Momentum momentum = momentum_of_share(energy_kev, half, share);
    const F p = momentum.p * F(INVERSE_FINE_STRUCTURE), size = F(1.0f) + maximum(p, F(0.0f) - p), s = p / size;
    const F kept = doppler_density(tables, material, range, s) * (F(1.0f) - turn_chance(energy_kev, half, momentum.p));
    const F turned = doppler_density(tables, material, range, F(0.0f) - s) * turn_chance(energy_kev, half, F(0.0f) - momentum.p);
    return (kept + turned) * F(INVERSE_FINE_STRUCTURE) * momentum.slope / (size * size);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
