// Draws from tabulated distributions by Walker's alias method: one gather a draw, no loop, the bin's probability exact to 2^-23 / bins.
//
// Reference: A. J. Walker, ACM Trans. Math. Softw. 3 (1977) 253, doi:10.1145/355744.355749.
#pragma once
#include "core/lanes.h"

namespace physsim {
namespace PHYSSIM_ISA {

// The bin drawn by 32 random bits from the table of 2^log2_bins (at most 256) entries that starts at `first`. An entry holds the other
// bin (8 bits) and the chance of the own one (0 to 2^23).
PHYSSIM_HD I sample_alias(const int32_t* table, I first, int32_t log2_bins, I word) {
    const I bin = (word >> (32 - log2_bins)) & I((1 << log2_bins) - 1), entry = gather(table, first + bin);
    return select(((word >> 1) & I(0x7fffff)) < (entry & I(0xffffff)), bin, (entry >> 24) & I(0xff));
}

// Row at or above the place that `bits` (23 - shift bits of mantissa kept) name, so that on average the rows mix linearly; by the
// low ten bits of `word`. The mixture of the two rows' distributions stands for the one between them.
PHYSSIM_HD I sample_row(I bits, int32_t shift, I word) {
    return add_where((word & I(1023)) < ((bits >> (shift - 10)) & I(1023)), bits >> shift, I(1));
}

// Uniform in (0, 1) from the upper 22 bits: independent of what sample_row takes.
PHYSSIM_HD F upper_uniform(I word) { return (to_float((word >> 10) & I(0x3fffff)) + F(0.5f)) * F(0x1p-22f); }

}  // namespace PHYSSIM_ISA
}  // namespace physsim
