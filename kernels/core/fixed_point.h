// Sums whose bits do not depend on the order of their terms: int64 multiples of a power of two.
#pragma once
#include "core/platform.h"

namespace physsim {

// Adds `scaled`, a term already multiplied by the power of two, rounded to the nearest integer. |sum| must stay below 2^63.
PHYSSIM_HD void add_fixed(int64_t* sum, float scaled) { add_shared(sum, round_to_int64(scaled)); }

PHYSSIM_HD float from_fixed(int64_t sum, double unit) { return static_cast<float>(static_cast<double>(sum) * unit); }

}  // namespace physsim
