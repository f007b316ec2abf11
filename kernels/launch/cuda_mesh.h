// Closed meshes over voxels, a thread a ray: what they cover is taken from the channels kept so far, their own path added (CUDA).
#pragma once
#include "launch/cuda_spectral.h"
#include "mesh/march.h"

struct CoveringMeshes {
    Meshes meshes;          // in the voxel coordinates of the whole volume, axes x, y, z
    const int32_t* label;   // of each mesh
    const double* density;  // relative
    int32_t* lost;          // set where the crossings of a ray do not pair
    int32_t first_layer;    // of the slab
    int32_t adds_paths;     // once, not for every slab
};

template <typename L, typename D>
PHYSSIM_HD void replace_under_meshes(const L* labels, const D* density, const Job& job, const Rays& rays, const int32_t* views, const Channels& channels,
                                     const SpectralImages& images, const CoveringMeshes& laid) {
    const Pixel place = pixel_of_thread<false>();
    if (place.row >= job.rows || place.column >= job.columns) return;
    const SpectralPixel pixel(job, views[job.first_view + blockIdx.z], place);
    double start[3], end[3], from_start[3], turn[3];
    ends_of(job, rays, pixel.view, place.row, place.column, start, end);
    for (int a = 0; a < 3; a++) from_start[a] = start[a], turn[a] = end[a] - start[a];
    from_start[2] += laid.first_layer;
    const bool paired = march(laid.meshes, from_start, turn, 4, [&](int32_t mesh, double from, double to) {
        const ThreadRay ray(job.box, start, end, from, to);
        trace<false>(labels, density, ray, job.box, channels, pixel);
        for (int k = 0; k < channels.count; k++) *pixel.partial(images, channels, k) -= pixel.sums[k * pixel.stride] * ray.mm;
        if (!laid.adds_paths) return;
        double square = 0.0;
        for (int a = 0; a < 3; a++) square += turn[a] * turn[a] * job.box.spacing[a] * job.box.spacing[a];
        const float path = static_cast<float>(sqrt(square) * (to - from) * laid.density[mesh]);
        const int32_t label = laid.label[mesh];
        if (!channels.coefficient) {
            *pixel.partial(images, channels, channels.number[label]) += path;
            return;
        }
        for (int k = 0; k < channels.count; k++)
            *pixel.partial(images, channels, k) += channels.coefficient[static_cast<int64_t>(k) * channels.labels + label] * path;
    });
    if (!paired) *laid.lost = 1;
}
