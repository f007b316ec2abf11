// Normal variates from random words (G. E. P. Box, M. E. Muller, Ann. Math. Stat. 29 (1958) 610).
#pragma once
#include "core/logarithm.h"
#include "core/random_words.h"
#include "core/turn.h"

namespace physsim {
namespace PHYSSIM_ISA {

struct Normals { F first, second; };

// Two independent ones of mean 0 and variance 1. Neglects: what lies beyond 6.6 standard deviations (4e-11 of all).
PHYSSIM_HD Normals normals(I word, I other) {
    const F radius = square_root(F(-2.0f) * logarithm(uniform(word)));
    const Turn at = turn(uniform(other));
    return {radius * at.cosine, radius * at.sine};
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
