// CUDA kernels: loops and indices over the shared headers, no formula. Compiled at run time by NVRTC.
//
// One thread a ray. Where detector columns are parallel to a volume axis w, a warp takes 32 rows of one column: control flow in
// the plane across w is uniform and the 32 loads are neighbours, if w is the contiguous axis. The host makes it so, by one
// transposed copy a call: that moves every voxel twice, while a single view already reads each once and 8 times the sectors
// if w is strided. Views of other poses read the volume as it is, in patches of 8 x 4 pixels a warp.
#include "core/fixed_point.h"
#include "core/lanes.h"
#include "launch/cuda_mesh.h"
#include "launch/cuda_rays.h"
#include "launch/cuda_spectral.h"
#include "raytrace/thread_joseph.h"
#include "raytrace/voxel.h"

// Adds line integrals (mm x voxel value) to image (views, rows, columns).
template <bool COLUMNS, typename T>
PHYSSIM_HD void project(const T* voxels, const Job& job, const Rays& rays, const int32_t* views, float* image) {
    const Pixel pixel = pixel_of_thread<COLUMNS>();
    if (pixel.row >= job.rows || pixel.column >= job.columns) return;
    const int64_t view = views[job.first_view + blockIdx.z];
    const ThreadRay ray = ray_of(job, rays, view, pixel.row, pixel.column);
    float sum = 0.0f;
    const auto visit = [&](int32_t voxel, float length) { sum += voxel_value(voxels + voxel) * length; };
    if (COLUMNS) walk_columns(ray, job.box, visit);
    else walk_voxels(ray, job.box, visit);
    image[(view * job.rows + pixel.row) * job.columns + pixel.column] += sum * ray.mm;
}

// Adds what lies inside a cover to the line integrals, or takes it away.
template <typename T>
PHYSSIM_HD void project_covered(const T* voxels, const Job& job, const Rays& rays, const int32_t* views, float* image, const Cover& cover) {
    const Pixel pixel = pixel_of_thread<false>();
    if (pixel.row >= job.rows || pixel.column >= job.columns) return;
    const int64_t view = views[job.first_view + blockIdx.z];
    inside(cover, job, rays, view, pixel, [&](const ThreadRay& ray) {
        float sum = 0.0f;
        walk_voxels(ray, job.box, [&](int32_t voxel, float length) { sum += voxel_value(voxels + voxel) * length; });
        image[(view * job.rows + pixel.row) * job.columns + pixel.column] += sum * (cover.sign * ray.mm);
    });
}

// As project, linear between voxel centres.
template <typename T>
PHYSSIM_HD void project_by_joseph(const T* voxels, const Job& job, const Rays& rays, const int32_t* views, float* image) {
    const Pixel pixel = pixel_of_thread<false>();
    if (pixel.row >= job.rows || pixel.column >= job.columns) return;
    const int64_t view = views[job.first_view + blockIdx.z];
    const ThreadRay ray = ray_of(job, rays, view, pixel.row, pixel.column);
    image[(view * job.rows + pixel.row) * job.columns + pixel.column] += joseph(voxels, ray, job.box) * ray.mm;
}

// The transpose: adds pixel x mm in the voxel x scale to `sums`, int64 with the box's strides.
template <bool COLUMNS>
PHYSSIM_HD void backproject(int64_t* sums, float scale, const Job& job, const Rays& rays, const int32_t* views, const float* image) {
    const Pixel pixel = pixel_of_thread<COLUMNS>();
    if (pixel.row >= job.rows || pixel.column >= job.columns) return;
    const int64_t view = views[job.first_view + blockIdx.z];
    const ThreadRay ray = ray_of(job, rays, view, pixel.row, pixel.column);
    const float weight = image[(view * job.rows + pixel.row) * job.columns + pixel.column] * ray.mm * scale;
    const auto visit = [&](int32_t voxel, float length) { add_fixed(sums + voxel, weight * length); };
    if (COLUMNS) walk_columns(ray, job.box, visit);
    else walk_voxels(ray, job.box, visit);
}

// The transpose of project_by_joseph; arguments as backproject.
PHYSSIM_HD void backproject_by_joseph(int64_t* sums, float scale, const Job& job, const Rays& rays, const int32_t* views, const float* image) {
    const Pixel pixel = pixel_of_thread<false>();
    if (pixel.row >= job.rows || pixel.column >= job.columns) return;
    const int64_t view = views[job.first_view + blockIdx.z];
    const ThreadRay ray = ray_of(job, rays, view, pixel.row, pixel.column);
    joseph_transpose(sums, image[(view * job.rows + pixel.row) * job.columns + pixel.column] * ray.mm * scale, ray, job.box);
}

