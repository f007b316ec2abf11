// 16 lanes in one AVX-512 register; masks in k registers.
#pragma once
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC PR 105593: false alarms inside immintrin.h
#pragma GCC diagnostic ignored "-Wuninitialized"
#include <immintrin.h>

#include "core/platform.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int LANES = 16;
constexpr int INTERLEAVE = 4;  // groups of lanes in flight in the column kernel: hides the mask latency
constexpr int RUNS_AT_ONCE = 2;   // the same for rays that follow materials
constexpr int CHANNELS_AT_ONCE = 8;  // sums in flight when runs are folded into channels
constexpr int PACKETS_AT_ONCE = 2;  // the same for the packets of the general path

struct M { __mmask16 m; };
struct I {
    __m512i v;
    I() = default;
    PHYSSIM_HD I(__m512i x) : v(x) {}
    PHYSSIM_HD explicit I(int x) : v(_mm512_set1_epi32(x)) {}
};
struct F {
    __m512 v;
    F() = default;
    PHYSSIM_HD F(__m512 x) : v(x) {}
    PHYSSIM_HD explicit F(float x) : v(_mm512_set1_ps(x)) {}
};

PHYSSIM_HD F operator+(F a, F b) { return _mm512_add_ps(a.v, b.v); }
PHYSSIM_HD F operator-(F a, F b) { return _mm512_sub_ps(a.v, b.v); }
PHYSSIM_HD F operator*(F a, F b) { return _mm512_mul_ps(a.v, b.v); }
PHYSSIM_HD F operator/(F a, F b) { return _mm512_div_ps(a.v, b.v); }
PHYSSIM_HD F multiply_add(F a, F b, F c) { return _mm512_fmadd_ps(a.v, b.v, c.v); }
PHYSSIM_HD F minimum(F a, F b) { return _mm512_min_ps(a.v, b.v); }
PHYSSIM_HD F maximum(F a, F b) { return _mm512_max_ps(a.v, b.v); }
PHYSSIM_HD F square_root(F a) { return _mm512_sqrt_ps(a.v); }
PHYSSIM_HD F floor(F a) { return _mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
// floor(x) + whole for |x| < 2^22 and whole numbers near 1.5 * 2^23: the low bits of the sum, as a word, are the whole number's.
PHYSSIM_HD F floor_onto(F x, F whole) { return _mm512_add_round_ps(x.v, whole.v, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }
PHYSSIM_HD I operator+(I a, I b) { return _mm512_add_epi32(a.v, b.v); }
PHYSSIM_HD I operator-(I a, I b) { return _mm512_sub_epi32(a.v, b.v); }
PHYSSIM_HD I operator*(I a, I b) { return _mm512_mullo_epi32(a.v, b.v); }
PHYSSIM_HD I operator&(I a, I b) { return _mm512_and_si512(a.v, b.v); }
PHYSSIM_HD I operator|(I a, I b) { return _mm512_or_si512(a.v, b.v); }
PHYSSIM_HD I operator^(I a, I b) { return _mm512_xor_si512(a.v, b.v); }
// Of words taken as unsigned: the lower and the upper half of the product.
PHYSSIM_HD I multiply_low(I a, uint32_t b) { return a * I(static_cast<int>(b)); }
PHYSSIM_HD I multiply_high(I a, uint32_t b) {
    const __m512i factor = _mm512_set1_epi32(static_cast<int>(b));
    const __m512i even = _mm512_mul_epu32(a.v, factor), odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), factor);
    return _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
}
PHYSSIM_HD I operator<<(I a, int n) { return _mm512_slli_epi32(a.v, static_cast<unsigned>(n)); }
PHYSSIM_HD I operator>>(I a, int n) { return _mm512_srai_epi32(a.v, static_cast<unsigned>(n)); }
PHYSSIM_HD I minimum(I a, I b) { return _mm512_min_epi32(a.v, b.v); }
PHYSSIM_HD I maximum(I a, I b) { return _mm512_max_epi32(a.v, b.v); }

