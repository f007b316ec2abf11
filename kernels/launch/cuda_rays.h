// The rays of a launch: which thread takes which pixel, and what part of a ray a patch covers (CUDA).
#pragma once
#include "raytrace/segments.h"
#include "raytrace/thread_ray.h"

using namespace physsim;
using namespace physsim::PHYSSIM_ISA;

// What the kernels of a call share. Axes of box and rays are in the same order; for columns, w last.
struct Job {
    Box box;
    int32_t rows, columns;
    int32_t start_columns;  // 1 for a point source a view, else columns
    int32_t first_view;     // place in `views` of blockIdx.z = 0
};

// Ray (row r, column c) of view v runs from start[v, c] + r start_row[v] to end[v, c] + r end_row[v], in voxel coordinates.
struct Rays { const double *start, *end, *start_row, *end_row; };

PHYSSIM_HD void ends_of(const Job& job, const Rays& rays, int64_t view, int row, int column, double (&start)[3], double (&end)[3]) {
    const double* first = rays.start + 3 * (view * job.start_columns + (job.start_columns == 1 ? 0 : column));
    const double* last = rays.end + 3 * (view * job.columns + column);
    for (int a = 0; a < 3; a++) {
        start[a] = first[a] + row * rays.start_row[3 * view + a];
        end[a] = last[a] + row * rays.end_row[3 * view + a];
    }
}

PHYSSIM_HD ThreadRay ray_of(const Job& job, const Rays& rays, int64_t view, int row, int column) {
    double start[3], end[3];
    ends_of(job, rays, view, row, column, start, end);
    return ThreadRay(job.box, start, end);
}

struct Pixel { int32_t row, column; };

// threadIdx = (lane, warp). Columns: a warp is 32 rows of one detector column; others: 4 rows x 8 columns, warps below each other.
template <bool COLUMNS>
PHYSSIM_HD Pixel pixel_of_thread() {
    const int lane = threadIdx.x, warp = threadIdx.y, warps = blockDim.y, y = blockIdx.y, x = blockIdx.x;
    if (COLUMNS) return {y * 32 + lane, x * warps + warp};
    return {(y * warps + warp) * 4 + lane / 8, x * 8 + lane % 8};
}

// What an overlay covers: a box of `shape` voxels in coordinates of its own, in which the same rays are `rays`.
struct Cover {
    Rays rays;
    int32_t shape[3];
    float sign;  // +1 adds what lies inside, -1 takes it away
};

// Calls visit(ray) with the part of a ray of the box that lies inside the cover, if any. It is clipped in double.
template <typename Visit>
PHYSSIM_HD void inside(const Cover& cover, const Job& job, const Rays& rays, int64_t view, const Pixel& pixel, Visit&& visit) {
    double start[3], end[3], from = 0.0, to = 1.0;
    ends_of(job, cover.rays, view, pixel.row, pixel.column, start, end);
    if (!Segment(start, end).clip(cover.shape, from, to)) return;
    ends_of(job, rays, view, pixel.row, pixel.column, start, end);
    visit(ThreadRay(job.box, start, end, from, to));
}
