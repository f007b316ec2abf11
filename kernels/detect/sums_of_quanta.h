// What a pixel's quanta deposit together, where they are few: a compound Poisson sum, drawn from tables.
//
// Law: the sum of a mean count a + b is that of two independent sums, of a and of b; so is a sum of quanta of two beams. Hence a pixel between two beams of a
// table has the sum of both, each of as many quarters of a mean quantum as it has, digit by digit to the base 4 by tables of the sums' own law (exact_alias_table:
// the distribution function of each within 2^-33), and of single quanta for what is left below a quarter.
#pragma once
#include "detect/quantum_noise.h"
#include "detect/sums_of_quanta_job.h"

namespace physsim {

// Blocks of a pixel: 1 and 2 for its two beams, then those of sums of sixteen and of single quanta.
constexpr int32_t OF_BEAMS = 1, OF_SIXTEENS = 3, OF_SINGLES = 1 << 16;

namespace PHYSSIM_ISA {

// The bin drawn by 32 random bits from the table of 2^log2_bins entries (2 to 65,536) that starts at `first`, the other bin in their upper
// log2_bins bits and the chance of the own one below: all bits of the word tell, so chances are whole numbers of 2^-32.
PHYSSIM_HD I sample_exact_alias(const int32_t* table, I first, int32_t log2_bins, I word) {
    const int32_t below = 32 - log2_bins;
    const I bins((1 << log2_bins) - 1), chance(static_cast<int32_t>((1u << below) - 1u)), bin = (word >> below) & bins, entry = gather(table, first + bin);
    return select((word & chance) < (entry & chance), bin, (entry >> below) & bins);
}

// A draw for each of two beams' counts, one after the other, from the tables that start at `first`.
PHYSSIM_HD I sum_one_by_one(const SumsOfQuanta& job, const Draws& draws, I pixel, int32_t block, const I (&first)[2], const I (&count)[2]) {
    const I both = count[0] + count[1];
    PhiloxWords<I> words = {};
    I sum(0);
    M more = I(0) < both;
    for (int k = 0; any(more); k++) {
        if (k % 4 == 0) words = block_of(draws, pixel, I(block + k / 4));
        sum = add_where(more, sum, sample_exact_alias(job.tables, select(I(k) < count[0], first[0], first[1]), job.log2_bins, word_of(words, k)));
        more = I(k + 1) < both;
    }
    return sum;
}

// keV, of pixels a `share` of the way from a beam to the next.
PHYSSIM_HD F sum_of_quanta(const SumsOfQuanta& job, const Draws& draws, I pixel, I at, F share, F signal) {
    const I beam[2] = {at, minimum(at + I(1), I(job.beams - 1))};
    const F part[2] = {F(1.0f) - share, share};
    I sum(0), one[2], sixteen[2], ones[2], sixteens[2];
    for (int side = 0; side < 2; side++) {
        const I first = beam[side] * I(TABLES_OF_SUMS);
        const F mean = gather(job.counts, beam[side]) * part[side] * signal;
        const I quarters = truncate(mean * F(4.0f));
        const PhiloxWords<I> words = block_of(draws, pixel, I(OF_BEAMS + side));
        const auto digit = [&](int32_t shift, int32_t tables, I word) {
            const I value = (quarters >> shift) & I(3);
            sum = add_where(I(0) < value, sum, sample_exact_alias(job.tables, (first + I(tables - 1) + value) << job.log2_bins, job.log2_bins, word));
        };
        digit(4, OF_FOURS, words.a);
        digit(2, OF_UNITS, words.b);
        digit(0, OF_QUARTERS, words.c);
        one[side] = (first + I(ONE_QUANTUM)) << job.log2_bins, ones[side] = truncate(poisson_by_inversion(mean - to_float(quarters) * F(0.25f), words.d));
        sixteen[side] = (first + I(SIXTEEN_QUANTA)) << job.log2_bins, sixteens[side] = quarters >> 6;
    }
    sum = sum + sum_one_by_one(job, draws, pixel, OF_SIXTEENS, sixteen, sixteens) + sum_one_by_one(job, draws, pixel, OF_SINGLES, one, ones);
    return F(job.step) * to_float(sum);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
