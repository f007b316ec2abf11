// 16 lanes in two AVX2 registers; masks are all-ones lanes.
#pragma once
#include <immintrin.h>

#include "core/platform.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int LANES = 16;
constexpr int INTERLEAVE = 1;  // two registers a value: more groups in flight would spill
constexpr int RUNS_AT_ONCE = 1;
constexpr int CHANNELS_AT_ONCE = 2;
constexpr int PACKETS_AT_ONCE = 1;  // the same for the packets of the general path

struct M { __m256 a, b; };
struct I {
    __m256i a, b;
    I() = default;
    PHYSSIM_HD I(__m256i x, __m256i y) : a(x), b(y) {}
    PHYSSIM_HD explicit I(int x) : a(_mm256_set1_epi32(x)), b(a) {}
};
struct F {
    __m256 a, b;
    F() = default;
    PHYSSIM_HD F(__m256 x, __m256 y) : a(x), b(y) {}
    PHYSSIM_HD explicit F(float x) : a(_mm256_set1_ps(x)), b(a) {}
};

PHYSSIM_HD F operator+(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
PHYSSIM_HD F operator-(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
PHYSSIM_HD F operator*(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
PHYSSIM_HD F operator/(F x, F y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
PHYSSIM_HD F multiply_add(F x, F y, F z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
PHYSSIM_HD F minimum(F x, F y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
PHYSSIM_HD F maximum(F x, F y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
PHYSSIM_HD F square_root(F x) { return {_mm256_sqrt_ps(x.a), _mm256_sqrt_ps(x.b)}; }
PHYSSIM_HD F floor(F x) { return {_mm256_floor_ps(x.a), _mm256_floor_ps(x.b)}; }
// floor(x) + whole for |x| < 2^22 and whole numbers near 1.5 * 2^23: the low bits of the sum, as a word, are the whole number's.
PHYSSIM_HD F floor_onto(F x, F whole) { return floor(x) + whole; }
PHYSSIM_HD I operator+(I x, I y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
PHYSSIM_HD I operator-(I x, I y) { return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
PHYSSIM_HD I operator*(I x, I y) { return {_mm256_mullo_epi32(x.a, y.a), _mm256_mullo_epi32(x.b, y.b)}; }
PHYSSIM_HD I operator&(I x, I y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
PHYSSIM_HD I operator|(I x, I y) { return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }
PHYSSIM_HD I operator^(I x, I y) { return {_mm256_xor_si256(x.a, y.a), _mm256_xor_si256(x.b, y.b)}; }
// Of words taken as unsigned: the lower and the upper half of the product.
PHYSSIM_HD I multiply_low(I x, uint32_t y) { return x * I(static_cast<int>(y)); }
PHYSSIM_HD __m256i multiply_high(__m256i x, __m256i y) {
    const __m256i even = _mm256_mul_epu32(x, y), odd = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), y);
    return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
}
PHYSSIM_HD I multiply_high(I x, uint32_t y) {
    const I factor(static_cast<int>(y));
    return {multiply_high(x.a, factor.a), multiply_high(x.b, factor.b)};
}
PHYSSIM_HD I operator<<(I x, int n) { return {_mm256_slli_epi32(x.a, n), _mm256_slli_epi32(x.b, n)}; }
PHYSSIM_HD I operator>>(I x, int n) { return {_mm256_srai_epi32(x.a, n), _mm256_srai_epi32(x.b, n)}; }
PHYSSIM_HD I minimum(I x, I y) { return {_mm256_min_epi32(x.a, y.a), _mm256_min_epi32(x.b, y.b)}; }
PHYSSIM_HD I maximum(I x, I y) { return {_mm256_max_epi32(x.a, y.a), _mm256_max_epi32(x.b, y.b)}; }

PHYSSIM_HD M operator<(F x, F y) { return {_mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ)}; }
PHYSSIM_HD M operator<=(F x, F y) { return {_mm256_cmp_ps(x.a, y.a, _CMP_LE_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_LE_OQ)}; }
PHYSSIM_HD M operator==(F x, F y) { return {_mm256_cmp_ps(x.a, y.a, _CMP_EQ_OQ), _mm256_cmp_ps(x.b, y.b, _CMP_EQ_OQ)}; }
PHYSSIM_HD M operator<(I x, I y) {
    return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(y.a, x.a)), _mm256_castsi256_ps(_mm256_cmpgt_epi32(y.b, x.b))};
}
PHYSSIM_HD M operator==(I x, I y) {
    return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(x.a, y.a)), _mm256_castsi256_ps(_mm256_cmpeq_epi32(x.b, y.b))};
}
PHYSSIM_HD M operator&(M x, M y) { return {_mm256_and_ps(x.a, y.a), _mm256_and_ps(x.b, y.b)}; }
PHYSSIM_HD M operator|(M x, M y) { return {_mm256_or_ps(x.a, y.a), _mm256_or_ps(x.b, y.b)}; }
PHYSSIM_HD M operator~(M x) {
    __m256 ones = _mm256_castsi256_ps(_mm256_set1_epi32(-1));
    return {_mm256_xor_ps(x.a, ones), _mm256_xor_ps(x.b, ones)};
}
PHYSSIM_HD M without(M x, M y) { return {_mm256_andnot_ps(y.a, x.a), _mm256_andnot_ps(y.b, x.b)}; }
PHYSSIM_HD unsigned bits(M x) { return static_cast<unsigned>(_mm256_movemask_ps(x.a)) | static_cast<unsigned>(_mm256_movemask_ps(x.b)) << 8; }
PHYSSIM_HD int lowest_lane(unsigned mask) { return __builtin_ctz(mask); }  // of a mask's bits, one of which is set
PHYSSIM_HD int count(M x) { return __builtin_popcount(bits(x)); }
PHYSSIM_HD M first_lanes(int n) {
    const __m256i all = _mm256_set1_epi32(n);
    return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(all, _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0))),
            _mm256_castsi256_ps(_mm256_cmpgt_epi32(all, _mm256_set_epi32(15, 14, 13, 12, 11, 10, 9, 8)))};
}
PHYSSIM_HD uint32_t sum_of_lanes(I x) {  // modulo 2^32
    const __m256i half = _mm256_add_epi32(x.a, x.b);
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1))));
}
PHYSSIM_HD bool any(M x) { return bits(x) != 0; }
PHYSSIM_HD bool all(M x) { return bits(x) == 0xffff; }

