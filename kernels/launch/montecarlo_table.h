// The Monte Carlo kernels of one instruction set, as plain function pointers.
#pragma once
#include "transport/interact.h"

namespace physsim {

struct MonteCarloTable {
    const char* name;
    void (*histories)(const MonteCarloJob&, const MonteCarloTally&, uint64_t first, int64_t count);
};

const MonteCarloTable& montecarlo_baseline();
const MonteCarloTable& montecarlo_avx2();
const MonteCarloTable& montecarlo_avx512();

// Writes down the first `most` events of a history, and says how many there were: those of every instruction set.
struct TrackEvent;
int replay_history(const MonteCarloJob& job, const MonteCarloTally& tally, uint64_t number, TrackEvent* events, int most);

}  // namespace physsim
