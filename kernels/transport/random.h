// A history's random words: blocks of four, read one after the other; photon n is the same on every machine and thread.
#pragma once
#include "core/lanes.h"
#include "core/philox.h"

namespace physsim {

struct Stream { unsigned long long seed; Word number; };

namespace PHYSSIM_ISA {

PHYSSIM_HD PhiloxWords<Word> block_of(const Stream& stream, uint64_t history, uint32_t block) {
    return random_words<Word>(stream.seed, stream.number, static_cast<Word>(history), static_cast<Word>(history >> 32), block);
}

// In (0, 1), with a relative step of 2^-24 however small it is: may be compared with small probabilities.
PHYSSIM_HD float uniform(Word word) { return (static_cast<float>(static_cast<int32_t>(word >> 1)) + 0.5f) * 0x1p-31f; }
PHYSSIM_HD F uniform(I word) { return (to_float((word >> 1) & I(0x7fffffff)) + F(0.5f)) * F(0x1p-31f); }

}  // namespace PHYSSIM_ISA
}  // namespace physsim
