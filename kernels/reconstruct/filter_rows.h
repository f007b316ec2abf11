// Weighted and filtered detector rows, laid for backprojection: columns of pixels along v, with zeros around them.
//
// Law: a pixel is weighted by the cosine of its ray with the central ray (times a weight of its column, for redundant or cut-off data),
// then each row is convolved with a kernel along u (L. A. Feldkamp, L. C. Davis, J. W. Kress, J. Opt. Soc. Am. A 1 (1984) 612), by
// Fourier transforms of 32 rows at once: rows r and r + 16 of a group are real and imaginary part of one signal, which a real even kernel
// keeps apart.
#pragma once
#include "reconstruct/fourier.h"

namespace physsim {

namespace PHYSSIM_ISA {

// Rows first ..< first + 32 of an image (rows, columns) into `out`, a view's place. room: length complex lanes; strip: 32 x 16 floats.
PHYSSIM_HD void filter_rows(const RowFilter& filter, const float* image, int first, Complex* room, float* strip, float* out) {
    const FilteredShape& shape = filter.shape;
    const int length = filter.table.length, there = shape.rows - first < ROWS_AT_ONCE ? shape.rows - first : ROWS_AT_ONCE;
    alignas(64) float squares[ROWS_AT_ONCE] = {};
    for (int r = 0; r < there; r++) squares[r] = filter.along[first + r];
    const F low = load(squares), high = load(squares + 16), one(1.0f);
    for (int block = 0; block < length; block += 16) {
        const int left = shape.columns - block;
        if (left <= 0) {
            for (int c = 0; c < 16; c++) room[block + c] = {F(0.0f), F(0.0f)};
            continue;
        }
        alignas(64) float turned[ROWS_AT_ONCE * 16];
        for (int r = 0; r < ROWS_AT_ONCE; r++)
            for (int c = 0; c < 16; c++) strip[r * 16 + c] = r < there && c < left ? image[static_cast<int64_t>(first + r) * shape.columns + block + c] : 0.0f;
        transpose<false>(turned, 16, strip, 16);
        transpose<false>(turned + 256, 16, strip + 256, 16);
        for (int c = 0; c < 16; c++) {
            const int column = c < left ? block + c : shape.columns - 1;
            const F weight(c < left ? filter.column_weight[column] : 0.0f), across(1.0f + filter.across[column]);
            room[block + c] = {load(turned + 16 * c) * (weight / square_root(across + low)), load(turned + 256 + 16 * c) * (weight / square_root(across + high))};
        }
    }
    fourier_forward(filter.table, room);
    for (int k = 0; k < length; k++) {
        const F gain(filter.response[k]);
        room[k] = {room[k].re * gain, room[k].im * gain};
    }
    fourier_backward(filter.table, room);
    const int64_t height = shape.height();
    for (int c = 0; c < shape.columns; c++) {
        float* to = out + (c + 1) * height + MARGIN + first;
        store(to, room[c].re), store(to + 16, room[c].im);
    }
    if (there == ROWS_AT_ONCE) return;
    for (int c = 0; c < shape.columns; c++)  // rounding leaves crumbs in rows that are not there
        for (int r = there; r < ROWS_AT_ONCE; r++) out[(c + 1) * height + MARGIN + first + r] = 0.0f;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
