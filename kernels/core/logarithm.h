// Free paths: the logarithm of a random word, from IEEE additions, multiplications and divisions alone.
#pragma once
#include "core/lanes.h"
#include "core/philox.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Natural logarithm of a positive normal number, within 1.2e-7 of it (relative; absolute near 1).
// x = m 2^k with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh(s), s = (m - 1) / (m + 1), by its series up to s^9.
PHYSSIM_HD F logarithm(F x) {
    const I bits = as_int(x) - I(0x3f3504f3);  // sqrt(1/2)
    const I k = bits >> 23;
    const F m = as_float(as_int(x) - (k << 23));
    const F s = (m - F(1.0f)) / (m + F(1.0f)), square = s * s;
    F series = square * F(1.0f / 9.0f) + F(1.0f / 7.0f);
    series = series * square + F(1.0f / 5.0f);
    series = series * square + F(1.0f / 3.0f);
    series = series * square + F(1.0f);
    const F whole = to_float(k);
    // ln 2 in two parts: whole * high is exact (Cody and Waite 1980)
    return whole * F(0x1.62e400p-1f) + (F(2.0f) * s * series + whole * F(0x1.7f7d1cp-20f));
}

// -ln of a uniform number in (0, 1): an exponential variate. All bits of the word count, so that the tail (up to 22) is smooth.
PHYSSIM_HD F exponential(I word) {
    const F u = (to_float((word >> 1) & I(0x7fffffff)) + F(0.5f)) * F(0x1p-31f);
    return F(0.0f) - logarithm(u);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
