// From the signal of pixels to digital numbers, view after view: lag, gain, noise of charge and electronics, full well, rounding.
//
// Laws: a part `fraction` of each view's signal is held back and leaves it by the share `leaves` a view; electrons = signal x electrons per
// keV x gain, with normal noise of variance excess x electrons + noise_variance, up to a full well; number = floor(offset + gain x electrons
// + 1/2), from 0 to the highest; dead pixels are 0.
#pragma once
#include "detect/pixel_noise.h"
#include "detect/read_out_job.h"

namespace physsim {
namespace PHYSSIM_ISA {

// All views of pixels first ..< first + RUN (`first` a multiple of it); how many of their numbers are at a full well or the highest.
PHYSSIM_HD int64_t read_out_run(const ReadOut& job, int64_t first) {
    alignas(64) float maps[3][RUN], held[MOST_LAGS][RUN], signal[RUN], digital[RUN];
    const int there = static_cast<int>(job.pixels - first < RUN ? job.pixels - first : RUN);
    for (int p = 0; p < RUN; p++) {
        const bool is = p < there;
        maps[0][p] = is ? job.gain[first + p] : 0.0f, maps[1][p] = is ? job.offset_dn[first + p] : 0.0f, maps[2][p] = is ? job.alive[first + p] : 0.0f;
        for (int k = 0; k < job.lags; k++) held[k][p] = is ? job.held[k * job.pixels + first + p] : 0.0f;
        signal[p] = 0.0f;
    }
    const F zero(0.0f), full(job.full_well), highest(job.highest);
    int64_t saturated = 0;
    for (int v = 0; v < job.views; v++) {
        const float* from = job.signal + v * job.pixels + first;
        if (there < RUN) {
            for (int p = 0; p < there; p++) signal[p] = from[p];
            from = signal;
        }
        const Draws draws = {job.stream, job.first_view + static_cast<Word>(v)};
        for (int lane = 0; lane < GROUP; lane += LANES) {
            F normal[GROUPS] = {zero, zero, zero, zero};
            if (job.noise) {
                const I number = lane_index() + I(static_cast<int32_t>(first / GROUPS) + lane);
                const PhiloxWords<I> words = block_of(draws, number, I(0));
                const Normals low = normals(words.a, words.b), high = normals(words.c, words.d);
                normal[0] = low.first, normal[1] = low.second, normal[2] = high.first, normal[3] = high.second;
            }
            for (int g = 0; g < GROUPS; g++) {
                const int at = g * GROUP + lane;
                const F arrived = load(from + at);
                F collected = arrived;
                if (job.lags > 0) collected = arrived * F(job.prompt);
                for (int k = 0; k < job.lags; k++) {
                    const F before = load(held[k] + at), released = before * F(job.leaves[k]);
                    collected = collected + released;
                    store(held[k] + at, before + (arrived * F(job.fraction[k]) - released));
                }
                F electrons = collected * F(job.electrons_per_kev) * load(maps[0] + at);
                const F variance = maximum(electrons, zero) * F(job.excess) + F(job.noise_variance);
                electrons = electrons + square_root(variance) * normal[g];
                const F alive = load(maps[2] + at), kept = minimum(electrons, full);
                const F number = floor(kept * F(job.dn_per_electron) + load(maps[1] + at) + F(0.5f));
                const M cut = ((full <= electrons) | (highest <= number)) & (zero < alive);
                saturated += count(cut);
                store(digital + at, minimum(maximum(number, zero), highest) * alive);
            }
        }
        if (job.digital_16) {
            uint16_t* to = job.digital_16 + v * job.pixels + first;
            for (int p = 0; p < there; p++) to[p] = static_cast<uint16_t>(static_cast<int32_t>(digital[p]));
        } else {
            int32_t* to = job.digital_32 + v * job.pixels + first;
            for (int p = 0; p < there; p++) to[p] = static_cast<int32_t>(digital[p]);
        }
    }
    for (int k = 0; k < job.lags; k++)
        for (int p = 0; p < there; p++) job.held[k * job.pixels + first + p] = held[k][p];
    return saturated;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
