// Overlays: a finer patch of voxels, in any orientation, replaces what its box covers: sums += patch - body inside the box.
// Only rays that meet the box are looked at; all in double.
#pragma once
#include <vector>

#include "launch/spectral.h"
#include "raytrace/segments.h"

namespace physsim {

struct SpectralPatch {
    Volume labels, density;
    std::vector<ViewRays> rays;  // of each view, in the patch's voxel coordinates
};

// Adds sign x the channels of the part of a ray between t = from and t = to; `unit`: what t = 1 is in the sums' own length.
inline void add_segment(const SpectralJob& job, const Volume& labels, const Volume& density, const Segment& ray, double from, double to, double unit,
                        double* channels) {
    ray.walk(labels.shape, from, to, [&](const int32_t (&voxel)[3], double part) {
        const int32_t material = job.format.material[static_cast<int32_t>(value_of(labels, voxel))];
        const double path = unit * part * (density.data ? value_of(density, voxel) : 1.0);
        if (!job.channels.coefficient) {
            channels[material] += path;
        } else {
            for (int k = 0; k < job.channels.count; k++)
                channels[k] += path * static_cast<double>(job.channels.coefficient[static_cast<int64_t>(k) * job.channels.padded + material]);
        }
    });
}

inline double length_mm(const Segment& ray, const double (&spacing)[3]) {
    double square = 0.0;
    for (int a = 0; a < 3; a++) square += ray.turn[a] * ray.turn[a] * spacing[a] * spacing[a];
    return __builtin_sqrt(square);
}

// Corrects the sums of group-columns from .. to - 1 of a view.
inline void replace_covered(const SpectralJob& job, const SpectralPatch& patch, const SpectralView& view, int from_column, int to_column) {
    const RayGroups& groups = view.groups;
    const ViewRays inside = some_columns(patch.rays[static_cast<size_t>(view.view)], view.first_column, groups.rays.columns);
    std::vector<double> channels(static_cast<size_t>(job.channels.count));
    for (int column = from_column * groups.wide; column < to_column * groups.wide && column < groups.rays.columns; column++)
        rays_through(groups.rays, inside, patch.labels.shape, column, [&](int row, const Segment& body, const Segment& finer, double from, double to) {
            double unit = length_mm(body, job.labels.spacing);
            if (groups.along >= 0) {
                const int32_t axis[3] = {groups.along == 0 ? 1 : 0, groups.along == 2 ? 1 : 2, groups.along};
                unit = PHYSSIM_ISA::ColumnPath(groups.rays, axis, column).length;
            }
            std::fill(channels.begin(), channels.end(), 0.0);
            add_segment(job, job.labels, job.density, body, from, to, -unit, channels.data());
            add_segment(job, patch.labels, patch.density, finer, from, to, unit, channels.data());
            float* sums = groups.sums + row / groups.high * groups.row_step + column / groups.wide * groups.column_step;
            const int lane = row % groups.high * groups.wide + column % groups.wide;
            for (int k = 0; k < job.channels.count; k++) {
                float& sum = sums[16 * k + lane];
                sum = static_cast<float>(static_cast<double>(sum) + channels[static_cast<size_t>(k)]);
            }
        });
}

// The same for the line integrals of one volume: image (rows, columns) in mm x value.
inline void replace_covered(const Volume& body, const Volume& patch, const ViewRays& rays, const ViewRays& inside, int column, float* image) {
    rays_through(rays, inside, patch.shape, column, [&](int row, const Segment& through, const Segment& finer, double from, double to) {
        double change = 0.0;
        finer.walk(patch.shape, from, to, [&](const int32_t (&voxel)[3], double part) { change += part * value_of(patch, voxel); });
        through.walk(body.shape, from, to, [&](const int32_t (&voxel)[3], double part) { change -= part * value_of(body, voxel); });
        float& pixel = image[static_cast<int64_t>(row) * rays.columns + column];
        pixel = static_cast<float>(static_cast<double>(pixel) + change * length_mm(through, body.spacing));
    });
}

}  // namespace physsim
