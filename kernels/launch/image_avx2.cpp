#pragma GCC target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")
#define PHYSSIM_ISA image_fma
#define PHYSSIM_ISA_NAME "avx2"
#define PHYSSIM_LANES_AVX2
#include "launch/image_body.h"

namespace physsim {
const ImageTable& image_avx2() { return image_fma::table; }
}  // namespace physsim
