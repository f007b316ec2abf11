// Tables of what quanta deposit together: the law of a compound Poisson sum, and an alias table of any size that draws from it.
//
// References: H. H. Panjer, ASTIN Bulletin 12 (1981) 22, doi:10.1017/S0515036100006796 (the recursion: all its terms are positive, so it
// is stable); A. J. Walker, ACM Trans. Math. Softw. 3 (1977) 253, doi:10.1145/355744.355749.
#pragma once
#include "core/platform.h"

namespace physsim {

// Chances of 0, 1, .. bins - 1 steps; count[k]: mean count of quanta that deposit k + 1 steps; none: the chance of no quantum, exp(-sum of counts).
// Beyond the mean no chance is larger than the largest of the last `classes`: once these are all below 2^-60, the rest are left 0.
inline void law_of_sum(const double* count, int64_t classes, double none, double* chance, int64_t bins) {
    double mean = 0.0;
    for (int64_t k = 1; k <= classes; k++) mean += static_cast<double>(k) * count[k - 1];
    for (int64_t n = 1; n < bins; n++) chance[n] = 0.0;
    chance[0] = none;
    int64_t quiet = 0;
    for (int64_t n = 1; n < bins && (quiet < classes || static_cast<double>(n) < mean); n++) {
        double sum = 0.0;
        for (int64_t k = 1; k <= (classes < n ? classes : n); k++) sum += static_cast<double>(k) * count[k - 1] * chance[n - k];
        chance[n] = sum / static_cast<double>(n);
        quiet = chance[n] < 0x1p-60 ? quiet + 1 : 0;
    }
}

// The table that sample_exact_alias draws from: 2^log2_bins entries; chances need not be normalised. They are rounded to whole numbers of 2^-32
// so that the distribution function is within 2^-33 everywhere; the table has just these. `left`: room of as many.
inline void exact_alias_table(const double* chance, int log2_bins, int64_t* left, int32_t* table) {
    const int64_t bins = int64_t{1} << log2_bins, full = int64_t{1} << (32 - log2_bins);
    double total = 0.0, below = 0.0;
    for (int64_t n = 0; n < bins; n++) total += chance[n];
    int64_t given = 0;
    for (int64_t n = 0; n < bins; n++) {
        below += chance[n];
        const int64_t upto = n + 1 == bins ? int64_t{1} << 32 : static_cast<int64_t>(below / total * 0x1p32 + 0.5);
        left[n] = upto - given, given = upto;
    }
    const auto enter = [&](int64_t bin, int64_t other, int64_t own) {
        table[bin] = static_cast<int32_t>(static_cast<uint32_t>(other) << (32 - log2_bins) | static_cast<uint32_t>(own));
    };
    int64_t rich = 0;
    for (int64_t n = 0; n < bins; n++) enter(n, n, 0);
    for (int64_t n = 0; n < bins; n++)
        for (int64_t poor = n; left[poor] < full;) {  // those that gave too much before n are filled up at once, those behind when n comes there
            while (left[rich] <= full) rich++;
            enter(poor, rich, left[poor]);
            left[rich] -= full - left[poor], left[poor] = full;
            if (rich > n) break;
            poor = rich;
        }
}

}  // namespace physsim
