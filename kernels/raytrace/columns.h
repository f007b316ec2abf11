// Line integrals for views whose detector columns are parallel to a volume axis w: the rays of a column share one path in
// the (p, q) plane, and 16 neighbouring rows see so few voxels of w that two registers hold them all: no gathers.
#pragma once
#include "raytrace/column_windows.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Rays that pass one plane of w at most on a stretch of cells `longest` long (at least 1, a cell's most): the voxel where each enters it
// and the one beyond the plane serve all its cells, so that none waits for the one before.
template <int GROUPS>
PHYSSIM_HD void trace_shallow(const Cells& cells, int count, float longest, float entry, const float* const* window, const Lane16* lanes, F* sum) {
    constexpr int CELLS_AHEAD = 8;
    static_assert(CELLS_AHEAD <= MOST_CELLS_AHEAD, "the list of cells is continued so far");
    Lane16 lane[GROUPS];
    F part[GROUPS];
    for (int g = 0; g < GROUPS; g++) lane[g] = lanes[g], part[g] = F(0.0f);
    const int surely = longest < static_cast<float>(count) ? static_cast<int>(longest) : count;  // so many cells are not longer
    for (int64_t c = 0, end; c < count;) {
        end = count - c > surely ? c + surely : count;
        end += PHYSSIM_ISA::count(load(cells.exit + end) <= F(entry + longest));
        end = end < count ? end : count;
        I beyond[GROUPS];
        F reached[GROUPS];  // the parameter, or where the plane is passed if that is later
        for (int g = 0; g < GROUPS; g++) beyond[g] = lane[g].voxel + lane[g].step, reached[g] = maximum(lane[g].next, F(entry));
        for (; c < end; c++) {
            const F exit(cells.exit[c]), length(cells.length[c]);
            const int64_t column = cells.column[c], ahead = cells.column[c + CELLS_AHEAD];
            __builtin_prefetch(window[GROUPS - 1] + ahead + 16);
            __builtin_prefetch(window[GROUPS - 1] + ahead + 31);
            for (int g = 0; g < GROUPS; g++) {
                __builtin_prefetch(window[g] + ahead);  // the rest of a window is the next one's
                const Window voxels(window[g] + column);
                const F here = voxels[lane[g].voxel], left = maximum(lane[g].next, exit);
                part[g] = multiply_add(voxels[beyond[g]] - here, left - reached[g], multiply_add(here, length, part[g]));
                reached[g] = left;
            }
        }
        entry = cells.exit[c - 1];
        for (int g = 0; g < GROUPS; g++) {
            const M crosses = lane[g].next < F(entry);
            lane[g].voxel = add_where(crosses, lane[g].voxel, lane[g].step);
            lane[g].next = add_where(crosses, lane[g].next, lane[g].per_voxel);
        }
    }
    for (int g = 0; g < GROUPS; g++) sum[g] = sum[g] + part[g];
}

// Any number of crossings a cell; Fetch gives a lane's voxel in a column.
template <typename Fetch>
PHYSSIM_HD void trace_steep(const Cells& cells, int count, float entry, Fetch&& fetch, Lane16& lane, F& sum) {
    F here(entry);
    for (int c = 0; c < count; c++) {
        const F exit(cells.exit[c]);
        while (true) {
            const M crosses = lane.next < exit;
            const F leave = select(crosses, lane.next, exit);
            sum = multiply_add(fetch(cells.column[c], lane.voxel), leave - here, sum);
            here = leave;
            if (!any(crosses)) break;
            lane.voxel = add_where(crosses, lane.voxel, lane.step);
            lane.next = add_where(crosses, lane.next, lane.per_voxel);
        }
    }
}

