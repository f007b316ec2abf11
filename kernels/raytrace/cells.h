// The cells of the (p, q) plane that one detector column crosses in a tile: shared by all rays of the column.
// Siddon, Med. Phys. 12, 252 (1985), in the incremental form of Amanatides and Woo (1987).
#pragma once
#include "core/platform.h"
#include "raytrace/rays.h"

namespace physsim {
namespace PHYSSIM_ISA {

struct Cell {
    int32_t column;  // offset of the cell's column of voxels in the tile
    float exit;      // parameter where the rays leave the cell, from the path's own origin
    float length;    // exit - entry
};

// A position that arithmetic left beside a face of the voxels is on it.
PHYSSIM_HD double on_face(double position) {
    const double face = static_cast<double>(static_cast<int64_t>(position + (position < 0 ? -0.5 : 0.5)));
    const double away = position - face;
    return away < 3e-12 && away > -3e-12 ? face : position;
}

// Rays of one detector column: positions are linear in the parameter s, which grows by 1 a voxel along the faster of p and q.
struct ColumnPath {
    double p, q, dp, dq;   // start; change from start to end, in voxels
    double length;         // s at the end: max(|dp|, |dq|)
    double w, dw;          // start and change along w of row 0
    double w_row, dw_row;  // what a row adds to w and dw

    PHYSSIM_HD ColumnPath(const ViewRays& rays, const int32_t (&axis)[3], int column) {
        const double* start = rays.start + static_cast<int64_t>(column) * rays.start_stride;
        const double* end = rays.end + static_cast<int64_t>(column) * 3;
        p = start[axis[0]], q = start[axis[1]], w = start[axis[2]];
        dp = end[axis[0]] - p, dq = end[axis[1]] - q, dw = end[axis[2]] - w;
        w_row = rays.start_row[axis[2]], dw_row = rays.end_row[axis[2]] - w_row;
        const double ap = dp < 0 ? -dp : dp, aq = dq < 0 ? -dq : dq;
        length = ap > aq ? ap : aq;
    }
};

// One axis of the traversal: the planes are crossed at (plane - start) * inverse, the same expression for every tile.
template <typename Real>
struct AxisWalkOf {
    Real start, inverse;
    int32_t low, high, step;  // the tile spans [low, high)
    int32_t cell;
    Real plane, next;         // the next plane and its parameter

    PHYSSIM_HD Real at(Real where) const { return (where - start) * inverse; }

    // Narrows [entry, exit] to the tile; false when the path misses it.
    PHYSSIM_HD bool clip(Real from, Real slope, int32_t first, int32_t count, Real& entry, Real& exit) {
        start = from, low = first, high = first + count;
        if (slope > Real(-1e-14) && slope < Real(1e-14)) {  // parallel: a path in a face belongs to the higher voxel
            step = 0, inverse = 0;
            start = static_cast<Real>(on_face(static_cast<double>(from)));
            return start >= static_cast<Real>(low) && start < static_cast<Real>(high);
        }
        inverse = 1 / slope;
        step = slope > 0 ? 1 : -1;
        const Real in = at(static_cast<Real>(step > 0 ? low : high)), out = at(static_cast<Real>(step > 0 ? high : low));
        if (in > entry) entry = in;
        if (out < exit) exit = out;
        return true;
    }

    PHYSSIM_HD void begin(Real slope, Real entry) {
        const Real here = start + entry * slope;
        cell = static_cast<int32_t>(here);
        if (static_cast<Real>(cell) > here) cell--;
        if (step < 0 && static_cast<Real>(cell) == here) cell--;  // descending from a plane: the cell below it
        if (cell < low) cell = low;
        if (cell > high - 1) cell = high - 1;
        plane = static_cast<Real>(step > 0 ? cell + 1 : cell);
        next = step == 0 ? Real(1e30) : at(plane);
    }

    PHYSSIM_HD Real per_cell() const { return step > 0 ? inverse : 0 - inverse; }

