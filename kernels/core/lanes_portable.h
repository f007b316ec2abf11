// 16 lanes as plain arrays: any CPU; the compiler vectorises what it can. Same bits as the other instruction sets.
#pragma once
#include <string.h>

#include "core/platform.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int LANES = 16;
constexpr int INTERLEAVE = 1;
constexpr int RUNS_AT_ONCE = 1;
constexpr int CHANNELS_AT_ONCE = 2;
constexpr int PACKETS_AT_ONCE = 1;  // the same for the packets of the general path

#define PHYSSIM_EACH for (int l = 0; l < 16; l++)

// The compiler's vectors (GCC, Clang): it splits them into what the CPU has, in a fraction of the time that loops over arrays take it.
typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));  // of comparisons: -1 or 0
typedef uint32_t Words __attribute__((vector_size(64)));

struct M { Ints v; };
struct I {
    Ints v;
    I() = default;
    PHYSSIM_HD explicit I(Ints x) : v(x) {}
    PHYSSIM_HD explicit I(int x) : v(Ints{} + x) {}
};
struct F {
    Floats v;
    F() = default;
    PHYSSIM_HD explicit F(Floats x) : v(x) {}
    PHYSSIM_HD explicit F(float x) : v(x - Floats{}) {}  // -0 too
};

#define PHYSSIM_BINARY(R, T, name, expression) \
    PHYSSIM_HD R name(T x, T y) { const auto a = x.v; const auto b = y.v; return R{expression}; }
PHYSSIM_BINARY(F, F, operator+, a + b)
PHYSSIM_BINARY(F, F, operator-, a - b)
PHYSSIM_BINARY(F, F, operator*, a * b)
PHYSSIM_BINARY(F, F, operator/, a / b)
PHYSSIM_BINARY(F, F, minimum, a < b ? a : b)
PHYSSIM_BINARY(F, F, maximum, a > b ? a : b)
PHYSSIM_BINARY(I, I, operator+, a + b)
PHYSSIM_BINARY(I, I, operator-, a - b)
PHYSSIM_BINARY(I, I, operator*, a * b)
PHYSSIM_BINARY(I, I, operator&, a & b)
PHYSSIM_BINARY(I, I, operator|, a | b)
PHYSSIM_BINARY(I, I, operator^, a ^ b)
PHYSSIM_BINARY(I, I, minimum, a < b ? a : b)
PHYSSIM_BINARY(I, I, maximum, a > b ? a : b)
PHYSSIM_BINARY(M, F, operator<, a < b)
PHYSSIM_BINARY(M, F, operator<=, a <= b)
PHYSSIM_BINARY(M, F, operator==, a == b)
PHYSSIM_BINARY(M, I, operator<, a < b)
PHYSSIM_BINARY(M, I, operator==, a == b)
PHYSSIM_BINARY(M, M, operator&, a & b)
PHYSSIM_BINARY(M, M, operator|, a | b)
#undef PHYSSIM_BINARY
// Each lane in the C library, out of line: where the CPU cannot round once, it is long.
PHYSSIM_HD_RARE void multiply_add_lanes(const F& x, const F& y, F& z) { PHYSSIM_EACH z.v[l] = __builtin_fmaf(x.v[l], y.v[l], z.v[l]); }
PHYSSIM_HD F multiply_add(F x, F y, F z) {
    multiply_add_lanes(x, y, z);
    return z;
}
PHYSSIM_HD I operator<<(I x, int n) { return I((Ints)((Words)x.v << n)); }
PHYSSIM_HD I operator>>(I x, int n) { return I(x.v >> n); }
PHYSSIM_HD F square_root(F x) { PHYSSIM_EACH x.v[l] = __builtin_sqrtf(x.v[l]); return x; }
PHYSSIM_HD_RARE void floor_lanes(F& x) { PHYSSIM_EACH x.v[l] = __builtin_floorf(x.v[l]); }
PHYSSIM_HD F floor(F x) {
    floor_lanes(x);
    return x;
}
// floor(x) + whole for |x| < 2^22 and whole numbers near 1.5 * 2^23: the low bits of the sum, as a word, are the whole number's.
PHYSSIM_HD F floor_onto(F x, F whole) { return floor(x) + whole; }
PHYSSIM_HD M operator~(M x) { return M{~x.v}; }
// Of words taken as unsigned: the lower and the upper half of the product.
PHYSSIM_HD I multiply_low(I x, uint32_t y) { return I((Ints)((Words)x.v * y)); }
PHYSSIM_HD I multiply_high(I x, uint32_t y) {
    PHYSSIM_EACH x.v[l] = static_cast<int32_t>((static_cast<uint64_t>(static_cast<uint32_t>(x.v[l])) * y) >> 32);
    return x;
}
PHYSSIM_HD M without(M x, M y) { return M{x.v & ~y.v}; }
PHYSSIM_HD unsigned bits(M x) { unsigned b = 0; PHYSSIM_EACH b |= static_cast<unsigned>(x.v[l] & 1) << l; return b; }
PHYSSIM_HD int lowest_lane(unsigned mask) { return __builtin_ctz(mask); }  // of a mask's bits, one of which is set
PHYSSIM_HD int count(M x) { return __builtin_popcount(bits(x)); }

