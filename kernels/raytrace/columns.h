// Line integrals for views whose detector columns are parallel to a volume axis w: the rays of a column share one path in
// the (p, q) plane, and 16 neighbouring rows see so few voxels of w that two registers hold them all: no gathers.
#pragma once
#include "core/lanes.h"
#include "raytrace/cells.h"
#include "raytrace/rays.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Position of 16 rays along w: the voxel each is in, the parameter at which it leaves it, the parameter a voxel takes.
struct Lane16 {
    F next, per_voxel;
    I voxel, step;

    Lane16() = default;
    // height: w at parameter 0, in voxels from `base`; slope: voxels a unit of parameter; entry: where the first cell begins.
    PHYSSIM_HD Lane16(F height, F slope, float entry) {
        slope = select(slope == F(0.0f), F(1e-9f), slope);  // a level ray never leaves its layer
        const M down = slope < F(0.0f);
        const F here = height + slope * F(entry), below = floor(here);
        voxel = truncate(below);
        voxel = add_where(down & (below == here), voxel, I(-1));
        step = select(down, I(-1), I(1));
        const F inverse = F(1.0f) / slope;
        const F plane = to_float(voxel) + select(down, F(0.0f), F(1.0f));
        next = (plane - height) * inverse;
        per_voxel = maximum(inverse, F(0.0f) - inverse);
    }
};

// Cells to look ahead at most: they are asked for early, as the hardware cannot guess where a path turns.
constexpr int MOST_CELLS_AHEAD = 8;

