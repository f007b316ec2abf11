// Path through one material at a time: a ray adds density x path, and where its material changes, which is rare beside voxel
// crossings, queues what it has come to. Differences of the queue are folded into the channels once the ray has left the tile.
#pragma once
#include "core/lanes.h"
#include "raytrace/spectral.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Where one of 16 rays changes material: what each has come to, and the last voxel of each. Splitting a material is harmless.
struct Piece {
    F path;  // density x parameter since the tile's entry
    I word;  // its low bits: the material
};
constexpr int MAX_PIECES = 300;

struct Run {
    F path;        // density x parameter since the tile's entry
    I word;        // the last voxel
    F folded;      // the part of `path` that is in the channels
    F scale;       // what a unit of path adds to the sums
    float* sums;   // channel k of lane l: sums[16 k + l]
    Piece* first;  // the queue, MAX_PIECES long
    Piece* end;

    Run() = default;
    PHYSSIM_HD Run(float* to, F unit, Piece* queue) : path(0.0f), word(0), folded(0.0f), scale(unit), sums(to), first(queue), end(queue) {}
};

// Folds the queue into channels k .. k + N - 1.
template <int N>
PHYSSIM_HD void fold_channels(const Channels& channels, const Run& run, int k) {
    const float* row = channels.coefficient + static_cast<int64_t>(k) * channels.padded;
    const I labels(channels.labels());
    F sum[N], before = run.folded;
    for (int i = 0; i < N; i++) sum[i] = F(0.0f);
    if (channels.materials <= LABELS_IN_WINDOW) {
        for (const Piece* piece = run.first; piece != run.end; piece++) {
            const F path = piece->path - before;
            before = piece->path;
            PHYSSIM_UNROLL
            for (int i = 0; i < N; i++) sum[i] = multiply_add(Window(row + i * LABELS_IN_WINDOW)[piece->word], path, sum[i]);
        }
    } else {
        for (const Piece* piece = run.first; piece != run.end; piece++) {
            const F path = piece->path - before;
            const I label = piece->word & labels;
            before = piece->path;
            for (int i = 0; i < N; i++) sum[i] = multiply_add(gather(row + i * static_cast<int64_t>(channels.padded), label), path, sum[i]);
        }
    }
    for (int i = 0; i < N; i++) store(run.sums + 16 * (k + i), multiply_add(sum[i], run.scale, load(run.sums + 16 * (k + i))));
}

// Folds the queue into channels k .. count - 1, as many at once as the registers hold: the order of a channel's terms is the same.
template <int N>
PHYSSIM_HD void fold_from(const Channels& channels, const Run& run, int k) {
    for (; k + N <= channels.count; k += N) fold_channels<N>(channels, run, k);
    if constexpr (N > 1)
        if (k < channels.count) fold_from<N - 1>(channels, run, k);
}

// Folds the queue into the paths of each material.
inline void fold_materials(const Channels& channels, const Run& run) {
    const I labels(channels.labels());
    F before = run.folded;
    for (const Piece* piece = run.first; piece != run.end; piece++) {
        const F path = (piece->path - before) * run.scale;
        const I label = piece->word & labels;
        before = piece->path;
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
}

// Folds the queue into the channels and empties it.
inline void fold(const Channels& channels, Run& run) {
    if (run.end == run.first) return;
    if (channels.coefficient == nullptr) fold_materials(channels, run);
    else fold_from<CHANNELS_AT_ONCE>(channels, run, 0);
    run.folded = run.end[-1].path;
    run.end = run.first;
}

// The last material of the ray joins the queue; the queue is folded.
PHYSSIM_HD void finish_run(const Channels& channels, Run& run) {
    *run.end++ = {run.path, run.word};
    fold(channels, run);
}

// One voxel: `length` of it in the active lanes.
PHYSSIM_HD void add_voxel(const Channels& channels, M active, I word, F length, Run& run) {
    if (any(active & unlike(run.word, word, I(channels.labels())))) {
        *run.end++ = {run.path, run.word};
        if (run.end - run.first == MAX_PIECES - 1) fold(channels, run);
    }
    run.path = multiply_add(to_float(word), select(active, length, F(0.0f)), run.path);
    run.word = select(active, word, run.word);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
