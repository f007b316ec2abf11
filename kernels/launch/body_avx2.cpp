#pragma GCC target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")
#define PHYSSIM_ISA body_fma
#define PHYSSIM_ISA_NAME "avx2"
#define PHYSSIM_LANES_AVX2
#include "launch/body_body.h"

namespace physsim {
const BodyTable& body_avx2() { return body_fma::table; }
}  // namespace physsim
