// Distance (mm) of a loft: superelliptic outlines along z (physsim.body.shapes.loft).
#pragma once
#include "body/elementary.h"

namespace physsim {
namespace PHYSSIM_ISA {

// The outline at one height and its slopes: half width a, middle y, half depth h, exponents front and back, depth of the notch.
struct Outline { float a, da, mid, dm, h, dh, front, back, notch_depth; };

// The loft's distance for voxels begin to end of one height.
static void outline_distance(float* d, const float* x, const float* y, float height, int begin, int end, const Outline& o, const float* c) {
    const float z0 = c[0], z1 = c[2], middle = c[3], notch = c[4], blend = c[5], inverse_blend = blend > 0.0f ? 1.0f / blend : 0.0f, bulge = blend * 0.25f;
    const float cap = z0 - height > height - z1 ? z0 - height : height - z1;
    const float slope_a = o.da / o.a, slope_h = o.dh / o.h, inverse_a = 1.0f / o.a, inverse_h = 1.0f / o.h;
    const float inverse_front = 1.0f / o.front, inverse_back = 1.0f / o.back, mid = o.mid, dm = o.dm, front = o.front, back = o.back, notch_depth = o.notch_depth;
    PHYSSIM_OVER_VOXELS
    for (int i = begin; i < end; i++) {
        float v = y[i] - mid;
        const float e = v > 0.0f ? back : front, inverse_e = v > 0.0f ? inverse_back : inverse_front;
        float u = x[i] - middle;
        const float depth = held(v * inverse_h, 0.0f, 1.0f);
        v += notch_depth * depth * power_of_2(-notch * u * u * LOG2_E);
        u = size_of(u) + BODY_TINY;
        const float size = size_of(v) + BODY_TINY;
        float pu = power_of_2(e * base2_logarithm(u * inverse_a)), pv = power_of_2(e * base2_logarithm(size * inverse_h));
        const float total = pu + pv;
        float value = power_of_2(base2_logarithm(total) * inverse_e);
        pu = pu / total, pv = pv / total;
        const float gu = pu / u, gv = pv / size, sign = v > 0.0f ? 1.0f : -1.0f;
        const float gz = pu * slope_a + pv * slope_h + sign * gv * dm;
        value = (value - 1.0f) / (value * square_root(gu * gu + gv * gv + gz * gz));
        float s = 1.0f - size_of(cap - value) * inverse_blend;
        s = s > 0.0f ? s : 0.0f;
        d[i] = (cap > value ? cap : value) + s * s * bulge;
    }
}

// d = (f - 1) / |grad f| of the superelliptic outline at z, and the flat ends. Constants: z of the first row, 1 / step, z of the last
// row, middle x, 1 / notch width^2 (0: none), cap blend. Voxels of one height in a row share the outline's numbers: a table looked up
// at every voxel would keep the loop scalar.
template <int N>
static void loft(float* d, const float* x, const float* y, const float* z, const float* rows, int count, const float* c) {
    const float last = static_cast<float>(count - 1) - 0.001f;
    int begin = 0;
    while (begin < N) {
        int end = begin + 1;
        while (end < N && z[end] == z[begin]) end++;
        const float t = held((z[begin] - c[0]) * c[1], 0.0f, last);
        const int at = static_cast<int>(t);
        const float f = t - static_cast<float>(at);
        const float* r = rows + BODY_LOFT_ROW * at;
        const float da = r[6] - r[0], dm = r[7] - r[1], dh = r[8] - r[2];
        const Outline outline = {r[0] + f * da, da * c[1], r[1] + f * dm, dm * c[1], r[2] + f * dh, dh * c[1],
                                 r[3] + f * (r[9] - r[3]), r[4] + f * (r[10] - r[4]), r[5] + f * (r[11] - r[5])};
        outline_distance(d, x, y, z[begin], begin, end, outline, c);
        begin = end;
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
