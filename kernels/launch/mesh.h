// Closed meshes laid over voxels: along each ray they replace what they cover. sums += mesh - body within it, in double.
#pragma once
#include <atomic>
#include <vector>

#include "launch/overlay.h"
#include "mesh/intervals.h"

namespace physsim {

struct LaidMeshes {
    Meshes meshes;                // in the voxel coordinates of the body
    std::vector<int32_t> label;   // of each mesh
    std::vector<double> density;  // relative
    std::atomic<int64_t> lost{0};  // rays whose crossings could not be paired
};

// Adds a path of a material's own density, in the sums' length, to the channels.
inline void add_path(const SpectralJob& job, int32_t label, double path, double* channels) {
    const int32_t material = job.format.material[label];
    if (!job.channels.coefficient) {
        channels[material] += path;
        return;
    }
    for (int k = 0; k < job.channels.count; k++)
        channels[k] += path * static_cast<double>(job.channels.coefficient[static_cast<int64_t>(k) * job.channels.padded + material]);
}

class MeshTracer {
  public:
    explicit MeshTracer(LaidMeshes& laid) : laid_(laid), found_(64) {}

    // visit(mesh, t from, t to) for the parts of the ray in a mesh.
    template <typename Visit>
    void trace(const Segment& ray, Visit&& visit) {
        double start[3] = {ray.start[0], ray.start[1], ray.start[2]};
        const double turn[3] = {ray.turn[0], ray.turn[1], ray.turn[2]};
        double nudge = 1e-9;
        for (int attempt = 0; attempt <= NUDGES; attempt++, nudge *= 10.0) {
            const ShearedRay sheared(start, turn);
            int count = crossings(laid_.meshes, sheared, found_.data(), static_cast<int>(found_.size()));
            if (count == 0) return;
            if (count > static_cast<int>(found_.size())) {
                found_.resize(static_cast<size_t>(count));
                crossings(laid_.meshes, sheared, found_.data(), count);
            }
            if (paired(found_.data(), count, depth_)) {
                sort_crossings(found_.data(), count);
                intervals(found_.data(), count, depth_, visit);
                return;
            }
            start[0] = ray.start[0] + nudge, start[1] = ray.start[1] + 0.7 * nudge, start[2] = ray.start[2] - 0.6 * nudge;  // voxels: through a corner
        }
        laid_.lost++;
    }

    // No ray of the column comes near a mesh.
    bool misses(const ViewRays& rays, int column) const {
        const TreeBox& box = laid_.meshes.boxes[0];
        const Segment ray(rays, 0, column);
        // With parallel beams start and end move alike from row to row, with a point source the start stays: the plane of the column.
        const double* row = rays.end_row;
        const double normal[3] = {ray.turn[1] * row[2] - ray.turn[2] * row[1], ray.turn[2] * row[0] - ray.turn[0] * row[2],
                                  ray.turn[0] * row[1] - ray.turn[1] * row[0]};
        double away = 0.0, reach = 1e-6;
        for (int a = 0; a < 3; a++) {
            away += normal[a] * (0.5 * (static_cast<double>(box.low[a]) + box.high[a]) - ray.start[a]);
            reach += (normal[a] < 0 ? -normal[a] : normal[a]) * (0.5 * (static_cast<double>(box.high[a]) - box.low[a]) + 1e-6);
        }
        return away > reach || away < -reach;
    }

  private:
    LaidMeshes& laid_;
    std::vector<Crossing> found_;
    int8_t depth_[MOST_MESHES];
};

// Corrects the sums of group-columns from .. to - 1 of a view.
inline void replace_under_meshes(const SpectralJob& job, LaidMeshes& laid, const SpectralView& view, int from_column, int to_column) {
    const RayGroups& groups = view.groups;
    std::vector<double> channels(static_cast<size_t>(job.channels.count));
    MeshTracer tracer(laid);
    for (int column = from_column * groups.wide; column < to_column * groups.wide && column < groups.rays.columns; column++) {
        if (tracer.misses(groups.rays, column)) continue;
        double along = 0.0;
        if (groups.along >= 0) {
            const int32_t axis[3] = {groups.along == 0 ? 1 : 0, groups.along == 2 ? 1 : 2, groups.along};
            along = PHYSSIM_ISA::ColumnPath(groups.rays, axis, column).length;
        }
        for (int row = 0; row < groups.rays.rows; row++) {
            const Segment body(groups.rays, row, column);
            const double length = length_mm(body, job.labels.spacing), unit = groups.along >= 0 ? along : length;
            bool any = false;
            tracer.trace(body, [&](int mesh, double from, double to) {
                if (!any) std::fill(channels.begin(), channels.end(), 0.0);
                any = true;
                add_segment(job, job.labels, job.density, body, from, to, -unit, channels.data());
                add_path(job, laid.label[static_cast<size_t>(mesh)], unit * (to - from) * laid.density[static_cast<size_t>(mesh)], channels.data());
            });
            if (!any) continue;
            float* sums = groups.sums + row / groups.high * groups.row_step + column / groups.wide * groups.column_step;
            const int lane = row % groups.high * groups.wide + column % groups.wide;
            for (int k = 0; k < job.channels.count; k++) {
                float& sum = sums[16 * k + lane];
                sum = static_cast<float>(static_cast<double>(sum) + channels[static_cast<size_t>(k)]);
            }
        }
    }
}

// Path (mm) of every ray of a column through each mesh: image (meshes, rows, columns).
inline void mesh_paths(LaidMeshes& laid, const double (&spacing)[3], const ViewRays& rays, int column, float* image) {
    MeshTracer tracer(laid);
    if (tracer.misses(rays, column)) return;
    for (int row = 0; row < rays.rows; row++) {
        const Segment ray(rays, row, column);
        const double unit = length_mm(ray, spacing);
        tracer.trace(ray, [&](int mesh, double from, double to) {
            image[(static_cast<int64_t>(mesh) * rays.rows + row) * rays.columns + column] += static_cast<float>(unit * (to - from));
        });
    }
}

}  // namespace physsim
