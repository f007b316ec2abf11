// Cosine and sine of a fraction of a turn.
#pragma once
#include "core/lanes.h"

namespace physsim {
namespace PHYSSIM_ISA {

struct Turn { F cosine, sine; };

// Of 2 pi u for u in [0, 1]; each within 1.5e-7. Quarter turns are taken off exactly; the rest lies within pi/4.
// Taylor series of degree 9 and 8: the first terms left out are below 2e-9 there.
PHYSSIM_HD Turn turn(F u) {
    const F quarters = u * F(4.0f);
    const I nearest = truncate(quarters + F(0.5f));
    const F angle = (quarters - to_float(nearest)) * F(0x1.921fb6p+0f), square = angle * angle;
    F sine = square * F(1.0f / 362880.0f) + F(-1.0f / 5040.0f);
    sine = sine * square + F(1.0f / 120.0f);
    sine = sine * square + F(-1.0f / 6.0f);
    sine = angle + angle * square * sine;
    F cosine = square * F(1.0f / 40320.0f) + F(-1.0f / 720.0f);
    cosine = cosine * square + F(1.0f / 24.0f);
    cosine = cosine * square + F(-0.5f);
    cosine = cosine * square + F(1.0f);
    const M odd = (nearest & I(1)) == I(1), back = ((nearest + I(1)) & I(2)) == I(2), low = (nearest & I(2)) == I(2);
    const F c = select(odd, sine, cosine), s = select(odd, cosine, sine);
    return {select(back, F(0.0f) - c, c), select(low, F(0.0f) - s, s)};
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
