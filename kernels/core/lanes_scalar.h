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
// Of words taken as unsigned: the lower and the upper half of the product.
PHYSSIM_HD I multiply_low(I x, uint32_t y) { return static_cast<I>(static_cast<uint32_t>(x) * y); }
PHYSSIM_HD I multiply_high(I x, uint32_t y) { return static_cast<I>((static_cast<uint64_t>(static_cast<uint32_t>(x)) * y) >> 32); }
PHYSSIM_HD M without(M m, M n) { return m && !n; }
PHYSSIM_HD unsigned bits(M m) { return m; }
PHYSSIM_HD int lowest_lane(unsigned) { return 0; }  // of a mask's bits, one of which is set
PHYSSIM_HD int count(M m) { return m; }
PHYSSIM_HD M first_lanes(int n) { return n > 0; }
PHYSSIM_HD uint32_t sum_of_lanes(I x) { return static_cast<uint32_t>(x); }  // modulo 2^32
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
// Eight values that stand together from index x 8 on.
PHYSSIM_HD void gather_rows(const float* p, I index, F (&out)[8]) {
    PHYSSIM_UNROLL
    for (int k = 0; k < 8; k++) out[k] = p[index * 8 + k];
}
// The lanes of m, one behind the other; up to LANES values from p on are overwritten.
PHYSSIM_HD void store_packed(float* p, M, F x) { *p = x; }

// Consecutive floats from which the lane picks one by its index.
struct Window {
    const float* p;
    PHYSSIM_HD explicit Window(const float* first) : p(first) {}
    PHYSSIM_HD F operator[](I index) const { return p[index]; }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
