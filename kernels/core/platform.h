// The only #ifdef between CUDA and C++: function attributes, fixed-width integers, read-only loads.
#pragma once

#ifdef __CUDACC_RTC__  // NVRTC has no standard headers
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef short int16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#else
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#endif

#if defined(__CUDACC_RTC__) || defined(__CUDACC__)
#define PHYSSIM_HD __host__ __device__ __forceinline__
#define PHYSSIM_HD_RARE PHYSSIM_HD
#define PHYSSIM_UNROLL _Pragma("unroll")
#else
#define PHYSSIM_HD inline __attribute__((always_inline))
#define PHYSSIM_HD_RARE static __attribute__((noinline, unused))  // kept out of the loops that seldom call it
#define PHYSSIM_UNROLL _Pragma("GCC unroll 8")
#endif

namespace physsim {

#if defined(__CUDA_ARCH__)
// Through the read-only cache: memory that no thread of the launch writes.
template <typename T> PHYSSIM_HD T load_read_only(const T* p) { return __ldg(p); }
PHYSSIM_HD void prefetch(const void*) {}  // warps hide the wait
PHYSSIM_HD float from_half(uint16_t bits) {
    float value;
    asm("{.reg .b16 half; mov.b16 half, %1; cvt.f32.f16 %0, half;}" : "=f"(value) : "h"(bits));
    return value;
}
PHYSSIM_HD int64_t round_to_int64(float x) { return __float2ll_rn(x); }
// The memory that the threads of a block share, as large as the launch says.
PHYSSIM_HD float* block_memory() {
    extern __shared__ __align__(16) float memory[];
    return memory;
}
// Adds to a sum that other threads add to.
PHYSSIM_HD void add_shared(int64_t* sum, int64_t term) {
    atomicAdd(reinterpret_cast<unsigned long long*>(sum), static_cast<unsigned long long>(term));
}
// The same for sums[place]; of the threads of a warp that come here together, those of one place add theirs up first.
PHYSSIM_HD void add_together(int64_t* sums, int place, int64_t term) {
    const unsigned together = __match_any_sync(__activemask(), place);
    const int first = __ffs(together) - 1;
    unsigned lane;
    asm("mov.u32 %0, %%laneid;" : "=r"(lane));
    int64_t sum = 0;
    for (unsigned left = together; left != 0; left &= left - 1) sum += __shfl_sync(together, term, __ffs(left) - 1);
    if (static_cast<int>(lane) == first) add_shared(sums + place, sum);
}
// The next of a row of numbers, each of which one thread takes; those of a warp that come here together ask once.
PHYSSIM_HD uint32_t take_number(uint32_t* next) {
    const unsigned together = __activemask();
    const int first = __ffs(together) - 1;
    unsigned lane, below;
    asm("mov.u32 %0, %%laneid;" : "=r"(lane));
    asm("mov.u32 %0, %%lanemask_lt;" : "=r"(below));
    uint32_t number = 0;
    if (static_cast<int>(lane) == first) number = atomicAdd(next, static_cast<uint32_t>(__popc(together)));
    return __shfl_sync(together, number, first) + static_cast<uint32_t>(__popc(together & below));
}
#else
template <typename T> PHYSSIM_HD T load_read_only(const T* p) { return *p; }
PHYSSIM_HD void prefetch(const void* p) { __builtin_prefetch(p); }
PHYSSIM_HD float from_half(uint16_t bits) {  // exact: the exponent moves into place by a multiplication by 2^112
    union { uint32_t word; float value; } half = {(bits & 0x7fffu) << 13};
    half.value *= 0x1p112f;
    if ((bits & 0x7c00u) == 0x7c00u) half.word |= 0x7f800000u;  // infinity, NaN
    half.word |= (bits & 0x8000u) << 16;
    return half.value;
}
PHYSSIM_HD int64_t round_to_int64(float x) { return llrintf(x); }
PHYSSIM_HD void add_shared(int64_t* sum, int64_t term) { __atomic_fetch_add(sum, term, __ATOMIC_RELAXED); }
#endif

}  // namespace physsim

// The instruction set of this translation unit names its namespace, so that no two units share a symbol.
#ifndef PHYSSIM_ISA
#define PHYSSIM_ISA scalar
#endif