PHYSSIM_HD F select(M m, F yes, F no) { return {_mm256_blendv_ps(no.a, yes.a, m.a), _mm256_blendv_ps(no.b, yes.b, m.b)}; }
PHYSSIM_HD I as_int(F x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
PHYSSIM_HD F as_float(I x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
PHYSSIM_HD I select(M m, I yes, I no) { return as_int(select(m, as_float(yes), as_float(no))); }
PHYSSIM_HD F add_where(M m, F x, F y) { return select(m, x + y, x); }
PHYSSIM_HD I add_where(M m, I x, I y) {  // all-ones lanes keep y, zero lanes add 0
    return {_mm256_add_epi32(x.a, _mm256_and_si256(_mm256_castps_si256(m.a), y.a)),
            _mm256_add_epi32(x.b, _mm256_and_si256(_mm256_castps_si256(m.b), y.b))};
}

// Where two words differ in a bit of `mask`.
PHYSSIM_HD M unlike(I x, I y, I mask) { return ~((x & mask) == (y & mask)); }

// Where a word has a bit of `mask`.
PHYSSIM_HD M any_bit(I x, I mask) { return ~((x & mask) == I(0)); }

PHYSSIM_HD F to_float(I x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
PHYSSIM_HD I truncate(F x) { return {_mm256_cvttps_epi32(x.a), _mm256_cvttps_epi32(x.b)}; }

PHYSSIM_HD F load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
PHYSSIM_HD I load(const int32_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
}
PHYSSIM_HD F load(const uint16_t* half) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(half))),
            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(half + 8)))};
}
PHYSSIM_HD void store(float* p, F x) { _mm256_storeu_ps(p, x.a); _mm256_storeu_ps(p + 8, x.b); }
PHYSSIM_HD void store(int32_t* p, I x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), x.b);
}
PHYSSIM_HD F gather(const float* p, I index) { return {_mm256_i32gather_ps(p, index.a, 4), _mm256_i32gather_ps(p, index.b, 4)}; }
PHYSSIM_HD I gather(const int32_t* p, I index) {
    return {_mm256_i32gather_epi32(reinterpret_cast<const int*>(p), index.a, 4), _mm256_i32gather_epi32(reinterpret_cast<const int*>(p), index.b, 4)};
}
// Lane l gets lane l - N (N = 1, 2, 4, 8), the first N get 0; lane l gets lane l + 1, the last gets lane 0; all get lane 15.
template <int BYTES>
PHYSSIM_HD __m256 align_right(__m256 high, __m256 low) {
    return _mm256_castsi256_ps(_mm256_alignr_epi8(_mm256_castps_si256(high), _mm256_castps_si256(low), BYTES));
}
template <int N>
PHYSSIM_HD F shift_up(F x) {
    const __m256 before_a = _mm256_permute2f128_ps(x.a, x.a, 0x08), before_b = _mm256_permute2f128_ps(x.a, x.b, 0x21);
    if constexpr (N == 8) return {_mm256_setzero_ps(), x.a};
    else if constexpr (N == 4) return {before_a, before_b};
    else return {align_right<16 - 4 * N>(x.a, before_a), align_right<16 - 4 * N>(x.b, before_b)};
}
PHYSSIM_HD F next_lane(F x) {
    return {align_right<4>(_mm256_permute2f128_ps(x.a, x.b, 0x21), x.a), align_right<4>(_mm256_permute2f128_ps(x.b, x.a, 0x21), x.b)};
}
PHYSSIM_HD F last_lane(F x) {
    const __m256 last = _mm256_permutevar8x32_ps(x.b, _mm256_set1_epi32(7));
    return {last, last};
}
// Eight values that stand together from index x 8 on.
PHYSSIM_HD void gather_rows(const float* p, I index, F (&out)[8]) {
    alignas(32) int32_t i[16];
    store(i, index);
    for (int half = 0; half < 2; half++) {
        __m256 row[8], pair[8];
        for (int l = 0; l < 8; l++) row[l] = _mm256_loadu_ps(p + 8 * static_cast<int64_t>(i[8 * half + l]));
        for (int l = 0; l < 8; l += 2) pair[l] = _mm256_unpacklo_ps(row[l], row[l + 1]), pair[l + 1] = _mm256_unpackhi_ps(row[l], row[l + 1]);
        for (int four = 0; four < 8; four += 4) {
            row[four] = _mm256_shuffle_ps(pair[four], pair[four + 2], 0x44), row[four + 1] = _mm256_shuffle_ps(pair[four], pair[four + 2], 0xee);
            row[four + 2] = _mm256_shuffle_ps(pair[four + 1], pair[four + 3], 0x44), row[four + 3] = _mm256_shuffle_ps(pair[four + 1], pair[four + 3], 0xee);
        }
        for (int k = 0; k < 4; k++) {
            (half ? out[k].b : out[k].a) = _mm256_permute2f128_ps(row[k], row[k + 4], 0x20);
            (half ? out[k + 4].b : out[k + 4].a) = _mm256_permute2f128_ps(row[k], row[k + 4], 0x31);
        }
    }
}
// The lanes of m, one behind the other; up to LANES values from p on are overwritten.
PHYSSIM_HD __m256 packed_lanes(unsigned mask, __m256 x) {
    const uint64_t bytes = _pdep_u64(mask, 0x0101010101010101u) * 0xffu;
    const __m128i order = _mm_cvtsi64_si128(static_cast<int64_t>(_pext_u64(0x0706050403020100u, bytes)));
    return _mm256_permutevar8x32_ps(x, _mm256_cvtepu8_epi32(order));
}
PHYSSIM_HD void store_packed(float* p, M m, F x) {
    const unsigned low = static_cast<unsigned>(_mm256_movemask_ps(m.a)), high = static_cast<unsigned>(_mm256_movemask_ps(m.b));
    _mm256_storeu_ps(p, packed_lanes(low, x.a));
    _mm256_storeu_ps(p + __builtin_popcount(low), packed_lanes(high, x.b));
}
PHYSSIM_HD I lane_index() { return {_mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0), _mm256_set_epi32(15, 14, 13, 12, 11, 10, 9, 8)}; }