// Rays that pass one plane of w at most on a stretch of cells `longest` long (at least 1, a cell's most): the voxel where each enters it
// and the one beyond the plane serve all its cells, so that none waits for the one before.
template <int GROUPS>
PHYSSIM_HD void trace_shallow(const Cell* cells, int count, float longest, float entry, const float* const* window, const Lane16* lanes, F* sum) {
    constexpr int CELLS_AHEAD = 6;
    static_assert(CELLS_AHEAD <= MOST_CELLS_AHEAD, "the list of cells is continued so far");
    Lane16 lane[GROUPS];
    F part[GROUPS];
    for (int g = 0; g < GROUPS; g++) lane[g] = lanes[g], part[g] = F(0.0f);
    const Cell* const last = cells + count;
    const int surely = longest < static_cast<float>(count) ? static_cast<int>(longest) : count;  // so many cells are not longer
    for (const Cell *cell = cells, *end; cell < last;) {
        end = last - cell > surely ? cell + surely : last;
        for (int i = 0; i < 4; i++) end += (end < last) & (end->exit <= entry + longest);  // seldom more: no loop to be guessed
        I beyond[GROUPS];
        F reached[GROUPS];  // the parameter, or where the plane is passed if that is later
        for (int g = 0; g < GROUPS; g++) beyond[g] = lane[g].voxel + lane[g].step, reached[g] = maximum(lane[g].next, F(entry));
        for (; cell < end; cell++) {
            const F exit(cell->exit), length(cell->length);
            const int64_t column = cell->column, ahead = cell[CELLS_AHEAD].column;
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
        entry = cell[-1].exit;
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
PHYSSIM_HD void trace_steep(const Cell* cells, int count, float entry, Fetch&& fetch, Lane16& lane, F& sum) {
    F here(entry);
    for (int c = 0; c < count; c++) {
        const F exit(cells[c].exit);
        while (true) {
            const M crosses = lane.next < exit;
            const F leave = select(crosses, lane.next, exit);
            sum = multiply_add(fetch(cells[c].column, lane.voxel), leave - here, sum);
            here = leave;
            if (!any(crosses)) break;
            lane.voxel = add_where(crosses, lane.voxel, lane.step);
            lane.next = add_where(crosses, lane.next, lane.per_voxel);
        }
    }
}

// Where a path is split is decided for this many groups of 16 rows together, in every instruction set alike: equal bits.
constexpr int GROUPS_AT_ONCE = 4;
constexpr int ROWS_AT_ONCE = 16 * GROUPS_AT_ONCE;

// A detector column in a tile: its cells, and where row r is along w at parameter s (from the path's middle in the tile).
struct ColumnCells {
    Cell cell[2 * MAX_TILE_EDGE + MOST_CELLS_AHEAD];
    int32_t count;
    float entry;                        // parameter where the first cell begins
    double height, height_row;          // w at s = 0 for row 0, and what a row adds
    double slope, slope_row;            // voxels of w a unit of s, likewise
    int32_t first_row, last_row;        // rows that can touch the volume in this tile

    // Fills the list; count = 0 when the path misses the tile.
    inline void build(const ViewRays& rays, const ColumnTile& tile, int column) {
        const ColumnPath path(rays, tile.axis, column);
        count = 0;
        if (!(path.length > 0)) return;
        const Passage passage = list_cells(path, tile, COLUMN_PAD - (tile.q0 * tile.np + tile.p0) * tile.stride, cell);
        count = passage.cells, entry = passage.entry;
        if (count == 0) return;
        const double along = passage.origin / path.length;
        height = path.w + along * path.dw, height_row = rays.start_row[tile.axis[2]] + along * path.dw_row;
        slope = path.dw / path.length, slope_row = path.dw_row / path.length;
        rows_touching(tile.nw, rays.rows);
        if (first_row > last_row) count = 0;
        // Who looks ahead at the end sees what comes next: the first cells, where the next rows pass them.
        const int32_t rise = count == 0 ? 0 : static_cast<int32_t>(ROWS_AT_ONCE * (height_row + slope_row * entry));
        for (int i = 0; i < MOST_CELLS_AHEAD && count > 0; i++) cell[count + i] = {cell[i].column + rise, 1e30f, 0.0f};
    }

    PHYSSIM_HD float exit() const { return cell[count - 1].exit; }
    PHYSSIM_HD double at(int row, double s) const { return height + slope * s + row * (height_row + slope_row * s); }

    // Rows with 0 <= w <= nw somewhere in the tile: between the rows that do so at one end or the other.
    PHYSSIM_HD void rows_touching(int nw, int rows) {
        double low = 1e30, high = -1e30;
        const double ends[2] = {entry, exit()};
        for (double s : ends) {
            const double first = height + slope * s, step = height_row + slope_row * s;
            if (step > -1e-9 && step < 1e-9) {  // all rows in one place: near a point source
                low = 0, high = rows;
                continue;
            }
            const double a = -first / step, b = (nw - first) / step;
            if (a < low) low = a;
            if (b < low) low = b;
            if (a > high) high = a;
            if (b > high) high = b;
        }
        low -= 1.0, high += 1.0;
        first_row = low < 0 ? 0 : low > rows ? rows : static_cast<int32_t>(low);
        last_row = high < 0 ? -1 : high >= rows ? rows - 1 : static_cast<int32_t>(high);
    }
};

struct Span { double low, high; };

// Range along w of rows row .. row + 15 between parameters from and to.
PHYSSIM_HD Span span_of(const ColumnCells& path, int row, double from, double to) {
    const double z[4] = {path.at(row, from), path.at(row + 15, from), path.at(row, to), path.at(row + 15, to)};
    Span span = {z[0], z[0]};
    for (int i = 1; i < 4; i++) {
        if (z[i] < span.low) span.low = z[i];
        if (z[i] > span.high) span.high = z[i];
    }
    return span;
}

PHYSSIM_HD int floor_int(double x) {
    const int i = static_cast<int>(x);
    return i > x ? i - 1 : i;
}

// Rays that run along the layers of voxels meet a face where a small error of height moves it far: positions in double.
inline Lane16 level_lanes(const ColumnCells& path, int row, int base, float entry) {
    alignas(64) float next[16], per_voxel[16];
    alignas(64) int32_t voxel[16], step[16];
    for (int l = 0; l < 16; l++) {
        const double slope = path.slope + (row + l) * path.slope_row, height = path.height + (row + l) * path.height_row - base;
        const bool level = slope < 1e-14 && slope > -1e-14, down = slope < 0 && !level;
        const double here = level ? on_face(height) : height + slope * entry;
        voxel[l] = floor_int(here);
        if (down && voxel[l] == here) voxel[l]--;
        step[l] = down ? -1 : 1;
        next[l] = level ? 1e30f : static_cast<float>((voxel[l] + (down ? 0 : 1) - height) / slope);
        per_voxel[l] = level ? 1e30f : static_cast<float>((down ? -1 : 1) / slope);
    }
    Lane16 lane;
    lane.next = load(next), lane.per_voxel = load(per_voxel), lane.voxel = load(voxel), lane.step = load(step);
    return lane;
}

constexpr double LEVEL_SLOPE = 1e-4;  // voxels of w a voxel across: a ray below runs along the layers

// Lanes of rows row .. row + 15, with w counted from voxel `base`.
PHYSSIM_HD Lane16 lane_of(const ColumnCells& path, int row, int base, float entry) {
    const double first = path.slope + row * path.slope_row, last = path.slope + (row + 15) * path.slope_row;
    const double low = first < last ? first : last, high = first < last ? last : first;
    if (low < LEVEL_SLOPE && high > -LEVEL_SLOPE) {
        const double nearest = path.slope_row == 0.0 ? 0.0 : -path.slope / path.slope_row - row;  // the row that is level
        const double away = nearest - static_cast<int>(nearest + 0.5);
        const double slope = (away < 0 ? -away : away) * path.slope_row;
        if (path.slope_row == 0.0 || (slope < LEVEL_SLOPE && slope > -LEVEL_SLOPE)) return level_lanes(path, row, base, entry);
    }
    const F l = to_float(lane_index());
    const F height = F(static_cast<float>(path.height + row * path.height_row - base)) + l * F(static_cast<float>(path.height_row));
    const F slope = F(static_cast<float>(first)) + l * F(static_cast<float>(path.slope_row));
    return Lane16(height, slope, entry);
}

// Sums of value x parameter over cells [from, to) for GROUPS x 16 rows; splits the path where a window cannot hold it.
template <int GROUPS>
inline void trace_rows(const ColumnTile& tile, const ColumnCells& path, int row, int from, int to, F (&sum)[GROUPS]) {
    constexpr int AT_ONCE = GROUPS < INTERLEAVE ? GROUPS : INTERLEAVE;  // as many groups as the registers hold; the sums do not depend on it
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
        for (int g = 0; g < GROUPS; g += AT_ONCE) trace_shallow<AT_ONCE>(path.cell + from, to - from, longest, entry, window + g, lane + g, sum + g);
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
            trace_steep(path.cell + from, to - from, entry, [voxels](int column, I voxel) { return Window(voxels + column)[voxel]; }, lane, part);
        } else {  // coarse pixels: 16 rows see more than a window
            const float* voxels = tile.data + base[g];
            const I low(-1 - base[g]), high(tile.nw - base[g]);  // the zeros before and after a column
            trace_steep(path.cell + from, to - from, entry,
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

// Do all rays of columns first .. last pass the tile on one side? Exact for a fan below half a turn.
inline bool columns_miss(const ViewRays& rays, const ColumnTile& tile, int first, int last) {
    const ColumnPath a(rays, tile.axis, first), b(rays, tile.axis, last);
    const double turn = a.dp * (b.q + b.dq - a.q) - a.dq * (b.p + b.dp - a.p);  // > 0: columns turn to the left
    if (turn == 0) return false;
    bool before = true, behind = true;
    for (int corner = 0; corner < 4; corner++) {
        const double p = tile.p0 + (corner & 1 ? tile.np : 0), q = tile.q0 + (corner & 2 ? tile.nq : 0);
        before = before && (a.dp * (q - a.q) - a.dq * (p - a.p)) * turn < 0;
        behind = behind && (b.dp * (q - b.q) - b.dq * (p - b.p)) * turn > 0;
    }
    return before || behind;
}

// Adds value x parameter of columns first .. first + 15 through the tile to sums (columns, rows): turned, so that the rows of
// a column are contiguous; finish_columns makes the image of it.
inline void project_columns(const ColumnTile& tile, const ViewRays& rays, int first, float* sums) {
    const int count = rays.columns - first < 16 ? rays.columns - first : 16;
    if (columns_miss(rays, tile, first, first + count - 1)) return;
    ColumnCells path[16];
    int low = rays.rows, high = -1;
    for (int c = 0; c < count; c++) {
        path[c].build(rays, tile, first + c);
        if (path[c].count == 0) continue;
        if (path[c].first_row < low) low = path[c].first_row;
        if (path[c].last_row > high) high = path[c].last_row;
    }
    // Columns outside, groups of rows inside: a group's last planes are the next one's first, which are then in the first-level cache.
    for (int c = 0; c < count; c++) {
        for (int row = low / 16 * 16; row <= high; row += ROWS_AT_ONCE) {
            const int groups = (high - row) / 16 + 1;
            if (path[c].count == 0 || path[c].last_row < row || path[c].first_row >= row + ROWS_AT_ONCE) continue;
            float* out = sums + static_cast<int64_t>(first + c) * rays.rows + row;
            for (int g = 0; g < GROUPS_AT_ONCE; g++) __builtin_prefetch(out + 16 * g, 1);
            if (groups >= GROUPS_AT_ONCE) {
                F sum[GROUPS_AT_ONCE];
                for (int g = 0; g < GROUPS_AT_ONCE; g++) sum[g] = F(0.0f);
                trace_rows<GROUPS_AT_ONCE>(tile, path[c], row, 0, path[c].count, sum);
                for (int g = 0; g < GROUPS_AT_ONCE; g++) add_rows(out + 16 * g, rays.rows - row - 16 * g, sum[g]);
            } else {
                for (int g = 0; g < groups; g++) {
                    F sum[1] = {F(0.0f)};
                    trace_rows<1>(tile, path[c], row + 16 * g, 0, path[c].count, sum);
                    add_rows(out + 16 * g, rays.rows - row - 16 * g, sum[0]);
                }
            }
        }
    }
}

// mm a unit of parameter for rows row .. row + 15 of a column.
PHYSSIM_HD F mm_per_parameter(const ColumnPath& path, const double (&spacing)[3], const int32_t (&axis)[3], int row) {
    const double p = path.dp / path.length * spacing[axis[0]], q = path.dq / path.length * spacing[axis[1]];
    const double w = spacing[axis[2]] / path.length;
    const F along = F(static_cast<float>((path.dw + row * path.dw_row) * w)) + to_float(lane_index()) * F(static_cast<float>(path.dw_row * w));
    return square_root(F(static_cast<float>(p * p + q * q)) + along * along);
}

// Turns sums (columns, rows) of value x parameter into the image (rows, columns) of value x mm. `room` has space for
// 16 columns of rows + 16 floats.
inline void finish_columns(const double (&spacing)[3], const int32_t (&axis)[3], const ViewRays& rays, const float* sums, float* image, float* room) {
    const int64_t high = (rays.rows + 15) / 16 * 16;
    for (int first = 0; first < rays.columns; first += 16) {
        const int count = rays.columns - first < 16 ? rays.columns - first : 16;
        for (int c = 0; c < count; c++) {
            const ColumnPath path(rays, axis, first + c);
            const float* in = sums + static_cast<int64_t>(first + c) * rays.rows;
            int row = 0;
            for (; row + 16 <= rays.rows; row += 16) store(room + c * high + row, load(in + row) * mm_per_parameter(path, spacing, axis, row));
            if (row < rays.rows) {
                alignas(64) float tail[16] = {};
                for (int r = row; r < rays.rows; r++) tail[r - row] = in[r];
                store(room + c * high + row, load(tail) * mm_per_parameter(path, spacing, axis, row));
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
