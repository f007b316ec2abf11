// Included by one translation unit an instruction set, after its target pragma: histories one lane wide. No std:: templates.
#include "launch/montecarlo_table.h"

namespace physsim {
namespace PHYSSIM_ISA {

static void histories(const MonteCarloJob& job, const MonteCarloTally& tally, uint64_t first, int64_t count) {
    for (int64_t n = 0; n < count; n++) history(job, tally, first + static_cast<uint64_t>(n));
}

static const MonteCarloTable table = {PHYSSIM_ISA_NAME, histories};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
