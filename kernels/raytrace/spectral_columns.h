// Channels of views whose detector columns are parallel to a volume axis: the walk of columns.h with a run of one material
// in place of a sum.
#pragma once
#include "raytrace/climb.h"
#include "raytrace/runs.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int WALK_AHEAD = 4;   // cells asked for early: the hardware cannot guess where a path turns
constexpr int LEAST_EVEN = 6;   // cells of one material in a row that are worth a loop of their own
constexpr int LEAST_OWN = 3;    // the same at its own density: no loop at all

// One cell of 16 rays, at most one crossing of w in it: the words where the rays enter and leave it, and how far above the plane
// crossed last they leave it.
struct CellWords {
    I first, second;
    F past;
    PHYSSIM_HD CellWords(const Climb& climb, F exit, const float* column, I& voxel) {
        const Window voxels(column);
        const F place = climb.at(exit), above = climb.voxel_at(place);
        past = place - (above - climb.face);
        first = as_int(voxels[voxel]);
        voxel = as_int(above);
        second = as_int(voxels[voxel]);
    }
};

// GROUPS groups in flight, from cell `from` to the one before `to`. The queues take two pieces a cell.
template <int GROUPS>
PHYSSIM_HD void walk_climbing(const ColumnCells& cells, int from, int to, const Climb* rays, const float* const* window, Run* run, const Channels& channels) {
    const I labels(channels.labels());
    const F entry(from == 0 ? cells.entry : cells.exit_of[from - 1]);
    Climb climb[GROUPS];
    F path[GROUPS];
    I voxel[GROUPS], word[GROUPS];
    Piece* end[GROUPS];
    for (int g = 0; g < GROUPS; g++) {
        climb[g] = rays[g];
        path[g] = run[g].path, end[g] = run[g].end;
        voxel[g] = as_int(climb[g].voxel_at(climb[g].at(entry)));
        word[g] = from == 0 ? as_int(Window(window[g] + cells.column[0])[voxel[g]]) : run[g].word;
    }
    for (int64_t c = from; c < to; c++) {
        const F exit(cells.exit_of[c]), length(cells.length[c]);
        const int64_t column = cells.column[c], ahead = cells.column[c + WALK_AHEAD];
        PHYSSIM_UNROLL
        for (int g = 0; g < GROUPS; g++) {
            __builtin_prefetch(window[g] + ahead);
            const CellWords met(climb[g], exit, window[g] + column, voxel[g]);
            const I change = met.second - met.first;
            const F after = met.past * climb[g].inverse;
            *end[g] = {path[g], word[g]};
            end[g] += any(unlike(word[g], met.first, labels));
            const M changes = any_bit(change, labels);
            if (__builtin_expect(any(changes), 0))
                *end[g]++ = {select(changes, multiply_add(to_float(met.first), length - after, path[g]), path[g]), met.first};
            word[g] = met.second;
            path[g] = multiply_add(to_float(change), after, multiply_add(to_float(met.first), length, path[g]));
        }
    }
    for (int g = 0; g < GROUPS; g++) run[g].path = path[g], run[g].word = word[g], run[g].end = end[g];
}

// The same where all voxels in reach are of one material, or outside the tile and 0.
template <int GROUPS>
PHYSSIM_HD void walk_even(const ColumnCells& cells, int from, int to, const Climb* rays, const float* const* window, Run* run, const Channels& channels, I material) {
    const I labels(channels.labels());
    const F entry(from == 0 ? cells.entry : cells.exit_of[from - 1]);
    Climb climb[GROUPS];
    F path[GROUPS], beyond[GROUPS];
    I voxel[GROUPS];
    for (int g = 0; g < GROUPS; g++) {
        climb[g] = rays[g];
        if (from > 0 && any(unlike(run[g].word, material, labels))) *run[g].end++ = {run[g].path, run[g].word};
        path[g] = run[g].path, beyond[g] = F(0.0f), run[g].word = material;
        voxel[g] = as_int(climb[g].voxel_at(climb[g].at(entry)));
    }
    for (int64_t c = from; c < to; c++) {
        const F exit(cells.exit_of[c]), length(cells.length[c]);
        const int64_t column = cells.column[c], ahead = cells.column[c + WALK_AHEAD];
        PHYSSIM_UNROLL
        for (int g = 0; g < GROUPS; g++) {
            __builtin_prefetch(window[g] + ahead);
            const CellWords met(climb[g], exit, window[g] + column, voxel[g]);
            path[g] = multiply_add(to_float(met.first), length, path[g]);
            beyond[g] = multiply_add(to_float(met.second - met.first), met.past, beyond[g]);
        }
    }
    for (int g = 0; g < GROUPS; g++) run[g].path = multiply_add(beyond[g], climb[g].inverse, path[g]);
}

