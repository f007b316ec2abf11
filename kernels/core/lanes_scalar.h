// One lane: a plain float. CUDA threads, and the scalar reference on the CPU.
#pragma once
#include "core/platform.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int LANES = 1;
constexpr int INTERLEAVE = 1;
constexpr int PACKETS_AT_ONCE = 1;  // the same for the packets of the general path
typedef float F;
typedef int32_t I;
typedef bool M;

PHYSSIM_HD F multiply_add(F a, F b, F c) { return fmaf(a, b, c); }
PHYSSIM_HD F minimum(F a, F b) { return a < b ? a : b; }
PHYSSIM_HD F maximum(F a, F b) { return a > b ? a : b; }
PHYSSIM_HD I minimum(I a, I b) { return a < b ? a : b; }
PHYSSIM_HD I maximum(I a, I b) { return a > b ? a : b; }
PHYSSIM_HD F square_root(F a) { return sqrtf(a); }
PHYSSIM_HD F floor(F a) { return floorf(a); }
PHYSSIM_HD bool any(M m) { return m; }
PHYSSIM_HD bool all(M m) { return m; }
PHYSSIM_HD F select(M m, F yes, F no) { return m ? yes : no; }
PHYSSIM_HD I select(M m, I yes, I no) { return m ? yes : no; }
PHYSSIM_HD F add_where(M m, F a, F b) { return m ? a + b : a; }
PHYSSIM_HD I add_where(M m, I a, I b) { return m ? a + b : a; }
PHYSSIM_HD M unlike(I a, I b, I mask) { return ((a ^ b) & mask) != 0; }
PHYSSIM_HD F to_float(I a) { return static_cast<float>(a); }
PHYSSIM_HD I truncate(F a) { return static_cast<I>(a); }
PHYSSIM_HD I as_int(F a) {
    const union { F value; I bits; } same = {a};
    return same.bits;
}
PHYSSIM_HD F as_float(I a) {
    const union { I bits; F value; } same = {a};
    return same.value;
}
PHYSSIM_HD F load(const float* p) { return *p; }
PHYSSIM_HD I load(const int32_t* p) { return *p; }
PHYSSIM_HD void store(float* p, F a) { *p = a; }
PHYSSIM_HD void store(int32_t* p, I a) { *p = a; }
PHYSSIM_HD F gather(const float* p, I index) { return p[index]; }
PHYSSIM_HD I gather(const int32_t* p, I index) { return p[index]; }
PHYSSIM_HD I lane_index() { return 0; }

// Consecutive floats from which the lane picks one by its index.
struct Window {
    const float* p;
    PHYSSIM_HD explicit Window(const float* first) : p(first) {}
    PHYSSIM_HD F operator[](I index) const { return p[index]; }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
