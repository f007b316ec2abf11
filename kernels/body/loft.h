// Distance (mm) of a loft: superelliptic outlines along z (physsim.body.shapes.loft).
#pragma once
#include "body/elementary.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Outlines at some heights and their slopes: half width a, middle y, half depth h, exponents front and back, depth of the notch.
template <int N>
struct Outlines {
    float a[N], da[N], mid[N], dm[N], h[N], dh[N], front[N], back[N], notch_depth[N];

    // The one at height z, by the table's rows. c: constants of the loft.
    PHYSSIM_HD void set(int i, float z, const float* rows, float last, const float* c) {
        const float t = held((z - c[0]) * c[1], 0.0f, last);
        const int32_t at = static_cast<int32_t>(t);
        const float f = t - static_cast<float>(at), *r = rows + BODY_LOFT_ROW * at;
        const float wider = r[6] - r[0], shifted = r[7] - r[1], deeper = r[8] - r[2];
        a[i] = r[0] + f * wider, da[i] = wider * c[1], mid[i] = r[1] + f * shifted, dm[i] = shifted * c[1];
        h[i] = r[2] + f * deeper, dh[i] = deeper * c[1];
        front[i] = r[3] + f * (r[9] - r[3]), back[i] = r[4] + f * (r[10] - r[4]), notch_depth[i] = r[5] + f * (r[11] - r[5]);
    }
};

// The loft's distance at N places; SHARED: they have one height, and the outline is that of place 0.
template <int N, bool SHARED, int OUTLINES>
static void outline_distance(float* d, const float* x, const float* y, const float* z, const Outlines<OUTLINES>& o, const float* c) {
    const float z0 = c[0], z1 = c[2], middle = c[3], notch = c[4], blend = c[5], inverse_blend = blend > 0.0f ? 1.0f / blend : 0.0f, bulge = blend * 0.25f;
    const float level = z[0];
    PHYSSIM_OVER_VOXELS
    for (int i = 0; i < N; i++) {
        const int n = SHARED ? 0 : i;
        const float height = SHARED ? level : z[i], cap = z0 - height > height - z1 ? z0 - height : height - z1;
        const float slope_a = o.da[n] / o.a[n], slope_h = o.dh[n] / o.h[n], inverse_a = 1.0f / o.a[n], inverse_h = 1.0f / o.h[n];
        const float inverse_front = 1.0f / o.front[n], inverse_back = 1.0f / o.back[n];
        float v = y[i] - o.mid[n];
        const float e = chosen(v > 0.0f, o.back[n], o.front[n]), inverse_e = chosen(v > 0.0f, inverse_back, inverse_front);
        float u = x[i] - middle;
        float depth = v * inverse_h;
        depth = chosen(depth > 0.0f, depth, 0.0f), depth = chosen(depth < 1.0f, depth, 1.0f);
        v += o.notch_depth[n] * depth * power_of_2(-notch * u * u * LOG2_E);
        u = size_of(u) + BODY_TINY;
        const float size = size_of(v) + BODY_TINY;
        float pu = power_of_2(e * base2_logarithm(u * inverse_a)), pv = power_of_2(e * base2_logarithm(size * inverse_h));
        const float total = pu + pv;
        float value = power_of_2(base2_logarithm(total) * inverse_e);
        pu = pu / total, pv = pv / total;
        const float gu = pu / u, gv = pv / size, sign = chosen(v > 0.0f, 1.0f, -1.0f);
        const float gz = pu * slope_a + pv * slope_h + sign * gv * o.dm[n];
        value = (value - 1.0f) / (value * square_root(gu * gu + gv * gv + gz * gz));
        float s = 1.0f - size_of(cap - value) * inverse_blend;
        s = chosen(s > 0.0f, s, 0.0f);
        d[i] = (cap > value ? cap : value) + s * s * bulge;
    }
}

// d = (f - 1) / |grad f| of the superelliptic outline at z, and the flat ends. Constants: z of the first row, 1 / step, z of the last
// row, middle x, 1 / notch width^2 (0: none), cap blend. The voxels of a layer of a block share one outline unless their frame is bent.
template <int N>
static void loft(float* d, const float* x, const float* y, const float* z, const float* rows, int count, const float* c) {
    constexpr int LAYER = BLOCK_EDGE * BLOCK_EDGE;
    const float last = static_cast<float>(count - 1) - 0.001f;
    bool level = N > BLOCKS;
    for (int i = 0; i < N && level; i++) level = z[i] == z[i / LAYER * LAYER];
    if (level) {
        for (int i = 0; i < N; i += LAYER) {
            Outlines<1> own;
            own.set(0, z[i], rows, last, c);
            outline_distance<LAYER, true>(d + i, x + i, y + i, z + i, own, c);
        }
        return;
    }
    Outlines<N> all;
    for (int i = 0; i < N; i++) all.set(i, z[i], rows, last, c);
    outline_distance<N, false>(d, x, y, z, all, c);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
