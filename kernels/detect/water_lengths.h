// Lengths of water from a scan's signals: the logarithm of what is left of the open beam, without the beam's hardening.
//
// length = polynomial of p = -ln(signal / (open signal x exposure)) up to `most`, straight on beyond; signals below `least` count as that.
#pragma once
#include "core/logarithm.h"
#include "detect/water_lengths_job.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Pixels first ..< last of all views; how many signals were below the least. `first` and `last` are multiples of GROUP, but for the last pixel.
PHYSSIM_HD int64_t water_lengths_of(const WaterLengths& job, int64_t first, int64_t last) {
    alignas(64) float room[6 + MOST_POWERS][LANES];
    int64_t starved = 0;
    for (int32_t v = 0; v < job.views; v++) {
        const float* image = job.image + v * job.pixels;
        const float* scatter = job.scatter ? job.scatter + v * job.pixels : nullptr;
        float* out = job.out + v * job.pixels;
        const F exposure(job.mas[v]);
        for (int64_t at = first; at < last; at += LANES) {
            const int there = static_cast<int>(last - at < LANES ? last - at : LANES);
            int rows = 0;
            const auto get = [&](const float* from) {
                if (there == LANES) return load(from + at);
                float* to = room[rows++];
                for (int l = 0; l < LANES; l++) to[l] = from[at + (l < there ? l : there - 1)];
                return load(to);
            };
            F left = get(image);
            if (scatter) left = left - get(scatter);
            const F least = get(job.least);
            const M dim = left < least;
            if (there == LANES) starved += count(dim);
            else {
                store(room[rows], select(dim, F(1.0f), F(0.0f)));
                for (int l = 0; l < there; l++) starved += room[rows][l] > 0.0f;
            }
            const F depth = F(0.0f) - logarithm(select(dim, least, left) / (get(job.opened) * exposure));
            const F inside = minimum(depth, get(job.most));
            F total = inside * get(job.coefficients + (job.powers - 1) * job.pixels);
            for (int k = job.powers - 2; k >= 0; k--) total = (total + get(job.coefficients + k * job.pixels)) * inside;
            total = total + (depth - inside) * get(job.slope);
            if (there == LANES) store(out + at, total);
            else {
                store(room[0], total);
                for (int l = 0; l < there; l++) out[at + l] = room[0][l];
            }
        }
    }
    return starved;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
