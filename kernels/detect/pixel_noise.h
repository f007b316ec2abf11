// Noise of the pixels of a view: words by (seed, stream; view, pixel), whatever the lanes, the threads and the other pixels.
#pragma once
#include "detect/quantum_noise.h"

namespace physsim {

// Blocks of a pixel: its normals are in block 0.
constexpr int32_t OF_COUNTS = 1, OF_LARGE_COUNTS = 1 << 16;
constexpr int PIXELS_OF_A_BLOCK = 4;  // pixels p, p + 16, p + 32, p + 48 of each 64 share the normals of one block of words

namespace PHYSSIM_ISA {

constexpr int GROUP = 16, GROUPS = PIXELS_OF_A_BLOCK, RUN = GROUP * GROUPS;

// Signals of pixels first ..< first + RUN from three cumulants; `first` is a multiple of RUN; 1 ..= RUN pixels are there.
// Arrays are those of the view.
PHYSSIM_HD void noisy_run(const Draws& draws, int64_t first, int64_t pixels, const float* mean, const float* variance, const float* third, float* out) {
    alignas(64) float room[3][GROUP], signal[GROUP];
    for (int lane = 0; lane < GROUP; lane += LANES) {
        const I number = lane_index() + I(static_cast<int32_t>(first / GROUPS) + lane);
        const PhiloxWords<I> words = block_of(draws, number, I(0));
        const Normals low = normals(words.a, words.b), high = normals(words.c, words.d);
        const F normal[GROUPS] = {low.first, low.second, high.first, high.second};
        for (int g = 0; g < GROUPS; g++) {
            const int64_t at = first + g * GROUP + lane, left = pixels - at;
            if (left >= LANES) {
                store(out + at, of_three_cumulants(load(mean + at), load(variance + at), load(third + at), normal[g]));
            } else if (left > 0) {
                const float* from[3] = {mean, variance, third};
                for (int a = 0; a < 3; a++)
                    for (int l = 0; l < LANES; l++) room[a][l] = l < left ? from[a][at + l] : 0.0f;
                store(signal, of_three_cumulants(load(room[0]), load(room[1]), load(room[2]), normal[g]));
                for (int l = 0; l < left; l++) out[at + l] = signal[l];
            }
        }
    }
}

// Sum over classes of quanta of a Poisson count times a deposit, of pixels numbered `pixel`; mean(k): mean counts of class k.
template <class Mean>
PHYSSIM_HD F compound_poisson(const Draws& draws, I pixel, const float* deposit, int classes, Mean mean) {
    F sum(0.0f);
    PhiloxWords<I> words = {};
    for (int k = 0; k < classes; k++) {
        if (k % 4 == 0) words = block_of(draws, pixel, I(OF_COUNTS + k / 4));
        const auto other = [&] { return block_of(draws, pixel, I(OF_LARGE_COUNTS + k)).a; };
        sum = sum + F(deposit[k]) * poisson(mean(k), word_of(words, k), other);
    }
    return sum;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
