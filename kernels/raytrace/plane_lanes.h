// Lanes that are planes of w, for the adjoint of columns.h. Below plane k lie, at parameter s, the rows before some row r(k, s): with
// G(k) = the integral over a cell of the sum of those rows' values, voxel k receives G(k + 1) - G(k). r(k, s) is kept as a state that
// changes where a row crosses the plane, so a lane does what a ray does in columns.h, with the sum over rows in place of the volume.
// Rounding: a voxel may be off by 1e-7 of the largest sum over the (16 or so) rows that its group of planes meets.
#pragma once
#include "raytrace/column_rows.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr double LEVEL = 1e-14;   // of less slope than this a ray never leaves its layer: level_lanes

// 16 planes of w: which rows they meet.
struct PlaneGroup {
    int32_t first_plane, base, count;  // rows base .. base + count - 1
    bool rising, falling, simple;      // rows that cross planes upward, downward; a window holds them, one crossing a cell

    // False when no row comes near.
    PHYSSIM_HD bool find(const ColumnRows& rows, const ColumnCells& path, int group) {
        first_plane = group * GROUP_VOXELS;
        double low = 1e30, high = -1e30, pitch = 1e30;
        const double ends[2] = {path.entry, path.exit()};
        for (double s : ends) {
            const double step = rows.height_row + rows.slope_row * s, at = rows.height + rows.slope * s;
            const double a = (first_plane - at) / step, b = (first_plane + GROUP_VOXELS - at) / step;
            if (a < low) low = a;
            if (b > high) high = b;
            if (step < pitch) pitch = step;
        }
        if (high < rows.first - 2 || low > rows.last + 2) return false;
        base = low < rows.first ? rows.first - 2 : floor_int(low) - 2;
        const int end = high > rows.last ? rows.last + 3 : floor_int(high) + 3;
        count = end - base + 1;
        const double a = rows.slope + base * rows.slope_row, b = rows.slope + end * rows.slope_row;
        rising = a > LEVEL || b > LEVEL, falling = a < -LEVEL || b < -LEVEL;
        const double steepest = a * a > b * b ? a * a : b * b;
        simple = count <= 32 && steepest < 0.9 * pitch * pitch;
        return true;
    }
};

// The state of a group's lanes. Rows rising through a plane leave the sum below it: their values count negative.
struct PlaneLanes {
    F sum, next, plane;  // sum of the rows below the plane; parameter of the next crossing; plane - middle plane
    I row, step;         // the row that crosses next, from the group's base, and the way to the one after it
    float* out;          // the group's floats in column 0 of the tile
};

// Rows of a group by their number from its base. Row i crosses plane k at offset + (k - middle plane) * rate.
struct PlaneTables {
    float *value, *sum, *offset, *rate;

    // In runs of 16 rows, so that the bits do not depend on the lanes; sum[i] = values of rows 0 .. i - 1.
    template <int WAY>
    PHYSSIM_HD void fill(const ColumnRows& rows, const PlaneGroup& group, float middle) const {
        F carry(0.0f);
        for (int i = 0; i < group.count; i += 16) {
            const int from = group.base + i;
            const F x = load(rows.value + from), inverse = load(rows.inverse + from), next = load(rows.next + from);
            F total = x + shift_up<1>(x);
            total = total + shift_up<2>(total);
            total = total + shift_up<4>(total);
            total = total + shift_up<8>(total);
            store(sum + i, carry + shift_up<1>(total));
            carry = carry + last_lane(total);
            const M moves = WAY > 0 ? F(0.0f) < inverse : inverse < F(0.0f);
            store(value + i, WAY > 0 ? F(0.0f) - x : x);
            store(offset + i, select(moves, next - (load(rows.plane + from) - F(middle)) * inverse, F(NEVER)));
            store(rate + i, select(moves, inverse, F(0.0f)));
        }
    }
};

struct InWindow {
    PHYSSIM_HD F operator()(const float* table, I index) const { return Window(table)[index]; }
};
struct InMemory {
    PHYSSIM_HD F operator()(const float* table, I index) const { return gather(table, index); }
};

// Lanes for rows that move by WAY (+1 or -1) along w; `whole` starts with the sum below each plane, else with nothing.
template <int WAY, typename Fetch>
PHYSSIM_HD void begin_planes(const ColumnRows& rows, const PlaneGroup& group, const PlaneTables& tables, float entry, bool whole, Fetch fetch, PlaneLanes& lanes) {
    const float middle = static_cast<float>(group.first_plane + 8);
    tables.fill<WAY>(rows, group, middle);
    const double step = rows.height_row + rows.slope_row * entry, at = rows.height + rows.slope * entry;
    lanes.plane = to_float(lane_index()) - F(8.0f);
    const F k = lanes.plane + F(middle);
    const F guess = floor(F(static_cast<float>((middle - at) / step - group.base)) + lanes.plane * F(static_cast<float>(1.0 / step))) + F(1.0f);
    I below = truncate(minimum(maximum(guess, F(1.0f)), F(static_cast<float>(group.count - 1))));  // rows below the plane
    const float* voxel = rows.voxel + group.base;
    const I least(1), most(group.count - 1);
    while (true) {
        const M more = (fetch(voxel, below) < k) & (below < most);
        if (!any(more)) break;
        below = add_where(more, below, I(1));
    }
    while (true) {
        const M less = (k <= fetch(voxel, below + I(-1))) & (least < below);
        if (!any(less)) break;
        below = add_where(less, below, I(-1));
    }
    lanes.sum = whole ? fetch(tables.sum, below) : F(0.0f);
    lanes.row = WAY > 0 ? below + I(-1) : below;
    lanes.step = I(-WAY);
    lanes.next = multiply_add(lanes.plane, fetch(tables.rate, lanes.row), fetch(tables.offset, lanes.row));
}

