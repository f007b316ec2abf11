// Parallel rays out of the fans of a turning source: for each ray the views and then the columns about it, by cubic interpolation.
//
// Law: the ray at `angle` from the central one of a source that has turned by `turn` is parallel to the central ray of a source that has
// turned by turn + angle. Rows stay as they are.
// Reference: K. Stierstorfer et al., Phys. Med. Biol. 49 (2004) 2209.
#pragma once
#include "core/platform.h"
#include "reconstruct/helical_views.h"

namespace physsim {

namespace PHYSSIM_ISA {

// Lagrange's cubic through 0, 1, 2, 3.
PHYSSIM_HD void cubic_shares(double place, float (&share)[TAPS]) {
    const double a = place, b = place - 1.0, c = place - 2.0, d = place - 3.0;
    share[0] = static_cast<float>(b * c * d / -6.0), share[1] = static_cast<float>(a * c * d / 2.0);
    share[2] = static_cast<float>(a * b * d / -2.0), share[3] = static_cast<float>(a * b * c / 6.0);
}

// The parallel view whose central ray is that of view `at` (between views, too). room: 6 x columns words; out: (rows, places).
PHYSSIM_HD void rebin_view(const FanRebinning& job, double at, float* room, float* out) {
    float *share = room, *mixed = room + TAPS * job.columns;
    int32_t* base = reinterpret_cast<int32_t*>(mixed + job.columns);
    for (int c = 0; c < job.columns; c++) {
        const double view = at - job.lag[c];
        const int before = static_cast<int>(__builtin_floor(view)) - 1, most = job.views - TAPS, low = before < 0 ? 0 : before > most ? most : before;
        float own[TAPS];
        cubic_shares(view - low, own);
        base[c] = low;
        for (int t = 0; t < TAPS; t++) share[t * job.columns + c] = own[t];
    }
    const int64_t view_pixels = static_cast<int64_t>(job.rows) * job.columns;
    const float *one = share, *two = one + job.columns, *three = two + job.columns, *four = three + job.columns;
    for (int r = 0; r < job.rows; r++) {
        for (int c = 0; c < job.columns;) {
            int end = c + 1;
            while (end < job.columns && base[end] == base[c]) end++;
            const float *a = job.images + base[c] * view_pixels + static_cast<int64_t>(r) * job.columns, *b = a + view_pixels, *d = b + view_pixels, *e = d + view_pixels;
            for (; c < end; c++) mixed[c] = (one[c] * a[c] + two[c] * b[c]) + (three[c] * d[c] + four[c] * e[c]);
        }
        float* to = out + static_cast<int64_t>(r) * job.places;
        for (int p = 0; p < job.places; p++) {
            const float *from = mixed + job.column[p], *own = job.share + p * TAPS;
            to[p] = (own[0] * from[0] + own[1] * from[1]) + (own[2] * from[2] + own[3] * from[3]);
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
