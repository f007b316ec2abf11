#pragma GCC target("avx2,fma,f16c,bmi,bmi2,lzcnt,popcnt")
#define PHYSSIM_ISA scatter_fma
#define PHYSSIM_ISA_NAME "avx2"
#include "launch/scatter_histories_body.h"

namespace physsim {
const ScatterHistories& scatter_avx2() { return scatter_fma::histories_table; }
ViewOfScan scan_views_avx2() { return scatter_fma::view_of_scan; }
}  // namespace physsim
