// One ray at a time through a strided volume: the plainest exact tracer. In double it is the reference of the others,
// in float the floor of the benchmarks.
#pragma once
#include "raytrace/rays.h"

namespace physsim {

// Line integral (mm x value) from start to end, in voxel coordinates. Value gives the voxel at a linear index. Where the ray
// enters is found in double; from there on positions are Real, counted from the entry.
// Amanatides and Woo, Eurographics 1987; Siddon, Med. Phys. 12, 252 (1985).
template <typename Real, typename Value>
PHYSSIM_HD Real siddon(const int32_t (&shape)[3], const int64_t (&stride)[3], const double (&spacing)[3],
                       const double (&start)[3], const double (&end)[3], Value&& value) {
    double turn[3], entry = 0, exit = 1, mm2 = 0;
    for (int a = 0; a < 3; a++) {
        turn[a] = end[a] - start[a];
        mm2 += turn[a] * turn[a] * spacing[a] * spacing[a];
        if (turn[a] > -1e-12 && turn[a] < 1e-12) {  // parallel: a ray in a face belongs to the higher voxel
            if (!(start[a] >= 0 && start[a] < shape[a])) return 0;
            continue;
        }
        const double low = (0 - start[a]) / turn[a], high = (shape[a] - start[a]) / turn[a];
        const double in = turn[a] > 0 ? low : high, out = turn[a] > 0 ? high : low;
        if (in > entry) entry = in;
        if (out < exit) exit = out;
    }
    if (!(exit > entry)) return 0;
    const double mm = __builtin_sqrt(mm2);
    const Real last = static_cast<Real>((exit - entry) * mm);
    Real next[3], per_voxel[3];
    int32_t left[3];  // voxels before the volume ends
    int64_t step[3], index = 0;
    for (int a = 0; a < 3; a++) {
        const double here = start[a] + entry * turn[a];
        int32_t cell = static_cast<int32_t>(here);
        const bool level = turn[a] > -1e-12 && turn[a] < 1e-12, down = turn[a] < 0;
        if (!level && down && cell == here) cell--;
        if (cell < 0) cell = 0;
        if (cell > shape[a] - 1) cell = shape[a] - 1;
        next[a] = level ? Real(1e30) : static_cast<Real>((cell + (down ? 0 : 1) - here) / turn[a] * mm);
        per_voxel[a] = level ? Real(0) : static_cast<Real>((down ? -1 : 1) / turn[a] * mm);
        step[a] = level ? 0 : down ? -stride[a] : stride[a];
        left[a] = down ? cell : shape[a] - 1 - cell;
        index += cell * stride[a];
    }
    Real next_x = next[0], next_y = next[1], next_z = next[2], at = 0, sum = 0;
    while (true) {
        const Real voxel = static_cast<Real>(value(index));
        Real leave;
        bool inside;
        if (next_x < next_y && next_x < next_z) {
            leave = next_x, next_x += per_voxel[0], index += step[0], inside = --left[0] >= 0;
        } else if (next_y < next_z) {
            leave = next_y, next_y += per_voxel[1], index += step[1], inside = --left[1] >= 0;
        } else {
            leave = next_z, next_z += per_voxel[2], index += step[2], inside = --left[2] >= 0;
        }
        if (leave >= last || !inside) return sum + voxel * (last - at);
        sum += voxel * (leave - at);
        at = leave;
    }
}

}  // namespace physsim
