#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,prefer-vector-width=512")
#define PHYSSIM_ISA avx512
#define PHYSSIM_ISA_NAME "avx512"
#define PHYSSIM_LANES_AVX512
#include "launch/cpu_body.h"

namespace physsim {
const KernelTable& kernels_avx512() { return avx512::table; }
}  // namespace physsim
