#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,prefer-vector-width=512")
#define PHYSSIM_ISA body_512
#define PHYSSIM_ISA_NAME "avx512"
#define PHYSSIM_LANES_AVX512
#include "launch/body_body.h"

namespace physsim {
const BodyTable& body_avx512() { return body_512::table; }
}  // namespace physsim
