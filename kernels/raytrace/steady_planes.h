// Planes of w that no row of a detector column keeps level with: the adjoint of columns.h without masks or state.
// Row i is at w = height(s) + i * pitch(s), so plane k stands at row r = (k - height) / pitch. With C the sum of the rows before r,
//   integral of C over a cell = C(entry) * length + value_i / slope_i * pitch * (i - r(exit)),
// the last where a row i crossed: then it is what the running sum of value / slope changed by. Voxel k receives the difference
// between planes k + 1 and k. Two windows, an fma for r; nothing carries latency from cell to cell. A plane that stands before the
// level row (of slope 0, seldom at a whole number) moves one way among the rows, a plane beyond it the other.
// Neglects: rounding of r (1e-6 rows) moves a crossing by 1e-6 * pitch / slope, as in the forward projector: rows of less slope
// than STEADY go through plane_lanes.h.
#pragma once
#include "raytrace/column_rows.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr double STEADY = 1e-4;  // voxels of w a voxel across

// A path as planes see it: index 0 is its entry, c + 1 the exit of cell c.
struct PlaneWalk {
    double row[2 * MAX_TILE_EDGE + 5], rows_a_voxel[2 * MAX_TILE_EDGE + 5];  // row on plane 0; rows from a plane to the next
    float inverse[2 * MAX_TILE_EDGE + 5];                                    // rows_a_voxel
    float pitch[2 * MAX_TILE_EDGE + 5], length[2 * MAX_TILE_EDGE + 5];       // |1 / rows_a_voxel|; the cell's length * rows_a_voxel
    double least_pitch;
    bool serves;   // the rows are in order all the way
    bool apart;    // no row is level: the rows on either side of where one would be are steady
    double level;  // there

    inline void build(const ColumnCells& path) {
        const double in = path.height_row + path.slope_row * path.entry, out = path.height_row + path.slope_row * path.exit();
        serves = (in > 1e-3 && out > 1e-3) || (in < -1e-3 && out < -1e-3);
        if (!serves) return;
        const double a = in < 0 ? -in : in, b = out < 0 ? -out : out;
        least_pitch = a < b ? a : b;
        length[0] = pitch[0] = 0.0f;
        rows_a_voxel[0] = path.entry;
        for (int c = 0; c < path.count; c++) rows_a_voxel[c + 1] = path.exit_of[c], length[c + 1] = path.length[c];
        const double height = path.height, slope = path.slope, height_row = path.height_row, slope_row = path.slope_row;
        level = -slope / slope_row;  // infinite or NaN where all rows have one slope
        const double past = level > -1e9 && level < 1e9 ? level - floor_int(level) : 0.0, nearest = past < 0.5 ? past : 1.0 - past;
        const double least_slope = nearest * slope_row;
        apart = least_slope > STEADY || least_slope < -STEADY;
        for (int c = 0; c <= path.count; c++) {
            const double s = rows_a_voxel[c], step = height_row + slope_row * s, each = 1.0 / step;
            rows_a_voxel[c] = each;
            row[c] = -(height + slope * s) * each;
            inverse[c] = static_cast<float>(each);
            length[c] *= static_cast<float>(each);
            pitch[c] = static_cast<float>(step < 0 ? -step : step);
        }
    }

    PHYSSIM_HD double at(double plane, int c) const { return row[c] + plane * rows_a_voxel[c]; }

    // Rows that planes [first, last] stand at between the exits c and d.
    PHYSSIM_HD Span span(double first, double last, int c, int d) const {
        const double r[4] = {at(first, c), at(last, c), at(first, d), at(last, d)};
        Span s = {r[0], r[0]};
        for (int i = 1; i < 4; i++) {
            if (r[i] < s.low) s.low = r[i];
            if (r[i] > s.high) s.high = r[i];
        }
        return s;
    }
};

// Rows of a column with zeros before and after: value x mm, the same over the slope.
struct SteadyRows {
    float *value, *over_slope;
    int32_t rows;

    PHYSSIM_HD void place(float* values, float* over_slopes, int count) { value = values, over_slope = over_slopes, rows = count; }

    // Rows from .. to, and 32 beyond.
    inline void fill(const ColumnCells& path, const float* pixels, int64_t high, int from, int to) {
        const int low = from < -ROW_PAD ? -ROW_PAD : from & ~15;
        for (int row = low; row <= to + 32 && row < high + ROW_PAD; row += 16) {
            if (row < 0 || row >= high) {
                store(value + row, F(0.0f)), store(over_slope + row, F(0.0f));
                continue;
            }
            const F x = load(pixels + row);
            const F slope = F(static_cast<float>(path.slope + row * path.slope_row)) + to_float(lane_index()) * F(static_cast<float>(path.slope_row));
            const M level = slope * slope < F(static_cast<float>(0.25 * STEADY * STEADY));  // no plane served meets it
            store(value + row, x), store(over_slope + row, select(level, F(0.0f), x / slope));
        }
    }
};