PHYSSIM_HD M operator<(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
PHYSSIM_HD M operator<=(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
PHYSSIM_HD M operator==(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
PHYSSIM_HD M operator<(I a, I b) { return {_mm512_cmplt_epi32_mask(a.v, b.v)}; }
PHYSSIM_HD M operator==(I a, I b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
PHYSSIM_HD M operator&(M a, M b) { return {static_cast<__mmask16>(a.m & b.m)}; }
PHYSSIM_HD M operator|(M a, M b) { return {static_cast<__mmask16>(a.m | b.m)}; }
PHYSSIM_HD M operator~(M a) { return {static_cast<__mmask16>(~a.m)}; }
PHYSSIM_HD M without(M a, M b) { return {static_cast<__mmask16>(a.m & ~b.m)}; }
PHYSSIM_HD bool any(M a) { return a.m != 0; }
PHYSSIM_HD bool all(M a) { return a.m == 0xffff; }
PHYSSIM_HD unsigned bits(M a) { return a.m; }
PHYSSIM_HD int lowest_lane(unsigned mask) { return __builtin_ctz(mask); }  // of a mask's bits, one of which is set
PHYSSIM_HD int count(M a) { return __builtin_popcount(a.m); }
PHYSSIM_HD M first_lanes(int n) { return {static_cast<__mmask16>(n >= 16 ? 0xffffu : (1u << n) - 1u)}; }
PHYSSIM_HD uint32_t sum_of_lanes(I a) { return static_cast<uint32_t>(_mm512_reduce_add_epi32(a.v)); }  // modulo 2^32

PHYSSIM_HD F select(M m, F yes, F no) { return _mm512_mask_blend_ps(m.m, no.v, yes.v); }
PHYSSIM_HD I select(M m, I yes, I no) { return _mm512_mask_blend_epi32(m.m, no.v, yes.v); }
PHYSSIM_HD F add_where(M m, F a, F b) { return _mm512_mask_add_ps(a.v, m.m, a.v, b.v); }
PHYSSIM_HD I add_where(M m, I a, I b) { return _mm512_mask_add_epi32(a.v, m.m, a.v, b.v); }

// Where two words differ in a bit of `mask`.
PHYSSIM_HD M unlike(I a, I b, I mask) { return {_mm512_test_epi32_mask(_mm512_xor_si512(a.v, b.v), mask.v)}; }

// Where a word has a bit of `mask`.
PHYSSIM_HD M any_bit(I a, I mask) { return {_mm512_test_epi32_mask(a.v, mask.v)}; }

PHYSSIM_HD F to_float(I a) { return _mm512_cvtepi32_ps(a.v); }
PHYSSIM_HD I truncate(F a) { return _mm512_cvttps_epi32(a.v); }
PHYSSIM_HD F as_float(I a) { return _mm512_castsi512_ps(a.v); }
PHYSSIM_HD I as_int(F a) { return _mm512_castps_si512(a.v); }

// Lanes of int64.
#define PHYSSIM_LONG_LANES
struct L { __m512i low, high; };
PHYSSIM_HD L load_long(const int64_t* p) { return {_mm512_loadu_si512(p), _mm512_loadu_si512(p + 8)}; }
PHYSSIM_HD L operator-(L a, L b) { return {_mm512_sub_epi64(a.low, b.low), _mm512_sub_epi64(a.high, b.high)}; }
PHYSSIM_HD L minimum(L a, L b) { return {_mm512_min_epi64(a.low, b.low), _mm512_min_epi64(a.high, b.high)}; }
PHYSSIM_HD L maximum(L a, L b) { return {_mm512_max_epi64(a.low, b.low), _mm512_max_epi64(a.high, b.high)}; }
PHYSSIM_HD L halves(L a) { return {_mm512_srai_epi64(a.low, 1), _mm512_srai_epi64(a.high, 1)}; }  // rounded down
PHYSSIM_HD M operator<(L a, L b) {
    return {_mm512_kunpackb(_mm512_cmplt_epi64_mask(a.high, b.high), _mm512_cmplt_epi64_mask(a.low, b.low))};
}
PHYSSIM_HD L add_where(M m, L a, L b) {
    const __mmask8 high = static_cast<__mmask8>(_kshiftri_mask16(m.m, 8));
    return {_mm512_mask_add_epi64(a.low, static_cast<__mmask8>(m.m), a.low, b.low), _mm512_mask_add_epi64(a.high, high, a.high, b.high)};
}
PHYSSIM_HD F to_float(L a) { return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtepi64_ps(a.low)), _mm512_cvtepi64_ps(a.high), 1); }

PHYSSIM_HD F load(const float* p) { return _mm512_loadu_ps(p); }
PHYSSIM_HD I load(const int32_t* p) { return _mm512_loadu_si512(p); }
PHYSSIM_HD F load(const uint16_t* half) { return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(half))); }
PHYSSIM_HD void store(float* p, F a) { _mm512_storeu_ps(p, a.v); }
PHYSSIM_HD void store(int32_t* p, I a) { _mm512_storeu_si512(p, a.v); }
// Sixteen loads and fifteen inserts: vgatherdps is microcoded on AMD and slowed by microcode on many Intel CPUs. Indices come
// back from memory two at a time: loads are what a gather has most of.
template <int LANE>
PHYSSIM_HD __m128 insert(__m128 lanes, const float& value) {  // the compiler would load and insert by two instructions
    asm("vinsertps %2, %1, %0, %0" : "+v"(lanes) : "m"(value), "i"(16 * LANE));
    return lanes;
}
PHYSSIM_HD __m128 gather4(const float* p, const int64_t* index) {
    int64_t low = index[0], high = index[1];
    asm("" : "+r"(low), "+r"(high));  // else the compiler loads each index by itself
    const __m128 two = insert<1>(_mm_load_ss(p + static_cast<int32_t>(low)), p[low >> 32]);
    return insert<3>(insert<2>(two, p[static_cast<int32_t>(high)]), p[high >> 32]);
}
PHYSSIM_HD F gather(const float* p, I index) {
    alignas(64) int64_t i[8];
    _mm512_store_si512(i, index.v);
    asm("" : "+m"(i));  // through memory: else the compiler shuffles the indices out of the register
    const __m256 low = _mm256_insertf128_ps(_mm256_castps128_ps256(gather4(p, i)), gather4(p, i + 2), 1);
    const __m256 high = _mm256_insertf128_ps(_mm256_castps128_ps256(gather4(p, i + 4)), gather4(p, i + 6), 1);
    return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1);
}
PHYSSIM_HD I gather(const int32_t* p, I index) { return _mm512_i32gather_epi32(index.v, p, 4); }
// Lane l gets lane l - N, the first N get 0; lane l gets lane l + 1, the last gets lane 0; all get lane 15.
template <int N>
PHYSSIM_HD F shift_up(F a) {
    return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(a.v), _mm512_setzero_si512(), 16 - N));
}
PHYSSIM_HD F next_lane(F a) { return _mm512_castsi512_ps(_mm512_alignr_epi32(_mm512_castps_si512(a.v), _mm512_castps_si512(a.v), 1)); }
PHYSSIM_HD F last_lane(F a) { return _mm512_permutexvar_ps(_mm512_set1_epi32(15), a.v); }
// Eight values that stand together from index x 8 on.
PHYSSIM_HD void gather_rows(const float* p, I index, F (&out)[8]) {
    alignas(64) int32_t i[16];
    _mm512_store_si512(i, index.v);
    asm("" : "+m"(i));
    __m512 row[8], pair[8];
    for (int l = 0; l < 8; l++) {  // lanes 0-3 beside 4-7, then 8-11 beside 12-15: the order that the last shuffle leaves
        const int low = l < 4 ? l : l + 4;
        row[l] = _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(p + 8 * static_cast<int64_t>(i[low]))),
                                    _mm256_loadu_ps(p + 8 * static_cast<int64_t>(i[low + 4])), 1);
    }
    for (int l = 0; l < 8; l += 2) pair[l] = _mm512_unpacklo_ps(row[l], row[l + 1]), pair[l + 1] = _mm512_unpackhi_ps(row[l], row[l + 1]);
    for (int four = 0; four < 8; four += 4) {
        row[four] = _mm512_shuffle_ps(pair[four], pair[four + 2], 0x44), row[four + 1] = _mm512_shuffle_ps(pair[four], pair[four + 2], 0xee);
        row[four + 2] = _mm512_shuffle_ps(pair[four + 1], pair[four + 3], 0x44), row[four + 3] = _mm512_shuffle_ps(pair[four + 1], pair[four + 3], 0xee);
    }
    for (int k = 0; k < 4; k++) {
        out[k].v = _mm512_shuffle_f32x4(row[k], row[k + 4], 0x88);
        out[k + 4].v = _mm512_shuffle_f32x4(row[k], row[k + 4], 0xdd);
    }
}
// The lanes of m, one behind the other; up to LANES values from p on are overwritten.
PHYSSIM_HD void store_packed(float* p, M m, F a) { _mm512_storeu_ps(p, _mm512_maskz_compress_ps(m.m, a.v)); }
PHYSSIM_HD I lane_index() { return _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0); }

