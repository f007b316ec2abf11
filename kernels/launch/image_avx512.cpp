#pragma GCC target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt,prefer-vector-width=512")
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC PR 105593, as in core/lanes_avx512.h
#define PHYSSIM_ISA image_512
#define PHYSSIM_ISA_NAME "avx512"
#define PHYSSIM_LANES_AVX512
#include "launch/image_body.h"

namespace physsim {
const ImageTable& image_avx512() { return image_512::table; }
}  // namespace physsim
