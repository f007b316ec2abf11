// Included by one translation unit an instruction set with lanes, after its target pragma. No std:: templates.
#include "launch/montecarlo_table.h"
#include "transport/crowd.h"

namespace physsim {
namespace PHYSSIM_ISA {

static void histories(const MonteCarloJob& job, const MonteCarloTally& tally, uint64_t first, int64_t count) {
    while (count > 0) {  // up to where the upper half of the number changes
        const int64_t here = static_cast<int64_t>(0x100000000u - (first & 0xffffffffu)), some = count < here ? count : here;
        transport_crowd(job, tally, first, some);
        first += static_cast<uint64_t>(some), count -= some;
    }
}

static const MonteCarloTable table = {PHYSSIM_ISA_NAME, histories};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
