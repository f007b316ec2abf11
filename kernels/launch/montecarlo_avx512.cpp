#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,prefer-vector-width=512")
#define PHYSSIM_ISA montecarlo_512
#define PHYSSIM_ISA_NAME "avx512"
#define PHYSSIM_LANES_AVX512
#include "launch/montecarlo_body.h"

namespace physsim {
const MonteCarloTable& montecarlo_avx512() { return montecarlo_512::table; }
}  // namespace physsim
