// What expressions are made of, on registers of N numbers: a brick's voxels, or one for its centre.
#pragma once
#include "body/elementary.h"

namespace physsim {
namespace PHYSSIM_ISA {

template <int N>
static void two_registers(Operation op, float* d, const float* a, const float* b) {
    switch (op) {
        case Operation::ADD: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = a[i] + b[i]; break;
        case Operation::SUB: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = a[i] - b[i]; break;
        case Operation::MUL: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = a[i] * b[i]; break;
        case Operation::DIV: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = a[i] / b[i]; break;
        case Operation::MIN: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = lesser(a[i], b[i]); break;
        case Operation::MAX: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = greater(a[i], b[i]); break;
        case Operation::LT: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = a[i] < b[i] ? 1.0f : 0.0f; break;
        default: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = power_of(a[i], b[i]);
    }
}

template <int N>
static void register_and_constant(Operation op, float* d, const float* a, float c) {
    switch (op) {
        case Operation::ADD_CONST: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = a[i] + c; break;
        case Operation::MUL_CONST: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = a[i] * c; break;
        case Operation::MIN_CONST: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = lesser(a[i], c); break;
        case Operation::MAX_CONST: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = greater(a[i], c); break;
        case Operation::POW_CONST: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = power_of(a[i], c); break;
        case Operation::CONST_DIV: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = c / a[i]; break;
        case Operation::LT_CONST: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = a[i] < c ? 1.0f : 0.0f; break;
        default: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = c < a[i] ? 1.0f : 0.0f;
    }
}

template <int N>
static void one_register(Operation op, float* d, const float* a) {
    switch (op) {
        case Operation::COPY: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = a[i]; break;
        case Operation::NEG: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = -a[i]; break;
        case Operation::ABS: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = a[i] > 0.0f ? a[i] : -a[i]; break;
        case Operation::SQRT: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = square_root(greater(a[i], 0.0f)); break;
        case Operation::EXP: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = power_of_2(a[i] * LOG2_E); break;
        case Operation::LOG: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = base2_logarithm(a[i]) * LN_2; break;
        case Operation::SIN: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = sine(a[i]); break;
        case Operation::COS: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = sine(a[i] + 1.57079632679f); break;
        default: PHYSSIM_OVER_VOXELS for (int i = 0; i < N; i++) d[i] = 1.0f / (1.0f + power_of_2(-a[i] * LOG2_E));
    }
}

template <int N>
static void filled(float* d, float value) {
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) d[i] = value;
}

// Linear between even nodes, constant beyond: start, 1 / step, last node, then the values.
template <int N>
static void looked_up(float* d, const float* a, const float* constants) {
    const float start = constants[0], inverse = constants[1], last = constants[2];
    const float* values = constants + 3;
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) {
        const float t = held((a[i] - start) * inverse, 0.0f, last);
        const int32_t at = static_cast<int32_t>(t);
        d[i] = values[at] + (t - static_cast<float>(at)) * (values[at + 1] - values[at]);
    }
}

// A whole number in [0, 2^24) from a lattice point's number.
PHYSSIM_HD float lattice_value(uint32_t h) {
    h ^= h >> 15;
    h *= 0x2C1B3C6Du;
    h ^= h >> 12;
    h *= 0x297A2D39u;
    h ^= h >> 15;
    return static_cast<float>(static_cast<int32_t>(h >> 8));
}

// Adds one octave of lattice noise: random values in [-1, 1) on a turned lattice, joined by 3 t^2 - 2 t^3 along each axis.
// Constants: rows of the turn over the wavelength, shifts, amplitude.
template <int N>
static void add_noise(float* d, const float* x, const float* y, const float* z, const float* c, int32_t seed) {
    constexpr uint32_t H1 = 0x8DA6B343u, H2 = 0xD8163841u, H3 = 0xCB1AB31Fu;
    const float xx = c[0], xy = c[1], xz = c[2], yx = c[3], yy = c[4], yz = c[5], zx = c[6], zy = c[7], zz = c[8];
    const float x0 = c[9], y0 = c[10], z0 = c[11], amplitude = c[12];
    const uint32_t start = static_cast<uint32_t>(seed);
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) {
        const float px = x[i], py = y[i], pz = z[i];
        float u = xx * px + xy * py + xz * pz + x0, v = yx * px + yy * py + yz * pz + y0, w = zx * px + zy * py + zz * pz + z0;
        const float fu = (u - 0.5f + NEAREST_WHOLE) - NEAREST_WHOLE, fv = (v - 0.5f + NEAREST_WHOLE) - NEAREST_WHOLE;
        const float fw = (w - 0.5f + NEAREST_WHOLE) - NEAREST_WHOLE;
        u = u - fu, v = v - fv, w = w - fw;
        const uint32_t h0 = static_cast<uint32_t>(static_cast<int32_t>(fu)) * H1, h1 = h0 + H1;
        const uint32_t j0 = static_cast<uint32_t>(static_cast<int32_t>(fv)) * H2, j1 = j0 + H2;
        const uint32_t k0 = static_cast<uint32_t>(static_cast<int32_t>(fw)) * H3 + start, k1 = k0 + H3;
        const uint32_t a00 = h0 ^ j0, a10 = h1 ^ j0, a01 = h0 ^ j1, a11 = h1 ^ j1;
        u = u * u * (3.0f - 2.0f * u);
        v = v * v * (3.0f - 2.0f * v);
        w = w * w * (3.0f - 2.0f * w);
        const float c000 = lattice_value(a00 ^ k0), c100 = lattice_value(a10 ^ k0), c010 = lattice_value(a01 ^ k0), c110 = lattice_value(a11 ^ k0);
        const float c001 = lattice_value(a00 ^ k1), c101 = lattice_value(a10 ^ k1), c011 = lattice_value(a01 ^ k1), c111 = lattice_value(a11 ^ k1);
        const float c00 = c000 + u * (c100 - c000), c10 = c010 + u * (c110 - c010), c01 = c001 + u * (c101 - c001), c11 = c011 + u * (c111 - c011);
        const float low = c00 + v * (c10 - c00), high = c01 + v * (c11 - c01);
        d[i] += amplitude * ((low + w * (high - low)) * 0x1p-23f - 1.0f);
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
