// Smooth unions, differences and intersections of distances, and their bounds over a brick.
#pragma once
#include "body/elementary.h"

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
PHYSSIM_HD float smooth_extreme(float a, float b, float k, float sign) {
    float h = 0.0f;
    if (k > 0.0f) {
        h = 1.0f - size_of(a - b) / k;
        h = h > 0.0f ? h : 0.0f;
    }
    const float least = sign * a < sign * b ? a : b;
    return least - sign * h * h * k * 0.25f;
}

// Carries bounds over the brick (limits: of the joined distance) through a join with a part whose value at the centre is p; whether the
// part changes nothing that matters in the brick. Constants: blend, slope, how far outside and how deep inside its value can matter.
// `source`: value at the centre and bounds of the field that the part is a moved copy of, or null.
static bool bounded_join(float* limits, const float* source, const float* source_limits, float p, Joining mode, const float* constants, float reach, float margin) {
    const float blend = constants[0];
    float low, high;
    bool far;
    if (source) {
        const float shift = p - *source;
        low = source_limits[0] + shift, high = source_limits[1] + shift;
    } else {
        const float play = constants[1] * reach;
        low = p - play, high = p + play;
    }
    if (mode == Joining::ADD) {
        far = low - margin > blend + constants[2] || low - margin > limits[1] + blend;
        limits[0] = smooth_extreme(limits[0], low, blend, 1.0f);
        limits[1] = smooth_extreme(limits[1], high, blend, 1.0f);
        return far;
    }
    if (mode == Joining::SUBTRACT) {
        const float turned = -high;
        high = -low, low = turned;
    }
    far = high + margin < -(blend + constants[3]) || high + margin < limits[0] - blend;
    limits[0] = smooth_extreme(limits[0], low, blend, -1.0f);
    limits[1] = smooth_extreme(limits[1], high, blend, -1.0f);
    return far;
}

// Before a union, of quads of registers (distance, cortex, organ, thin factor): the cortex is blended with the distance, organ and thin
// factor are those of the nearer part.
template <int N>
static void join_payload(float* d, const float* p, float k) {
    const float inverse = k > 0.0f ? 1.0f / k : 0.0f, half = k > 0.0f ? 0.5f : 0.0f;
    float *cortex = d + N, *organ = d + 2 * N, *thin = d + 3 * N;
    const float *p_cortex = p + N, *p_organ = p + 2 * N, *p_thin = p + 3 * N;
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