// Writes what a derivative by the rays' ends needs of each ray: slopes (views of the launch, rows, columns).
template <typename T>
PHYSSIM_HD void slopes_by_joseph(const T* voxels, const Job& job, const Rays& rays, const int32_t* views, RaySums* slopes) {
    const Pixel pixel = pixel_of_thread<false>();
    if (pixel.row >= job.rows || pixel.column >= job.columns) return;
    const ThreadRay ray = ray_of(job, rays, views[job.first_view + blockIdx.z], pixel.row, pixel.column);
    const JosephSlopes s = joseph_slopes(voxels, ray, job.box);
    slopes[(static_cast<int64_t>(blockIdx.z) * job.rows + pixel.row) * job.columns + pixel.column] = {s.value, s.a, s.b, s.tau_a, s.tau_b, s.at_start, s.at_end};
}

// Adds the derivatives of a detector column's rays to gradient (views, columns), row after row. A thread a column.
PHYSSIM_HD void add_column_gradient(const Job& job, const Rays& rays, const int32_t* views, const RaySums* slopes, const float* image, ColumnGradient* gradient) {
    const int32_t column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= job.columns) return;
    const int64_t view = views[job.first_view + blockIdx.z];
    ColumnGradient sum = {};
    for (int row = 0; row < job.rows; row++) {
        double start[3], end[3], turn[3], by_start[3] = {0, 0, 0}, by_end[3] = {0, 0, 0};
        ends_of(job, rays, view, row, column, start, end);
        for (int a = 0; a < 3; a++) turn[a] = end[a] - start[a];
        const int64_t ray = (static_cast<int64_t>(blockIdx.z) * job.rows + row) * job.columns + column;
        const double cotangent = image[(view * job.rows + row) * job.columns + column];
        add_gradient(slopes[ray], turn, job.box.spacing, cotangent, by_start, by_end, fastest_axis(ThreadRay(job.box, start, end)));
        sum.add(row, by_start, by_end);
    }
    gradient[view * job.columns + column].add(sum);
}

// Sets flags[label] of every label that occurs in the box.
template <typename L>
PHYSSIM_HD void labels_present(const L* labels, const Box& box, uint8_t* flags) {
    const int64_t i = blockIdx.x * 256 + threadIdx.x, j = blockIdx.y, k = blockIdx.z;
    if (i >= box.shape[0]) return;
    uint8_t* flag = flags + load_read_only(labels + i * box.stride[0] + j * box.stride[1] + k * box.stride[2]);
    if (!*flag) *flag = 1;  // whoever comes first, it is 1
}

// Tiles of 32 x 32 through shared memory. Lines of `in` run along axis 0, lines of `out` along axis 1.
struct Transposition { int32_t shape[3]; int64_t in[3], out[3]; };
template <typename T>
PHYSSIM_HD void transpose(const T* in, T* out, const Transposition& job) {
    __shared__ T tile[32][33];
    const int64_t k = blockIdx.z, i0 = blockIdx.x * 32, j0 = blockIdx.y * 32;
    for (int line = threadIdx.y; line < 32; line += blockDim.y) {
        const int64_t i = i0 + threadIdx.x, j = j0 + line;
        if (i < job.shape[0] && j < job.shape[1]) tile[line][threadIdx.x] = in[i * job.in[0] + j * job.in[1] + k * job.in[2]];
    }
    __syncthreads();
    for (int line = threadIdx.y; line < 32; line += blockDim.y) {
        const int64_t i = i0 + line, j = j0 + threadIdx.x;
        if (i < job.shape[0] && j < job.shape[1]) out[i * job.out[0] + j * job.out[1] + k * job.out[2]] = tile[threadIdx.x][line];
    }
}

#define PHYSSIM_PROJECT(name, T)                                                                                                            \
    extern "C" __global__ void __launch_bounds__(256) project_columns_##name(const T* voxels, Job job, Rays rays, const int32_t* views, float* image) { \
        project<true>(voxels, job, rays, views, image);                                                                                     \
    }                                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) project_rays_##name(const T* voxels, Job job, Rays rays, const int32_t* views, float* image) { \
        project<false>(voxels, job, rays, views, image);                                                                                    \
    }                                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256)                                                                                       \
    project_covered_##name(const T* voxels, Job job, Rays rays, const int32_t* views, float* image, Cover cover) {                          \
        project_covered(voxels, job, rays, views, image, cover);                                                                            \
    }                                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) project_joseph_##name(const T* voxels, Job job, Rays rays, const int32_t* views, float* image) { \
        project_by_joseph(voxels, job, rays, views, image);                                                                                 \
    }                                                                                                                                       \
    extern "C" __global__ void __launch_bounds__(256) joseph_slopes_##name(const T* voxels, Job job, Rays rays, const int32_t* views, RaySums* slopes) { \
        slopes_by_joseph(voxels, job, rays, views, slopes);                                                                                 \
    }
PHYSSIM_PROJECT(float32, float)
PHYSSIM_PROJECT(float16, HalfVoxel)
PHYSSIM_PROJECT(uint8, uint8_t)
PHYSSIM_PROJECT(uint16, uint16_t)
PHYSSIM_PROJECT(int16, int16_t)

