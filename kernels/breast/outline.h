// Signed distance of the points of a row to a plane curve.
#pragma once
#include "core/platform.h"

namespace physsim {
namespace PHYSSIM_ISA {

// curve (points, 2), drawn from the first point to the last; closed (corners, 2): the polygon whose inside is positive. out: at x0 + i step,
// y; best, cut: memory of as many numbers.
static void outline_row(const double* curve, int32_t points, const double* closed, int32_t corners, double x0, double y, double step, int32_t count,
                        double* best, double* sign, float* out) {
    for (int32_t i = 0; i < count; i++) best[i] = 1e30, sign[i] = -1.0;
    for (int32_t n = 0; n + 1 < points; n++) {
        const double ax = curve[2 * n], ay = curve[2 * n + 1], dx = curve[2 * n + 2] - ax, dy = curve[2 * n + 3] - ay, square = dx * dx + dy * dy;
        const double inverse = square > 0.0 ? 1.0 / square : 0.0;
        for (int32_t i = 0; i < count; i++) {
            const double px = x0 + static_cast<double>(i) * step - ax, py = y - ay;
            double t = (px * dx + py * dy) * inverse;
            t = t > 0.0 ? t : 0.0;
            t = t < 1.0 ? t : 1.0;
            const double gx = px - t * dx, gy = py - t * dy, own = gx * gx + gy * gy;
            best[i] = own < best[i] ? own : best[i];
        }
    }
    for (int32_t n = 0, m = corners - 1; n < corners; m = n++) {
        const double *a = closed + 2 * n, *b = closed + 2 * m;
        if ((a[1] > y) == (b[1] > y)) continue;
        const double cut = a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1]);
        for (int32_t i = 0; i < count; i++) sign[i] = x0 + static_cast<double>(i) * step < cut ? -sign[i] : sign[i];
    }
    for (int32_t i = 0; i < count; i++) out[i] = static_cast<float>(sign[i] * __builtin_sqrt(best[i]));
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
