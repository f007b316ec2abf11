// Logarithm, exponential and sine of float32 from + - * / alone: the compiler makes vectors of them, and every CPU gives their bits.
#pragma once
#include <cstring>

#include "body/brick.h"

namespace physsim {
namespace PHYSSIM_ISA {

PHYSSIM_HD int32_t bits_of(float value) {
    int32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

PHYSSIM_HD float float_of(int32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// a where `yes`, else b, without a branch: the compiler sees no two ways through a loop, and makes vectors of it.
PHYSSIM_HD float chosen(bool yes, float a, float b) {
    const int32_t mask = -static_cast<int32_t>(yes);
    return float_of((bits_of(a) & mask) | (bits_of(b) & ~mask));
}

// Base-2 logarithm of positive normal numbers, within 3e-7: 2 artanh((m - 1) / (m + 1)) / ln 2 by its series.
PHYSSIM_HD float base2_logarithm(float x) {
    x = x > 1.2e-38f ? x : 1.2e-38f;
    const int32_t word = bits_of(x);
    float exponent = static_cast<float>(((word >> 23) & 0xFF) - 127), m = float_of((word & 0x7FFFFF) | 0x3F800000);
    exponent = m > 1.4142135f ? exponent + 1.0f : exponent;
    m = m > 1.4142135f ? m * 0.5f : m;
    constexpr double TERM = 2.885390082;  // 2 / ln 2
    constexpr float L1 = static_cast<float>(TERM), L3 = static_cast<float>(TERM / 3), L5 = static_cast<float>(TERM / 5);
    constexpr float L7 = static_cast<float>(TERM / 7), L9 = static_cast<float>(TERM / 9);
    const float s = (m - 1.0f) / (m + 1.0f), q = s * s;
    return exponent + s * (L1 + q * (L3 + q * (L5 + q * (L7 + q * L9))));
}

constexpr float NEAREST_WHOLE = 12582912.0f;  // 1.5 x 2^23: adding it rounds to a whole number

// 2^x for -126 <= x <= 126 (held there), relative error 2e-7: Taylor series about the nearest whole number.
PHYSSIM_HD float power_of_2(float x) {
    x = x > -126.0f ? x : -126.0f;
    x = x < 126.0f ? x : 126.0f;
    const float whole = (x + NEAREST_WHOLE) - NEAREST_WHOLE, f = x - whole;
    const float series = 1.0f + f * (0.6931471806f + f * (0.2402265070f + f * (0.0555041087f + f * (0.0096181291f + f * (0.0013333558f + f * 0.000154035304f)))));
    return series * float_of((static_cast<int32_t>(whole) + 127) << 23);
}

constexpr float LOG2_E = 1.4426950409f, LN_2 = 0.6931471806f;

// x^e; 0 for x <= 0.
PHYSSIM_HD float power_of(float x, float e) {
    const float value = power_of_2(e * base2_logarithm(x));
    return x > 0.0f ? value : 0.0f;
}

// Sine, within 3e-7 for |x| < 1000: reduced to a quarter turn, then its series.
PHYSSIM_HD float sine(float x) {
    constexpr float HALF_PI = 1.57079632679f, PI_HERE = 3.14159265359f;
    const float turns = (x * 0.15915494309f + NEAREST_WHOLE) - NEAREST_WHOLE;
    float r = (x - turns * 6.28125f) - turns * 0.00193530717958f;
    r = r > HALF_PI ? PI_HERE - r : r;
    r = r < -HALF_PI ? -PI_HERE - r : r;
    const float q = r * r;
    constexpr float S3 = static_cast<float>(-1.0 / 6), S5 = static_cast<float>(1.0 / 120), S7 = static_cast<float>(-1.0 / 5040);
    constexpr float S9 = static_cast<float>(1.0 / 362880), S11 = static_cast<float>(-1.0 / 39916800);
    return r * (1.0f + q * (S3 + q * (S5 + q * (S7 + q * (S9 + q * S11)))));
}

// From a register's numbers of one block (or of all blocks' middles: N = BLOCKS) to the next register's.
template <int N>
constexpr int REGISTER = N == BLOCKS ? BLOCKS : BRICK_VOXELS;

// Runs work(place) for the first voxel of each block of a mask; the blocks' middles are all at place 0.
template <int N, typename Work>
PHYSSIM_HD void in_blocks(uint32_t mask, const Work& work) {
    if (N == BLOCKS) return work(0);
    for (; mask; mask &= mask - 1) work(N * __builtin_ctz(mask));
}

PHYSSIM_HD float square_root(float x) { return __builtin_sqrtf(x); }
PHYSSIM_HD float size_of(float x) { return __builtin_fabsf(x); }
PHYSSIM_HD float lesser(float a, float b) { return a < b ? a : b; }
PHYSSIM_HD float greater(float a, float b) { return a > b ? a : b; }
PHYSSIM_HD float held(float x, float low, float high) {
    x = x > low ? x : low;
    return x < high ? x : high;
}

// Least and largest of a block's numbers: sixteen side by side, which no order of comparing changes.
PHYSSIM_HD float largest_of(const float* values) {
    float best[16];
    for (int l = 0; l < 16; l++) best[l] = values[l];
    for (int i = 16; i < BLOCK_VOXELS; i += 16)
        for (int l = 0; l < 16; l++) best[l] = values[i + l] > best[l] ? values[i + l] : best[l];
    float result = best[0];
    for (int l = 1; l < 16; l++) result = best[l] > result ? best[l] : result;
    return result;
}

PHYSSIM_HD float smallest_of(const float* values) {
    float best[16];
    for (int l = 0; l < 16; l++) best[l] = values[l];
    for (int i = 16; i < BLOCK_VOXELS; i += 16)
        for (int l = 0; l < 16; l++) best[l] = values[i + l] < best[l] ? values[i + l] : best[l];
    float result = best[0];
    for (int l = 1; l < 16; l++) result = best[l] < result ? best[l] : result;
    return result;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
