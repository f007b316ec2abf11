#pragma GCC target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")
#define PHYSSIM_ISA nodes_fma
#define PHYSSIM_ISA_NAME "avx2"
#define PHYSSIM_LANES_AVX2
#include "launch/nodes_body.h"

namespace physsim {
const NodeKernels& nodes_avx2() { return nodes_fma::table; }
}  // namespace physsim
