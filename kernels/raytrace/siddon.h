// One ray at a time through a strided volume: the plainest exact tracer. In double it is the reference of the others,
// in float the floor of the benchmarks.
#pragma once
#include "raytrace/rays.h"

namespace physsim {

// Line integral (mm x value) from start to end, in voxel coordinates. Value gives the voxel at a linear index.
template <typename Real, typename Value>
PHYSSIM_HD Real siddon(const int32_t (&shape)[3], const int64_t (&stride)[3], const double (&spacing)[3],
                       const double (&start)[3], const double (&end)[3], Value&& value) {
    Real entry = 0, exit = 1, next[3], per_voxel[3];
    int32_t cell[3], step[3];
    Real mm2 = 0;
    for (int a = 0; a < 3; a++) {
        const Real turn = static_cast<Real>(end[a] - start[a]), from = static_cast<Real>(start[a]);
        mm2 += turn * turn * static_cast<Real>(spacing[a] * spacing[a]);
        if (turn > Real(-1e-12) && turn < Real(1e-12)) {
            if (!(from >= 0 && from < shape[a])) return 0;
            step[a] = 0;
            continue;
        }
        step[a] = turn > 0 ? 1 : -1;
        const Real low = (0 - from) / turn, high = (shape[a] - from) / turn;
        const Real in = turn > 0 ? low : high, out = turn > 0 ? high : low;
        if (in > entry) entry = in;
        if (out < exit) exit = out;
    }
    if (!(exit > entry)) return 0;
    int64_t index = 0;
    for (int a = 0; a < 3; a++) {
        const Real turn = static_cast<Real>(end[a] - start[a]), from = static_cast<Real>(start[a]);
        const Real here = from + entry * turn;
        cell[a] = static_cast<int32_t>(here);
        if (step[a] < 0 && static_cast<Real>(cell[a]) == here) cell[a]--;
        if (cell[a] < 0) cell[a] = 0;
        if (cell[a] > shape[a] - 1) cell[a] = shape[a] - 1;
        next[a] = step[a] == 0 ? Real(1e30) : (static_cast<Real>(cell[a] + (step[a] > 0)) - from) / turn;
        per_voxel[a] = step[a] == 0 ? Real(0) : (turn > 0 ? 1 : -1) / turn;
        index += cell[a] * stride[a];
    }
    Real sum = 0, at = entry;
    while (true) {
        const int a = next[0] < next[1] ? (next[0] < next[2] ? 0 : 2) : (next[1] < next[2] ? 1 : 2);
        const Real leave = next[a] < exit ? next[a] : exit;
        sum += static_cast<Real>(value(index)) * (leave - at);
        at = leave;
        if (!(leave < exit)) break;
        cell[a] += step[a];
        if (cell[a] < 0 || cell[a] >= shape[a]) break;
        index += step[a] * stride[a];
        next[a] += per_voxel[a];
    }
    return sum * static_cast<Real>(__builtin_sqrt(static_cast<double>(mm2)));
}

}  // namespace physsim
