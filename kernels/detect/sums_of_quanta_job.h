// Tables by which sums of a beam's quanta are drawn (physsim/imaging/sums_of_quanta.py).
#pragma once
#include "core/platform.h"

namespace physsim {

// Tables of a beam, by their mean count: one quantum; 1/4, 2/4, 3/4; 1, 2, 3; 4, 8, 12; 16.
constexpr int32_t ONE_QUANTUM = 0, OF_QUARTERS = 1, OF_UNITS = 4, OF_FOURS = 7, SIXTEEN_QUANTA = 10, TABLES_OF_SUMS = 11;

struct SumsOfQuanta {
    int32_t beams, log2_bins;
    const int32_t* tables;  // (beams, TABLES_OF_SUMS, bins): see exact_alias_table
    const float* counts;    // (beams) mean count of quanta / signal
    float step;             // keV
};

}  // namespace physsim
