// Spectral projection, a thread a ray: channels in shared memory, images of them (CUDA).
#pragma once
#include "launch/cuda_rays.h"
#include "raytrace/thread_spectral.h"
#include "raytrace/voxel.h"

// Images of a spectral projection; null where not wanted.
struct SpectralImages {
    float* signal;           // (views, outputs, rows, columns)
    float* areal;            // (views, materials of the table, rows, columns)
    float* partial;          // (views, channels, rows, columns) sums so far, where the volume comes in slabs
    const int32_t* table;    // (channels) their rows in `areal`
    const float* scale;      // (channels) areal density of 1 mm (g/cm2)
    const float* position;   // (views or 1, rows, columns) place between the nodes
    const float* factor;     // (views or 1, rows, columns)
    int32_t materials, position_views, factor_views;
    int32_t begins, ends;    // is this the first slab, the last?
};

// A ray's place in the images, and its channels in the block's shared memory: channel k at sums[k * stride].
struct SpectralPixel {
    int64_t view, at, plane, column;
    int32_t stride;
    float* sums;

    PHYSSIM_HD SpectralPixel(const Job& job, int64_t v, const Pixel& pixel) {
        view = v, plane = static_cast<int64_t>(job.rows) * job.columns, at = static_cast<int64_t>(pixel.row) * job.columns + pixel.column;
        column = pixel.column;
        stride = blockDim.x * blockDim.y, sums = block_memory() + threadIdx.y * blockDim.x + threadIdx.x;
    }

    PHYSSIM_HD float* partial(const SpectralImages& images, const Channels& channels, int32_t k) const {
        return images.partial + (view * channels.count + k) * plane + at;
    }
};

// Fills the channels of a ray, in units of its parameter.
template <bool COLUMNS, typename L, typename D>
PHYSSIM_HD void trace(const L* labels, const D* density, const ThreadRay& ray, const Box& box, const Channels& channels, const SpectralPixel& pixel) {
    ThreadRun run(channels, pixel.sums, pixel.stride);
    const auto visit = [&](int32_t voxel, float length) {
        run.add(static_cast<int32_t>(load_read_only(labels + voxel)), voxel_value(density + voxel) * length);
    };
    if (COLUMNS) walk_columns(ray, box, visit);
    else walk_voxels(ray, box, visit);
    run.fold();
}

// Writes the areal densities and the signal of a ray whose channels are complete.
PHYSSIM_HD void write_images(const SpectralPixel& pixel, const Channels& channels, const Detector& detector, const SpectralImages& images) {
    if (images.areal)
        for (int k = 0; k < channels.count; k++)
            images.areal[(pixel.view * images.materials + images.table[k]) * pixel.plane + pixel.at] = pixel.sums[k * pixel.stride] * images.scale[k];
    if (!images.signal) return;
    const float place = images.position ? images.position[(images.position_views > 1 ? pixel.view : 0) * pixel.plane + pixel.at] : 0.0f;
    const float factor = images.factor ? images.factor[(images.factor_views > 1 ? pixel.view : 0) * pixel.plane + pixel.at] : 1.0f;
    for (int o = 0; o < detector.outputs; o++)
        images.signal[(pixel.view * detector.outputs + o) * pixel.plane + pixel.at] =
            detected(detector, pixel.sums, pixel.stride, channels.count, o, pixel.column, place) * factor;
}

// Traces the channels of a ray through the box, then makes its images of them, or keeps them where more is to come.
template <bool COLUMNS, typename L, typename D>
PHYSSIM_HD void spectral(const L* labels, const D* density, const Job& job, const Rays& rays, const int32_t* views, const Channels& channels,
                         const Detector& detector, const SpectralImages& images) {
    const Pixel place = pixel_of_thread<COLUMNS>();
    if (place.row >= job.rows || place.column >= job.columns) return;
    const SpectralPixel pixel(job, views[job.first_view + blockIdx.z], place);
    const ThreadRay ray = ray_of(job, rays, pixel.view, place.row, place.column);
    trace<COLUMNS>(labels, density, ray, job.box, channels, pixel);
    for (int k = 0; k < channels.count; k++) {
        float sum = pixel.sums[k * pixel.stride] * ray.mm;
        if (!images.begins) sum += *pixel.partial(images, channels, k);
        if (!images.ends) *pixel.partial(images, channels, k) = sum;
        pixel.sums[k * pixel.stride] = sum;
    }
    if (images.ends) write_images(pixel, channels, detector, images);
}

// Adds what lies inside a cover to the channels kept so far, or takes it away.
template <typename L, typename D>
PHYSSIM_HD void add_covered(const L* labels, const D* density, const Job& job, const Rays& rays, const int32_t* views, const Channels& channels,
                            const SpectralImages& images, const Cover& cover) {
    const Pixel place = pixel_of_thread<false>();
    if (place.row >= job.rows || place.column >= job.columns) return;
    const SpectralPixel pixel(job, views[job.first_view + blockIdx.z], place);
    inside(cover, job, rays, pixel.view, place, [&](const ThreadRay& ray) {
        trace<false>(labels, density, ray, job.box, channels, pixel);
        for (int k = 0; k < channels.count; k++) *pixel.partial(images, channels, k) += pixel.sums[k * pixel.stride] * (cover.sign * ray.mm);
    });
}

// Makes the images of channels that were kept and are complete now.
PHYSSIM_HD void images_of_partial(const Job& job, const int32_t* views, const Channels& channels, const Detector& detector, const SpectralImages& images) {
    const Pixel place = pixel_of_thread<false>();
    if (place.row >= job.rows || place.column >= job.columns) return;
    const SpectralPixel pixel(job, views[job.first_view + blockIdx.z], place);
    for (int k = 0; k < channels.count; k++) pixel.sums[k * pixel.stride] = *pixel.partial(images, channels, k);
    write_images(pixel, channels, detector, images);
}
