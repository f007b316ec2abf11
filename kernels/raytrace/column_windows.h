// What 16 groups of 16 rows need to know of a detector column's path through a tile, found for all of them at once: which 32 voxels
// of w a group sees on the whole of it, and how long it may go without looking where it is.
#pragma once
#include "raytrace/column_lanes.h"

namespace physsim {
namespace PHYSSIM_ISA {

struct GroupWindows {
    static constexpr unsigned EACH = (1u << GROUPS_AT_ONCE) - 1u;
    alignas(64) int32_t base[16];    // the lowest of the 32 voxels in a group's window
    alignas(64) float longest[16];   // from this group on, GROUPS_AT_ONCE groups pass a plane once at most in so long a stretch
    unsigned away = 0, fits = 0, level = 0, steep = 0;  // bits: outside the volume; 32 voxels hold it; along the layers, nearly; more than 1 voxel a cell
    F height_rise, slope_rise;       // of each row over its group's first

    // `row`: the first group's first.
    inline void build(const ColumnCells& path, int row, int nw) {
        const double entry = path.entry, exit = path.exit();
        const double step_in = path.height_row + path.slope_row * entry, step_out = path.height_row + path.slope_row * exit;
        const F l = to_float(lane_index()), group = l * F(16.0f);
        const F in_first = multiply_add(group, F(static_cast<float>(step_in)), F(static_cast<float>(path.at(row, entry))));
        const F out_first = multiply_add(group, F(static_cast<float>(step_out)), F(static_cast<float>(path.at(row, exit))));
        const F in_last = in_first + F(static_cast<float>(15 * step_in)), out_last = out_first + F(static_cast<float>(15 * step_out));
        const F low = minimum(minimum(in_first, in_last), minimum(out_first, out_last));
        const F high = maximum(maximum(in_first, in_last), maximum(out_first, out_last));
        const M outside = (high < F(0.0f)) | (F(static_cast<float>(nw)) < low);
        const F lowest = floor(low) - F(1.0f), aligned = floor(lowest * F(0.125f)) * F(8.0f), highest = floor(high) + F(1.0f);
        const M holds = highest <= lowest + F(31.0f);
        const F begin = select(highest <= aligned + F(31.0f), aligned, lowest);  // loads cost less where no 32 bytes are split
        store(base, truncate(select(outside, F(-static_cast<float>(COLUMN_PAD)), begin)));
        away = bits(outside), fits = bits(outside | holds);
        height_rise = l * F(static_cast<float>(path.height_row)), slope_rise = l * F(static_cast<float>(path.slope_row));
        const float slope_row = static_cast<float>(path.slope_row);
        const F slope = multiply_add(group, F(slope_row), F(static_cast<float>(path.slope + row * path.slope_row)));
        const F last = slope + F(15.0f * slope_row), block_last = slope + F((ROWS_AT_ONCE - 1) * slope_row);
        level = bits((minimum(slope, last) < F(static_cast<float>(LEVEL_SLOPE))) & (F(-static_cast<float>(LEVEL_SLOPE)) < maximum(slope, last)));
        const F climb = maximum(maximum(slope, F(0.0f) - slope), maximum(block_last, F(0.0f) - block_last));
        steep = bits(F(1.0f) < climb);
        store(longest, F(1.0f) / maximum(climb, F(1e-3f)));
    }
    // Of groups g .. g + GROUPS_AT_ONCE - 1: may they take the shallow loop, do they miss the volume?
    bool simple(int g) const { return ((fits >> g) & EACH) == EACH && !((steep >> g) & 1u); }
    bool miss(int g) const { return ((away >> g) & EACH) == EACH; }

    // Lanes of the g-th group, whose first row is `row`.
    PHYSSIM_HD Lane16 lanes(const ColumnCells& path, int g, int row) const {
        if (__builtin_expect((level >> g) & 1u, 0)) return lane_of(path, row, base[g], path.entry);
        const F height = F(static_cast<float>(path.height + row * path.height_row - base[g])) + height_rise;
        return Lane16(height, F(static_cast<float>(path.slope + row * path.slope_row)) + slope_rise, path.entry);
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
