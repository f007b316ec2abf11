// The Monte Carlo kernels of one instruction set, as plain function pointers.
#pragma once
#include "transport/history.h"

namespace physsim {

struct MonteCarloTable {
    const char* name;
    void (*histories)(const MonteCarloJob&, const MonteCarloTally&, uint64_t first, int64_t count);
    int (*replay)(const MonteCarloJob&, const MonteCarloTally&, uint64_t number, TrackEvent* events, int most);  // how many there were
};

const MonteCarloTable& montecarlo_baseline();
const MonteCarloTable& montecarlo_avx2();

}  // namespace physsim
