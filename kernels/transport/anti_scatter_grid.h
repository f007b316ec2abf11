// An anti-scatter grid before the detector: how much of a photon's energy gets through, averaged over its place within one period.
//
// Law: strips of width d and interspaces of width D, period P = d + D, height h. A photon crosses s = h |slope - slope of the strips| on
// its way L through them, and meets a length o of strip per s with o between min(r, d) and max(0, r - D) beyond the whole periods
// n = floor(s / P), r = s - n P. Over its place, o stands |d - r| of the period at the upper end, |D - r| at the lower, and is uniform
// between in the rest; exp(-optical depth) is averaged over that exactly. Strips lean towards the focal line; their lean changes by
// h / focal distance from top to foot, which is neglected.
// Before a curved detector the grid is bent with it: the frame stands on the arc where the photon arrives, so u is 0. Strips along the axis point
// to it, their lean at the middle of a slant way is that of flat ones with the focal line on the axis.
// Neglects: photons that scatter or fluoresce in the grid (they count as absorbed), grid lines, the finite length of strips.
// Reference: G. J. Day and D. R. Dance, Phys. Med. Biol. 28 (1983) 1429, doi:10.1088/0031-9155/28/12/008.
#pragma once
#include "core/exp2.h"

namespace physsim {

struct AntiScatterGrid {
    const float* attenuation;   // (energies, 3): strips and interspace (1/cm), optical depth of the covers; null: no grid
    int32_t energies;
    float energy_low, per_kev;  // equal steps (keV)
    float across[2];            // unit vector across the strips, along the detector's u and v
    float height, period, strip;  // cm
    float inverse_focus;        // of the distance from the focal line to the strips' middle (1/cm); 0: parallel strips
    float gap, offset;          // cm: from the strips' middle to the detector; of the upright strip from the detector's centre, across
};

namespace PHYSSIM_ISA {

// A direction along the detector's u and normal in the frame that stands on its arc, at an angle from the detector's middle.
PHYSSIM_HD F along_arc_u(F along_u, F along_normal, F sine, F cosine) { return along_u * cosine - along_normal * sine; }
PHYSSIM_HD F along_arc_normal(F along_u, F along_normal, F sine, F cosine) { return along_normal * cosine + along_u * sine; }

// exp(-depth), for depth >= 0.
PHYSSIM_HD F transmitted(F depth) { return exp2_of_minus(depth * F(1.44269504f)); }

// A photon's way through the strips: its slopes' slant, and how far it moves across them on its way (cm).
struct StripsCrossed { F slant, length; };

// Of photons that meet the detector at (u, v) cm from its centre, in a direction by its axes (of any length; normal > 0).
PHYSSIM_HD StripsCrossed strips_crossed(const AntiScatterGrid& grid, F u, F v, F along_u, F along_v, F along_normal) {
    const F zero(0.0f), one(1.0f), ahead = maximum(along_normal, F(1e-6f)), slope_u = along_u / ahead, slope_v = along_v / ahead;
    const F slope = slope_u * F(grid.across[0]) + slope_v * F(grid.across[1]), slant = square_root(one + slope_u * slope_u + slope_v * slope_v);
    const F place = u * F(grid.across[0]) + v * F(grid.across[1]) - slope * F(grid.gap) - F(grid.offset);
    const F off = slope - place * F(grid.inverse_focus);
    return {slant, maximum(F(grid.height) * maximum(off, zero - off), F(1e-6f) * F(grid.period))};
}

// About the share of photons of an energy that get through strips which they cross: 1 / exp of the mean depth of the strips alone, by its first
// terms.
PHYSSIM_HD float through_strips(const AntiScatterGrid& grid, float energy_kev) {
    const float place = (energy_kev - grid.energy_low) * grid.per_kev, last = static_cast<float>(grid.energies - 1);
    const int32_t entry = 3 * static_cast<int32_t>((place < 0.0f ? 0.0f : place > last ? last : place) + 0.5f);
    const float depth = (grid.attenuation[entry] - grid.attenuation[entry + 1]) * grid.height * grid.strip / grid.period;
    return 1.0f / (1.0f + depth * (1.0f + depth * (0.5f + depth * (1.0f / 6.0f))));
}

// Expected share of the energy of photons that meet the detector at (u, v) cm from its centre, in a direction by its axes (normal > 0).
PHYSSIM_HD F grid_transmission(const AntiScatterGrid& grid, F u, F v, F along_u, F along_v, F along_normal, F energy_kev) {
    const StripsCrossed way = strips_crossed(grid, u, v, along_u, along_v, along_normal);
    const F zero(0.0f), one(1.0f), slant = way.slant, crossed = way.length, d(grid.strip), period(grid.period), space = period - d;

    const F last(static_cast<float>(grid.energies - 1)), at = maximum(zero, minimum(last, (energy_kev - F(grid.energy_low)) * F(grid.per_kev)));
    const I node = minimum(truncate(at), I(grid.energies - 2)), entry = node * I(3);
    const F share = at - to_float(node);
    const auto between = [&](int column) {
        const F low = gather(grid.attenuation + column, entry);
        return low + share * (gather(grid.attenuation + column + 3, entry) - low);
    };
    const F length = F(grid.height) * slant, open = between(1) * length, per_strip = (between(0) - between(1)) * length / crossed;

    const F whole = floor(crossed / period), rest = maximum(zero, minimum(period, crossed - whole * period));
    const F most = minimum(rest, d), least = maximum(zero, rest - space);
    const F depth_most = maximum(zero, open + per_strip * (whole * d + most)), depth_least = maximum(zero, open + per_strip * (whole * d + least));
    const F through_most = transmitted(depth_most), through_least = transmitted(depth_least), x = depth_most - depth_least;
    const F small = through_least * (one - x * (F(0.5f) - x * (F(1.0f / 6.0f) - x * F(1.0f / 24.0f))));
    const M is_small = (x < F(0.02f)) & (F(-0.02f) < x);
    const F ramp = select(is_small, small, (through_least - through_most) / select(is_small, one, x));
    const F at_most = maximum(d - rest, rest - d), at_least = maximum(space - rest, rest - space);
    const F mean = (at_most * through_most + at_least * through_least + F(2.0f) * (most - least) * ramp) / period;
    return minimum(one, mean) * transmitted(between(2) * slant);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