PHYSSIM_HD uint32_t sum_of_lanes(I x) { uint32_t sum = 0; PHYSSIM_EACH sum += static_cast<uint32_t>(x.v[l]); return sum; }  // modulo 2^32
PHYSSIM_HD bool any(M x) { return bits(x) != 0; }
PHYSSIM_HD bool all(M x) { return bits(x) == 0xffff; }
PHYSSIM_HD F select(M m, F yes, F no) { return F(m.v ? yes.v : no.v); }
PHYSSIM_HD I select(M m, I yes, I no) { return I(m.v ? yes.v : no.v); }
PHYSSIM_HD F add_where(M m, F x, F y) { return F(m.v ? x.v + y.v : x.v); }
PHYSSIM_HD I add_where(M m, I x, I y) { return I(x.v + (m.v & y.v)); }
// Where two words differ in a bit of `mask`.
PHYSSIM_HD M unlike(I x, I y, I mask) { return M{((x.v ^ y.v) & mask.v) != 0}; }
// Where a word has a bit of `mask`.
PHYSSIM_HD M any_bit(I x, I mask) { return M{(x.v & mask.v) != 0}; }

PHYSSIM_HD F to_float(I x) { return F(__builtin_convertvector(x.v, Floats)); }
PHYSSIM_HD I truncate(F x) {  // out of range gives INT_MIN, as cvttps does
    I r;
    PHYSSIM_EACH r.v[l] = x.v[l] >= -2147483648.0f && x.v[l] < 2147483648.0f ? static_cast<int32_t>(x.v[l]) : INT32_MIN;
    return r;
}
PHYSSIM_HD F as_float(I x) { return F((Floats)x.v); }
PHYSSIM_HD I as_int(F x) { return I((Ints)x.v); }
PHYSSIM_HD F load(const float* p) { F r; memcpy(&r, p, sizeof r); return r; }
PHYSSIM_HD I load(const int32_t* p) { I r; memcpy(&r, p, sizeof r); return r; }
PHYSSIM_HD F load(const uint16_t* half) {
    F r;
    PHYSSIM_EACH {  // exact: shift the exponent into place by a multiplication, keep infinities and NaN
        uint32_t h = half[l], magnitude = (h & 0x7fffu) << 13, word;
        float scaled;
        memcpy(&scaled, &magnitude, 4);
        scaled *= 5.192296858534828e33f;  // 2^112
        memcpy(&word, &scaled, 4);
        if ((h & 0x7c00u) == 0x7c00u) word |= 0x7f800000u;
        word |= (h & 0x8000u) << 16;
        memcpy(&r.v[l], &word, 4);
    }
    return r;
}
PHYSSIM_HD void store(float* p, F x) { memcpy(p, &x, sizeof x); }
PHYSSIM_HD void store(int32_t* p, I x) { memcpy(p, &x, sizeof x); }
PHYSSIM_HD F gather(const float* p, I index) { F r; PHYSSIM_EACH r.v[l] = p[index.v[l]]; return r; }
PHYSSIM_HD I gather(const int32_t* p, I index) { I r; PHYSSIM_EACH r.v[l] = p[index.v[l]]; return r; }
// Lane l gets lane l - N, the first N get 0; lane l gets lane l + 1, the last gets lane 0; all get lane 15.
template <int N>
PHYSSIM_HD F shift_up(F x) { F r; PHYSSIM_EACH r.v[l] = l < N ? 0.0f : x.v[(l - N) & 15]; return r; }
PHYSSIM_HD F next_lane(F x) { F r; PHYSSIM_EACH r.v[l] = x.v[(l + 1) & 15]; return r; }
PHYSSIM_HD F last_lane(F x) { return F(x.v[15]); }
// Eight values that stand together from index x 8 on.
PHYSSIM_HD void gather_rows(const float* p, I index, F (&out)[8]) {
    PHYSSIM_EACH for (int k = 0; k < 8; k++) out[k].v[l] = p[index.v[l] * 8 + k];
}
// The lanes of m, one behind the other; up to LANES values from p on are overwritten.
PHYSSIM_HD void store_packed(float* p, M m, F x) { PHYSSIM_EACH if (m.v[l]) *p++ = x.v[l]; }
PHYSSIM_HD I lane_index() { return I(Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}); }
PHYSSIM_HD M first_lanes(int n) { return M{lane_index().v < n}; }

// 32 consecutive floats from which each lane picks one by the low five bits of its index.
struct Window {
    const float* p;
    PHYSSIM_HD explicit Window(const float* first) : p(first) {}
    PHYSSIM_HD F operator[](I index) const { return gather(p, index & I(31)); }
};

// Of 32 floats from p on, each lane picks the one of its index, and the next one. Lanes 0 to 7 have indices from `low` to low + N - 1
// (N is 8 or 16), lanes 8 to 15 from `high` on.
template <int N>
PHYSSIM_HD void pick_two(const float* p, int, int, I index, F& one, F& next) {
    one = gather(p, index), next = gather(p + 1, index);
}

// floor (UP) or ceil of |x| < 2^22 as an integer in the low bits of a word, for Window; what is left of x above it (or below).
template <bool UP>
PHYSSIM_HD I window_index(F x) {
    return UP ? as_int(floor(x) + F(12582912.0f)) : as_int(F(12582911.0f) - floor(F(0.0f) - x));
}
template <bool UP>
PHYSSIM_HD F past_plane(F x) {
    return UP ? x - floor(x) : x + floor(F(0.0f) - x);
}

// The transpose of 16 x 16 floats, added or stored: out[r * out_stride + c] (+)= in[c * in_stride + r].
template <bool ADD>
PHYSSIM_HD void transpose(float* out, int64_t out_stride, const float* in, int64_t in_stride) {
    for (int r = 0; r < 16; r++)
        for (int c = 0; c < 16; c++) out[r * out_stride + c] = (ADD ? out[r * out_stride + c] : 0.0f) + in[c * in_stride + r];
}

#undef PHYSSIM_EACH
}  // namespace PHYSSIM_ISA
}  // namespace physsim