    PHYSSIM_HD void advance() {
        cell += step;
        plane += static_cast<Real>(step);
        next = at(plane);
    }
};
typedef AxisWalkOf<double> AxisWalk;

// Parameters inside a tile as integers: a comparison, a selection and a sum take a cycle each, a third of what doubles take.
// A path is at most MAX_TILE_EDGE long in a tile; what lies beyond FAR is never reached.
constexpr double FIXED = 1125899906842624.0, FAR = 1024.0;  // 2^50 a unit
PHYSSIM_HD int64_t fixed(double parameter) { return static_cast<int64_t>((parameter < FAR ? parameter : FAR) * FIXED); }
PHYSSIM_HD float from_fixed(int64_t parameter) { return static_cast<float>(parameter) * static_cast<float>(1.0 / FIXED); }

// Where a path passes a tile: the middle, from which its cells count the parameter, and the entry.
struct Passage {
    int32_t cells;
    double origin;
    float entry;
};

// Where a path enters a tile and the planes that it meets, ready for the list of its cells. Apart from the list, whose end no
// predictor guesses: the divisions of many paths run side by side.
struct PathEntry {
    int64_t end, per_p, per_q, next_p, next_q, left_p, left_q;  // parameters from the entry, fixed; cells to the tile's end
    int32_t column, step_p, step_q;
    double entry;

    // False when the path misses the tile. Columns are counted from `base`.
    PHYSSIM_HD bool find(const ColumnPath& path, const ColumnTile& tile, int32_t base) {
        const double slope_p = path.dp / path.length, slope_q = path.dq / path.length;
        double exit = path.length;
        entry = 0.0;
        AxisWalk p, q;
        if (!p.clip(path.p, slope_p, tile.p0, tile.np, entry, exit) || !q.clip(path.q, slope_q, tile.q0, tile.nq, entry, exit)) return false;
        if (!(exit > entry)) return false;
        p.begin(slope_p, entry);
        q.begin(slope_q, entry);
        end = fixed(exit - entry), per_p = fixed(p.per_cell()), per_q = fixed(q.per_cell());
        next_p = fixed(p.next - entry), next_q = fixed(q.next - entry);
        left_p = p.step > 0 ? p.high - 1 - p.cell : p.cell - p.low, left_q = q.step > 0 ? q.high - 1 - q.cell : q.cell - q.low;
        column = base + (q.cell * tile.np + p.cell) * tile.stride;
        step_p = p.step * tile.stride, step_q = q.step * tile.np * tile.stride;
        return true;
    }
};

// Lists the cells that a path crosses in a tile.
PHYSSIM_HD Passage list_cells(const PathEntry& from, Cell* cell, float* exits) {
    const int64_t end = from.end, middle = end / 2, per_p = from.per_p, per_q = from.per_q;
    int64_t next_p = from.next_p, next_q = from.next_q, left_p = from.left_p, left_q = from.left_q, before = 0;
    int32_t column = from.column, count = 0;
    const int32_t step_p = from.step_p, step_q = from.step_q;
    while (true) {
        const int64_t across_p = (next_p - next_q) >> 63;  // all ones or none: which is next is a coin toss that no branch predictor wins
        const int64_t plane = next_p < next_q ? next_p : next_q, leave = plane < end ? plane : end;
        cell[count].column = column;
        cell[count].exit = exits[count] = from_fixed(leave - middle);
        cell[count].length = from_fixed(leave - before);
        count += leave > before;
        before = leave > before ? leave : before;
        column += step_q + (static_cast<int32_t>(across_p) & (step_p - step_q));
        left_p += across_p, left_q -= 1 + across_p;
        next_p += per_p & across_p, next_q += per_q & ~across_p;
        if (plane >= end || (left_p | left_q) < 0) return {count, from.entry + static_cast<double>(middle) * (1.0 / FIXED), from_fixed(-middle)};
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