// 32 consecutive floats from which each lane picks one by the low five bits of its index.
struct Window {
    __m512 low, high;
    PHYSSIM_HD explicit Window(const float* p) : low(_mm512_loadu_ps(p)), high(_mm512_loadu_ps(p + 16)) {}
    PHYSSIM_HD F operator[](I index) const { return _mm512_permutex2var_ps(low, index.v, high); }
};

// Of 32 floats from p on, each lane picks the one of its index, and the next one. Lanes 0 to 7 have indices from `low` to low + N - 1
// (N is 8 or 16), lanes 8 to 15 from `high` on.
template <int N>
PHYSSIM_HD void pick_two(const float* p, int, int, I index, F& one, F& next) {
    const Window own(p);
    one = own[index], next = N == 8 ? own[index + I(1)] : Window(p + 1)[index];  // of 16 the last index may be 31
}

// floor (UP) or ceil of |x| < 2^22 as an integer in the low bits of a word, for Window; what is left of x above it (or below).
template <bool UP>
PHYSSIM_HD I window_index(F x) {
    constexpr int DOWN_OR_UP = (UP ? _MM_FROUND_TO_NEG_INF : _MM_FROUND_TO_POS_INF) | _MM_FROUND_NO_EXC;
    return _mm512_castps_si512(_mm512_add_round_ps(x.v, _mm512_set1_ps(UP ? 12582912.0f : 12582911.0f), DOWN_OR_UP));
}
template <bool UP>
PHYSSIM_HD F past_plane(F x) {
    return _mm512_sub_ps(x.v, _mm512_roundscale_ps(x.v, (UP ? _MM_FROUND_TO_NEG_INF : _MM_FROUND_TO_POS_INF) | _MM_FROUND_NO_EXC));
}

