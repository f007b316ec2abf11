#pragma GCC target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")
#define PHYSSIM_ISA montecarlo_fma
#define PHYSSIM_ISA_NAME "avx2"
#define PHYSSIM_LANES_AVX2
#include "launch/montecarlo_body.h"

namespace physsim {
const MonteCarloTable& montecarlo_avx2() { return montecarlo_fma::table; }
}  // namespace physsim
