// What one depth layer of a detector collects of a pixel's quanta: its mean, and the noise on it.
//
// Two sums over the beam are known of every pixel, the signal and the square of what each photon adds; their ratio tells the
// beam's hardness, and a table by it the layer's parts of both, its third cumulant, and the law of its quanta.
// The table is linear between its ratios and constant beyond them. Noise is drawn from three cumulants, or where
// signal^2 < few x variance from the law of the quanta's sum (sums_of_quanta.h).
#pragma once
#include "detect/layer_quanta_job.h"
#include "detect/pixel_noise.h"
#include "detect/sums_of_quanta.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Where a ratio stands in the table: the last entry not above it, and how much of the step to the next one lies below it.
struct HardnessPlace {
    I at;
    F share;

    PHYSSIM_HD HardnessPlace(const LayerQuanta& job, F signal, F square) {
        const F zero(0.0f), one(1.0f);
        const M lit = zero < signal;
        const F ratio = select(lit, square / select(lit, signal, one), zero);
        const Window table(job.ratio);
        at = I(0);
        PHYSSIM_UNROLL
        for (int half = MOST_HARDNESSES / 2; half > 0; half /= 2) at = add_where(table[at + I(half)] <= ratio, at, I(half));
        share = minimum(maximum((ratio - table[at]) * table[at + I(MOST_HARDNESSES)], zero), one);
    }

    PHYSSIM_HD F of(const float* row) const {
        const Window table(row);
        return multiply_add(table[at + I(MOST_HARDNESSES)], share, table[at]);
    }
};

struct LayerCumulants { F mean, variance, third; };
PHYSSIM_HD LayerCumulants layer_cumulants(const LayerQuanta& job, F signal, F square) {
    const HardnessPlace place(job, signal, square);
    return {place.of(job.parts[0]) * signal, place.of(job.parts[1]) * square, place.of(job.parts[2]) * square};
}

// Draws anew, from the law of their quanta's sum, the noise of `count` pixels by their numbers in the view.
PHYSSIM_HD void draw_few(const LayerQuanta& job, const Draws& draws, const int32_t* number, int count, const float* signal, const float* square, float* mean, float* noise) {
    alignas(64) int32_t pixel[LANES];
    alignas(64) float first[LANES], second[LANES], drawn[LANES];
    for (int at = 0; at < count; at += LANES) {
        for (int l = 0; l < LANES; l++) {
            pixel[l] = number[at + l < count ? at + l : at];
            first[l] = signal[pixel[l]], second[l] = square[pixel[l]];
        }
        const F total = load(first);
        const HardnessPlace place(job, total, load(second));
        store(drawn, sum_of_quanta(job.sums, draws, load(pixel), place.at, place.share, total));
        for (int l = 0; l < LANES && at + l < count; l++) noise[pixel[l]] = drawn[l] - mean[pixel[l]];
    }
}

// Mean and noise of pixels first ..< first + RUN of a view, of which there are `pixels`; `first` is a multiple of RUN.
PHYSSIM_HD void layer_quanta_run(const LayerQuanta& job, int64_t view, int64_t first) {
    alignas(64) float room[2][GROUP], made[2][GROUP];
    const float *signal = job.signal + view * job.pixels, *square = job.square + view * job.pixels;
    float *mean = job.mean + view * job.pixels, *noise = job.noise ? job.noise + view * job.pixels : nullptr;
    const Draws draws = {job.stream, job.first_view + static_cast<Word>(view)};
    int32_t few[RUN];
    int rare = 0;
    for (int lane = 0; lane < GROUP; lane += LANES) {
        F normal[GROUPS] = {F(0.0f), F(0.0f), F(0.0f), F(0.0f)};
        if (noise) {
            const I number = lane_index() + I(static_cast<int32_t>(first / GROUPS) + lane);
            const PhiloxWords<I> words = block_of(draws, number, I(0));
            const Normals low = normals(words.a, words.b), high = normals(words.c, words.d);
            normal[0] = low.first, normal[1] = low.second, normal[2] = high.first, normal[3] = high.second;
        }
        for (int g = 0; g < GROUPS; g++) {
            const int64_t at = first + g * GROUP + lane;
            const int there = static_cast<int>(job.pixels - at < LANES ? job.pixels - at : LANES);
            if (there <= 0) continue;
            if (there < LANES)
                for (int l = 0; l < LANES; l++) room[0][l] = l < there ? signal[at + l] : 0.0f, room[1][l] = l < there ? square[at + l] : 0.0f;
            const LayerCumulants found = there < LANES ? layer_cumulants(job, load(room[0]), load(room[1]))
                                                       : layer_cumulants(job, load(signal + at), load(square + at));
            const M seldom = found.mean * found.mean < F(job.few) * found.variance;
            const F drawn = of_three_cumulants(F(0.0f), found.variance, found.third, normal[g]);
            if (there == LANES) {
                store(mean + at, found.mean);
                if (noise) store(noise + at, drawn);
            } else {
                store(made[0], found.mean), store(made[1], drawn);
                for (int l = 0; l < there; l++) {
                    mean[at + l] = made[0][l];
                    if (noise) noise[at + l] = made[1][l];
                }
            }
            if (noise && any(seldom)) {
                store(made[0], select(seldom, F(1.0f), F(0.0f)));
                for (int l = 0; l < there; l++)
                    if (made[0][l] > 0.0f) few[rare++] = static_cast<int32_t>(at) + l;
            }
        }
    }
    if (rare > 0) draw_few(job, draws, few, rare, signal, square, mean, noise);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
