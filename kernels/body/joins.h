// Smooth unions, differences and intersections of distances, and their bounds over a brick.
#pragma once
#include "body/elementary.h"
#include "core/lanes.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Radius k: h = max(0, 1 - |a - b| / k), then h^2 k / 4.
template <int N>
static void join(float* d, const float* p, Joining mode, float k) {
    if (mode == Joining::ADD) {
        if (k > 0.0f) {
            const float inverse = 1.0f / k;
            PHYSSIM_OVER_VOXELS
            for (int i = 0; i < N; i++) {
                float h = 1.0f - size_of(d[i] - p[i]) * inverse;
                h = h > 0.0f ? h : 0.0f;
                d[i] = (d[i] < p[i] ? d[i] : p[i]) - h * h * k * 0.25f;
            }
        } else {
            PHYSSIM_OVER_VOXELS
            for (int i = 0; i < N; i++) d[i] = d[i] < p[i] ? d[i] : p[i];
        }
        return;
    }
    const float sign = mode == Joining::SUBTRACT ? -1.0f : 1.0f;
    if (k > 0.0f) {
        const float inverse = 1.0f / k;
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) {
            const float q = sign * p[i];
            float h = 1.0f - size_of(d[i] - q) * inverse;
            h = h > 0.0f ? h : 0.0f;
            d[i] = (d[i] > q ? d[i] : q) + h * h * k * 0.25f;
        }
    } else {
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < N; i++) {
            const float q = sign * p[i];
            d[i] = d[i] > q ? d[i] : q;
        }
    }
}

// Smooth minimum (sign 1) or maximum (-1) of two numbers.
PHYSSIM_HD F smooth_extreme(F a, F b, float k, float sign) {
    F h(0.0f);
    if (k > 0.0f) {
        const F gap = a - b;
        h = maximum(F(1.0f) - maximum(gap, F(0.0f) - gap) / F(k), F(0.0f));
    }
    const F least = sign > 0.0f ? minimum(a, b) : maximum(a, b);
    return least - F(sign) * h * h * F(k) * F(0.25f);
}

// Carries bounds over each block (limits: low and high of the joined distance) through a join with a part whose values in the middles
// are p; returns the blocks in which the part changes nothing that matters. Constants: blend, slope, how far outside and how deep
// inside its value can matter. `source`: values in the middles and bounds of the field that the part is a moved copy of, or null.
static uint32_t bounded_join(float* limits, const float* source, const float* source_limits, const float* p, Joining mode, const float* constants,
                             const float* reach, float margin) {
    const float blend = constants[0];
    const F value = load(p), room(margin), old_low = load(limits), old_high = load(limits + BLOCKS);
    F low, high;
    if (source) {
        const F shift = value - load(source);
        low = load(source_limits) + shift, high = load(source_limits + BLOCKS) + shift;
    } else {
        const F play = F(constants[1]) * load(reach);
        low = value - play, high = value + play;
    }
    if (mode == Joining::SUBTRACT) {
        const F turned = F(0.0f) - high;
        high = F(0.0f) - low, low = turned;
    }
    M far;
    F new_low, new_high;
    if (mode == Joining::ADD) {
        far = (F(blend + constants[2]) < low - room) | (old_high + F(blend) < low - room);
        new_low = smooth_extreme(old_low, low, blend, 1.0f), new_high = smooth_extreme(old_high, high, blend, 1.0f);
    } else {
        far = (high + room < F(-(blend + constants[3]))) | (high + room < old_low - F(blend));
        new_low = smooth_extreme(old_low, low, blend, -1.0f), new_high = smooth_extreme(old_high, high, blend, -1.0f);
    }
    store(limits, new_low);
    store(limits + BLOCKS, new_high);
    return bits(far);
}

// Before a union, of quads of registers (distance, cortex, organ, thin factor): the cortex is blended with the distance, organ and thin
// factor are those of the nearer part.
template <int N>
static void join_payload(float* d, const float* p, float k) {
    const float inverse = k > 0.0f ? 1.0f / k : 0.0f, half = k > 0.0f ? 0.5f : 0.0f;
    constexpr int NEXT = REGISTER<N>;
    float *cortex = d + NEXT, *organ = d + 2 * NEXT, *thin = d + 3 * NEXT;
    const float *p_cortex = p + NEXT, *p_organ = p + 2 * NEXT, *p_thin = p + 3 * NEXT;
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) {
        const float gap = d[i] - p[i];
        float h = 1.0f - size_of(gap) * inverse;
        h = h > 0.0f ? h : 0.0f;
        h = h * half;
        const float other = gap > 0.0f ? 1.0f - h : h;  // the new part's share
        cortex[i] += other * (p_cortex[i] - cortex[i]);
        organ[i] = gap > 0.0f ? p_organ[i] : organ[i];
        thin[i] = gap > 0.0f ? p_thin[i] : thin[i];
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
