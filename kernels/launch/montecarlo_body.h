// Included by one translation unit an instruction set, after its target pragma: histories one lane wide. No std:: templates.
#include "launch/montecarlo_table.h"

namespace physsim {
namespace PHYSSIM_ISA {

static void histories(const MonteCarloJob& job, const MonteCarloTally& tally, uint64_t first, int64_t count) {
    for (int64_t n = 0; n < count; n++) history(job, tally, first + static_cast<uint64_t>(n));
}

static int replay(const MonteCarloJob& job, const MonteCarloTally& tally, uint64_t number, TrackEvent* events, int most) {
    Recorder recorder(events, most);
    history(job, tally, number, recorder);
    return recorder.count();
}

static const MonteCarloTable table = {PHYSSIM_ISA_NAME, histories, replay};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
