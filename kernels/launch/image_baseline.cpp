// Any x86-64, or another CPU. The same bits, slower.
#define PHYSSIM_ISA image_portable
#define PHYSSIM_ISA_NAME "portable"
#define PHYSSIM_LANES_PORTABLE
#include "launch/image_body.h"

namespace physsim {
const ImageTable& image_baseline() { return image_portable::table; }
}  // namespace physsim
