// Any x86-64, or another CPU: one photon after the other. The same bits, slower.
#define PHYSSIM_ISA montecarlo_portable
#include "launch/montecarlo_table.h"
#include "transport/history.h"

namespace physsim {
namespace PHYSSIM_ISA {

static void histories(const MonteCarloJob& job, const MonteCarloTally& sums, uint64_t first, int64_t count) {
    LaneTally tally(sums);
    for (int64_t n = 0; n < count; n++) history(job, tally, first + static_cast<uint64_t>(n));
}

static const MonteCarloTable table = {"portable", histories};

}  // namespace PHYSSIM_ISA

const MonteCarloTable& montecarlo_baseline() { return montecarlo_portable::table; }

int replay_history(const MonteCarloJob& job, const MonteCarloTally& sums, uint64_t number, TrackEvent* events, int most) {
    montecarlo_portable::LaneTally tally(sums);
    montecarlo_portable::Recorder recorder(events, most);
    montecarlo_portable::history(job, tally, number, recorder);
    return recorder.count();
}

}  // namespace physsim
