// All kernels of cuda.cu and montecarlo.cu by name, called with an array of pointers to their arguments, as the CUDA driver does.
#include "cuda_shim.h"

#include "launch/cuda.cu"
#include "launch/montecarlo.cu"

#include <cstring>
#include <utility>

using Call = bool (*)(Index3, Index3, size_t, void**);

template <auto KERNEL, typename... A, size_t... I>
static bool call_with(void (*)(A...), Index3 blocks, Index3 threads, size_t shared, void** arguments, std::index_sequence<I...>) {
    return shim::launch(blocks, threads, shared, [&] { KERNEL(*static_cast<A*>(arguments[I])...); });
}
template <auto KERNEL, typename... A>
static bool call_as(void (*kernel)(A...), Index3 blocks, Index3 threads, size_t shared, void** arguments) {
    return call_with<KERNEL>(kernel, blocks, threads, shared, arguments, std::index_sequence_for<A...>());
}
template <auto KERNEL>
static bool call(Index3 blocks, Index3 threads, size_t shared, void** arguments) { return call_as<KERNEL>(KERNEL, blocks, threads, shared, arguments); }

struct Named { const char* name; Call call; };
#define KERNEL(name) {#name, call<name>}
#define KERNELS_OF(type) KERNEL(project_columns_##type), KERNEL(project_rays_##type), KERNEL(project_joseph_##type), \
    KERNEL(project_covered_##type), KERNEL(joseph_slopes_##type)
#define SPECTRAL_OF(label, density) KERNEL(spectral_columns_##label##_##density), KERNEL(spectral_rays_##label##_##density), \
    KERNEL(spectral_covered_##label##_##density), KERNEL(spectral_meshes_##label##_##density)
static const Named kernels[] = {
    KERNELS_OF(float32), KERNELS_OF(float16), KERNELS_OF(uint8), KERNELS_OF(uint16), KERNELS_OF(int16),
    SPECTRAL_OF(uint8, none), SPECTRAL_OF(uint8, float32), SPECTRAL_OF(uint8, float16),
    SPECTRAL_OF(uint16, none), SPECTRAL_OF(uint16, float32), SPECTRAL_OF(uint16, float16),
    KERNEL(spectral_images), KERNEL(labels_present_uint8), KERNEL(labels_present_uint16),
    KERNEL(transpose_1), KERNEL(transpose_2), KERNEL(transpose_4),
    KERNEL(backproject_columns), KERNEL(backproject_rays), KERNEL(backproject_joseph), KERNEL(joseph_column_gradient), KERNEL(volume_from_sums),
    KERNEL(transport_photons),
};

// 0: done; 1: no such kernel; 2: threads of a block disagree about a barrier.
extern "C" int shim_launch(const char* name, const unsigned* blocks, const unsigned* threads, size_t shared, void** arguments) {
    for (const Named& kernel : kernels)
        if (!strcmp(kernel.name, name))
            return kernel.call({blocks[0], blocks[1], blocks[2]}, {threads[0], threads[1], threads[2]}, shared, arguments) ? 0 : 2;
    return 1;
}

extern "C" const char* shim_kernel(int i) { return i < int(sizeof kernels / sizeof kernels[0]) ? kernels[i].name : nullptr; }

// Some threads wait, others do not: must be reported.
static void disagree() { if (threadIdx.x == 0) __syncthreads(); }
extern "C" int shim_disagreement() { return shim::launch({1, 1, 1}, {2, 1, 1}, 0, disagree) ? 0 : 2; }
