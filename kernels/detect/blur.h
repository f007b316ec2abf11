// Blur of an image by a small symmetric kernel: a sum of few products of a row and a column.
//
// Law: out(y, x) = sum over terms t, i, j of along_t(|i|) across_t(|j|) in(y + i, x + j), the image mirrored at its edges (pixel -1 is
// pixel 0), so that a kernel of sum 1 keeps the sum of all pixels. Rows first, then columns, in tiles that stay in the cache.
#pragma once
#include <string.h>

#include "core/lanes.h"
#include "detect/blur_job.h"

namespace physsim {

namespace PHYSSIM_ISA {

PHYSSIM_HD int mirrored(int place, int size) { return place < 0 ? -1 - place : place < size ? place : 2 * size - 1 - place; }

// TERMS of the kernel from `term` on, of the tile of output that begins at (row, column); adds to what is there unless it is the first and job.add is not set.
template <int TERMS>
PHYSSIM_HD void blur_terms(const Blur& job, int term, const float* image, int row, int column, float* room, float* out) {
    const int radius = job.radius, rows = job.rows - row < BLUR_ROWS ? job.rows - row : BLUR_ROWS;
    const int columns = job.columns - column < BLUR_COLUMNS ? job.columns - column : BLUR_COLUMNS;
    const float *across = job.across + term * (radius + 1), *along = job.along + term * (radius + 1);
    float *line = room, *done = room + BLUR_LINE;
    const bool first = term == 0 && !job.add;
    for (int y = 0; y < rows + 2 * radius; y++) {
        const float* from = image + static_cast<int64_t>(mirrored(row - radius + y, job.rows)) * job.columns;
        const int before = column < radius ? radius - column : 0, after = column + columns + radius - job.columns;
        const int last = columns + 2 * radius - (after > 0 ? after : 0);
        for (int x = 0; x < before; x++) line[x] = from[mirrored(column - radius + x, job.columns)];
        memcpy(line + before, from + (column - radius + before), sizeof(float) * static_cast<size_t>(last - before));
        for (int x = last; x < columns + 2 * radius; x++) line[x] = from[mirrored(column - radius + x, job.columns)];
        for (int x = 0; x < 16; x++) line[columns + 2 * radius + x] = 0.0f;
        for (int x = 0; x < columns; x += LANES) {
            F sum[TERMS];
            for (int t = 0; t < TERMS; t++) sum[t] = F(across[t * (radius + 1)]) * load(line + radius + x);
            for (int i = 1; i <= radius; i++) {
                const F both = load(line + radius + x - i) + load(line + radius + x + i);
                for (int t = 0; t < TERMS; t++) sum[t] = multiply_add(F(across[t * (radius + 1) + i]), both, sum[t]);
            }
            for (int t = 0; t < TERMS; t++) store(done + (t * (BLUR_ROWS + 2 * MOST_RADIUS) + y) * BLUR_COLUMNS + x, sum[t]);
        }
    }
    for (int y = 0; y < rows; y++) {
        float* to = out + static_cast<int64_t>(row + y) * job.columns + column;
        for (int x = 0; x < columns; x += LANES) {
            F sum(0.0f);
            for (int t = 0; t < TERMS; t++) {
                const float* middle = done + (t * (BLUR_ROWS + 2 * MOST_RADIUS) + y + radius) * BLUR_COLUMNS + x;
                sum = multiply_add(F(along[t * (radius + 1)]), load(middle), sum);
                for (int i = 1; i <= radius; i++)
                    sum = multiply_add(F(along[t * (radius + 1) + i]), load(middle - i * BLUR_COLUMNS) + load(middle + i * BLUR_COLUMNS), sum);
            }
            const int there = columns - x;
            if (there >= LANES) {
                store(to + x, first ? sum : load(to + x) + sum);
                continue;
            }
            alignas(64) float last[LANES];
            store(last, sum);
            for (int l = 0; l < there; l++) to[x + l] = first ? last[l] : to[x + l] + last[l];
        }
    }
}

// A tile of an image (rows, columns) by all terms. room: BLUR_ROOM floats.
PHYSSIM_HD void blur_tile(const Blur& job, const float* image, int row, int column, float* room, float* out) {
    int term = 0;
    for (; term + 2 <= job.terms; term += 2) blur_terms<2>(job, term, image, row, column, room, out);
    if (term < job.terms) blur_terms<1>(job, term, image, row, column, room, out);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