PHYSSIM_HD void add_voxels(float* out, F below) { store(out, load(out) + (next_lane(below) - below)); }

struct PlaneWindows {
    Window value, offset, rate;
    PHYSSIM_HD explicit PlaneWindows(const PlaneTables& t) : value(t.value), offset(t.offset), rate(t.rate) {}
};

// At most one row crosses a plane in a cell, and windows hold the tables. GROUPS: 1 or 2.
template <int GROUPS>
PHYSSIM_HD void spread_simple(const Cells& cells, int count, const PlaneTables* tables, const PlaneLanes* lanes) {
    const PlaneWindows windows[2] = {PlaneWindows(tables[0]), PlaneWindows(tables[GROUPS - 1])};
    const F plane = lanes[0].plane;  // the same in every group
    F sum[GROUPS], next[GROUPS];
    I row[GROUPS], step[GROUPS];
    float* out[GROUPS];
    for (int g = 0; g < GROUPS; g++) step[g] = lanes[g].step;
    for (int g = 0; g < GROUPS; g++) sum[g] = lanes[g].sum, next[g] = lanes[g].next, row[g] = lanes[g].row, out[g] = lanes[g].out;
    for (int c = 0; c < count; c++) {
        const F exit(cells.exit[c]), length(cells.length[c]);
        const int64_t column = cells.column[c];
        PHYSSIM_UNROLL
        for (int g = 0; g < GROUPS; g++) {
            const M crosses = next[g] < exit;
            const F change = windows[g].value[row[g]], whole = sum[g] * length;
            const F below = select(crosses, multiply_add(change, exit - next[g], whole), whole);
            sum[g] = add_where(crosses, sum[g], change);
            row[g] = add_where(crosses, row[g], step[g]);
            next[g] = multiply_add(plane, windows[g].rate[row[g]], windows[g].offset[row[g]]);
            add_voxels(out[g] + column, below);
        }
    }
}

// Any number of rows and crossings: fine pixels, steep rays.
PHYSSIM_HD void spread_many(const Cells& cells, int count, const PlaneTables& tables, int rows, PlaneLanes& lanes) {
    const I least(0), most(rows - 1);
    for (int c = 0; c < count; c++) {
        const F exit(cells.exit[c]);
        F below = lanes.sum * F(cells.length[c]);
        while (true) {
            const M crosses = lanes.next < exit;
            if (!any(crosses)) break;
            const F change = gather(tables.value, lanes.row);
            below = select(crosses, multiply_add(change, exit - lanes.next, below), below);
            lanes.sum = add_where(crosses, lanes.sum, change);
            lanes.row = minimum(maximum(add_where(crosses, lanes.row, lanes.step), least), most);
            lanes.next = multiply_add(lanes.plane, gather(tables.rate, lanes.row), gather(tables.offset, lanes.row));
        }
        add_voxels(lanes.out + cells.column[c], below);
    }
}

constexpr int PLANE_GROUPS = INTERLEAVE > 1 ? 2 : 1;  // groups in flight

// Groups of planes waiting to be traced together, first come, first served: sums keep their order.
struct PlaneBatch {
    alignas(64) float room[PLANE_GROUPS][4][32];
    PlaneTables tables[PLANE_GROUPS];
    PlaneLanes lanes[PLANE_GROUPS];
    int32_t waiting = 0;

    inline PlaneBatch() {
        for (int g = 0; g < PLANE_GROUPS; g++) tables[g] = {room[g][0], room[g][1], room[g][2], room[g][3]};
    }

    // `many`: tables as long as the column, for a group that no window holds.
    template <int WAY>
    inline void add(const ColumnCells& path, const ColumnRows& rows, const PlaneGroup& group, bool whole, float* out, const PlaneTables& many) {
        if (!group.simple) {
            PlaneLanes alone;
            alone.out = out;
            begin_planes<WAY>(rows, group, many, path.entry, whole, InMemory(), alone);
            spread_many(path.cells(), path.count, many, group.count, alone);
            return;
        }
        lanes[waiting].out = out;
        begin_planes<WAY>(rows, group, tables[waiting], path.entry, whole, InWindow(), lanes[waiting]);
        if (++waiting == PLANE_GROUPS) {
            spread_simple<PLANE_GROUPS>(path.cells(), path.count, tables, lanes);
            waiting = 0;
        }
    }

    inline void flush(const ColumnCells& path) {
        for (int g = 0; g < waiting; g++) spread_simple<1>(path.cells(), path.count, tables + g, lanes + g);
        waiting = 0;
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
