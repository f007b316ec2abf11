// Any x86-64, or another CPU: the same bits, slower.
#define PHYSSIM_ISA portable
#define PHYSSIM_ISA_NAME "portable"
#define PHYSSIM_LANES_PORTABLE
#include "launch/cpu_body.h"

namespace physsim {
const KernelTable& kernels_portable() { return portable::table; }
}  // namespace physsim
