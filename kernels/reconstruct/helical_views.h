// What rebinning of a helix's fans to parallel rays and their backprojection read and where it lies: plain data, for kernels and their callers.
#pragma once
#include "reconstruct/filtered_views.h"

namespace physsim {

constexpr int TAPS = 4;  // of cubic interpolation

// Fans (views, rows, columns) to views of rays that are parallel as seen along the axis, (rows, places).
struct FanRebinning {
    int32_t views, rows, columns, places;
    const float* images;
    const double* lag;        // (columns,) views by which the fan's central ray is ahead of a column's parallel ray
    const int32_t* column;    // (places,) the first of TAPS columns
    const float* share;       // (places, TAPS)
};

// Parallel rays of one angle. Linear forms over the numbers (a, b) of a column of voxels, in mm: form[0] + form[1] a + form[2] b.
struct ParallelAngle {
    double across[3];  // from the axis, at right angles to the rays
    double ahead[3];   // from the axis, along the rays
    int32_t first, last;  // its half turns, in the order in which the voxels' columns meet them
};

// The same rays half turns on: as seen from there `across` and `ahead` change sign when `opposite`.
struct HalfTurn {
    const float* pixels;  // filtered, a view's place
    double height;        // of the source of the ray through the axis, along the detector's columns (mm)
    int32_t opposite;
};

struct HelicalBackprojection {
    FilteredShape shape;  // columns: places across
    int32_t flat;
    double radius, field; // of the helix and of what is wanted about its axis (mm)
    double lift;          // of the source for a ray that makes an angle with the axis's ray, a radian (mm)
    double first, per_mm; // place of the first column across (mm); columns a mm
    double row, per_tangent;  // of a ray at right angles to the axis; rows a unit of the ray's slope (flat: of the central column)
    double flat_share;    // of the half height of the detector over which rows count in full
    double start, step;   // of the lowest voxel and between voxels, along the detector's columns (mm)
    int32_t angles, most_turns;
    const ParallelAngle* angle;
    const HalfTurn* turn;
    int32_t voxels[3];    // along c, a, b
};

// How one column of voxels sees one half turn.
struct TurnSight {
    const float *pixels, *mixed;
    float left, right;
    double step;
    int64_t first, stride;         // as in ColumnSight
    int32_t from, to;              // blocks of 16 voxels that it sees: from <= block < to
    int32_t soonest, latest;       // the least `from` of this and all later half turns, the largest `to` of this and all earlier ones
};

}  // namespace physsim