// 16 planes on a stretch of a path: the row on the middle plane at each exit, from the middle of the window; running sums.
struct SteadyGroup {
    float offset[2 * MAX_TILE_EDGE + 5];
    float level;  // the level row, likewise
    alignas(64) float sum[32], over_slope[32];
    float* out;  // the group's floats in column 0 of the tile

    // Running sums of 32 rows, from the middle outward, the second half first: an index from the middle picks by its low bits.
    static PHYSSIM_HD void run(const float* rows, float* sums) {
        F half[2] = {load(rows), load(rows + 16)};
        PHYSSIM_UNROLL
        for (int h = 0; h < 2; h++) {
            F total = half[h] + shift_up<1>(half[h]);
            total = total + shift_up<2>(total);
            total = total + shift_up<4>(total);
            half[h] = total + shift_up<8>(total);
        }
        store(sums, half[1]);
        store(sums + 16, half[0] - last_lane(half[0]));
    }

    PHYSSIM_HD void begin(const PlaneWalk& walk, const SteadyRows& rows, int first_plane, int base, int from, int to) {
        run(rows.value + base, sum);
        run(rows.over_slope + base, over_slope);
        const double middle = first_plane + 8, shift = base + 16;
        level = static_cast<float>(walk.level - shift);
        for (int c = from; c <= to; c++) offset[c] = static_cast<float>(walk.row[c] + middle * walk.rows_a_voxel[c] - shift);
    }
};

// A window of 32 sums: in registers where there are enough of them, else read anew at each cell.
template <bool HELD>
struct SteadyWindow {
    Window window;
    PHYSSIM_HD explicit SteadyWindow(const float* p) : window(p) {}
    PHYSSIM_HD F operator[](I row) const { return window[row]; }
};
template <>
struct SteadyWindow<false> {
    const float* p;
    PHYSSIM_HD explicit SteadyWindow(const float* first) : p(first) {}
    PHYSSIM_HD F operator[](I row) const { return Window(p)[row]; }
};

struct SteadyWindows {
    SteadyWindow<(INTERLEAVE > 1)> sum, over_slope;
    PHYSSIM_HD explicit SteadyWindows(const SteadyGroup& group) : sum(group.sum), over_slope(group.over_slope) {}
};

// What the number of rows before a plane does along the path: the same for all 16 planes, or one thing for planes beyond the level
// row and the other for those before it.
enum class Rows { GROW, SHRINK, SHRINK_BEYOND, GROW_BEYOND };

// The row that a plane has passed, as an index from the middle of a window, and how far it is past it.
template <Rows ROWS>
struct PassedRow {
    I row;
    F past;
    PHYSSIM_HD PassedRow(F here, F level) {
        if constexpr (ROWS == Rows::GROW || ROWS == Rows::SHRINK) {
            row = window_index<ROWS == Rows::GROW>(here), past = past_plane<ROWS == Rows::GROW>(here);
        } else {
            const M shrinks = ROWS == Rows::SHRINK_BEYOND ? level < here : here < level;
            const F turned = select(shrinks, F(0.0f) - here, here), beyond = past_plane<true>(turned);
            const I below = window_index<true>(turned);
            row = select(shrinks, I(-1) - below, below), past = select(shrinks, F(0.0f) - beyond, beyond);
        }
    }
};

// GROUPS: 1 or 2.
template <Rows ROWS, int GROUPS>
PHYSSIM_HD void spread_steady(const Cells& cells, const PlaneWalk& walk, int from, int to, const SteadyGroup* const (&group)[GROUPS]) {
    constexpr int CELLS_AHEAD = 8;  // asked for early: the hardware cannot guess where a path turns
    const F plane = to_float(lane_index()) - F(8.0f);
    const SteadyWindows window[2] = {SteadyWindows(*group[0]), SteadyWindows(*group[GROUPS - 1])};
    F sum[GROUPS], over_slope[GROUPS], level[GROUPS];
    float* first[GROUPS];
    const float* offset[GROUPS];
    PHYSSIM_UNROLL
    for (int g = 0; g < GROUPS; g++) {
        first[g] = group[g]->out, offset[g] = group[g]->offset;
        level[g] = F(group[g]->level);
        const PassedRow<ROWS> passed(multiply_add(plane, F(walk.inverse[from]), F(offset[g][from])), level[g]);
        sum[g] = window[g].sum[passed.row], over_slope[g] = window[g].over_slope[passed.row];
    }
    for (int c = from + 1; c <= to; c++) {
        const F inverse(walk.inverse[c]), length(walk.length[c]), pitch(walk.pitch[c]);
        const int64_t column = cells.column[c - 1], ahead = cells.column[c - 1 + CELLS_AHEAD];
        PHYSSIM_UNROLL
        for (int g = 0; g < GROUPS; g++) {
            __builtin_prefetch(first[g] + ahead, 1);
            const PassedRow<ROWS> passed(multiply_add(plane, inverse, F(offset[g][c])), level[g]);
            const F next = window[g].over_slope[passed.row];
            const F before = multiply_add(over_slope[g] - next, passed.past, sum[g] * length);
            over_slope[g] = next;
            sum[g] = window[g].sum[passed.row];
            float* out = first[g] + column;
            store(out, multiply_add(next_lane(before) - before, pitch, load(out)));
        }
    }
}