#define PHYSSIM_SPECTRAL(path, columns, label, L, density, D)                                                                     \
    extern "C" __global__ void __launch_bounds__(256, 4)                                                                           \
    spectral_##path##_##label##_##density(const L* labels, const D* densities, Job job, Rays rays, const int32_t* views,            \
                                          Channels channels, Detector detector, SpectralImages images) {                           \
        spectral<columns>(labels, densities, job, rays, views, channels, detector, images);                                        \
    }
#define PHYSSIM_COVERED(label, L, density, D)                                                                                      \
    extern "C" __global__ void __launch_bounds__(256, 4)                                                                           \
    spectral_covered_##label##_##density(const L* labels, const D* densities, Job job, Rays rays, const int32_t* views,             \
                                         Channels channels, SpectralImages images, Cover cover) {                                  \
        add_covered(labels, densities, job, rays, views, channels, images, cover);                                                 \
    }
#define PHYSSIM_MESHES(label, L, density, D)                                                                                       \
    extern "C" __global__ void __launch_bounds__(256, 1)                                                                           \
    spectral_meshes_##label##_##density(const L* labels, const D* densities, Job job, Rays rays, const int32_t* views,              \
                                        Channels channels, SpectralImages images, CoveringMeshes laid) {                           \
        replace_under_meshes(labels, densities, job, rays, views, channels, images, laid);                                         \
    }
#define PHYSSIM_SPECTRAL_PATHS(...) \
    PHYSSIM_SPECTRAL(columns, true, __VA_ARGS__) PHYSSIM_SPECTRAL(rays, false, __VA_ARGS__) PHYSSIM_COVERED(__VA_ARGS__) PHYSSIM_MESHES(__VA_ARGS__)
PHYSSIM_SPECTRAL_PATHS(uint8, uint8_t, none, NoDensity)
PHYSSIM_SPECTRAL_PATHS(uint8, uint8_t, float32, float)
PHYSSIM_SPECTRAL_PATHS(uint8, uint8_t, float16, HalfVoxel)
PHYSSIM_SPECTRAL_PATHS(uint16, uint16_t, none, NoDensity)
PHYSSIM_SPECTRAL_PATHS(uint16, uint16_t, float32, float)
PHYSSIM_SPECTRAL_PATHS(uint16, uint16_t, float16, HalfVoxel)

extern "C" __global__ void __launch_bounds__(256, 4)
spectral_images(Job job, Rays, const int32_t* views, Channels channels, Detector detector, SpectralImages images) {
    images_of_partial(job, views, channels, detector, images);
}

extern "C" __global__ void __launch_bounds__(256) labels_present_uint8(const uint8_t* labels, Box box, uint8_t* flags) { labels_present(labels, box, flags); }
extern "C" __global__ void __launch_bounds__(256) labels_present_uint16(const uint16_t* labels, Box box, uint8_t* flags) { labels_present(labels, box, flags); }

extern "C" __global__ void __launch_bounds__(256) transpose_1(const uint8_t* in, uint8_t* out, Transposition job) { transpose(in, out, job); }
extern "C" __global__ void __launch_bounds__(256) transpose_2(const uint16_t* in, uint16_t* out, Transposition job) { transpose(in, out, job); }
extern "C" __global__ void __launch_bounds__(256) transpose_4(const uint32_t* in, uint32_t* out, Transposition job) { transpose(in, out, job); }

extern "C" __global__ void __launch_bounds__(256)
backproject_columns(int64_t* sums, float scale, Job job, Rays rays, const int32_t* views, const float* image) {
    backproject<true>(sums, scale, job, rays, views, image);
}
extern "C" __global__ void __launch_bounds__(256)
backproject_rays(int64_t* sums, float scale, Job job, Rays rays, const int32_t* views, const float* image) {
    backproject<false>(sums, scale, job, rays, views, image);
}

extern "C" __global__ void __launch_bounds__(256)
backproject_joseph(int64_t* sums, float scale, Job job, Rays rays, const int32_t* views, const float* image) {
    backproject_by_joseph(sums, scale, job, rays, views, image);
}
extern "C" __global__ void __launch_bounds__(64)
joseph_column_gradient(Job job, Rays rays, const int32_t* views, const RaySums* slopes, const float* image, ColumnGradient* gradient) {
    add_column_gradient(job, rays, views, slopes, image, gradient);
}

// out (contiguous, axes 2, 1, 0) = sums x unit.
extern "C" __global__ void __launch_bounds__(256) volume_from_sums(const int64_t* sums, Box box, double unit, float* out) {
    const int64_t i = blockIdx.x * 256 + threadIdx.x, j = blockIdx.y, k = blockIdx.z;
    if (i >= box.shape[0]) return;
    out[(k * box.shape[1] + j) * box.shape[0] + i] = from_fixed(sums[i * box.stride[0] + j * box.stride[1] + k * box.stride[2]], unit);
}