// The same at the material's own density: their words are one, and nothing is looked up.
template <int GROUPS>
PHYSSIM_HD void walk_own(const ColumnCells& cells, int from, int to, Run* run, const Channels& channels, uint32_t material) {
    const I labels(channels.labels()), word(static_cast<int32_t>(own_word(1.0f / channels.quantum, channels.label_bits, material)));
    const F path = to_float(word) * F(cells.exit_of[to - 1] - (from == 0 ? cells.entry : cells.exit_of[from - 1]));
    for (int g = 0; g < GROUPS; g++) {
        if (from > 0 && any(unlike(run[g].word, word, labels))) *run[g].end++ = {run[g].path, run[g].word};
        run[g].path = run[g].path + path, run[g].word = word;
    }
}

// The materials of the columns that a path crosses, from TileMaterials.
struct PathMaterials {
    uint64_t cell[2 * MAX_TILE_EDGE + 8];

    inline void build(const ColumnTile& tile, const TileMaterials& materials, const ColumnCells& path) {
        const float per_column = 1.0f / static_cast<float>(tile.stride);
        for (int c = 0; c < path.count; c++)  // half a column's offset against rounding
            cell[c] = materials.column[static_cast<int32_t>((static_cast<float>(path.column[c] - COLUMN_PAD) + 0.5f * static_cast<float>(tile.stride)) * per_column)];
    }
};

// Cells [from, to) by runs: those whose blocks `reach` are of one material, and the others. `within`: all voxels in reach are in the tile.
template <int GROUPS>
inline void walk_by_materials(const ColumnCells& path, const uint64_t* materials, uint64_t reach, bool within, int from, int to, const Climb* climb,
                              const float* const* window, Run* run, const Channels& channels) {
    constexpr int AT_ONCE = GROUPS < RUNS_AT_ONCE ? GROUPS : RUNS_AT_ONCE;
    constexpr uint64_t EACH = 0x0101010101010101u;
    const int lowest = __builtin_ctzll(reach);
    for (int begin = from; begin < to;) {
        int even = begin, end = begin;  // the next even cells, [even, end)
        uint64_t material = MIXED;
        bool own = false;
        while (even < to) {
            material = (materials[even] >> lowest) & MIXED;
            end = even;
            own = within && material != MIXED && (material & OWN_DENSITY);
            if (material != MIXED)
                while (end < to && ((materials[end] ^ (material * EACH)) & reach) == 0) end++;
            if (end - even >= (own ? LEAST_OWN : LEAST_EVEN)) break;
            even = end > even ? end : even + 1;
        }
        if (begin < even)
            for (int g = 0; g < GROUPS; g += AT_ONCE) walk_climbing<AT_ONCE>(path, begin, even, climb + g, window + g, run + g, channels);
        const uint32_t number = static_cast<uint32_t>(material) & ~OWN_DENSITY;
        if (even < to && own) walk_own<GROUPS>(path, even, end, run, channels, number);
        else if (even < to)
            for (int g = 0; g < GROUPS; g += AT_ONCE)
                walk_even<AT_ONCE>(path, even, end, climb + g, window + g, run + g, channels, I(static_cast<int32_t>(number)));
        begin = even < to ? end : to;
    }
}

// Any number of crossings a cell.
template <typename Fetch>
PHYSSIM_HD void walk_steep(const Cells& cells, int count, float entry, Fetch&& fetch, Lane16& lane, Run& run, const Channels& channels) {
    const M all_lanes = F(0.0f) == F(0.0f);
    F here(entry);
    for (int c = 0; c < count; c++) {
        const F exit(cells.exit[c]);
        while (true) {
            const M crosses = lane.next < exit;
            const F leave = select(crosses, lane.next, exit);
            add_voxel(channels, all_lanes, as_int(fetch(cells.column[c], lane.voxel)), leave - here, run);
            here = leave;
            if (!any(crosses)) break;
            lane.voxel = add_where(crosses, lane.voxel, lane.step);
            lane.next = add_where(crosses, lane.next, lane.per_voxel);
        }
    }
}