// 32 consecutive floats from which each lane picks one by the low five bits of its index. Permutes, not gathers, which
// take 3-4 times longer on many CPUs.
struct Window {
    __m256 part[4];
    PHYSSIM_HD explicit Window(const float* p)
        : part{_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8), _mm256_loadu_ps(p + 16), _mm256_loadu_ps(p + 24)} {}
    PHYSSIM_HD __m256 pick(__m256i index) const {
        const __m256 odd = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)), upper = _mm256_castsi256_ps(_mm256_slli_epi32(index, 27));
        const __m256 low = _mm256_blendv_ps(_mm256_permutevar8x32_ps(part[0], index), _mm256_permutevar8x32_ps(part[1], index), odd);
        const __m256 high = _mm256_blendv_ps(_mm256_permutevar8x32_ps(part[2], index), _mm256_permutevar8x32_ps(part[3], index), odd);
        return _mm256_blendv_ps(low, high, upper);
    }
    PHYSSIM_HD F operator[](I index) const { return {pick(index.a), pick(index.b)}; }
};

// Of 32 floats from p on, each lane picks the one of its index, and the next one. Lanes 0 to 7 have indices from `low` to low + N - 1
// (N is 8 or 16), lanes 8 to 15 from `high` on.
template <int N>
PHYSSIM_HD __m256 picked_of(const float* p, __m256i index) {
    const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(p), index);
    return N == 8 ? low : _mm256_blendv_ps(low, _mm256_permutevar8x32_ps(_mm256_loadu_ps(p + 8), index), _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
}
template <int N>
PHYSSIM_HD void pick_two(const float* p, int low, int high, I index, F& one, F& next) {
    const __m256i a = _mm256_sub_epi32(index.a, _mm256_set1_epi32(low)), b = _mm256_sub_epi32(index.b, _mm256_set1_epi32(high));
    one = {picked_of<N>(p + low, a), picked_of<N>(p + high, b)};
    next = {picked_of<N>(p + low + 1, a), picked_of<N>(p + high + 1, b)};
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
    for (int half = 0; half < 2; half++) {      // rows 8 half .. 8 half + 7 of the result
        for (int quarter = 0; quarter < 2; quarter++) {  // columns 8 quarter .. 8 quarter + 7 of the result
            __m256 a[8], b[8];
            for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(in + (8 * quarter + i) * in_stride + 8 * half);
            for (int i = 0; i < 4; i++) {
                b[2 * i] = _mm256_unpacklo_ps(a[2 * i], a[2 * i + 1]);
                b[2 * i + 1] = _mm256_unpackhi_ps(a[2 * i], a[2 * i + 1]);
            }
            for (int i = 0; i < 2; i++) {
                a[4 * i] = _mm256_shuffle_ps(b[4 * i], b[4 * i + 2], 0x44);
                a[4 * i + 1] = _mm256_shuffle_ps(b[4 * i], b[4 * i + 2], 0xee);
                a[4 * i + 2] = _mm256_shuffle_ps(b[4 * i + 1], b[4 * i + 3], 0x44);
                a[4 * i + 3] = _mm256_shuffle_ps(b[4 * i + 1], b[4 * i + 3], 0xee);
            }
            for (int i = 0; i < 4; i++) {
                b[i] = _mm256_permute2f128_ps(a[i], a[4 + i], 0x20);
                b[4 + i] = _mm256_permute2f128_ps(a[i], a[4 + i], 0x31);
            }
            for (int i = 0; i < 8; i++) {
                float* row = out + (8 * half + i) * out_stride + 8 * quarter;
                _mm256_storeu_ps(row, ADD ? _mm256_add_ps(_mm256_loadu_ps(row), b[i]) : b[i]);
            }
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
