// Parts of single rays in double: through a finer patch of voxels, and through what it covers.
// Reference: R. L. Siddon, Med. Phys. 12, 252 (1985).
#pragma once
#include "raytrace/cells.h"
#include "raytrace/rays.h"

namespace physsim {

// Ray from start (t = 0) to end (t = 1) in voxel coordinates.
struct Segment {
    double start[3], turn[3];

    PHYSSIM_HD Segment(const double (&from)[3], const double (&to)[3]) {
        for (int a = 0; a < 3; a++) start[a] = from[a], turn[a] = to[a] - from[a];
    }

    Segment(const ViewRays& rays, int row, int column) {
        const double* from = rays.start + static_cast<int64_t>(column) * rays.start_stride;
        const double* to = rays.end + 3 * static_cast<int64_t>(column);
        for (int a = 0; a < 3; a++) {
            start[a] = from[a] + row * rays.start_row[a];
            turn[a] = to[a] + row * rays.end_row[a] - start[a];
        }
    }

    PHYSSIM_HD bool level(int a) const { return turn[a] > -1e-12 && turn[a] < 1e-12; }
    PHYSSIM_HD double place(int a) const { return level(a) ? PHYSSIM_ISA::on_face(start[a]) : start[a]; }

    // Narrows [from, to] to the box of `shape` voxels; false when nothing is left. A ray in a face belongs to the higher voxel.
    PHYSSIM_HD bool clip(const int32_t (&shape)[3], double& from, double& to) const {
        for (int a = 0; a < 3; a++) {
            if (level(a)) {
                if (!(place(a) >= 0 && place(a) < shape[a])) return false;
                continue;
            }
            const double low = (0 - start[a]) / turn[a], high = (shape[a] - start[a]) / turn[a];
            const double in = turn[a] > 0 ? low : high, out = turn[a] > 0 ? high : low;
            if (in > from) from = in;
            if (out < to) to = out;
        }
        return to > from;
    }

    // Visits the voxels between t = from and t = to: visit(voxel x, y, z, part of t).
    template <typename Visit>
    void walk(const int32_t (&shape)[3], double from, double to, Visit&& visit) const {
        if (!clip(shape, from, to)) return;
        double next[3];
        int32_t cell[3], step[3];
        for (int a = 0; a < 3; a++) {
            const double here = level(a) ? place(a) : start[a] + from * turn[a];
            step[a] = level(a) ? 0 : turn[a] > 0 ? 1 : -1;
            cell[a] = static_cast<int32_t>(here);
            if (cell[a] > here) cell[a]--;
            if (step[a] < 0 && static_cast<double>(cell[a]) == here) cell[a]--;
            if (cell[a] < 0) cell[a] = 0;
            if (cell[a] > shape[a] - 1) cell[a] = shape[a] - 1;
            next[a] = step[a] == 0 ? 1e300 : (cell[a] + (step[a] > 0) - start[a]) / turn[a];
        }
        double at = from;
        while (true) {
            const int a = next[0] < next[1] ? (next[0] < next[2] ? 0 : 2) : (next[1] < next[2] ? 1 : 2);
            const double leave = next[a] < to ? next[a] : to;
            if (leave > at) visit(cell, leave - at), at = leave;
            if (!(leave < to)) return;
            cell[a] += step[a];
            if (cell[a] < 0 || cell[a] >= shape[a]) return;
            next[a] = (cell[a] + (step[a] > 0) - start[a]) / turn[a];
        }
    }
};

// Does the plane of a detector column's rays pass the box of `shape` voxels?
inline bool column_misses(const ViewRays& rays, int column, const int32_t (&shape)[3]) {
    const Segment ray(rays, 0, column);
    const double* row = rays.end_row;
    const double normal[3] = {ray.turn[1] * row[2] - ray.turn[2] * row[1], ray.turn[2] * row[0] - ray.turn[0] * row[2],
                              ray.turn[0] * row[1] - ray.turn[1] * row[0]};
    double away = 0.0, reach = 1e-9;
    for (int a = 0; a < 3; a++) {
        away += normal[a] * (0.5 * shape[a] - ray.start[a]);
        reach += (normal[a] < 0 ? -normal[a] : normal[a]) * (0.5 * shape[a] + 1e-9);
    }
    return away > reach || away < -reach;
}

// Visits the rays of a column that meet the patch's box: visit(row, ray in the body, ray in the patch, t from, t to).
template <typename Visit>
inline void rays_through(const ViewRays& body, const ViewRays& patch, const int32_t (&shape)[3], int column, Visit&& visit) {
    if (column_misses(patch, column, shape)) return;
    for (int row = 0; row < patch.rows; row++) {
        const Segment ray(patch, row, column);
        double from = 0.0, to = 1.0;
        if (ray.clip(shape, from, to)) visit(row, Segment(body, row, column), ray, from, to);
    }
}

// A voxel of any type.
inline double value_of(const Volume& volume, const int32_t (&voxel)[3]) {
    const int64_t index = voxel[0] * volume.stride[0] + voxel[1] * volume.stride[1] + voxel[2] * volume.stride[2];
    switch (volume.type) {
        case Voxel::FLOAT32: return static_cast<const float*>(volume.data)[index];
        case Voxel::FLOAT16: return from_half(static_cast<const uint16_t*>(volume.data)[index]);
        case Voxel::UINT8: return static_cast<const uint8_t*>(volume.data)[index];
        case Voxel::UINT16: return static_cast<const uint16_t*>(volume.data)[index];
        default: return static_cast<const int16_t*>(volume.data)[index];
    }
}

}  // namespace physsim
