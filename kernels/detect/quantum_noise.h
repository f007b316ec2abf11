// Noise of quanta: Poisson counts, sums of them, and variates with three given cumulants.
//
// Laws: quanta that deposit alike arrive as a Poisson process of their own (thinning), so what a pixel collects is a sum of
// independent counts times deposits: compound Poisson, with cumulants k_n = sum of mean count x deposit^n. With many quanta the
// first three say nearly all: m + s z + g (z^2 - 1), z normal, g = k3 / (6 k2), s^2 = k2 - 2 g^2 (R. A. Fisher, E. A. Cornish,
// Technometrics 2 (1960) 209, to the second order) has the first two exactly and the third but for 4 g^3.
// Its CDF differs from that of a Poisson count by 2.9e-4 at 30 quanta, 8e-5 at 100 (a normal variate's by 7.5e-3, 2.4e-3).
#pragma once
#include "core/exp2.h"
#include "detect/normal.h"

namespace physsim {

constexpr float MOST_INVERTED = 64.0f;  // mean count; above it three cumulants

namespace PHYSSIM_ISA {

// The word of a block that is number `k` of all.
PHYSSIM_HD I word_of(const PhiloxWords<I>& block, int k) { return k % 4 == 0 ? block.a : k % 4 == 1 ? block.b : k % 4 == 2 ? block.c : block.d; }

PHYSSIM_HD F of_three_cumulants(F mean, F variance, F third, F normal) {
    const F zero(0.0f), bend = select(zero < variance, third / (F(6.0f) * variance), zero);
    const F spread = square_root(maximum(variance - F(2.0f) * bend * bend, zero));
    return mean + (spread * normal + bend * (normal * normal - F(1.0f)));
}

// A count of mean up to MOST_INVERTED by inversion of its distribution, whose values within 2e-6 of the true ones; the tail beyond 1e-7 is cut.
PHYSSIM_HD F poisson_by_inversion(F mean, I word) {
    F left = uniform(word), chance = exp2_of_minus(mean * F(1.44269504f)), count(0.0f);
    M more = chance < left;
    for (int k = 1; any(more); k++) {
        const F number(static_cast<float>(k));
        left = select(more, left - chance, left);
        count = select(more, number, count);
        chance = chance * mean * F(1.0f / static_cast<float>(k));
        more = more & (chance < left) & ((number < mean) | (F(0x1p-26f) < chance));
    }
    return count;
}

// A count of any mean, rounded from three cumulants where it is large (rounding adds 1/12 to a variance). `other`: one more word, if needed.
template <class Other>
PHYSSIM_HD F poisson(F mean, I word, Other other) {
    const M few = mean <= F(MOST_INVERTED);
    const F count = poisson_by_inversion(select(few, mean, F(0.0f)), word);
    if (all(few)) return count;
    const F many = of_three_cumulants(mean, mean - F(1.0f / 12.0f), mean, normals(word, other()).first);
    return select(few, count, floor(many + F(0.5f)));
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
