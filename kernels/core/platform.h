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
#define PHYSSIM_UNROLL _Pragma("unroll")
#else
#define PHYSSIM_HD inline __attribute__((always_inline))
#define PHYSSIM_UNROLL _Pragma("GCC unroll 8")
#endif

// The instruction set of this translation unit names its namespace, so that no two units share a symbol.
#ifndef PHYSSIM_ISA
#define PHYSSIM_ISA scalar
#endif
