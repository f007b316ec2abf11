// The exact transpose of columns.h: pixels are spread back over the voxels that their rays cross, with the same lengths. Lanes are
// planes of w, where rows are steady (steady_planes.h) or not (plane_lanes.h), or rows where the planes do not serve.
#pragma once
#include "raytrace/plane_lanes.h"
#include "raytrace/steady_planes.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Floats that a thread lends to backproject_columns.
PHYSSIM_HD int64_t column_adjoint_scratch(int rows) { return (5 + 4 + 2 * 16) * (static_cast<int64_t>(rows) + 16 + 2 * ROW_PAD); }

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
    const float entry = from == 0 ? path.entry : path.exit_of[from - 1], exit = path.exit_of[to - 1];
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
        const F leaves(path.exit_of[c]);
        while (true) {
            const M crosses = lane.next < leaves;
            const F leave = select(crosses, lane.next, leaves);
            scatter.add(path.column[c], base, lane.voxel, value * (leave - here));
            here = leave;
            if (!any(crosses)) break;
            lane.voxel = add_where(crosses, lane.voxel, lane.step);
            lane.next = add_where(crosses, lane.next, lane.per_voxel);
        }
    }
}

// Groups [from, to) of planes that are not steady. `zero`: the group at the tile's first float.
inline void spread_groups(const ColumnTile& tile, const ColumnCells& path, const float* column, int from, int to, int zero, ColumnRows& sorted, const PlaneTables& many, PlaneBatch& batch) {
    if (!place_column(tile, path, column, from * GROUP_VOXELS, to * GROUP_VOXELS, sorted)) {
        const int end = to * GROUP_VOXELS < tile.nw ? to * GROUP_VOXELS : tile.nw;
        const RowScatter scatter = {tile.data, from * GROUP_VOXELS, end, 16 * zero};
        for (int row = path.first_row / 16 * 16; row <= path.last_row; row += 16)
            scatter_rows(tile, scatter, path, load(column + row), row, 0, path.count);
        return;
    }
    for (int g = from; g < to; g++) {
        PlaneGroup group;
        if (!group.find(sorted, path, g)) continue;
        float* out = tile.data + 16 * (g - zero);
        if (group.rising || !group.falling) batch.add<1>(path, sorted, group, true, out, many);
        if (group.falling) batch.add<-1>(path, sorted, group, !group.rising, out, many);
    }
    batch.flush(path);
}

constexpr int GROUPS_NEAR = 4;  // of a path: so many groups of its cells stay in the first-level cache

// Adds the transpose of columns first .. first + 15 to groups of 15 voxels [from, to) of the tile, whose columns hold 16 floats a
// group. pixels (columns, rows): the image turned and times mm a unit of parameter, `high` floats a column, a multiple of 16.
inline void backproject_columns(const ColumnTile& tile, const ViewRays& rays, int first, const float* pixels, int64_t high, int from, int to, float* scratch) {
    const int count = rays.columns - first < 16 ? rays.columns - first : 16;
    if (columns_miss(rays, tile, first, first + count - 1)) return;
    const int64_t capacity = rays.rows + 16 + 2 * ROW_PAD;
    ColumnRows sorted(scratch, capacity);
    const PlaneTables many = {scratch + 5 * capacity, scratch + 6 * capacity, scratch + 7 * capacity, scratch + 8 * capacity};
    ColumnCells path[16];
    PlaneWalk walk[16];
    SteadyRows rows[16];
    int above[16];  // the end of the groups that the column still has to give to
    SteadyBatch steady;
    PlaneBatch batch;
    list_columns(rays, tile, first, count, path);
    for (int c = 0; c < count; c++) {
        above[c] = from;
        if (path[c].count == 0) continue;
        const float* column = pixels + (first + c) * high;
        walk[c].build(path[c]);
        if (!walk[c].serves) {
            spread_groups(tile, path[c], column, from, to, from, sorted, many, batch);
            continue;
        }
        const Span touched = walk[c].span(from * GROUP_VOXELS, to * GROUP_VOXELS, 0, path[c].count);
        if (touched.high < -1.0 || touched.low > rays.rows) continue;
        const int low = touched.low < 2 - ROW_PAD ? -ROW_PAD : floor_int(touched.low) - 2, end = touched.high > rays.rows ? rays.rows : floor_int(touched.high);
        rows[c].place(scratch + (9 + 2 * c) * capacity + ROW_PAD, scratch + (10 + 2 * c) * capacity + ROW_PAD, rays.rows);
        rows[c].fill(path[c], column, high, low, end);
        for (int row = low & ~15; row <= end; row += 16) __builtin_prefetch(column + 16 * high + row);
        above[c] = to;
    }
    // Groups outside, columns inside: neighbouring columns cross the same cells, which are then in the first-level cache.
    for (int near = from; near < to; near += GROUPS_NEAR)
        for (int c = 0; c < count; c++) {
            const int end = near + GROUPS_NEAR < above[c] ? near + GROUPS_NEAR : above[c];
            int done = near;  // groups before this one have what they get
            for (int g = near; g < end; g++) {
                if (!steady.add(path[c], walk[c], rows[c], g * GROUP_VOXELS, tile.data + 16 * (g - from))) continue;
                if (done < g) spread_groups(tile, path[c], pixels + (first + c) * high, done, g, from, sorted, many, batch);
                done = g + 1;
            }
            if (done < end) spread_groups(tile, path[c], pixels + (first + c) * high, done, end, from, sorted, many, batch);
            steady.flush(path[c], walk[c]);
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
            const ParameterInMm mm(ColumnPath(rays, axis, c), spacing, axis);
            for (int row = 0; row < rays.rows; row += 16) {
                float* out = pixels + c * high + row;
                store(out, load(out) * mm.at(row));
            }
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
