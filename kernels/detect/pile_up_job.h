// What pile-up makes of the counts of a pixel's bins (physsim/imaging/detector/pile_up_table.py).
#pragma once
#include "core/platform.h"

namespace physsim {

// Registered over true counts by bin, at loads (rate x dead time) of equal steps and of beams whose bins have rising mean numbers.
struct PileUp {
    int32_t bins, beams, loads;  // beams: 0 without a table
    bool paralysable;
    float per_step;              // 1 / step of the loads
    const float *mean_bin, *per_beam;  // (beams); (beams - 1) 1 / distance to the next
    const float* ratio;                // (beams, loads, bins)
};

}  // namespace physsim
