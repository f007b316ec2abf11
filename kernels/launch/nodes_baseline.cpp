// Any x86-64, or another CPU. The same bits, slower.
#define PHYSSIM_ISA nodes_portable
#define PHYSSIM_ISA_NAME "portable"
#define PHYSSIM_LANES_PORTABLE
#include "launch/nodes_body.h"

namespace physsim {
const NodeKernels& nodes_baseline() { return nodes_portable::table; }
}  // namespace physsim
