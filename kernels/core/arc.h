// The angle of a vector, from IEEE additions, multiplications, divisions and square roots alone.
#pragma once
#include "core/lanes.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Radians from the direction of `ahead` towards `aside`, within 3e-7 of the angle (relative) where ahead >= 0; beyond, only above pi / 2.
// Two half angles bring the tangent below tan(pi / 8); there the odd polynomial of degree 11 is the minimax fit (7e-10, relative,
// iteratively reweighted least squares in float64).
PHYSSIM_HD F arc(F aside, F ahead) {
    const F half = aside / (square_root(aside * aside + ahead * ahead) + ahead);
    const F x = half / (F(1.0f) + square_root(F(1.0f) + half * half)), square = x * x;
    F p = square * F(-0x1.f25b2cp-5f) + F(0x1.b2031cp-4f);
    p = p * square + F(-0x1.23b6cap-3f);
    p = p * square + F(0x1.9991aep-3f);
    p = p * square + F(-0x1.55554ap-2f);
    return F(4.0f) * (x + x * square * p);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
