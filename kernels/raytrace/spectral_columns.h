// Channels of views whose detector columns are parallel to a volume axis: the walk of columns.h with a run of one material
// in place of a sum.
#pragma once
#include "raytrace/climb.h"
#include "raytrace/runs.h"

namespace physsim {
namespace PHYSSIM_ISA {

// One crossing of w a cell at most, GROUPS groups in flight, from cell `from` to the one before `to`. The queues take two pieces a cell.
template <int GROUPS>
PHYSSIM_HD void walk_climbing(const ColumnCells& cells, int from, int to, int row, const int* base, const float* const* window, Run* run,
                              const Channels& channels) {
    const I labels(channels.labels());
    const F entry(from == 0 ? cells.entry : cells.cell[from - 1].exit);
    Climb climb[GROUPS];
    F path[GROUPS], beyond[GROUPS];
    I voxel[GROUPS], word[GROUPS];
    Piece* end[GROUPS];
    for (int g = 0; g < GROUPS; g++) {
        climb[g] = Climb(cells, row + 16 * g, base[g]);
        path[g] = run[g].path, beyond[g] = F(0.0f), end[g] = run[g].end;
        voxel[g] = as_int(climb[g].voxel_at(climb[g].at(entry)));
        word[g] = from == 0 ? as_int(Window(window[g] + cells.cell[0].column)[voxel[g]]) : run[g].word;
    }
    for (int c = from; c < to; c++) {
        const F exit(cells.cell[c].exit), length(cells.cell[c].length);
        const int64_t column = cells.cell[c].column;
        PHYSSIM_UNROLL
        for (int g = 0; g < GROUPS; g++) {
            const Window voxels(window[g] + column);
            const F place = climb[g].at(exit), above = climb[g].voxel_at(place);
            const F past = place - (above - climb[g].face);
            const I first = as_int(voxels[voxel[g]]);
            voxel[g] = as_int(above);
            const I second = as_int(voxels[voxel[g]]), change = second - first;
            const F before = multiply_add(beyond[g], climb[g].inverse, path[g]);
            *end[g] = {before, word[g]};
            end[g] += any(unlike(word[g], first, labels));
            const M changes = any_bit(change, labels);
            if (__builtin_expect(any(changes), 0))
                *end[g]++ = {select(changes, multiply_add(to_float(first), length - past * climb[g].inverse, before), before), first};
            word[g] = second;
            path[g] = multiply_add(to_float(first), length, path[g]);
            beyond[g] = multiply_add(to_float(change), past, beyond[g]);
        }
    }
    for (int g = 0; g < GROUPS; g++) run[g].path = multiply_add(beyond[g], climb[g].inverse, path[g]), run[g].word = word[g], run[g].end = end[g];
}

// Any number of crossings a cell.
template <typename Fetch>
PHYSSIM_HD void walk_steep(const Cell* cells, int count, float entry, Fetch&& fetch, Lane16& lane, Run& run, const Channels& channels) {
    const M all_lanes = F(0.0f) == F(0.0f);
    F here(entry);
    for (int c = 0; c < count; c++) {
        const F exit(cells[c].exit);
        while (true) {
            const M crosses = lane.next < exit;
            const F leave = select(crosses, lane.next, exit);
            add_voxel(channels, all_lanes, as_int(fetch(cells[c].column, lane.voxel)), leave - here, run);
            here = leave;
            if (!any(crosses)) break;
            lane.voxel = add_where(crosses, lane.voxel, lane.step);
            lane.next = add_where(crosses, lane.next, lane.per_voxel);
        }
    }
}

// Cells [from, to) for GROUPS x 16 rows; splits the path where a window cannot hold it.
template <int GROUPS>
inline void walk_rows(const ColumnTile& tile, const ColumnCells& path, int row, int from, int to, Run (&run)[GROUPS], const Channels& channels) {
    const float entry = from == 0 ? path.entry : path.cell[from - 1].exit, exit = path.cell[to - 1].exit;
    const float* window[GROUPS];
    int base[GROUPS];
    bool fits = true, touches = false;
    for (int g = 0; g < GROUPS; g++) {
        const Span span = span_of(path, row + 16 * g, entry, exit);
        const bool away = span.high < 0 || span.low > tile.nw;
        touches = touches || !away;
        base[g] = away ? -COLUMN_PAD : floor_int(span.low) - 1;
        fits = fits && (away || floor_int(span.high) + 1 <= base[g] + 31);
        window[g] = tile.data + base[g];
    }
    if (!touches) return;
    const double last = path.slope + (row + 16 * GROUPS) * path.slope_row, first = path.slope + row * path.slope_row;
    if (fits && first <= MOST_SLOPE && first >= -MOST_SLOPE && last <= MOST_SLOPE && last >= -MOST_SLOPE) {
        for (Run& r : run)
            if (r.end - r.first + 2 * (to - from) >= MAX_PIECES - 1) fold(channels, r);
        constexpr int AT_ONCE = GROUPS < RUNS_AT_ONCE ? GROUPS : RUNS_AT_ONCE;
        for (int g = 0; g < GROUPS; g += AT_ONCE)
            walk_climbing<AT_ONCE>(path, from, to, row + 16 * g, base + g, window + g, run + g, channels);
    } else if (!fits && to - from > 1) {
        const int middle = (from + to) / 2;
        walk_rows<GROUPS>(tile, path, row, from, middle, run, channels);
        walk_rows<GROUPS>(tile, path, row, middle, to, run, channels);
    } else {
        for (int g = 0; g < GROUPS; g++) {
            const float* voxels = window[g];
            Lane16 lane = lane_of(path, row + 16 * g, base[g], entry);
            const I low(-1 - base[g]), high(tile.nw - base[g]);  // the zeros before and after a column
            walk_steep(path.cell + from, to - from, entry,
                       [=](int column, I voxel) { return gather(voxels + column, minimum(maximum(voxel, low), high)); }, lane, run[g], channels);
        }
    }
}

// The whole path in a tile of one word: the chord between the column's ends and the layers 0 and nw.
PHYSSIM_HD F chord(const ColumnTile& tile, const ColumnCells& path, int row) {
    const F l = to_float(lane_index());
    const F height = F(static_cast<float>(path.height + row * path.height_row)) + l * F(static_cast<float>(path.height_row));
    F slope = F(static_cast<float>(path.slope + row * path.slope_row)) + l * F(static_cast<float>(path.slope_row));
    slope = select(slope == F(0.0f), F(1e-9f), slope);
    const F inverse = F(1.0f) / slope;
    const F a = (F(0.0f) - height) * inverse, b = (F(static_cast<float>(tile.nw)) - height) * inverse;
    const F enter = maximum(minimum(a, b), F(path.entry)), leave = minimum(maximum(a, b), F(path.exit()));
    return maximum(leave - enter, F(0.0f));
}

// Is a row so nearly parallel to the layers that its place in them needs the care of level_lanes?
PHYSSIM_HD bool level(const ColumnCells& path, int row) {
    const double first = path.slope + row * path.slope_row, last = path.slope + (row + 15) * path.slope_row;
    return (first < 1e-3 || last < 1e-3) && (first > -1e-3 || last > -1e-3);
}

// Adds the channels of columns first .. first + 15 in the tile; `whole` is the tile's word where it has but one.
inline void spectral_columns(const ColumnTile& tile, const RayGroups& groups, int first, const Channels& channels, const uint32_t* whole) {
    const ViewRays& rays = groups.rays;
    const int count = rays.columns - first < 16 ? rays.columns - first : 16;
    if (columns_miss(rays, tile, first, first + count - 1)) return;
    ColumnCells path[16];
    Piece queue[GROUPS_AT_ONCE * MAX_PIECES];
    int low = rays.rows, high = -1;
    for (int c = 0; c < count; c++) {
        path[c].build(rays, tile, first + c);
        if (path[c].count == 0) continue;
        if (path[c].first_row < low) low = path[c].first_row;
        if (path[c].last_row > high) high = path[c].last_row;
    }
    const auto walk = [&](const ColumnCells& cells, float* sums, int row, auto& run) {
        Piece* pieces = queue;
        for (Run& r : run) r = Run(sums, F(channels.quantum), pieces), sums += groups.row_step, pieces += MAX_PIECES;
        walk_rows(tile, cells, row, 0, cells.count, run, channels);
        for (Run& r : run) finish_run(channels, r);
    };
    // Groups of rows outside, columns inside: neighbouring columns cross the same cells, which are then in the first-level cache.
    for (int row = low / 16 * 16; row <= high; row += ROWS_AT_ONCE) {
        const int in_reach = (high - row) / 16 + 1;
        for (int c = 0; c < count; c++) {
            if (path[c].count == 0 || path[c].last_row < row || path[c].first_row >= row + ROWS_AT_ONCE) continue;
            float* sums = groups.sums + (first + c) * groups.column_step + row / 16 * groups.row_step;
            Run many[GROUPS_AT_ONCE], one[1];
            const int lines = channels.count * (in_reach < GROUPS_AT_ONCE ? in_reach : GROUPS_AT_ONCE);
            for (int line = 0; line < lines && line < 64; line++) __builtin_prefetch(sums + 16 * line, 1);
            if (!whole && in_reach >= GROUPS_AT_ONCE) {
                walk(path[c], sums, row, many);
                continue;
            }
            for (int g = 0; g < in_reach && g < GROUPS_AT_ONCE; g++, sums += groups.row_step) {
                if (whole && !level(path[c], row + 16 * g)) {
                    one[0] = Run(sums, F(channels.quantum), queue);
                    add_voxel(channels, F(0.0f) == F(0.0f), I(static_cast<int32_t>(*whole)), chord(tile, path[c], row + 16 * g), one[0]);
                    finish_run(channels, one[0]);
                } else {
                    walk(path[c], sums, row + 16 * g, one);
                }
            }
        }
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
