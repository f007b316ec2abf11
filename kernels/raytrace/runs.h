// Path through one material at a time: a ray adds density x path while the material stays, and queues the sum when it changes,
// which is rare beside voxel crossings. The queue is folded into the channels once the ray has left the tile.
#pragma once
#include "core/lanes.h"
#include "raytrace/spectral.h"

namespace physsim {
namespace PHYSSIM_ISA {

// What 16 rays have gathered in the materials they leave; 0 in lanes that stay.
struct Piece {
    F path;  // relative density x parameter
    I word;  // its low bits: the material
};
constexpr int MAX_PIECES = 300;

struct Run {
    F path;       // relative density x parameter since the material last changed
    I word;       // the last voxel
    F scale;      // what a unit of path adds to the sums
    float* sums;  // channel k of lane l: sums[16 k + l]
    Piece* first; // the queue, MAX_PIECES long
    Piece* end;
};

// Reads words: which bits are density, which the material.
struct WordMasks {
    I density, label;
    PHYSSIM_HD explicit WordMasks(int label_bits) : density(~((1 << label_bits) - 1)), label((1 << label_bits) - 1) {}
    PHYSSIM_HD F density_of(I word) const { return as_float(word & density); }
    PHYSSIM_HD I label_of(I word) const { return word & label; }
};

// Folds the queue into channels k .. k + N - 1.
template <int N>
PHYSSIM_HD void fold_channels(const Channels& channels, const WordMasks& masks, const Run& run, const Piece* end, int k) {
    const float* row = channels.coefficient + static_cast<int64_t>(k) * channels.padded;
    F sum[N];
    for (int i = 0; i < N; i++) sum[i] = F(0.0f);
    if (channels.materials <= LABELS_IN_WINDOW) {
        for (const Piece* piece = run.first; piece != end; piece++) {
            const I label = masks.label_of(piece->word);
            for (int i = 0; i < N; i++) sum[i] = multiply_add(Window(row + i * LABELS_IN_WINDOW)[label], piece->path, sum[i]);
        }
    } else {
        for (const Piece* piece = run.first; piece != end; piece++) {
            const I label = masks.label_of(piece->word);
            for (int i = 0; i < N; i++) sum[i] = multiply_add(gather(row + i * static_cast<int64_t>(channels.padded), label), piece->path, sum[i]);
        }
    }
    for (int i = 0; i < N; i++) store(run.sums + 16 * (k + i), multiply_add(sum[i], run.scale, load(run.sums + 16 * (k + i))));
}

// Folds the queue into the channels and empties it.
inline void fold(const Channels& channels, const WordMasks& masks, Run& run) {
    const Piece* const end = run.end;
    run.end = run.first;
    if (channels.coefficient == nullptr) {
        for (const Piece* piece = run.first; piece != end; piece++) {
            const F path = piece->path * run.scale;
            const I label = masks.label_of(piece->word);
            alignas(64) int32_t number[16];
            store(number, label);
            unsigned left = bits(~(path == F(0.0f)));
            while (left) {  // one material after the other: neighbouring rays mostly share it
                const int32_t material = number[__builtin_ctz(left)];
                const M here = label == I(material);
                float* sum = run.sums + 16 * static_cast<int64_t>(material);
                store(sum, load(sum) + select(here, path, F(0.0f)));
                left &= ~bits(here);
            }
        }
        return;
    }
    int k = 0;
    for (; k + 4 <= channels.count; k += 4) fold_channels<4>(channels, masks, run, end, k);
    for (; k < channels.count; k++) fold_channels<1>(channels, masks, run, end, k);
}

// The last material of the ray joins the queue; the queue is folded.
PHYSSIM_HD void finish_run(const Channels& channels, const WordMasks& masks, Run& run) {
    *run.end++ = {run.path, run.word};
    fold(channels, masks, run);
}

// One voxel: `length` of it in the active lanes.
PHYSSIM_HD void add_voxel(const Channels& channels, const WordMasks& masks, M active, I word, F length, Run& run) {
    const M other = active & unlike(run.word, word, masks.label);
    if (any(other)) {
        *run.end++ = {select(other, run.path, F(0.0f)), run.word};
        run.path = select(other, F(0.0f), run.path);
        if (run.end - run.first == MAX_PIECES - 1) fold(channels, masks, run);
    }
    run.path = multiply_add(masks.density_of(word), select(active, length, F(0.0f)), run.path);
    run.word = select(active, word, run.word);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
