// Powers of two by lanes: one formula for CPU and CUDA.
#pragma once
#include "core/lanes.h"

namespace physsim {
namespace PHYSSIM_ISA {

// 2^-t for t > -126: within 1.1e-7 of the true value below t = 125.5, then at most 2^-125, and 0 from t = 127. The polynomial is
// the minimax fit of degree 6 of 2^r on [-1/2, 1/2] with 2^0 = 1 (relative weights, iteratively reweighted least squares in
// float64), written in -r.
PHYSSIM_HD F exp2_of_minus(F t) {
    const F x = minimum(t, F(127.0f)), magic(12582912.0f);  // 1.5 * 2^23: rounds to the nearest integer
    const F shifted = magic - x, r = x + (shifted - magic);
    F p = multiply_add(F(0x1.41fbbap-13f), r, F(-0x1.5f3e52p-10f));
    p = multiply_add(p, r, F(0x1.3b2d4cp-7f));
    p = multiply_add(p, r, F(-0x1.c6aee8p-5f));
    p = multiply_add(p, r, F(0x1.ebfbdcp-3f));
    p = multiply_add(p, r, F(-0x1.62e430p-1f));
    p = multiply_add(p, r, F(1.0f));
    return as_float(as_int(p) + (as_int(shifted) << 23));
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