// Sums of value x parameter over cells [from, to) for GROUPS x 16 rows; splits the path where a window cannot hold it.
template <int GROUPS>
inline void trace_rows(const ColumnTile& tile, const ColumnCells& path, int row, int from, int to, F (&sum)[GROUPS]) {
    constexpr int AT_ONCE = GROUPS < INTERLEAVE ? GROUPS : INTERLEAVE;  // as many groups as the registers hold; the sums do not depend on it
    const float entry = from == 0 ? path.entry : path.exit_of[from - 1], exit = path.exit_of[to - 1];
    const float* window[GROUPS];
    int base[GROUPS];
    bool fits = true, touches = false;
    for (int g = 0; g < GROUPS; g++) {
        const Span span = span_of(path, row + 16 * g, entry, exit);
        const bool away = span.high < 0 || span.low > tile.nw;
        touches = touches || !away;
        base[g] = away ? -COLUMN_PAD : floor_int(span.low) - 1;
        fits = fits && (away || floor_int(span.high) + 1 <= base[g] + 31);
        const int aligned = base[g] & ~7;  // loads cost less where no 32 bytes are split
        if (away || floor_int(span.high) + 1 <= aligned + 31) base[g] = aligned;
        window[g] = tile.data + base[g];
    }
    if (!touches) return;
    const double first = path.slope + row * path.slope_row, last = path.slope + (row + 16 * GROUPS - 1) * path.slope_row;
    const double steepest = first * first > last * last ? first : last, climb = steepest < 0 ? -steepest : steepest;
    if (fits && climb <= 1.0) {  // a cell is 1 long at most
        const float longest = climb > 1e-3 ? static_cast<float>(1.0 / climb) : 1e3f;
        Lane16 lane[GROUPS];
        for (int g = 0; g < GROUPS; g++) lane[g] = lane_of(path, row + 16 * g, base[g], entry);
        for (int g = 0; g < GROUPS; g += AT_ONCE) trace_shallow<AT_ONCE>(path.cells().from(from), to - from, longest, entry, window + g, lane + g, sum + g);
        return;
    }
    if (!fits && to - from > 1) {
        const int middle = (from + to) / 2;
        trace_rows<GROUPS>(tile, path, row, from, middle, sum);
        trace_rows<GROUPS>(tile, path, row, middle, to, sum);
        return;
    }
    for (int g = 0; g < GROUPS; g++) {
        F part(0.0f);
        Lane16 lane = lane_of(path, row + 16 * g, base[g], entry);
        if (fits) {
            const float* voxels = window[g];
            trace_steep(path.cells().from(from), to - from, entry, [voxels](int column, I voxel) { return Window(voxels + column)[voxel]; }, lane, part);
        } else {  // coarse pixels: 16 rows see more than a window
            const float* voxels = tile.data + base[g];
            const I low(-1 - base[g]), high(tile.nw - base[g]);  // the zeros before and after a column
            trace_steep(path.cells().from(from), to - from, entry,
                        [=](int column, I voxel) { return gather(voxels + column, minimum(maximum(voxel, low), high)); }, lane, part);
        }
        sum[g] = sum[g] + part;
    }
}

// Adds the first `count` lanes to consecutive floats.
PHYSSIM_HD void add_rows(float* out, int count, F sum) {
    if (count >= 16) {
        store(out, load(out) + sum);
        return;
    }
    alignas(64) float lanes[16];
    store(lanes, sum);
    for (int l = 0; l < count; l++) out[l] += lanes[l];
}

// Groups of rows about to be traced over a whole path: made ready while the ones before are traced, as their first cell waits for a
// chain of some twenty operations.
struct PreparedRows {
    const ColumnCells* path;
    float* out;
    int rows;  // of them that the image has
    float longest;
    const float* window[GROUPS_AT_ONCE];
    Lane16 lane[GROUPS_AT_ONCE];

    inline void set(const ColumnTile& tile, const ColumnCells& cells, const GroupWindows& windows, int g, int row, int left, float* to) {
        path = &cells, out = to, rows = left, longest = windows.longest[g];
        for (int i = 0; i < GROUPS_AT_ONCE; i++) window[i] = tile.data + windows.base[g + i], lane[i] = windows.lanes(cells, g + i, row + 16 * i);
    }
    inline void trace() const {
        constexpr int AT_ONCE = GROUPS_AT_ONCE < INTERLEAVE ? GROUPS_AT_ONCE : INTERLEAVE;  // as many groups as the registers hold
        F sum[GROUPS_AT_ONCE];
        for (int g = 0; g < GROUPS_AT_ONCE; g++) sum[g] = F(0.0f);
        for (int i = 0; i < GROUPS_AT_ONCE; i += AT_ONCE) trace_shallow<AT_ONCE>(path->cells(), path->count, longest, path->entry, window + i, lane + i, sum + i);
        for (int g = 0; g < GROUPS_AT_ONCE; g++) add_rows(out + 16 * g, rows - 16 * g, sum[g]);
    }
};