// The transpose of 16 x 16 floats, added or stored: out[r * out_stride + c] (+)= in[c * in_stride + r].
template <bool ADD>
PHYSSIM_HD void transpose(float* out, int64_t out_stride, const float* in, int64_t in_stride) {
    __m512 a[16], b[16];
    for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(in + in_stride * i);
    for (int i = 0; i < 8; i++) {
        b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 4; i++) {
        a[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(b[4 * i]), _mm512_castps_pd(b[4 * i + 2])));
        a[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(b[4 * i]), _mm512_castps_pd(b[4 * i + 2])));
        a[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(b[4 * i + 1]), _mm512_castps_pd(b[4 * i + 3])));
        a[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(b[4 * i + 1]), _mm512_castps_pd(b[4 * i + 3])));
    }
    for (int i = 0; i < 4; i++) {  // quarter q of a[4 j + i] holds row 4 q + i of columns 4 j .. 4 j + 3
        __m512 low01 = _mm512_shuffle_f32x4(a[i], a[4 + i], 0x44), high01 = _mm512_shuffle_f32x4(a[i], a[4 + i], 0xee);
        __m512 low23 = _mm512_shuffle_f32x4(a[8 + i], a[12 + i], 0x44), high23 = _mm512_shuffle_f32x4(a[8 + i], a[12 + i], 0xee);
        b[i] = _mm512_shuffle_f32x4(low01, low23, 0x88);
        b[4 + i] = _mm512_shuffle_f32x4(low01, low23, 0xdd);
        b[8 + i] = _mm512_shuffle_f32x4(high01, high23, 0x88);
        b[12 + i] = _mm512_shuffle_f32x4(high01, high23, 0xdd);
    }
    for (int r = 0; r < 16; r++) {
        float* row = out + r * out_stride;
        _mm512_storeu_ps(row, ADD ? _mm512_add_ps(_mm512_loadu_ps(row), b[r]) : b[r]);
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
