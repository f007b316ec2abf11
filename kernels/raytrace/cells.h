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

// Visits the cells from entry to exit: visit(p cell, q cell, parameter at the cell's exit). Returns false when the tile is missed.
template <typename Begin, typename Visit>
PHYSSIM_HD bool walk_cells(const ColumnPath& path, const ColumnTile& tile, Begin&& begin, Visit&& visit) {
    const double slope_p = path.dp / path.length, slope_q = path.dq / path.length;
    double entry = 0.0, exit = path.length;
    AxisWalk p, q;
    if (!p.clip(path.p, slope_p, tile.p0, tile.np, entry, exit) || !q.clip(path.q, slope_q, tile.q0, tile.nq, entry, exit)) return false;
    if (!(exit > entry)) return false;
    p.begin(slope_p, entry);
    q.begin(slope_q, entry);
    begin(entry, exit);
    // Both axes advance by selection: which one is next is a coin toss that no branch predictor wins.
    const double per_p = p.per_cell(), per_q = q.per_cell();
    int32_t cell_p = p.cell, cell_q = q.cell;
    double next_p = p.next, next_q = q.next;
    while (true) {
        const bool across_p = next_p < next_q;
        const double leave = across_p ? next_p : next_q;
        if (leave >= exit) {
            visit(cell_p, cell_q, exit);
            return true;
        }
        visit(cell_p, cell_q, leave);
        cell_p += across_p ? p.step : 0;
        cell_q += across_p ? 0 : q.step;
        next_p += across_p ? per_p : 0.0;
        next_q += across_p ? 0.0 : per_q;
        if (cell_p < p.low || cell_p >= p.high || cell_q < q.low || cell_q >= q.high) return true;
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