constexpr int STEADY_GROUPS = INTERLEAVE > 1 ? 2 : 1;  // groups in flight

// Groups of planes waiting to be traced together, first come, first served: sums keep their order.
struct SteadyBatch {
    SteadyGroup group[STEADY_GROUPS], alone;
    int32_t waiting = 0;
    Rows rows_waiting = Rows::GROW;

    template <int GROUPS>
    static inline void spread(Rows rows, const ColumnCells& path, const PlaneWalk& walk, int from, int to, const SteadyGroup* const (&groups)[GROUPS]) {
        if (rows == Rows::GROW) spread_steady<Rows::GROW, GROUPS>(path.cells(), walk, from, to, groups);
        if (rows == Rows::SHRINK) spread_steady<Rows::SHRINK, GROUPS>(path.cells(), walk, from, to, groups);
        if (rows == Rows::SHRINK_BEYOND) spread_steady<Rows::SHRINK_BEYOND, GROUPS>(path.cells(), walk, from, to, groups);
        if (rows == Rows::GROW_BEYOND) spread_steady<Rows::GROW_BEYOND, GROUPS>(path.cells(), walk, from, to, groups);
    }

    inline void flush(const ColumnCells& path, const PlaneWalk& walk) {
        if (waiting == 2) {
            const SteadyGroup* const both[2] = {group, group + STEADY_GROUPS - 1};
            spread<2>(rows_waiting, path, walk, 0, path.count, both);
        } else if (waiting == 1) {
            const SteadyGroup* const one[1] = {group};
            spread<1>(rows_waiting, path, walk, 0, path.count, one);
        }
        waiting = 0;
    }

    // Planes first_plane .. + 15 over cells [from, to); false, with nothing done, where they are not steady.
    inline bool add(const ColumnCells& path, const PlaneWalk& walk, const SteadyRows& rows, int first_plane, float* out) {
        const Span span = walk.span(first_plane, first_plane + GROUP_VOXELS, 0, path.count);
        if (span.high < -1.0 || span.low > rows.rows) return true;
        const double low = span.low - 1.0 > 0.0 ? span.low - 1.0 : 0.0, high = span.high + 1.0 < rows.rows - 1 ? span.high + 1.0 : rows.rows - 1;
        const double a = path.slope + low * path.slope_row, b = path.slope + high * path.slope_row;
        const bool one_way = (a > STEADY && b > STEADY) || (a < -STEADY && b < -STEADY), upward = walk.rows_a_voxel[0] > 0;
        if (!one_way && !walk.apart) return false;
        const double steepest = a * a > b * b ? a * a : b * b;
        if (steepest >= 0.8 * walk.least_pitch * walk.least_pitch || GROUP_VOXELS > 27.0 * walk.least_pitch) return false;
        const Rows way = one_way ? ((a < 0) == upward ? Rows::GROW : Rows::SHRINK) : (path.slope_row > 0) == upward ? Rows::SHRINK_BEYOND : Rows::GROW_BEYOND;
        const int base = window_base(span);
        if (base > -ROW_PAD) {
            if (waiting > 0 && way != rows_waiting) flush(path, walk);
            rows_waiting = way;
            group[waiting].out = out;
            group[waiting].begin(walk, rows, first_plane, base, 0, path.count);
            if (++waiting == STEADY_GROUPS) flush(path, walk);
            return true;
        }
        alone.out = out;
        for (int from = 0, to; from < path.count; from = to) {
            to = path.count;
            Span part = walk.span(first_plane, first_plane + GROUP_VOXELS, from, to);
            while (window_base(part) <= -ROW_PAD && to - from > 1) to = from + (to - from) / 2, part = walk.span(first_plane, first_plane + GROUP_VOXELS, from, to);
            if (part.high < -1.0 || part.low > rows.rows) continue;
            alone.begin(walk, rows, first_plane, window_base(part), from, to);
            const SteadyGroup* const one[1] = {&alone};
            spread<1>(way, path, walk, from, to, one);
        }
        return true;
    }

    // Where a window that holds them begins; -ROW_PAD where none does.
    static PHYSSIM_HD int window_base(const Span& span) {
        if (span.high - span.low > 30.0) return -ROW_PAD;
        const int base = floor_int(span.low - 0.01) - 1;
        return floor_int(span.high + 0.01) <= base + 31 ? base : -ROW_PAD;
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
