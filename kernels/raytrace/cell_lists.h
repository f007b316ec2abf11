// The cells of 16 paths through a tile, listed at once: a path by itself is a chain of comparisons and sums that end by a branch
// which no predictor guesses, 16 of them side by side are ended by the longest.
#pragma once
#include "core/lanes.h"
#include "raytrace/cells.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Most cells of a path in a tile: each but the first begins at a plane within the tile.
constexpr int MOST_CELLS = 2 * MAX_TILE_EDGE;

#ifdef PHYSSIM_LONG_LANES

// Lists of path[0 .. count - 1]; what stands behind a list's end means nothing. A Path has arrays column, exit_of and length of at
// least MOST_CELLS + 15, count, entry and origin.
template <typename Path>
inline void list_cells(const PathEntries& from, int count, Path* path) {
    const L end = load_long(from.end), middle = halves(end), per_p = load_long(from.per_p), per_q = load_long(from.per_q);
    L next_p = load_long(from.next_p), next_q = load_long(from.next_q), before = middle - middle;
    I left_p = load(from.left_p), left_q = load(from.left_q), column = load(from.column), cells(0);
    const I step_p = load(from.step_p), step_q = load(from.step_q);
    const F unit(static_cast<float>(1.0 / FIXED));
    M active = before < end;
    alignas(64) int32_t columns[16 * 16];
    alignas(64) float exits[16 * 16], lengths[16 * 16];
    for (int block = 0; any(active); block += 16) {
        for (int c = 0; c < 16 && any(active); c++) {
            const M across_p = next_p < next_q;
            const L plane = minimum(next_p, next_q), leave = maximum(minimum(plane, end), before);
            store(columns + 16 * c, column);
            store(exits + 16 * c, to_float(leave - middle) * unit);
            store(lengths + 16 * c, to_float(leave - before) * unit);
            cells = add_where(active, cells, I(1));
            before = leave;
            column = column + select(across_p, step_p, step_q);
            left_p = add_where(across_p, left_p, I(-1)), left_q = add_where(~across_p, left_q, I(-1));
            next_p = add_where(across_p, next_p, per_p), next_q = add_where(~across_p, next_q, per_q);
            active = without(active & (plane < end), (left_p | left_q) < I(0));
        }
        constexpr int64_t APART = sizeof(Path) / sizeof(float);
        transpose<false>(reinterpret_cast<float*>(path[0].column + block), APART, reinterpret_cast<const float*>(columns), 16);
        transpose<false>(path[0].exit_of + block, APART, exits, 16);
        transpose<false>(path[0].length + block, APART, lengths, 16);
    }
    alignas(64) int32_t counts[16];
    store(counts, cells);
    for (int c = 0; c < count; c++) path[c].count = counts[c];
}

#else

template <typename Path>
inline void list_cells(const PathEntries& from, int count, Path* path) {
    for (int c = 0; c < count; c++) {
        const int64_t end = from.end[c], middle = end / 2, per_p = from.per_p[c], per_q = from.per_q[c];
        int64_t next_p = from.next_p[c], next_q = from.next_q[c], before = 0;
        int32_t left_p = from.left_p[c], left_q = from.left_q[c], column = from.column[c], cells = 0;
        for (bool active = before < end; active; cells++) {
            const int32_t across_p = static_cast<int32_t>((next_p - next_q) >> 63);  // all ones or none: a coin toss for a branch
            const int64_t plane = next_p < next_q ? next_p : next_q, nearest = plane < end ? plane : end, leave = nearest < before ? before : nearest;
            path[c].column[cells] = column, path[c].exit_of[cells] = from_fixed(leave - middle), path[c].length[cells] = from_fixed(leave - before);
            before = leave;
            column += from.step_q[c] + (across_p & (from.step_p[c] - from.step_q[c]));
            left_p += across_p, left_q -= 1 + across_p;
            next_p += per_p & across_p, next_q += per_q & ~static_cast<int64_t>(across_p);
            active = plane < end && (left_p | left_q) >= 0;
        }
        path[c].count = cells;
    }
}

#endif

}  // namespace PHYSSIM_ISA
}  // namespace physsim
