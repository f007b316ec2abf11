// The exact transpose of columns.h: pixels are spread back over the voxels that their rays cross, with the same lengths. Lanes are
// planes of w (plane_lanes.h), or rows where the planes do not serve.
#pragma once
#include "raytrace/plane_lanes.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Floats that a thread lends to backproject_columns.
PHYSSIM_HD int64_t column_adjoint_scratch(int rows) { return (5 + 4) * (static_cast<int64_t>(rows) + 16 + 2 * ROW_PAD); }

// Lanes are rows, as in columns.h; each adds to its own voxel, one after the other: where the rows of a column are not in order
// (near the source), or so far apart that the forward projector splits the path.
struct RowScatter {
    float* data;            // tile.data
    int32_t low, high;      // voxels that this call owns
    int32_t shift;          // floats before voxel `low`
    PHYSSIM_HD void add(int32_t column, int base, I voxel, F weight) const {
        alignas(64) int32_t v[16];
        alignas(64) float w[16];
        store(v, voxel);
        store(w, weight);
        for (int l = 0; l < 16; l++) {
            const int k = v[l] + base;
            if (k >= low && k < high) data[column + k + k / GROUP_VOXELS - shift] += w[l];
        }
    }
};

// Rows row .. row + 15 over cells [from, to): the transpose of trace_rows<1>, step by step.
inline void scatter_rows(const ColumnTile& tile, const RowScatter& scatter, const ColumnCells& path, F value, int row, int from, int to) {
    const float entry = from == 0 ? path.entry : path.cell[from - 1].exit, exit = path.cell[to - 1].exit;
    const Span span = span_of(path, row, entry, exit);
    if (span.high < 0 || span.low > tile.nw) return;
    const int base = floor_int(span.low) - 1;
    if (floor_int(span.high) + 1 > base + 31 && to - from > 1) {
        const int middle = (from + to) / 2;
        scatter_rows(tile, scatter, path, value, row, from, middle);
        scatter_rows(tile, scatter, path, value, row, middle, to);
        return;
    }
    Lane16 lane = lane_of(path, row, base, entry);
    F here(entry);
    for (int c = from; c < to; c++) {
        const F leaves(path.cell[c].exit);
        while (true) {
            const M crosses = lane.next < leaves;
            const F leave = select(crosses, lane.next, leaves);
            scatter.add(path.cell[c].column, base, lane.voxel, value * (leave - here));
            here = leave;
            if (!any(crosses)) break;
            lane.voxel = add_where(crosses, lane.voxel, lane.step);
            lane.next = add_where(crosses, lane.next, lane.per_voxel);
        }
    }
}

// Adds the transpose of columns first .. first + 15 to groups of 15 voxels [from, to) of the tile, whose columns hold 16 floats a
// group. pixels (columns, rows): the image turned and times mm_per_parameter, `high` floats a column, a multiple of 16.
inline void backproject_columns(const ColumnTile& tile, const ViewRays& rays, int first, const float* pixels, int64_t high, int from, int to, float* scratch) {
    const int count = rays.columns - first < 16 ? rays.columns - first : 16;
    if (columns_miss(rays, tile, first, first + count - 1)) return;
    const int64_t capacity = rays.rows + 16 + 2 * ROW_PAD;
    ColumnRows sorted(scratch, capacity);
    const PlaneTables many = {scratch + 5 * capacity, scratch + 6 * capacity, scratch + 7 * capacity, scratch + 8 * capacity};
    ColumnCells path;
    PlaneBatch batch;
    for (int c = first; c < first + count; c++) {
        path.build(rays, tile, c);
        if (path.count == 0) continue;
        const float* column = pixels + c * high;
        if (!place_column(tile, path, column, from * GROUP_VOXELS, to * GROUP_VOXELS, sorted)) {
            const int end = to * GROUP_VOXELS < tile.nw ? to * GROUP_VOXELS : tile.nw;
            const RowScatter scatter = {tile.data, from * GROUP_VOXELS, end, 16 * from};
            for (int row = path.first_row / 16 * 16; row <= path.last_row; row += 16)
                scatter_rows(tile, scatter, path, load(column + row), row, 0, path.count);
            continue;
        }
        for (int row = sorted.first; row <= sorted.last; row += 16) __builtin_prefetch(column + 3 * high + row);
        for (int g = from; g < to; g++) {
            PlaneGroup group;
            if (!group.find(sorted, path, g)) continue;
            float* out = tile.data + 16 * (g - from);
            if (group.rising || !group.falling) batch.add<1>(path, sorted, group, true, out, many);
            if (group.falling) batch.add<-1>(path, sorted, group, !group.rising, out, many);
        }
        batch.flush(path);
    }
}

// Turns an image (rows, columns) to pixels (columns, rows), times mm a unit of parameter: finish_columns backwards.
inline void begin_columns(const double (&spacing)[3], const int32_t (&axis)[3], const ViewRays& rays, const float* image, float* pixels, int64_t high) {
    for (int first = 0; first < rays.columns; first += 16) {
        const int count = rays.columns - first < 16 ? rays.columns - first : 16;
        for (int row = 0; row < rays.rows; row += 16) {
            const float* in = image + static_cast<int64_t>(row) * rays.columns + first;
            if (row + 16 <= rays.rows && count == 16) {
                transpose<false>(pixels + first * high + row, high, in, rays.columns);
            } else {
                for (int c = 0; c < count; c++)
                    for (int r = 0; r < 16; r++) pixels[(first + c) * high + row + r] = row + r < rays.rows ? in[r * static_cast<int64_t>(rays.columns) + c] : 0.0f;
            }
        }
        for (int c = first; c < first + count; c++) {
            const ColumnPath path(rays, axis, c);
            for (int row = 0; row < rays.rows; row += 16) {
                float* out = pixels + c * high + row;
                store(out, load(out) * mm_per_parameter(path, spacing, axis, row));
            }
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