// Cells [from, to) for GROUPS x 16 rows; splits the path where a window cannot hold it.
template <int GROUPS>
inline void walk_rows(const ColumnTile& tile, const TileMaterials& materials, const ColumnCells& path, const PathMaterials& met, int row, int from, int to,
                      Run (&run)[GROUPS], const Channels& channels) {
    const float entry = from == 0 ? path.entry : path.exit_of[from - 1], exit = path.exit_of[to - 1];
    const float* window[GROUPS];
    int base[GROUPS];
    bool fits = true, touches = false;
    double low_end = tile.nw, high_end = 0.0;
    for (int g = 0; g < GROUPS; g++) {
        const Span span = span_of(path, row + 16 * g, entry, exit);
        const bool away = span.high < 0 || span.low > tile.nw;
        touches = touches || !away;
        base[g] = away ? -COLUMN_PAD : floor_int(span.low) - 1;
        fits = fits && (away || floor_int(span.high) + 1 <= base[g] + 31);
        const int aligned = base[g] & ~7;  // loads cost less where no 32 bytes are split
        if (away || floor_int(span.high) + 1 <= aligned + 31) base[g] = aligned;
        window[g] = tile.data + base[g];
        if (away) continue;
        low_end = span.low < low_end ? span.low : low_end;
        high_end = span.high > high_end ? span.high : high_end;
    }
    if (!touches) return;
    const double last = path.slope + (row + 16 * GROUPS) * path.slope_row, first = path.slope + row * path.slope_row;
    if (fits && first <= MOST_SLOPE && first >= -MOST_SLOPE && last <= MOST_SLOPE && last >= -MOST_SLOPE) {
        for (Run& r : run)
            if (r.end - r.first + 2 * (to - from) >= MAX_PIECES - 1) fold(channels, r);
        Climb climb[GROUPS];
        for (int g = 0; g < GROUPS; g++) climb[g] = Climb(path, row + 16 * g, base[g]);
        const int lowest = floor_int(low_end) - 1, highest = floor_int(high_end) + 1;  // voxels in reach, and one beside them
        const int bottom = lowest > 0 ? lowest / materials.high : 0, top = (highest < tile.nw ? highest : tile.nw - 1) / materials.high;
        const uint64_t reach = (~uint64_t{0} >> (8 * (BLOCKS_IN_COLUMN - 1 - top))) & (~uint64_t{0} << (8 * bottom));
        walk_by_materials<GROUPS>(path, met.cell, reach, lowest >= 0 && highest < tile.nw, from, to, climb, window, run, channels);
    } else if (!fits && to - from > 1) {
        const int middle = (from + to) / 2;
        walk_rows<GROUPS>(tile, materials, path, met, row, from, middle, run, channels);
        walk_rows<GROUPS>(tile, materials, path, met, row, middle, to, run, channels);
    } else {
        for (int g = 0; g < GROUPS; g++) {
            const float* voxels = window[g];
            Lane16 lane = lane_of(path, row + 16 * g, base[g], entry);
            const I low(-1 - base[g]), high(tile.nw - base[g]);  // the zeros before and after a column
            walk_steep(path.cells().from(from), to - from, entry,
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

// Zeros for the sums of some columns, which stand together.
inline void clear_columns(const RayGroups& groups, int first, int count) {
    float* sums = groups.sums + first * groups.column_step;
    for (int64_t i = 0; i < count * groups.column_step; i += 16) store(sums + i, F(0.0f));
}

// Adds the channels of columns first .. first + 15 in the tile; `whole` is the tile's word where it has but one. `fresh`: their sums hold
// nothing yet, and are cleared here, where they are needed next. Returns whether they hold something now.
inline bool spectral_columns(const ColumnTile& tile, const TileMaterials& materials, const RayGroups& groups, int first, const Channels& channels, const uint32_t* whole, bool fresh) {
    const ViewRays& rays = groups.rays;
    const int count = rays.columns - first < 16 ? rays.columns - first : 16;
    if (columns_miss(rays, tile, first, first + count - 1)) return !fresh;
    ColumnCells path[16];
    PathMaterials met[16];
    Piece queue[GROUPS_AT_ONCE * MAX_PIECES];
    const RowRange touched = list_columns(rays, tile, first, count, path);
    const int low = touched.first, high = touched.last;
    if (high < low) return !fresh;
    if (fresh) clear_columns(groups, first, count);
    for (int c = 0; c < count; c++)
        if (path[c].count > 0) met[c].build(tile, materials, path[c]);
    const auto walk = [&](int c, float* sums, int row, auto& run) {
        Piece* pieces = queue;
        for (Run& r : run) r = Run(sums, F(channels.quantum), pieces), sums += groups.row_step, pieces += MAX_PIECES;
        walk_rows(tile, materials, path[c], met[c], row, 0, path[c].count, run, channels);
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
                walk(c, sums, row, many);
                continue;
            }
            for (int g = 0; g < in_reach && g < GROUPS_AT_ONCE; g++, sums += groups.row_step) {
                if (whole && !level(path[c], row + 16 * g)) {
                    one[0] = Run(sums, F(channels.quantum), queue);
                    add_voxel(channels, F(0.0f) == F(0.0f), I(static_cast<int32_t>(*whole)), chord(tile, path[c], row + 16 * g), one[0]);
                    finish_run(channels, one[0]);
                } else {
                    walk(c, sums, row + 16 * g, one);
                }
            }
        }
    }
    return true;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
