#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,prefer-vector-width=512")
#define PHYSSIM_ISA nodes_512
#define PHYSSIM_ISA_NAME "avx512"
#define PHYSSIM_LANES_AVX512
#include "launch/nodes_body.h"

namespace physsim {
const NodeKernels& nodes_avx512() { return nodes_512::table; }
}  // namespace physsim