// Adds value x parameter of columns first .. first + 15 through the tile to sums (columns, rows): turned, so that the rows of
// a column are contiguous; finish_columns makes the image of it.
inline void project_columns(const ColumnTile& tile, const ViewRays& rays, int first, float* sums) {
    const int count = rays.columns - first < 16 ? rays.columns - first : 16;
    if (columns_miss(rays, tile, first, first + count - 1)) return;
    ColumnCells path[16];
    const auto [low, high] = list_columns(rays, tile, first, count, path);
    // Columns outside, groups of rows inside: a group's last planes are the next one's first, which are then in the first-level cache.
    GroupWindows windows;
    PreparedRows prepared[2];
    int made = 0;
    for (int c = 0; c < count; c++) {
        bool built = false;
        for (int row = low / 16 * 16, begin = row; row <= high; row += ROWS_AT_ONCE) {
            const int groups = (high - row) / 16 + 1;
            if (path[c].count == 0 || path[c].last_row < row || path[c].first_row >= row + ROWS_AT_ONCE) continue;
            float* out = sums + static_cast<int64_t>(first + c) * rays.rows + row;
            for (int g = 0; g < GROUPS_AT_ONCE; g++) __builtin_prefetch(out + 16 * g, 1);
            if (groups >= GROUPS_AT_ONCE) {
                const int g = (row - begin) / 16 % 16;
                if (g == 0 || !built) windows.build(path[c], row - 16 * g, tile.nw), built = true;
                if (windows.miss(g)) continue;
                if (windows.simple(g)) {
                    prepared[made % 2].set(tile, path[c], windows, g, row, rays.rows - row, out);
                    if (made++) prepared[made % 2].trace();
                } else {
                    F sum[GROUPS_AT_ONCE];
                    for (int i = 0; i < GROUPS_AT_ONCE; i++) sum[i] = F(0.0f);
                    trace_rows<GROUPS_AT_ONCE>(tile, path[c], row, 0, path[c].count, sum);
                    for (int i = 0; i < GROUPS_AT_ONCE; i++) add_rows(out + 16 * i, rays.rows - row - 16 * i, sum[i]);
                }
            } else {
                for (int g = 0; g < groups; g++) {
                    F sum[1] = {F(0.0f)};
                    trace_rows<1>(tile, path[c], row + 16 * g, 0, path[c].count, sum);
                    add_rows(out + 16 * g, rays.rows - row - 16 * g, sum[0]);
                }
            }
        }
    }
    if (made) prepared[(made - 1) % 2].trace();
}

// mm a unit of parameter for the rows of a column.
struct ParameterInMm {
    double dw, dw_row, w;
    float across;  // squared

    ParameterInMm() = default;
    PHYSSIM_HD ParameterInMm(const ColumnPath& path, const double (&spacing)[3], const int32_t (&axis)[3]) {
        const double p = path.dp / path.length * spacing[axis[0]], q = path.dq / path.length * spacing[axis[1]];
        dw = path.dw, dw_row = path.dw_row, w = spacing[axis[2]] / path.length, across = static_cast<float>(p * p + q * q);
    }
    // Of rows row .. row + 15.
    PHYSSIM_HD F at(int row) const {
        const F along = F(static_cast<float>((dw + row * dw_row) * w)) + to_float(lane_index()) * F(static_cast<float>(dw_row * w));
        return square_root(F(across) + along * along);
    }
};

// Turns sums (columns, rows) of value x parameter into the image (rows, columns) of value x mm. `room` has space for
// 16 columns of rows + 16 floats.
inline void finish_columns(const double (&spacing)[3], const int32_t (&axis)[3], const ViewRays& rays, const float* sums, float* image, float* room) {
    const int64_t high = (rays.rows + 15) / 16 * 16;
    for (int first = 0; first < rays.columns; first += 16) {
        const int count = rays.columns - first < 16 ? rays.columns - first : 16;
        for (int c = 0; c < count; c++) {
            const ParameterInMm mm(ColumnPath(rays, axis, first + c), spacing, axis);
            const float* in = sums + static_cast<int64_t>(first + c) * rays.rows;
            int row = 0;
            for (; row + 16 <= rays.rows; row += 16) store(room + c * high + row, load(in + row) * mm.at(row));
            if (row < rays.rows) {
                alignas(64) float tail[16] = {};
                for (int r = row; r < rays.rows; r++) tail[r - row] = in[r];
                store(room + c * high + row, load(tail) * mm.at(row));
            }
        }
        int row = 0;
        if (count == 16)
            for (; row + 16 <= rays.rows; row += 16) transpose<false>(image + static_cast<int64_t>(row) * rays.columns + first, rays.columns, room + row, high);
        for (; row < rays.rows; row++)
            for (int c = 0; c < count; c++) image[static_cast<int64_t>(row) * rays.columns + first + c] = room[c * high + row];
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
