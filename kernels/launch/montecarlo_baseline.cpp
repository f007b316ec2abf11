// Any x86-64, or another CPU: the same bits, slower.
#define PHYSSIM_ISA montecarlo_portable
#define PHYSSIM_ISA_NAME "portable"
#include "launch/montecarlo_body.h"

namespace physsim {
const MonteCarloTable& montecarlo_baseline() { return montecarlo_portable::table; }
}  // namespace physsim
