// Lanes: F (float), I (int32), M (mask) are 16 wide on the CPU and one wide on CUDA. The only intrinsics in the tree.
// Every operation gives the same bits in every instruction set: + - * / sqrt and multiply_add (rounded once) are IEEE,
// the compiler contracts and reassociates nothing (-ffp-contract=off), min and max return the second operand when the operands are equal or unordered (as x86 does).
#pragma once
#include "core/platform.h"

#if defined(PHYSSIM_LANES_AVX512)
#include "core/lanes_avx512.h"
#elif defined(PHYSSIM_LANES_AVX2)
#include "core/lanes_avx2.h"
#elif defined(PHYSSIM_LANES_PORTABLE)
#include "core/lanes_portable.h"
#else
#include "core/lanes_scalar.h"
#endif
