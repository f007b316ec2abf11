// Scattered sums in one order whatever the instruction set.
#pragma once
#include "core/lanes.h"

namespace physsim {
namespace PHYSSIM_ISA {

// p[index] += x, lane after lane: lanes of one index all count.
PHYSSIM_HD void scatter_add(float* p, I index, F x) {
    alignas(64) int32_t at[LANES];
    alignas(64) float value[LANES];
    store(at, index);
    store(value, x);
    for (int l = 0; l < LANES; l++) p[at[l]] += value[l];
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
