// Any x86-64, or another CPU. The same bits, slower.
#define PHYSSIM_ISA body_portable
#define PHYSSIM_ISA_NAME "portable"
#define PHYSSIM_LANES_PORTABLE
#include "launch/body_body.h"

namespace physsim {
const BodyTable& body_baseline() { return body_portable::table; }
}  // namespace physsim
