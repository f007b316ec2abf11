// What filtering and backprojection read and where it lies: plain data, for kernels and their callers.
#pragma once
#include "core/platform.h"

namespace physsim {

// cosine[k], sine[k] of 2 pi k / length for k < length.
struct FourierTable { int32_t length; const float *cosine, *sine; };

constexpr int ROWS_AT_ONCE = 32;
constexpr int MARGIN = 48;  // zeros before and behind each column of pixels

struct FilteredShape {
    int32_t rows, columns;
    // A view: columns + 2 columns, the first and the last of zeros, of `height` pixels.
    PHYSSIM_HD int64_t height() const { return 2 * MARGIN + (rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE * ROWS_AT_ONCE; }
    PHYSSIM_HD int64_t view() const { return height() * (columns + 2); }
};

struct RowFilter {
    FilteredShape shape;
    FourierTable table;
    const float* response;        // (length,) of the kernel, in the order of fourier_forward, over length
    const float* column_weight;   // (columns,) of this view
    const float *across, *along;  // squares of tangents: (columns,) and (rows,); the ray's cosine is 1 / sqrt(1 + across + along)
};

constexpr int VOXELS_AT_ONCE = 16;
constexpr int BLOCK = 4;  // columns of voxels along a and b
constexpr int VIEWS_AT_ONCE = 4;  // whose pixels stay near while neighbouring columns of voxels ask for them

// Places are numbers of voxels (a, b) across and c along the columns. Linear forms: form[0] + form[1] a + form[2] b.
struct BackprojectedView {
    const float* pixels;  // filtered, a view's place
    double depth[3];      // from the source along the central ray, 1 at the axis
    double across[3];     // from the central ray along u, in the unit of depth
    double column, per_column;  // of the central ray; columns a unit of tangent (flat) or of angle (curved)
    double row, along[2];       // of the central ray; (along[0] + along[1] c) / depth more, or on a curved detector over the distance in the plane
};

struct Backprojection {
    FilteredShape shape;
    int32_t curved;
    int32_t views;
    const BackprojectedView* view;
    int32_t voxels[3];  // along c, a, b
};

}  // namespace physsim
