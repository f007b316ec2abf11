// The rows of a detector column, in the order of growing w: in which voxel each enters a tile and when it leaves it. Rows begin in
// the very voxel that columns.h gives them, so rays in faces go where the forward projector takes them from.
#pragma once
#include "raytrace/columns.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int GROUP_VOXELS = 15;  // 16 planes bound 15 voxels; a group takes 16 floats, the last unused
constexpr int ROW_PAD = 64;            // rows that touch nothing, before and after those of a column
constexpr float NEVER = 1e30f;

// The rows of a detector column in the order of growing w.
struct ColumnRows {
    float *value, *next, *inverse, *plane, *voxel;  // value x mm; first crossing: its parameter, 1 / slope, its plane; first voxel
    int32_t first, last;                            // rows that can touch the voxels wanted (in this order)
    double height, height_row, slope, slope_row;    // of ColumnCells, in this order

    ColumnRows(float* scratch, int64_t capacity) {
        float** arrays[5] = {&value, &next, &inverse, &plane, &voxel};
        for (float** array : arrays) *array = scratch + ROW_PAD, scratch += capacity;
    }

    // 16 rows that cross nothing.
    PHYSSIM_HD void fill(int row, F of_voxel) {
        store(value + row, F(0.0f)), store(next + row, F(NEVER)), store(inverse + row, F(0.0f)), store(plane + row, F(0.0f));
        store(voxel + row, of_voxel);
    }
};

// Rows row .. row + 15, to go to `to` .. to + 15: which voxel each is in at the path's entry and when it leaves it, as trace_rows
// has it. False where the forward projector splits the path or follows several crossings a cell.
PHYSSIM_HD bool place_rows(const ColumnTile& tile, const ColumnCells& path, const float* pixels, int row, bool upward, int to, ColumnRows& rows) {
    const Span span = span_of(path, row, path.entry, path.exit());
    if (span.high < 0 || span.low > tile.nw) {
        rows.fill(to, F((span.high < 0) ? -1e6f : 1e6f));
        return true;
    }
    const int base = floor_int(span.low) - 1;
    const double a = path.slope + row * path.slope_row, b = path.slope + (row + 16) * path.slope_row;
    if (floor_int(span.high) + 1 > base + 31 || a > 1.0 || a < -1.0 || b > 1.0 || b < -1.0) return false;
    const Lane16 lane = lane_of(path, row, base, path.entry);
    const M crosses = lane.next < F(path.exit()), up = I(0) < lane.step;
    const F here = to_float(lane.voxel + I(base));
    store(rows.value + to, load(pixels + row));
    store(rows.voxel + to, here);
    store(rows.plane + to, here + select(up, F(1.0f), F(0.0f)));
    store(rows.next + to, select(crosses, lane.next, F(NEVER)));
    store(rows.inverse + to, select(crosses, select(up, lane.per_voxel, F(0.0f) - lane.per_voxel), F(0.0f)));
    if (!upward) {
        float* const arrays[5] = {rows.value + to, rows.next + to, rows.inverse + to, rows.plane + to, rows.voxel + to};
        for (float* array : arrays)
            for (int l = 0; l < 8; l++) {
                const float x = array[l];
                array[l] = array[15 - l], array[15 - l] = x;
            }
    }
    return true;
}

// The rows of the column that can touch planes first .. last; false where lanes of planes do not serve: then scatter_rows does.
inline bool place_column(const ColumnTile& tile, const ColumnCells& path, const float* pixels, int first, int last, ColumnRows& rows) {
    const double ends[2] = {path.entry, path.exit()};
    const double in = path.height_row + path.slope_row * ends[0], out = path.height_row + path.slope_row * ends[1];
    const bool upward = in > 1e-3 && out > 1e-3, downward = in < -1e-3 && out < -1e-3;
    if (!upward && !downward) return false;
    double low = 1e30, high = -1e30;
    for (double s : ends) {
        const double at = path.height + path.slope * s, step = path.height_row + path.slope_row * s;
        const double a = ((upward ? first : last) - at) / step, b = ((upward ? last : first) - at) / step;
        if (a < low) low = a;
        if (b > high) high = b;
    }
    int from = low - 2.0 > path.first_row ? static_cast<int>(low - 2.0) : path.first_row;
    int to = high + 2.0 < path.last_row ? high < -2.0 ? -1 : static_cast<int>(high + 2.0) : path.last_row;
    rows.first = 0, rows.last = -1;
    if (from > to) return true;
    from = from / 16 * 16, to = to / 16 * 16 + 16;
    for (int row = from; row < to; row += 16)
        if (!place_rows(tile, path, pixels, row, upward, upward ? row : from + to - 16 - row, rows)) return false;
    const int turned = from + to - 1;
    rows.first = from, rows.last = to - 1;
    rows.height = upward ? path.height : path.height + turned * path.height_row;
    rows.slope = upward ? path.slope : path.slope + turned * path.slope_row;
    rows.height_row = upward ? path.height_row : -path.height_row;
    rows.slope_row = upward ? path.slope_row : -path.slope_row;
    for (int i = 0; i < ROW_PAD; i += 16) rows.fill(from - 16 - i, F(-1e6f)), rows.fill(to + i, F(1e6f));
    return true;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
