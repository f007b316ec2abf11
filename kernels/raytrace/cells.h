// The cells of the (p, q) plane that one detector column crosses in a tile: shared by all rays of the column.
// Siddon, Med. Phys. 12, 252 (1985), in the incremental form of Amanatides and Woo (1987).
#pragma once
#include "core/platform.h"
#include "raytrace/rays.h"

namespace physsim {
namespace PHYSSIM_ISA {

// The cells of a path, one after the other. One of no length changes nothing: where a path meets two planes at once.
struct Cells {
    const int32_t* column;  // offset of a cell's column of voxels in the tile
    const float* exit;      // parameter where the rays leave a cell, from the path's own origin
    const float* length;    // exit - entry
    PHYSSIM_HD Cells from(int first) const { return {column + first, exit + first, length + first}; }
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

// Where paths enter a tile and the planes that they meet, ready for the lists of their cells. Apart from the lists, whose end no
// predictor guesses: the divisions of many paths run side by side.
struct PathEntries {
    static constexpr int MOST = 16;
    alignas(64) int64_t end[MOST], per_p[MOST], per_q[MOST], next_p[MOST], next_q[MOST];  // parameters from the entry, fixed
    alignas(64) int32_t left_p[MOST], left_q[MOST], column[MOST], step_p[MOST], step_q[MOST];  // left: planes to the tile's end
    double entry[MOST];

    // False when path c misses the tile. Columns are counted from `base`.
    PHYSSIM_HD bool find(int c, const ColumnPath& path, const ColumnTile& tile, int32_t base) {
        const double slope_p = path.dp / path.length, slope_q = path.dq / path.length;
        double in = 0.0, exit = path.length;
        AxisWalk p, q;
        if (!p.clip(path.p, slope_p, tile.p0, tile.np, in, exit) || !q.clip(path.q, slope_q, tile.q0, tile.nq, in, exit)) return false;
        if (!(exit > in)) return false;
        p.begin(slope_p, in);
        q.begin(slope_q, in);
        entry[c] = in, end[c] = fixed(exit - in), per_p[c] = fixed(p.per_cell()), per_q[c] = fixed(q.per_cell());
        next_p[c] = fixed(p.next - in), next_q[c] = fixed(q.next - in);
        left_p[c] = p.step > 0 ? p.high - 1 - p.cell : p.cell - p.low, left_q[c] = q.step > 0 ? q.high - 1 - q.cell : q.cell - q.low;
        column[c] = base + (q.cell * tile.np + p.cell) * tile.stride;
        step_p[c] = p.step * tile.stride, step_q[c] = q.step * tile.np * tile.stride;
        return true;
    }
    // A path without cells.
    PHYSSIM_HD void miss(int c) {
        entry[c] = 0.0, end[c] = per_p[c] = per_q[c] = next_p[c] = next_q[c] = 0;
        left_p[c] = left_q[c] = column[c] = step_p[c] = step_q[c] = 0;
    }
    // Cells count the parameter from the middle: where that is on the path, and the entry.
    PHYSSIM_HD double origin(int c) const { return entry[c] + static_cast<double>(end[c] / 2) * (1.0 / FIXED); }
    PHYSSIM_HD float first(int c) const { return from_fixed(-(end[c] / 2)); }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
