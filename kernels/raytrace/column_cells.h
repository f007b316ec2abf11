// The rays of a detector column in a tile: the cells that they share, and where each row is along w.
#pragma once
#include "core/lanes.h"
#include "raytrace/cell_lists.h"
#include "raytrace/rays.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Cells to look ahead at most: they are asked for early, as the hardware cannot guess where a path turns.
constexpr int MOST_CELLS_AHEAD = 16;

// Where a path is split is decided for this many groups of 16 rows together, in every instruction set alike: equal bits.
constexpr int GROUPS_AT_ONCE = 4;
constexpr int ROWS_AT_ONCE = 16 * GROUPS_AT_ONCE;

// A detector column in a tile: its cells, and where row r is along w at parameter s (from the path's middle in the tile).
struct ColumnCells {
    alignas(64) int32_t column[MOST_CELLS + 16];  // as of Cells; 16: blocks are written whole, and who looks ahead finds something
    alignas(64) float exit_of[MOST_CELLS + 16];
    alignas(64) float length[MOST_CELLS + 16];
    int32_t count;
    float entry;                        // parameter where the first cell begins
    double height, height_row;          // w at s = 0 for row 0, and what a row adds
    double slope, slope_row;            // voxels of w a unit of s, likewise
    int32_t first_row, last_row;        // rows that can touch the volume in this tile
    double origin;                      // the path's own parameter at s = 0

    // Where the tile's columns would begin if it began at column 0 of p and q.
    static int32_t first_column(const ColumnTile& tile) { return COLUMN_PAD - (tile.q0 * tile.np + tile.p0) * tile.stride; }

    PHYSSIM_HD Cells cells() const { return {column, exit_of, length}; }

    // What the rows do along w, once the cells are listed.
    PHYSSIM_HD void place(const ColumnPath& path, const ViewRays& rays, const ColumnTile& tile) {
        if (count == 0) return;
        const double along = origin / path.length;
        height = path.w + along * path.dw, height_row = rays.start_row[tile.axis[2]] + along * path.dw_row;
        slope = path.dw / path.length, slope_row = path.dw_row / path.length;
        rows_touching(tile.nw, rays.rows);
        if (first_row > last_row) count = 0;
        // Who looks ahead at the end sees what comes next: the first cells, where the next rows pass them.
        const int32_t rise = count == 0 ? 0 : static_cast<int32_t>(ROWS_AT_ONCE * (height_row + slope_row * entry));
        store(column + count, load(column) + I(rise));
        store(exit_of + count, F(1e30f));
    }

    PHYSSIM_HD float exit() const { return exit_of[count - 1]; }
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

// Lists the cells of columns first .. first + count - 1 (16 at most), step by step, so that what one of them waits for is done for
// another. Returns the rows that touch the volume in the tile: none where `last` < `first`.
struct RowRange { int32_t first, last; };
inline RowRange list_columns(const ViewRays& rays, const ColumnTile& tile, int first, int count, ColumnCells* path) {
    PathEntries entries;
    const int32_t base = ColumnCells::first_column(tile);
    for (int c = 0; c < count; c++) {
        const ColumnPath way(rays, tile.axis, first + c);
        path[c].count = way.length > 0 && entries.find(c, way, tile, base);
        if (path[c].count == 0) entries.miss(c);
    }
    for (int c = count; c < 16; c++) entries.miss(c);
    list_cells(entries, count, path);
    RowRange rows = {rays.rows, -1};
    for (int c = 0; c < count; c++) {
        if (path[c].count == 0) continue;
        path[c].entry = entries.first(c), path[c].origin = entries.origin(c);
        path[c].place(ColumnPath(rays, tile.axis, first + c), rays, tile);
        if (path[c].count == 0) continue;
        if (path[c].first_row < rows.first) rows.first = path[c].first_row;
        if (path[c].last_row > rows.last) rows.last = path[c].last_row;
    }
    return rows;
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
