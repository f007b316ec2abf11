#pragma GCC target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")
#define PHYSSIM_ISA avx2
#define PHYSSIM_ISA_NAME "avx2"
#define PHYSSIM_LANES_AVX2
#include "launch/cpu_body.h"

namespace physsim {
const KernelTable& kernels_avx2() { return avx2::table; }
}  // namespace physsim
