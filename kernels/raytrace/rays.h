// What the tracers are given: a volume with strides, the rays of a view, a tile of the volume copied for the cache.
// Voxel coordinates: voxel i of an axis spans [i, i + 1); a ray lying in a face belongs to the voxel of higher index.
#pragma once
#include "core/platform.h"

namespace physsim {

enum class Voxel : int32_t { FLOAT32 = 0, FLOAT16 = 1, UINT8 = 2, UINT16 = 3, INT16 = 4 };

struct Volume {
    const void* data;
    Voxel type;
    int32_t shape[3];    // voxels along x, y, z
    int64_t stride[3];   // elements from one voxel to the next along x, y, z
    double spacing[3];   // mm along x, y, z
};

// Ray (row r, column c) runs from start + c * start_column + r * start_row to end(c) + r * end_row, in voxel coordinates (x, y, z).
struct ViewRays {
    const double* start;      // (3) for a point source, (columns, 3) else
    const double* end;        // (columns, 3)
    int32_t start_stride;     // 0 or 3
    double start_row[3], end_row[3];
    int32_t rows, columns;
};

// Rectangle of whole columns of the volume: axis w contiguous, p and q across; zeros before, between and after the columns.
struct ColumnTile {
    float* data;          // column (i, j) of the tile, voxel k along w: data[PAD + (j * np + i) * stride + k]
    int32_t axis[3];      // which of x, y, z are p, q, w
    int32_t p0, q0;       // first voxel
    int32_t np, nq, nw;   // voxels
    int32_t stride;       // floats from one column to the next: nw + PAD
};
constexpr int COLUMN_PAD = 32;  // one window
constexpr int MAX_TILE_EDGE = 64;

// Box of the volume with one layer of zeros around it; x fastest.
struct BlockTile {
    float* data;
    int32_t first[3], shape[3];  // voxels of the volume, without the layer of zeros
};
constexpr int MAX_BLOCK_EDGE = 64;

// Rows of pixels in a packet of 16 rays.
PHYSSIM_HD int packet_rows_high(const ViewRays& rays) {
    return rays.rows >= 4 && rays.columns >= 4 ? 4 : rays.rows == 1 ? 1 : rays.rows < 4 ? 2 : 16;
}

}  // namespace physsim
